/*
 * stats.c - statistics of times, none of which trusts a mean.
 *
 * Times are skewed to the right and have outliers, so the middle is the
 * median, and its interval comes from order statistics: it assumes nothing of
 * the distribution.  The number of ranks between them is that of independent
 * samples, stretched for their correlation in time (serial.c).
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

#include "analysis/serial.h"
#include "kernels/core/err.h"

static const double ALPHA = 0.05;       /* of 95 % intervals             */
static const double MAD_SIGMA = 1.4826; /* MAD to sigma, if it were normal */
static const double OUTLIER_SIGMAS = 10;

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Order statistic of sorted x, the first is 0; linear between them, and the
 * extremes beyond. */
static double at_place(const double *x, int n, double place)
{
    const double within = fmin(fmax(place, 0), n - 1);
    const int i = (int)within;

    return i + 1 < n ? x[i] + (within - i) * (x[i + 1] - x[i]) : x[n - 1];
}

/* Hyndman and Fan's type 7. */
static double quantile(const double *x, int n, double q)
{
    return at_place(x, n, q * (n - 1));
}

/* Median of |x - median| of sorted x: distances rise on both sides of the
 * middle, so the smaller half of them is one walk outwards. */
static double median_distance(const double *x, int n, double median)
{
    int left = n / 2 - 1, right = n / 2;
    double last = 0, before = 0;

    for (int i = 0; i <= n / 2; i++) {
        const double down = left >= 0 ? median - x[left] : INFINITY;
        const double up = right < n ? x[right] - median : INFINITY;

        before = last;
        last = fmin(down, up);
        if (down <= up)
            left--;
        else
            right++;
    }
    return n % 2 ? last : (before + last) / 2;
}

static int count_outliers(const double *x, int n, double median)
{
    const double limit =
        OUTLIER_SIGMAS * MAD_SIGMA * median_distance(x, n, median);
    int low = 0, high = n;

    while (low < n && median - x[low] > limit)
        low++;
    while (high > low && x[high - 1] - median > limit)
        high--;
    return low + n - high;
}

static Stats describe(const double *sorted, const double *rank, int n)
{
    const double middle = (n - 1) / 2.0;
    /* The number of samples below the true median is binomial; in ranks, since
     * a whole one would be 10 % of the width of 60 samples, by the normal. */
    const double half =
        normal_point(ALPHA) * sqrt(n) / 2 * serial_stretch(rank, n, ALPHA);
    Stats s = {
        .n = n,
        .worth = serial_worth(rank, n),
        .median = quantile(sorted, n, 0.5),
        .lo = at_place(sorted, n, middle - half),
        .hi = at_place(sorted, n, middle + half),
        .q1 = quantile(sorted, n, 0.25),
        .q3 = quantile(sorted, n, 0.75),
        .min = sorted[0],
        .max = sorted[n - 1],
    };

    s.outliers = count_outliers(sorted, n, s.median);
    return s;
}

Stats stats_of(const double *x, int n)
{
    double *sorted = n > 0 ? malloc((size_t)n * sizeof(*sorted)) : NULL;
    double *rank = n > 0 ? malloc((size_t)n * sizeof(*rank)) : NULL;
    Stats s = { 0, 0, NAN, NAN, NAN, NAN, NAN, NAN, NAN, 0 };

    if (sorted && rank && !serial_ranks(rank, sorted, x, n))
        s = describe(sorted, rank, n);
    free(sorted);
    free(rank);
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
    half = student_point(m - 2, ALPHA) * sqrt(rest / (m - 2) / sxx);
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
    tail = erfc(student_point(draws - 1, ALPHA) * sqrt(draws / (draws - 1.0)) /
                sqrt(2)) /
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
