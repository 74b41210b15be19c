/*
 * test_interval.c - quantiles, looks and signed-rank intervals, against SciPy,
 * a textbook and a slow way.
 */
#include "analysis/interval.h"

#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

#include "tests/sample.h"
#include "tests/test.h"

static bool near(double a, double b, double within)
{
    return fabs(a - b) <= within * fmax(1, fabs(b));
}

/* scipy.stats.t.isf(alpha / 2, df), norm.isf(alpha / 2). */
TEST(interval, points_of_student_and_the_normal_agree_with_scipy)
{
    static const struct {
        int df;
        double at_05, at_0019, at_0001;
    } known[] = {
        { 1, 12.706204736174705, 335.0620432499363, 6366.197671315936 },
        { 2, 4.302652729749464, 22.908868695886387, 99.99249984374454 },
        { 3, 3.1824463052837086, 10.394679724377836, 28.000130010948972 },
        { 9, 2.2621571627982053, 4.331834503029244, 6.593682583944785 },
        { 10, 2.2281388519862753, 4.175917875948959, 6.211050891290663 },
        { 100, 1.983971518523552, 3.190118273489121, 4.053336701201518 },
        { 101, 1.983731002955606, 3.189259340055916, 4.051667058112836 },
        { 200, 1.9718962236339093, 3.1472586937473355, 3.9704968515029493 },
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        const int df = known[i].df;

        CHECK_MSG(near(student_point(df, 0.05), known[i].at_05, 1e-6) &&
                      near(student_point(df, 0.0019), known[i].at_0019, 1e-6) &&
                      near(student_point(df, 0.0001), known[i].at_0001, 1e-6),
                  "df=%d: %.9g, %.9g, %.9g", df, student_point(df, 0.05),
                  student_point(df, 0.0019), student_point(df, 0.0001));
    }
    CHECK(near(normal_point(0.05), 1.9599639845400545, 1e-12));
    CHECK(near(normal_point(1e-6), 4.891638475698591, 1e-12));
}

TEST(interval, looks_are_at_one_and_a_half_times_the_one_before)
{
    static const int looks[] = { 12, 18, 27, 40, 60, 90, 135, 202 };

    for (int i = 0; i < 7; i++) {
        CHECK(next_look(looks[i]) == looks[i + 1]);
        CHECK(next_look(looks[i + 1] - 1) == looks[i + 1]);
    }
    CHECK(next_look(-5) == 12 && next_look(0) == 12);
    CHECK(next_look(INT_MAX) == INT_MAX && next_look(INT_MAX - 1) == INT_MAX);
}

/* Sum over j of 1 / j^2 is pi^2 / 6. */
TEST(interval, looks_spend_five_percent_together)
{
    double sum = 0;
    int n = 12;

    CHECK(alpha_spent(6) == alpha_spent(17));
    CHECK(near(alpha_spent(17), 0.05 * 6 / M_PI / M_PI, 1e-12));
    CHECK(near(alpha_spent(18), alpha_spent(17) / 4, 1e-12));
    CHECK(near(alpha_spent(59), alpha_spent(17) / 16, 1e-12));
    for (; n < 1000000; n = next_look(n))
        sum += alpha_spent(n);
    CHECK_MSG(sum < 0.05 && sum > 0.048, "%g", sum);
    CHECK(alpha_spent(INT_MAX) > 0);
}

/* Depression scores before and after, of Hollander and Wolfe, example 3.3:
 * the centre is 0.46 and the interval, there the other way round, 0.010 to
 * 0.786 at 1 - 0.039. */
TEST(interval, centre_and_interval_are_those_of_the_textbook)
{
    static const double before[] = { 1.83, 0.50, 1.62, 2.48, 1.68,
                                     1.88, 1.55, 3.06, 1.30 };
    static const double after[] = { 0.878, 0.647, 0.598, 2.05, 1.06,
                                    1.29,  1.06,  3.14,  1.29 };
    double y[9];
    Interval r;

    for (int i = 0; i < 9; i++)
        y[i] = before[i] - after[i];
    r = hodges_lehmann(y, 9, 0.05);
    CHECK(near(r.centre, 0.46, 1e-12));
    CHECK(near(r.lo, 0.010, 1e-12) && near(r.hi, 0.786, 1e-12));
}

/* scipy.stats.wilcoxon(y - shift, mode="exact"): the shifts that it does not
 * reject at alpha. */
TEST(interval, is_what_scipys_exact_test_does_not_reject)
{
    static const struct {
        int n;
        double alpha, centre, lo, hi;
    } known[] = {
        { 20, 0.05, 10.7925, 8.19, 12.91 },
        { 20, 0.0304, 10.7925, 7.365, 13.22 },
        { 20, 0.0076, 10.7925, 6.97, 14.44 },
        { 50, 0.05, 11.215, 9.775, 12.83 },
        { 50, 0.0019, 11.215, 8.785, 13.945 },
    };
    double y[50];

    for (int i = 0; i < 50; i++)
        y[i] = i * 7919 % 1009 / 100.0 + i * i % 13;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        const Interval r = hodges_lehmann(y, known[i].n, known[i].alpha);

        CHECK_MSG(near(r.centre, known[i].centre, 1e-12) &&
                      near(r.lo, known[i].lo, 1e-12) &&
                      near(r.hi, known[i].hi, 1e-12),
                  "n=%d alpha=%g: %.9g [%.9g, %.9g]", known[i].n,
                  known[i].alpha, r.centre, r.lo, r.hi);
    }
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* All pairs, sorted.  0.4 of the values are equal. */
TEST(interval, counted_pairs_are_those_that_sorting_finds)
{
    enum { N = 61, PAIRS = N * (N + 1) / 2 };
    static double y[N], pair[PAIRS];
    /* The normal rank sum below which there is 0.025, of 61. */
    const int k = (int)((PAIRS + 1) / 2.0 -
                        1.959963984540054 * sqrt(PAIRS * (2 * N + 1) / 12.0));
    uint64_t state = 5;

    for (int trial = 0; trial < 20; trial++) {
        int n = 0;
        Interval r;

        for (int i = 0; i < N; i++)
            y[i] = i < 24 ? 0.3 : sample_normal(&state);
        for (int i = 0; i < N; i++)
            for (int j = i; j < N; j++)
                pair[n++] = y[i] / 2 + y[j] / 2;
        qsort(pair, PAIRS, sizeof(pair[0]), ascending);
        r = hodges_lehmann(y, N, 0.05);
        CHECK(r.centre == pair[PAIRS / 2]);
        CHECK_MSG(r.lo == pair[k - 1] && r.hi == pair[PAIRS - k],
                  "%g to %g, not %g to %g", r.lo, r.hi, pair[k - 1],
                  pair[PAIRS - k]);
    }
}

/* 60 rounds are exact and 61 normal: the interval must not jump. */
TEST(interval, exact_and_normal_ranks_meet)
{
    double y[61];

    for (int i = 0; i < 61; i++)
        y[i] = i * 24 % 61;
    for (double alpha = 0.05; alpha > 0.0005; alpha /= 5) {
        const Interval exact = hodges_lehmann(y, 60, alpha);
        const Interval normal = hodges_lehmann(y, 61, alpha);

        CHECK_MSG(near(exact.hi - exact.lo, normal.hi - normal.lo, 0.05),
                  "alpha=%g: %g and %g", alpha, exact.hi - exact.lo,
                  normal.hi - normal.lo);
    }
}

/* 4.5 million pairs are never in memory. */
TEST(interval, thousands_of_values_are_no_burden)
{
    enum { N = 3000 };
    static double y[N];
    uint64_t state = 6;
    Interval r;

    for (int i = 0; i < N; i++)
        y[i] = 1 + sample_normal(&state);
    r = hodges_lehmann(y, N, 0.05);
    CHECK_MSG(r.lo < 1 && r.hi > 1 && near(r.hi - r.lo, 0.0733, 0.005),
              "%g [%g, %g]", r.centre, r.lo, r.hi);
}

TEST(interval, too_few_values_have_their_range)
{
    const double y[] = { 3, 1, 2, 5, 9 }, bad[] = { 1, INFINITY };
    Interval r = hodges_lehmann(y, 5, 0.05);

    CHECK(r.lo == 1 && r.hi == 9 && r.centre == 3.5);
    r = hodges_lehmann(y, 1, 0.05);
    CHECK(r.lo == 3 && r.hi == 3 && r.centre == 3);
    CHECK(isnan(hodges_lehmann(y, 0, 0.05).centre));
    CHECK(isnan(hodges_lehmann(bad, 2, 0.05).lo));
}
