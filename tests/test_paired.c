/*
 * test_paired.c - ratios round by round, and what may be said of them.
 */
#include "analysis/paired.h"

#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "tests/sample.h"
#include "tests/test.h"

static bool near(double a, double b)
{
    return fabs(a - b) <= 1e-12 * fmax(1, fabs(b));
}

/* ---- ratios -------------------------------------------------------------- */

/* The centre of 2, 4 and 2 is the median of the six geometric means of
 * pairs: 2, 2, 2, sqrt(8), sqrt(8), 4. */
TEST(paired, rounds_that_both_have_are_compared)
{
    const double a[] = { 2, 4, 100, 6 }, b[] = { 1, 1, 3, 7 };
    const int round_a[] = { 0, 1, 2, 4 }, round_b[] = { 0, 1, 4, 5 };
    const Ratio r = ratio_paired(a, round_a, 4, b, round_b, 4);

    CHECK(r.n == 3 && near(r.lo, 2) && near(r.hi, 4));
    CHECK_MSG(near(r.ratio, sqrt(2 * sqrt(8))), "%.15g", r.ratio);
}

/* Rounds come in any order; within one the logs are averaged. */
TEST(paired, a_round_of_several_samples_is_their_geometric_mean)
{
    const double a[] = { 8, 2, 1, 27 }, b[] = { 2, 1 };
    const int round_a[] = { 1, 0, 1, 1 }, round_b[] = { 1, 0 };
    const Ratio r = ratio_paired(a, round_a, 4, b, round_b, 2);

    CHECK(r.n == 2 && near(r.lo, 2) && near(r.hi, 3));
}

/* Half intervals of 3 and 4 % in logs make 5 %, on either side. */
TEST(paired, ratios_to_one_case_make_a_ratio)
{
    const Ratio a = { 20, 0.9, 0.9 * exp(-0.03), 0.9 * exp(0.06) };
    const Ratio b = { 12, 0.6, 0.6 * exp(-0.08), 0.6 * exp(0.04) };
    const Ratio none = { 0, 0.6, 0.5, 0.7 };
    Ratio r = ratio_over(&a, &b);

    CHECK(r.n == 12 && near(r.ratio, 1.5));
    CHECK(near(log(r.ratio / r.lo), 0.05) && near(log(r.hi / r.ratio), 0.1));
    r = ratio_over(&a, &none);
    CHECK(r.n == 0 && isnan(r.ratio) && isnan(r.lo) && isnan(r.hi));
}

/* Orders a b b a: a drift of 3 % a sample, in logs, is not there. */
TEST(paired, linear_drift_cancels_within_a_quad)
{
    double a[16], b[16];
    int round[16];
    Ratio r;

    for (int i = 0; i < 8; i++) {
        const double t = 0.03 * 4 * i;

        round[2 * i] = round[2 * i + 1] = i;
        a[2 * i] = 5 * exp(t);
        b[2 * i] = 4 * exp(t + 0.03);
        b[2 * i + 1] = 4 * exp(t + 0.06);
        a[2 * i + 1] = 5 * exp(t + 0.09);
    }
    r = ratio_paired(a, round, 16, b, round, 16);
    CHECK_MSG(r.n == 8 && near(r.lo, 1.25) && near(r.hi, 1.25), "%g [%g, %g]",
              r.ratio, r.lo, r.hi);
}

TEST(paired, without_common_rounds_there_is_nothing)
{
    const double x = 1;
    const int zero = 0, one = 1;
    Ratio r = ratio_paired(&x, &zero, 1, &x, &one, 1);

    CHECK(r.n == 0 && isnan(r.ratio));
    CHECK(ratio_verdict(&r) == NOT_RESOLVED);
    CHECK(isnan(ratio_of_minima(&x, &zero, 1, &x, &one, 1)));
    r = ratio_paired(NULL, NULL, 0, &x, &one, 1);
    CHECK(r.n == 0 && isnan(r.hi));
}

/* scipy.stats.wilcoxon: see interval.is_what_scipys_exact_test_... */
TEST(paired, logs_have_the_interval_of_their_look)
{
    double y[20];
    Ratio r;

    for (int i = 0; i < 20; i++)
        y[i] = i * 7919 % 1009 / 100.0 + i * i % 13;
    r = ratio_of_logs(y, 20); /* its lag-1 correlation is -0.09 */
    CHECK_MSG(r.n == 20 && near(r.ratio, exp(10.7925)), "%.15g", log(r.ratio));
    CHECK_MSG(near(r.lo, exp(6.97)) && near(r.hi, exp(14.44)), "%.15g to %.15g",
              log(r.lo), log(r.hi));
}

/* The same values, once in an order without a pattern and once sorted. */
TEST(paired, correlated_logs_have_wider_intervals)
{
    double calm[40], sorted[40];
    Ratio r, s;

    for (int i = 0; i < 40; i++) {
        sorted[i] = i * 1e-3;
        calm[i] = i * 17 % 40 * 1e-3;
    }
    r = ratio_of_logs(calm, 40);
    s = ratio_of_logs(sorted, 40);
    CHECK(near(r.ratio, s.ratio));
    CHECK_MSG(log(s.hi / s.lo) > 3 * log(r.hi / r.lo), "%g and %g",
              log(s.hi / s.lo), log(r.hi / r.lo));
    CHECK(ratio_verdict(&r) == SLOWER && ratio_verdict(&s) == NOT_RESOLVED);
}

TEST(paired, five_rounds_have_their_range_even_if_sorted)
{
    const double y[] = { 0, 0.1, 0.2, 0.3, 0.4 };
    const Ratio r = ratio_of_logs(y, 5);

    CHECK(r.n == 5 && r.lo == 1 && r.hi == exp(0.4));
}

/* ---- second opinion ------------------------------------------------------ */

TEST(paired, minima_are_of_common_rounds)
{
    const double a[] = { 6, 4, 1 }, b[] = { 2, 3, 1 };
    const int round_a[] = { 0, 1, 2 }, round_b[] = { 0, 1, 3 };

    CHECK(ratio_of_minima(a, round_a, 3, b, round_b, 3) == 2);
}

TEST(paired, minima_disagree_outside_of_an_interval)
{
    CHECK(minima_disagree(&(Ratio){ 6, 1, .9, 1.1 }, .89));
    CHECK(minima_disagree(&(Ratio){ 6, 1, .9, 1.1 }, 1.11));
    CHECK(!minima_disagree(&(Ratio){ 6, 1, .9, 1.1 }, .91));
    CHECK(!minima_disagree(&(Ratio){ 5, 1, .9, 1.1 }, 2));
    CHECK(!minima_disagree(&(Ratio){ 6, 1, .9, 1.1 }, NAN));
}

/* ---- how many more ------------------------------------------------------- */

static Ratio of_half_width(int n, double half)
{
    return (Ratio){ n, 1, exp(-half), exp(half) };
}

TEST(paired, rounds_that_are_narrow_enough_need_no_more)
{
    const Ratio r = of_half_width(30, 0.01);

    CHECK(rounds_until(&r, 0.01) == 0 && rounds_until(&r, 0.5) == 0);
}

/* 12 to 17 rounds are judged alike.  Half of the width takes four times as
 * many and the price of more looks: by scipy.stats.norm.isf(alpha_spent(n) / 2),
 * 2.1649 standard errors at 12 and 3.3378 at 90 to 134. */
TEST(paired, rounds_until_a_width_include_the_price_of_the_looks)
{
    const Ratio near_it = of_half_width(12, 0.0102);
    const Ratio wide = of_half_width(12, 0.02);
    const double price = 3.3378335274980344 / 2.164886803027342;

    CHECK(rounds_until(&near_it, 0.01) == 1);
    CHECK_MSG(rounds_until(&wide, 0.01) ==
                  (int)ceil(12 * 4 * price * price) - 12,
              "%d", rounds_until(&wide, 0.01));
}

TEST(paired, rounds_that_nobody_can_number_are_minus_one)
{
    const Ratio few = of_half_width(5, 0.1), wide = of_half_width(40, 0.1);
    const Ratio endless = of_half_width(40, INFINITY);

    CHECK(rounds_until(&few, 0.01) == -1);
    CHECK(rounds_until(&endless, 0.01) == -1);
    CHECK(rounds_until(&wide, 1e-9) == -1);
    CHECK(rounds_until(&wide, 0) == -1);
}

/* ---- verdicts ------------------------------------------------------------ */

TEST(paired, a_verdict_wants_an_interval_off_one_and_six_rounds)
{
    CHECK(ratio_verdict(&(Ratio){ 6, .9, .8, .99 }) == FASTER);
    CHECK(ratio_verdict(&(Ratio){ 6, 1.1, 1.01, 1.2 }) == SLOWER);
    CHECK(ratio_verdict(&(Ratio){ 6, 1, .99, 1.01 }) == NOT_RESOLVED);
    CHECK(ratio_verdict(&(Ratio){ 6, 1, 1, 1.2 }) == NOT_RESOLVED);
    CHECK(ratio_verdict(&(Ratio){ 5, .5, .4, .6 }) == NOT_RESOLVED);
    CHECK(ratio_verdict(&(Ratio){ 6, 1, 1, 1 }) == NOT_RESOLVED);
}

TEST(paired, same_is_an_interval_that_stays_within)
{
    CHECK(ratio_verdict_within(&(Ratio){ 6, 1, .995, 1.009 }, .01) == SAME);
    CHECK(ratio_verdict_within(&(Ratio){ 6, 1, 1.001, 1.009 }, .01) == SAME);
    CHECK(ratio_verdict_within(&(Ratio){ 6, 1, 1 / 1.01, 1.01 }, .01) == SAME);
    CHECK(ratio_verdict_within(&(Ratio){ 6, 1, .99, 1.01 }, .01) ==
          NOT_RESOLVED);
    CHECK(ratio_verdict_within(&(Ratio){ 6, 1, 1.001, 1.02 }, .01) == SLOWER);
    CHECK(ratio_verdict_within(&(Ratio){ 6, 1, .98, .999 }, .01) == FASTER);
    CHECK(ratio_verdict_within(&(Ratio){ 5, 1, 1, 1 }, .01) == NOT_RESOLVED);
    CHECK(!strcmp(verdict_name(SAME), "same"));
}

TEST(paired, a_difference_of_five_percent_is_resolved)
{
    double a[30], b[30];
    int round[30];
    uint64_t state = 3;
    Ratio r;

    for (int i = 0; i < 30; i++) {
        round[i] = i;
        a[i] = exp(0.02 * sample_normal(&state));
        b[i] = 1.05 * exp(0.02 * sample_normal(&state));
    }
    r = ratio_paired(a, round, 30, b, round, 30);
    CHECK(ratio_verdict(&r) == FASTER);
    r = ratio_paired(b, round, 30, a, round, 30);
    CHECK(ratio_verdict(&r) == SLOWER);
}
