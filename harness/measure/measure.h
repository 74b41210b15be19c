/*
 * measure.h - the protocol: how the cases of an experiment become rows.
 *
 * Cases are measured in blocks, whose plans are in memory together.  A round
 * takes one sample of each case of the block, in a new random order, so that
 * whatever drifts (clock, temperature, neighbours) hits all of them alike, and
 * no case always follows the same other one.  Samples carry the number of
 * their round; two cases of one block can be compared round by round.
 *
 * A block continues until every case in it is settled: its 95 % interval is
 * within the target, or it has had its time.  A case that is settled early is
 * still sampled while others are not, because pairs are wanted, and because a
 * median over other minutes is a median under other conditions.  So a case is
 * done when its block is; then it is committed, in a transaction of its own,
 * and its memory is free.  A kill loses the current block at most; Ctrl-C
 * loses those of its cases that are not settled.
 */
#ifndef HARNESS_MEASURE_H
#define HARNESS_MEASURE_H

#include <signal.h>

#include "harness/experiments/experiment.h"
#include "harness/measure/progress.h"
#include "harness/measure/trial.h"
#include "results/store.h"

/* How to measure.  Times in seconds. */
typedef struct Protocol {
    double target;     /* half width of the interval over the median        */
    double limit;      /* what the samples of one case may take             */
    double budget;     /* what the whole run may take; 0: no limit          */
    double warmup;     /* of each case, in runs that are not kept           */
    int min_samples;   /* before a case counts as converged                 */
    int max_samples;   /* when a case is settled in any case                */
    int block;         /* cases in a block                                  */
    uint64_t seed;     /* of the order of the rounds                        */
    double started_ns; /* on the host's clock: when the budget began       */
    const volatile sig_atomic_t *stop; /* set: leave after this sample     */
} Protocol;

/* Who runs the cases, and where the rows go.  The first is this program. */
enum { MAX_LANES = 2 };
typedef struct Lanes {
    struct Lane {
        Peer *peer; /* NULL: this program */
        int64_t sweep_id;
    } at[MAX_LANES];
    int n;
} Lanes;

/* Callbacks to the caller: before each step, often, and after each case. */
typedef struct Listener {
    void *arg;
    void (*step)(void *arg, const Step *step);
    void (*done)(void *arg, const Trial *a);
} Listener;

/* Outcome. */
typedef struct Tally {
    int ok, not_converged, unsupported, out_of_memory, bad; /* bad: the rest */
    bool interrupted;
    double prepare_ns, sample_ns, store_ns; /* where the time went */
} Tally;

/* Measures what the store does not hold yet.  An error is the store's or a
 * bug; what goes wrong with a case is its row. */
int measure(const Experiment *e, const Protocol *protocol, Store *store,
            const Lanes *lanes, const Listener *listener, Tally *result);

/* True if n samples are enough: the stopping rule, apart from time. */
bool measure_converged(const Protocol *protocol, const double *ns, int n);

#endif
