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

/* Ranks between the ends of the interval of n samples that are 1 to n, over
 * those of independent samples in theory: 1.96 sqrt(n). */
static double width(const double *x, int n)
{
    const Stats s = stats_of(x, n);

    return (s.hi - s.lo) / 1.9599639845400545 / sqrt(n);
}

/* In the order i * step % n, n a prime, neighbours differ; in that of a slow
 * triangular wave they do not. */
TEST(stats, interval_widens_with_correlation_in_time)
{
    static const struct {
        int n, step;
    } known[] = { { 41, 25 }, { 101, 39 }, { 1009, 389 } };
    static double calm[1009], slow[1009];

    for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++) {
        const int n = known[k].n;

        for (int i = 0; i < n; i++) {
            calm[i] = i * known[k].step % n + 1;
            slow[i] = i < n / 2 ? 2 * i + 1 : 2 * (n - i);
        }
        CHECK_MSG(width(calm, n) >= 1 && width(calm, n) < 1.25,
                  "n=%d: %g times as wide", n, width(calm, n));
        CHECK_MSG(width(slow, n) > 3, "n=%d: %g times as wide", n,
                  width(slow, n));
        CHECK(stats_of(calm, n).worth > 0.85 * n);
        CHECK(stats_of(slow, n).worth < 0.06 * n + 1);
    }
}

/* Equal values have no order in time, whatever sorting makes of them. */
TEST(stats, equal_samples_are_not_correlated)
{
    double x[100];
    Stats s;

    for (int i = 0; i < 100; i++)
        x[i] = 5;
    s = stats_of(x, 100);
    CHECK(s.worth == 100 && s.lo == 5 && s.hi == 5);
    for (int i = 0; i < 100; i++)
        x[i] = 5 + (i * 39 % 101) % 2; /* a clock that counts in steps */
    s = stats_of(x, 100);
    CHECK_MSG(s.worth > 50, "%g", s.worth);
}

TEST(stats, nine_samples_or_fewer_have_an_interval_within_their_range)
{
    const double x[] = { 5, 2, 8, 1, 9, 3, 7, 4, 6 };

    for (int n = 1; n <= 9; n++) {
        const Stats s = stats_of(x, n);

        CHECK(s.lo >= s.min && s.hi <= s.max);
        CHECK(n > 6 || (s.lo == s.min && s.hi == s.max));
    }
}

TEST(stats, outliers_are_beyond_ten_mad_sigmas)
{
    /* median 3, MAD 1: the limit is 3 + 14.826 */
    const double in[] = { 1, 2, 3, 4, 17.8 }, out[] = { 1, 2, 3, 4, 17.9 };
    /* median 2.5, MAD (0.5 0.5 1.5 1.5 2.5 22.5) 1.5: the limit is 22.24 */
    const double low[] = { 1, 2, 3, 4, 5, -20 };

    CHECK(stats_of(in, 5).outliers == 0);
    CHECK(stats_of(out, 5).outliers == 1);
    CHECK(stats_of(out, 5).max == 17.9);
    CHECK(stats_of(low, 6).outliers == 1);
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
