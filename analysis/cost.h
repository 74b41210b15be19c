/*
 * cost.h - what a module costs the network that it stands in: in all, and how
 * much of that its own steps take.
 *
 * In all: the network with it against the one without, quad by quad.  Direct:
 * the share of its own steps in each pass of the network with it, where both
 * are of the same milliseconds; a hundred times less noisy.  Indirect: what is
 * left, the caches that it empties and the fusions that it prevents.
 */
#ifndef ANALYSIS_COST_H
#define ANALYSIS_COST_H

#include <stdbool.h>

#include "analysis/paired.h"

/* Samples of one case, in the order measured; borrowed. */
typedef struct Series {
    int n;
    const double *ns;        /* of one run                                 */
    const int *round;        /* the same: measured next to each other      */
    const double *module_ns; /* of ns, in modules' steps; NAN; or NULL      */
    const bool *disturbed;   /* the scheduler took the CPU away; or NULL    */
    const int *process;      /* which of several measured it; NULL: one did */
} Series;

/* A ratio over common rounds, twice: the quads of which a sample was disturbed
 * are left out as long as they are at most half of them; which they are was
 * known before their times were looked at. */
typedef struct Paired {
    Ratio ratio;   /* the one that counts                              */
    Ratio all;     /* of all rounds                                    */
    int disturbed; /* rounds, of those of all                        */
    int left_out;  /* the same, or 0 if they are too many            */
    double minima; /* the ratio of the smallest times: a second opinion */
    int processes; /* that measured what counts ...                     */
    double apart;  /* ... and the largest of their ratios over the smallest */
} Paired;

/* Time of a over time of b.  n is 0 and the ratio NAN where they have no round
 * in common. */
Paired paired_of(const Series *a, const Series *b);

/* The ratios a over b of their common rounds one by one, as many as count in
 * paired_of; y has room for as many as the shorter has samples.  Returns how
 * many there are. */
int paired_ratios(double *y, const Series *a, const Series *b);

/*
 * The share of a pass that is not the modules', over the rounds of one case,
 * without the disturbed ones as in Paired; n is 0 where their steps were not
 * timed.  A module has many short steps, and where a thread is pushed off its
 * CPU each of them waits for it: of disturbed passes they take too large a
 * share.
 */
Ratio direct_of(const Series *with);

typedef struct ModuleCost {
    Paired paired;  /* time of plain over time with: what throughput is left */
    Ratio direct;   /* the same if its own steps were all that it costs; n is
                       0 where they were not timed                           */
    Ratio indirect; /* paired over direct, of the rounds that count          */
} ModuleCost;

ModuleCost cost_of(const Series *plain, const Series *with);

/* The cost that a ratio of throughputs shows: 5 (per cent) of 0.95. */
double cost_percent(double ratio);

#endif
