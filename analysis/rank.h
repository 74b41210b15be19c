/*
 * rank.h - whether two lists have the same order.
 */
#ifndef ANALYSIS_RANK_H
#define ANALYSIS_RANK_H

#include <stdbool.h>
#include <stdint.h>

/* Kendall's tau-b of n pairs: 1 if x and y have the same order, -1 if the
 * opposite one; ties count for neither, as in tau-b.  NAN for fewer than two
 * pairs, or where all of x or of y are equal. */
double kendall_tau(const double *x, const double *y, int n);

/* Samples of the i-th of n things: value[i][0] ... value[i][count[i] - 1]. */
typedef struct RankSamples {
    int n;
    const double *const *value;
    const int *count;
    /* The k-th samples of all were taken in one round: count is one number,
     * and what hit that round hit all. */
    bool paired;
} RankSamples;

/*
 * Tau-b between the medians of samples and known[n], with its 95 % interval: a
 * percentile bootstrap over rounds if paired, else over the samples of each.
 * Fewer than RANK_LEAST samples of one give no interval (NAN).
 */
enum { RANK_LEAST = 6, RANK_RESAMPLES = 2000 };
typedef struct Rank {
    int n;
    double tau, lo, hi;
} Rank;
Rank rank_agreement(const RankSamples *samples, const double *known,
                    uint64_t seed);

#endif
