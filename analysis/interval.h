/*
 * interval.h - intervals at any level: quantiles of the normal and Student's
 * distribution, the looks of a sequence, the Hodges-Lehmann centre.
 */
#ifndef ANALYSIS_INTERVAL_H
#define ANALYSIS_INTERVAL_H

/* Fewer samples, or rounds, have no 95 % interval and resolve nothing. */
enum { STATS_LEAST = 6 };

/* A centre, and the interval in which the true one lies with 1 - alpha. */
typedef struct Interval {
    double centre, lo, hi;
} Interval;

/* The z, and the t of Student's distribution of df >= 1 degrees of freedom,
 * outside of which (on both sides together) is the probability alpha. */
double normal_point(double alpha);
double student_point(int df, double alpha);

/*
 * Measuring may stop when an interval is narrow or a difference is resolved,
 * and who may stop at many looks is wrong more often than at one.  Hence looks
 * are few, at n = 12, 18, 27, 40, 60 ... (1.5 times the one before, rounded
 * down), and share 5 %: alpha_spent(n) is the error that the interval of n
 * rounds may have, 0.05 * 6 / (pi j)^2, if n is reached by the j-th look; j is
 * 1 below the second.  All looks together are wrong in at most 5 % of cases.
 */
double alpha_spent(int n);

/* The first look after n; INT_MAX where it would be larger. */
int next_look(int n);

/*
 * Hodges-Lehmann centre of y[n], in any order: the median of the averages of
 * all pairs, each value paired with itself too.  The interval inverts the
 * signed-rank test: it takes the values to be independent and symmetric about
 * their centre, and its distribution is exact to n = 60, then normal.  Where n
 * is too small for alpha, the interval is min to max and covers less.
 *
 * Pairs are counted, not stored: O(n) memory, some 100 n steps.  NANs for
 * n = 0, values that are not finite, or a lack of memory.
 */
Interval hodges_lehmann(const double *y, int n, double alpha);

#endif
