/*
 * interval.c - the signed-rank interval, and the quantiles that intervals need.
 *
 * The k-th smallest pair average is found by bisection on its value: in sorted
 * values, how many averages are at most t is one walk of two pointers.
 *
 * Source: M. Hollander, D. A. Wolfe, E. Chicken, "Nonparametric Statistical
 * Methods", 3rd edition, sections 3.1 to 3.3 (signed-rank test, Walsh averages
 * and their interval); M. Abramowitz, I. A. Stegun, "Handbook of Mathematical
 * Functions", 26.7.3 to 26.7.5 (Student's t).
 */
#include "analysis/interval.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    FIRST_LOOK = 12,
    EXACT_RANKS = 60, /* beyond, the normal distribution is as good   */
    EXACT_DF = 100,   /* beyond, the expansion in 1/df is good enough */
};

/* ---- quantiles ----------------------------------------------------------- */

double normal_point(double alpha)
{
    double lo = 0, hi = 40;

    for (int i = 0; i < 64; i++) {
        const double z = (lo + hi) / 2;

        if (erfc(z / sqrt(2)) > alpha)
            lo = z;
        else
            hi = z;
    }
    return (lo + hi) / 2;
}

/* Probability within -t to t: the finite series for whole df. */
static double student_within(double t, int df)
{
    const double angle = atan(t / sqrt(df)), c2 = cos(angle) * cos(angle);
    double term = df % 2 ? cos(angle) : 1, sum = df > 1 ? term : 0;

    for (int i = df % 2 ? 3 : 2; i < df; i += 2) {
        term *= c2 * (i - 1) / i;
        sum += term;
    }
    return df % 2 ? 2 / M_PI * (angle + sin(angle) * sum) : sin(angle) * sum;
}

double student_point(int df, double alpha)
{
    const double z = normal_point(alpha), z3 = z * z * z, z5 = z3 * z * z;
    const double z7 = z5 * z * z;
    double lo = z, hi = 2 * z;

    if (df > EXACT_DF)
        return z + (z3 + z) / 4 / df +
               (5 * z5 + 16 * z3 + 3 * z) / 96 / df / df +
               (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / 384 / df / df / df;
    while (student_within(hi, df) < 1 - alpha)
        hi *= 2;
    for (int i = 0; i < 50; i++) {
        const double t = (lo + hi) / 2;

        if (student_within(t, df) < 1 - alpha)
            lo = t;
        else
            hi = t;
    }
    return (lo + hi) / 2;
}

/* ---- looks --------------------------------------------------------------- */

int next_look(int n)
{
    int look = FIRST_LOOK;

    while (look <= n) {
        if (look > INT_MAX / 3 * 2)
            return INT_MAX;
        look += look / 2;
    }
    return look;
}

double alpha_spent(int n)
{
    int j = 1;

    for (int look = next_look(FIRST_LOOK); look <= n && look < INT_MAX;
         look = next_look(look))
        j++;
    return 0.05 * 6 / (M_PI * M_PI) / j / j;
}

/* ---- ranks --------------------------------------------------------------- */

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/*
 * How many pair averages may be left out at either end: the largest k for
 * which the rank sum of the positive values of n is below k with a probability
 * of at most alpha / 2.  p[w] is the probability of the sum w, after each rank
 * was added or not.
 */
static double ranks_outside(int n, double alpha)
{
    double p[EXACT_RANKS * (EXACT_RANKS + 1) / 4 + 1] = { 1 }, below = 0;
    const double pairs = (double)n * (n + 1) / 2;
    const int half = (int)(pairs / 2);
    int k = 0;

    if (n > EXACT_RANKS)
        return fmax(
            floor((pairs + 1) / 2 -
                  normal_point(alpha) * sqrt(pairs * (2.0 * n + 1) / 12)),
            0);
    for (int rank = 1; rank <= n; rank++)
        for (int w = half; w >= 0; w--)
            p[w] = (p[w] + (w < rank ? 0 : p[w - rank])) / 2;
    while (k < half && below + p[k] <= alpha / 2)
        below += p[k++];
    return k;
}

/* Number of pair averages of sorted y that are at most t; and the largest of
 * them. */
static double count_pairs(const double *y, int n, double t, double *largest)
{
    double count = 0;

    *largest = -INFINITY;
    for (int i = 0, j = n - 1; i <= j; i++) {
        while (j >= i && y[i] / 2 + y[j] / 2 > t)
            j--;
        if (j >= i && y[i] / 2 + y[j] / 2 > *largest)
            *largest = y[i] / 2 + y[j] / 2;
        count += j - i + 1;
    }
    return count;
}

/* The k-th smallest pair average of sorted y, counted from 1.  Fewer than k are
 * at most lo, and at least k at most hi, which is one of them. */
static double pair_average(const double *y, int n, double k)
{
    double lo = y[0], hi = y[n - 1], largest, below, up_to;

    below = count_pairs(y, n, lo, &largest);
    up_to = (double)n * (n + 1) / 2;
    if (below >= k)
        return lo;
    while (up_to - below > 1) {
        const double t = lo + (hi - lo) / 2;
        double count;

        if (t <= lo || t >= hi)
            break;
        count = count_pairs(y, n, t, &largest);
        if (count >= k) {
            hi = largest;
            up_to = count;
        } else {
            lo = t;
            below = count;
        }
    }
    return hi;
}

Interval hodges_lehmann(const double *y, int n, double alpha)
{
    const double pairs = (double)n * (n + 1) / 2;
    Interval r = { NAN, NAN, NAN };
    double *sorted = n > 0 ? malloc((size_t)n * sizeof(*sorted)) : NULL;
    double k;

    for (int i = 0; i < n; i++)
        if (!isfinite(y[i]))
            n = 0;
    if (sorted && n > 0) {
        memcpy(sorted, y, (size_t)n * sizeof(*sorted));
        qsort(sorted, (size_t)n, sizeof(*sorted), ascending);
        k = fmax(ranks_outside(n, alpha), 1);
        r.lo = pair_average(sorted, n, k);
        r.hi = pair_average(sorted, n, pairs + 1 - k);
        r.centre = (pair_average(sorted, n, floor((pairs + 1) / 2)) +
                    pair_average(sorted, n, floor(pairs / 2) + 1)) /
                   2;
    }
    free(sorted);
    return r;
}
