/*
 * compare.h - two stored runs against each other, and which runs of two sweeps
 * or databases are of the same case.
 *
 * There is a verdict only where both were measured interleaved, on one machine.
 * Others have the ratio of their medians, and the reason why it says little:
 * one program run twice on two hosts differed by 14 %.
 */
#ifndef ANALYSIS_COMPARE_H
#define ANALYSIS_COMPARE_H

#include "analysis/gate.h"
#include "analysis/summary.h"

/* Reasons that two runs are apart; the first that holds. */
typedef enum Apart {
    INTERLEAVED, /* nothing does                        */
    OTHER_MACHINE,
    OTHER_BUILD,
    OTHER_TIME /* measured one after the other        */
} Apart;

typedef struct Compared {
    const Run *a, *b;
    Apart apart;
    Ratio ratio; /* time of b over time of a; if apart, n is 0 and it is that of
                    the medians, with the widest interval                    */
    Paired paired;   /* where ratio is from, unless apart                    */
    Verdict verdict; /* of b                                                 */
    int answer;      /* of the gate (gate.h)                                 */
    int more;        /* rounds until the answer is clear or, without a limit,
                        there is a verdict; -1: not known                    */
    double more_s;   /* seconds that they take; NAN                          */

    /* Throughput that is left if the modules' own steps were all that they
     * cost; n is 0 where they were not timed. */
    Ratio direct_a, direct_b;
    Ratio indirect; /* if one of the two is the plain network of the other, as
                       in cost.h; else n is 0 */
} Compared;

/* Runs that are ok. */
void compare_runs(Compared *out, const Run *a, const Run *b,
                  const RatioGate *g);

/* Time of its plain network, measured interleaved, over that of a network with
 * a module: what throughput is left.  n is 0 if the list has none. */
Ratio compare_to_plain(const RunList *list, const Run *r);

typedef struct Match {
    const Run *a, *b;
} Match;

/* Pairs the runs that are ok by repeat line and hash of weights, and by_source
 * also by source; of several the latest counts.  *out is to be freed; borrows
 * from the lists.  alone[2]: how many of each list found none.  ERR_MEMORY. */
int compare_match(Match **out, int *n, int alone[2], const RunList *a,
                  const RunList *b, bool by_source);

bool run_same_machine(const Run *a, const Run *b);
bool run_same_build(const Run *a, const Run *b);

#endif
