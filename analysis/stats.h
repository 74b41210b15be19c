/*
 * stats.h - the statistics of samples: median, its interval, spread, ratios.
 */
#ifndef ANALYSIS_STATS_H
#define ANALYSIS_STATS_H

#include <stdbool.h>

#include "analysis/interval.h"

typedef struct Stats {
    int n;
    double median;
    double lo, hi; /* 95 % confidence interval of the median              */
    double q1, q3;
    double min, max;
    int outliers; /* |x - median| > 10 MAD sigmas; flagged, never dropped  */
} Stats;

/* Statistics of n samples; x is not changed.  The interval is from order
 * statistics (binomial) and takes samples to be independent; with fewer than
 * six, too few for 95 %, it is lo = min, hi = max. n = 0 gives NANs, and so
 * does a lack of memory, with n = 0. */
Stats stats_of(const double *x, int n);

/* Half the interval over the median: what a stopping rule compares. */
double stats_half_width(const Stats *s);

/* y = c x^e by least squares on logarithms, with the 95 % interval of the
 * exponent (Student's t).  Points that are not positive are left out; false
 * if fewer than three are left, or all of one x. */
typedef struct PowerFit {
    int n;
    double exponent, lo, hi;
    double factor; /* c   */
    double r2;
} PowerFit;
bool fit_power(PowerFit *out, const double *x, const double *y, int n);

/* The same of the FIT_LARGEST last points alone, x in rising order: growth is
 * that of large sizes, where what is spent once no longer shows. */
enum { FIT_LARGEST = 4 };
bool fit_largest(PowerFit *out, const double *x, const double *y, int n);

/*
 * The 95 % interval of a statistic from its values over n bootstrap resamples
 * of `draws` observations, which are sorted: percentiles, moved outwards by as
 * much as Student's t is wider than the normal, since few observations vary
 * less than what they were drawn from ("expanded percentile").  NAN where a
 * value is, or for fewer than two draws.
 */
void bootstrap_interval(double *values, int n, int draws, double *lo,
                        double *hi);

/* Marks the points that no other point beats in both: larger x and larger y
 * are better. */
void pareto_front(const double *x, const double *y, int n, bool *on_front);

#endif
