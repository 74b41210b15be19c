/*
 * paired.h - the ratio of two cases that were measured side by side.
 */
#ifndef ANALYSIS_PAIRED_H
#define ANALYSIS_PAIRED_H

#include <stdbool.h>

#include "analysis/interval.h"

/* Ratio of the times of two cases, and its interval. */
typedef struct Ratio {
    int n; /* rounds in common */
    double ratio, lo, hi;
} Ratio;

/*
 * Paired ratio a / b over the rounds that both have, which come in any order.
 * A round may hold several samples of each: its log ratio is the mean of the
 * logs of a minus that of b, so in a round a b b a a linear drift cancels.  The
 * rest is as in ratio_of_logs, in order of rounds.  Times are positive; n = 0
 * and NANs without common rounds or for a lack of memory.
 */
Ratio ratio_paired(const double *a, const int *round_a, int na, const double *b,
                   const int *round_b, int nb);

/*
 * The ratio whose logarithm was measured n times, in this order: the
 * Hodges-Lehmann centre, and its signed-rank interval at alpha_spent(n).
 * Where the logs are correlated in time, the interval is widened for that,
 * and of seven or more rounds to that of the means of batches of rounds if it
 * is wider.  Of fewer than six rounds it is min to max.
 */
Ratio ratio_of_logs(const double *logs, int n);

/*
 * The same of logs that several processes measured: process[i] says which; or
 * NULL: one did.  Where code and data lie in memory is the process's, and moves
 * all of its ratios by as much: so the centre is the mean of the processes'
 * own, however many logs each has, and the interval is at least that of these,
 * by Student's t.  Of two processes that is very wide.
 */
Ratio ratio_of_processes(const double *logs, const int *process, int n);

/* Half of the interval of the mean of the processes' centres, as logs; 0 of one
 * process. */
double processes_half(const double *logs, const int *process, int n);

/* How many processes measured these, and the largest of their ratios over the
 * smallest, which is 1 of one process. */
int processes_apart(double *apart, const double *logs, const int *process,
                    int n);

/*
 * a / b of two ratios to the same case, of different rounds: so their errors
 * are independent, and half intervals of the logs add as squares.  n is that of
 * the one with fewer rounds; 0 and NANs where one has none.
 */
Ratio ratio_over(const Ratio *a, const Ratio *b);

/* Ratio of the smallest a to the smallest b over the rounds that both have: a
 * second opinion, which bursts cannot move unless they hit every round.  NAN
 * without a common round, or for a lack of memory. */
double ratio_of_minima(const double *a, const int *round_a, int na,
                       const double *b, const int *round_b, int nb);

/* True if the second opinion is outside of the interval of a ratio that has
 * one. */
bool minima_disagree(const Ratio *r, double minima);

/* True if another figure of a ratio is outside of its interval, and printed (to
 * three decimals) it is another number. */
bool ratio_is_off(double other, const Ratio *r);

/* Number of rounds to add until half the interval of log(ratio) is at most
 * half_width > 0, if they are as noisy as those before: it narrows as
 * 1/sqrt(n), at alpha_spent(n).  0 if it is already; -1 if nobody can say:
 * fewer than six rounds, or more than INT_MAX. */
int rounds_until(const Ratio *r, double half_width);

/* faster, slower, same, not resolved: what an interval allows to say of a.
 * Fewer than six rounds resolve nothing. */
typedef enum Verdict { NOT_RESOLVED, FASTER, SLOWER, SAME, VERDICTS } Verdict;
Verdict ratio_verdict(const Ratio *r);

/* SAME if all of the interval is within 1 / (1 + delta) to 1 + delta, even if
 * it is off 1; else as ratio_verdict, which is this for a delta of 0. */
Verdict ratio_verdict_within(const Ratio *r, double delta);

/* "faster"; "same" leaves it to the caller to say within what. */
const char *verdict_name(Verdict v);

#endif
