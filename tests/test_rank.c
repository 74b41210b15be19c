/*
 * test_rank.c - Kendall's tau-b and its bootstrap.
 */
#include <math.h>

#include "analysis/rank.h"
#include "tests/test.h"

static bool near(double a, double b)
{
    return fabs(a - b) < 1e-12;
}

TEST(rank, tau_is_one_where_the_orders_agree_and_minus_one_reversed)
{
    const double x[] = { 1, 2, 3, 4 }, up[] = { 10, 20, 25, 90 };
    const double down[] = { 4, 3, 2, 1 };

    CHECK(near(kendall_tau(x, up, 4), 1));
    CHECK(near(kendall_tau(x, down, 4), -1));
    CHECK(near(kendall_tau(x, up, 2), 1));
}

/* Five pairs of six agree, one does not: (5 - 1) / 6. */
TEST(rank, one_swap_of_four_gives_two_thirds)
{
    const double x[] = { 1, 2, 3, 4 }, y[] = { 1, 3, 2, 4 };

    CHECK(near(kendall_tau(x, y, 4), 4.0 / 6));
}

/* scipy.stats.kendalltau([12, 2, 1, 12, 2], [1, 4, 7, 1, 0]) is the example in
 * its manual: two ties in x, one in y, -4 / sqrt(8 * 9). */
TEST(rank, ties_are_left_out_as_tau_b_has_it)
{
    const double x[] = { 12, 2, 1, 12, 2 }, y[] = { 1, 4, 7, 1, 0 };

    CHECK(near(kendall_tau(x, y, 5), -0.47140452079103168));
}

TEST(rank, nothing_to_order_is_no_tau)
{
    const double x[] = { 1, 2 }, same[] = { 3, 3 };

    CHECK(isnan(kendall_tau(x, same, 2)));
    CHECK(isnan(kendall_tau(same, x, 2)));
    CHECK(isnan(kendall_tau(x, x, 1)));
    CHECK(isnan(kendall_tau(x, x, 0)));
}

enum { ROUNDS = 20 };

/* Three things whose samples lie step apart; drift adds the same to all
 * samples of a round, up to 10. */
static Rank of_three(double step, bool paired)
{
    static const double known[] = { 1, 2, 3 };
    double ns[3][ROUNDS];
    const double *value[] = { ns[0], ns[1], ns[2] };
    const int count[] = { ROUNDS, ROUNDS, ROUNDS };

    for (int i = 0; i < 3; i++)
        for (int k = 0; k < ROUNDS; k++)
            ns[i][k] = 100 + step * i + 10.0 * (k * 7 % ROUNDS) / ROUNDS;
    return rank_agreement(&(RankSamples){ 3, value, count, paired }, known, 1);
}

TEST(rank, an_order_beyond_the_noise_is_certain)
{
    const Rank r = of_three(100, false);

    CHECK(r.n == 3 && near(r.tau, 1) && near(r.lo, 1) && near(r.hi, 1));
}

TEST(rank, drift_that_hits_a_whole_round_leaves_a_paired_order_certain)
{
    const Rank paired = of_three(0.5, true), apart = of_three(0.5, false);

    CHECK_MSG(near(paired.tau, 1) && near(paired.lo, 1), "%g [%g, %g]",
              paired.tau, paired.lo, paired.hi);
    CHECK_MSG(near(apart.tau, 1) && apart.lo < 0 && apart.hi > 0.9,
              "%g [%g, %g]", apart.tau, apart.lo, apart.hi);
}

TEST(rank, the_same_seed_gives_the_same_interval)
{
    const Rank a = of_three(0.5, false), b = of_three(0.5, false);

    CHECK(a.lo == b.lo && a.hi == b.hi);
}

TEST(rank, few_samples_give_a_tau_without_an_interval)
{
    const double a[] = { 1, 2, 3 }, b[] = { 4, 5, 6 }, known[] = { 1, 2 };
    const double *value[] = { a, b };
    const int count[] = { 3, 3 };
    const Rank r =
        rank_agreement(&(RankSamples){ 2, value, count, true }, known, 1);

    CHECK(r.tau == 1 && isnan(r.lo) && isnan(r.hi));
}
