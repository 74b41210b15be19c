/*
 * stats.c - statistics of times, none of which trusts a mean.
 *
 * Times are skewed to the right and have outliers, so the middle is the
 * median, and its interval comes from order statistics: it assumes nothing of
 * the distribution, but it does assume samples that are independent.  Times
 * drift, hence ratio_paired: what hits a whole round cancels within it.
 *
 * Source: H. A. David, H. N. Nagaraja, "Order Statistics", 3rd edition,
 * section 7.1 (intervals of quantiles); T. Hoefler, R. Belli, "Scientific
 * Benchmarking of Parallel Computing Systems", SC 2015 (why medians);
 * T. Hesterberg, "What Teachers Should Know about the Bootstrap", The American
 * Statistician 69(4), 2015 (expanded percentiles).
 */
#include "analysis/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    EXACT_N = 1000, /* 2^-1000 is still a normal double                    */
};
static const double TAIL = 0.025; /* on either side of 95 %          */
static const double Z = 1.9599639845400545; /* normal quantile of 1 - TAIL  */
static const double MAD_SIGMA = 1.4826; /* MAD to sigma, if it were normal */
static const double OUTLIER_SIGMAS = 10;

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Quantile of sorted x, linear between order statistics (Hyndman and Fan's
 * type 7). */
static double quantile(const double *x, int n, double q)
{
    const double at = q * (n - 1);
    const int i = (int)at;

    return i + 1 < n ? x[i] + (at - i) * (x[i + 1] - x[i]) : x[n - 1];
}

/*
 * The k for which [x_(k), x_(n+1-k)], counted from 1, is the narrowest such
 * interval that covers the median with 95 %: k - 1 successes or fewer of n
 * tosses of a coin have probability of at most TAIL.  1 if there is none.
 */
static int interval_rank(int n)
{
    double p = ldexp(1, -n), below = p; /* of exactly, at most, k successes */
    int k = 0;

    if (n > EXACT_N)
        return (int)((n - Z * sqrt(n)) / 2);
    while (below <= TAIL) {
        k++;
        p *= (double)(n - k + 1) / k;
        below += p;
    }
    return k > 1 ? k : 1;
}

static int count_outliers(const double *sorted, int n, double median)
{
    double *distance = malloc((size_t)n * sizeof(*distance)), limit;
    int outliers = 0;

    if (!distance)
        return 0;
    for (int i = 0; i < n; i++)
        distance[i] = fabs(sorted[i] - median);
    qsort(distance, (size_t)n, sizeof(*distance), ascending);
    limit = OUTLIER_SIGMAS * MAD_SIGMA * quantile(distance, n, 0.5);
    while (outliers < n && distance[n - 1 - outliers] > limit)
        outliers++;
    free(distance);
    return outliers;
}

Stats stats_of(const double *x, int n)
{
    double *sorted = n > 0 ? malloc((size_t)n * sizeof(*sorted)) : NULL;
    Stats s = { 0, NAN, NAN, NAN, NAN, NAN, NAN, NAN, 0 };
    int k;

    if (!sorted)
        return s;
    memcpy(sorted, x, (size_t)n * sizeof(*sorted));
    qsort(sorted, (size_t)n, sizeof(*sorted), ascending);
    k = interval_rank(n);
    s = (Stats){
        .n = n,
        .median = quantile(sorted, n, 0.5),
        .lo = sorted[k - 1],
        .hi = sorted[n - k],
        .q1 = quantile(sorted, n, 0.25),
        .q3 = quantile(sorted, n, 0.75),
        .min = sorted[0],
        .max = sorted[n - 1],
    };
    s.outliers = count_outliers(sorted, n, s.median);
    free(sorted);
    return s;
}

double stats_half_width(const Stats *s)
{
    return (s->hi - s->lo) / 2 / s->median;
}

bool fit_power(PowerFit *out, const double *x, const double *y, int n)
{
    double mx = 0, my = 0, sxx = 0, sxy = 0, syy = 0, rest, half;
    int m = 0;

    *out = (PowerFit){ 0, NAN, NAN, NAN, NAN, NAN };
    for (int i = 0; i < n; i++)
        if (x[i] > 0 && y[i] > 0) {
            m++;
            mx += (log(x[i]) - mx) / m;
            my += (log(y[i]) - my) / m;
        }
    for (int i = 0; i < n; i++)
        if (x[i] > 0 && y[i] > 0) {
            const double dx = log(x[i]) - mx, dy = log(y[i]) - my;

            sxx += dx * dx;
            sxy += dx * dy;
            syy += dy * dy;
        }
    if (m < 3 || sxx < 1e-12) /* one x only, up to rounding */
        return false;
    rest = fmax(syy - sxy * sxy / sxx, 0);
    half = student_point(m - 2, 2 * TAIL) * sqrt(rest / (m - 2) / sxx);
    out->n = m;
    out->exponent = sxy / sxx;
    out->lo = out->exponent - half;
    out->hi = out->exponent + half;
    out->factor = exp(my - out->exponent * mx);
    out->r2 = syy > 0 ? 1 - rest / syy : 1;
    return true;
}

bool fit_largest(PowerFit *out, const double *x, const double *y, int n)
{
    const int first = n > FIT_LARGEST ? n - FIT_LARGEST : 0;

    return fit_power(out, x + first, y + first, n - first);
}

void bootstrap_interval(double *values, int n, int draws, double *lo,
                        double *hi)
{
    double tail;

    *lo = *hi = NAN;
    for (int i = 0; i < n; i++)
        if (isnan(values[i]))
            return;
    if (draws < 2 || n < 1)
        return;
    tail = erfc(student_point(draws - 1, 2 * TAIL) *
                sqrt(draws / (draws - 1.0)) / sqrt(2)) /
           2;
    qsort(values, (size_t)n, sizeof(*values), ascending);
    *lo = quantile(values, n, tail);
    *hi = quantile(values, n, 1 - tail);
}

void pareto_front(const double *x, const double *y, int n, bool *on_front)
{
    for (int i = 0; i < n; i++) {
        on_front[i] = true;
        for (int j = 0; j < n && on_front[i]; j++)
            on_front[i] =
                !(x[j] >= x[i] && y[j] >= y[i] && (x[j] > x[i] || y[j] > y[i]));
    }
}
