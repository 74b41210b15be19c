/*
 * test_stats.c - statistics against numbers worked out by hand or by SciPy,
 * and intervals against how often they are right.
 */
#include "analysis/stats.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "tests/sample.h"
#include "tests/test.h"

static bool near(double a, double b)
{
    return fabs(a - b) <= 1e-9 * fmax(1, fabs(b));
}

TEST(stats, nothing_has_no_statistics)
{
    const Stats s = stats_of(NULL, 0);

    CHECK(s.n == 0 && isnan(s.median) && isnan(s.lo) && isnan(s.max));
}

TEST(stats, one_sample_is_all_of_them)
{
    const double x = 7;
    const Stats s = stats_of(&x, 1);

    CHECK(s.n == 1 && s.median == 7 && s.lo == 7 && s.hi == 7 && s.q1 == 7);
    CHECK(s.q3 == 7 && s.min == 7 && s.max == 7 && s.outliers == 0);
}

TEST(stats, are_those_worked_out_by_hand)
{
    const double even[] = { 4, 1, 3, 2 }, odd[] = { 9, 5, 1 };
    Stats s = stats_of(even, 4);

    CHECK(s.median == 2.5 && s.q1 == 1.75 && s.q3 == 3.25);
    CHECK(s.min == 1 && s.max == 4 && even[0] == 4);
    s = stats_of(odd, 3);
    CHECK(s.median == 5 && s.q1 == 3 && s.q3 == 7);
    CHECK(stats_half_width(&s) == 0.8); /* (9 - 1) / 2 / 5 */
}

/* Ranks from tables of the binomial distribution: the sign test's 5 %. */
TEST(stats, interval_has_the_ranks_of_the_sign_test)
{
    static const struct {
        int n, rank;
    } known[] = { { 2, 1 },  { 5, 1 },   { 6, 1 },    { 8, 1 },
                  { 9, 2 },  { 10, 2 },  { 15, 4 },   { 20, 6 },
                  { 25, 8 }, { 50, 18 }, { 100, 40 }, { 1000, 469 } };
    double x[1000];

    for (int i = 0; i < 1000; i++)
        x[i] = i + 1;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        const Stats s = stats_of(x, known[i].n);

        CHECK_MSG(s.lo == known[i].rank &&
                      s.hi == known[i].n + 1 - known[i].rank,
                  "n=%d: %g to %g, not from %d", known[i].n, s.lo, s.hi,
                  known[i].rank);
    }
}

/* The exact rule and the approximation must meet where they are joined. */
TEST(stats, interval_goes_on_smoothly_past_the_exact_rule)
{
    enum { N = 1003 };
    double x[N], last = 0;

    for (int i = 0; i < N; i++)
        x[i] = i + 1;
    for (int n = 990; n <= N; n++) {
        const double lo = stats_of(x, n).lo;

        CHECK_MSG(lo >= last - 1 && lo <= last + 1.01 + (n == 990) * N,
                  "n=%d: %g after %g", n, lo, last);
        last = lo;
    }
}

TEST(stats, outliers_are_beyond_ten_mad_sigmas)
{
    /* median 3, MAD 1: the limit is 3 + 14.826 */
    const double in[] = { 1, 2, 3, 4, 17.8 }, out[] = { 1, 2, 3, 4, 17.9 };

    CHECK(stats_of(in, 5).outliers == 0);
    CHECK(stats_of(out, 5).outliers == 1);
    CHECK(stats_of(out, 5).max == 17.9);
}

/* Samples log-normal times, strongly skewed, whose median is 1. */
static double coverage(int n, int trials)
{
    double x[101];
    uint64_t state = 1;
    int hits = 0;

    for (int t = 0; t < trials; t++) {
        Stats s;

        for (int i = 0; i < n; i++)
            x[i] = exp(1.5 * sample_normal(&state));
        s = stats_of(x, n);
        hits += s.lo <= 1 && 1 <= s.hi;
    }
    return (double)hits / trials;
}

/* The exact coverages are binomial sums; 4000 trials are good to 0.0034, and
 * the limits stand four of those away. */
TEST(stats, interval_covers_the_median_of_skewed_times)
{
    static const struct {
        int n;
        double exact;
    } known[] = { { 5, 0.9375 },
                  { 6, 0.96875 },
                  { 10, 0.978516 },
                  { 30, 0.957226 },
                  { 101, 0.953972 } };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        const double c = coverage(known[i].n, 4000);

        CHECK_MSG(fabs(c - known[i].exact) < 0.0137, "n=%d covers %g, not %g",
                  known[i].n, c, known[i].exact);
    }
}

TEST(stats, fit_recovers_an_exact_power)
{
    double x[5], y[5];
    PowerFit f;

    for (int i = 0; i < 5; i++) {
        x[i] = 7 << i;
        y[i] = 3 * x[i] * x[i];
    }
    CHECK(fit_power(&f, x, y, 5));
    CHECK(f.n == 5 && near(f.exponent, 2) && near(f.factor, 3));
    CHECK(near(f.r2, 1) && fabs(f.hi - f.lo) < 1e-6);
}

/* scipy.stats.linregress(log x, log y) and stats.t.ppf(0.975, n - 2). */
TEST(stats, fit_agrees_with_scipy)
{
    const double x[] = { 7, 14, 28, 56, 112 }, y[] = { 2, 9, 30, 150, 500 };
    const double z[] = { 2, 9, 30 };
    PowerFit f;

    CHECK(fit_power(&f, x, y, 5));
    CHECK(fabs(f.exponent - 1.99904623) < 1e-6);
    CHECK(fabs(f.lo - 1.83851936) < 1e-4);
    CHECK(fabs(f.hi - 2.15957309) < 1e-4);
    CHECK(fabs(f.factor - 0.0425162747) < 1e-6);
    CHECK(fabs(f.r2 - 0.998093573) < 1e-6);
    CHECK(fit_power(&f, x, z, 3));
    CHECK(fabs(f.lo - 0.365365189) < 1e-3);
    CHECK(fabs(f.hi - 3.54152541) < 1e-3);
}

TEST(stats, fit_of_thirteen_points_agrees_with_scipy)
{
    double x[13], y[13];
    PowerFit f;

    for (int i = 0; i < 13; i++) {
        x[i] = i + 1;
        y[i] = (i + 1) * (1 + 0.1 * (i % 3));
    }
    CHECK(fit_power(&f, x, y, 13));
    CHECK(fabs(f.lo - 0.946644328) < 1e-4);
    CHECK(fabs(f.hi - 1.0818885) < 1e-4);
}

TEST(stats, fit_wants_three_positive_points_of_different_x)
{
    const double x[] = { 1, 2, 4, -8 }, y[] = { 1, 2, 0, 5 };
    const double same[] = { 2, 2, 2, 2 }, up[] = { 1, 2, 3, 4 };
    PowerFit f;

    CHECK(!fit_power(&f, x, y, 4) && isnan(f.exponent));
    CHECK(!fit_power(&f, same, up, 4) && isnan(f.lo));
    CHECK(!fit_power(&f, x, up, 2));
}

TEST(stats, pareto_front_is_what_nothing_beats_in_both)
{
    const double x[] = { 1, 2, 3, 2, 3, 0 }, y[] = { 3, 2, 1, 1, 1, 3 };
    const bool wanted[] = { true, true, true, false, true, false };
    bool front[6];

    pareto_front(x, y, 6, front);
    for (int i = 0; i < 6; i++)
        CHECK_MSG(front[i] == wanted[i], "point %d", i);
}
