/*
 * stats.h - the statistics of samples: median, its interval, spread, ratios.
 */
#ifndef ANALYSIS_STATS_H
#define ANALYSIS_STATS_H

#include <stdbool.h>

#include "analysis/interval.h"

typedef struct Stats {
    int n;
    double worth; /* independent samples that would say as much; 1 to n    */
    double median;
    double lo, hi; /* 95 % confidence interval of the median              */
    double q1, q3;
    double min, max;
    int outliers; /* |x - median| > 10 MAD sigmas; flagged, never dropped  */
} Stats;

/*
 * Statistics of x[n], in order of measurement; x is not changed.  The interval
 * is from order statistics, with more ranks between them the more the samples
 * are correlated in time (serial.h), and at most min to max.  With fewer than
 * six samples, too few for 95 %, it is min to max.  n = 0 gives NANs, and so
 * does a lack of memory, with n = 0.
 *
 * How often the interval is right in simulations of log-normal times whose
 * neighbours have a correlation of rho (autoregressive, of first order); of
 * "mixed", half of the variance has a rho of 0.9 and half 0.  Last, its width
 * over that of the sign test, which is right for a rho of 0 alone:
 *
 *       n   rho 0   0.4  0.75   0.9  mixed  width
 *      10    1.00  0.97  0.84  0.61   0.87   1.46
 *      20    0.99  0.98  0.95  0.82   0.85   1.53
 *      40    0.98  0.98  0.97  0.94   0.80   1.19
 *     100    0.98  0.98  0.98  0.97   0.89   1.13
 *     500    0.98  0.98  0.99  0.98   0.96   1.16
 *
 * Hence below 40 samples it is honest for a rho of up to 0.5 to 0.75 only.
 */
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
