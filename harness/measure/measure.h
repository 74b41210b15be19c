/*
 * measure.h - the protocol: how the cases of an experiment become rows.
 *
 * Cases are measured in blocks, whose plans are in memory together.  What is
 * compared (a network with a module and the plain one, a peer's case and ours:
 * pairs.c) is sampled in quads, a b b a, next to each other: whatever drifts
 * (clock, temperature, neighbours) hits both alike.  Other cases are sampled in
 * rounds, one of each in a new random order.  Samples carry the number of their
 * quad or round: two cases can be compared where they share it.
 *
 * The next quad goes to the pair whose ratio has the widest interval, until
 * every pair is settled: the interval is within the target, or the pair has had
 * its time.  A case is done when its block is; then it is committed, in a
 * transaction of its own, and its memory is free.  A kill loses the current
 * block at most; Ctrl-C loses those of its cases that are not settled, and what
 * is compared with them.
 */
#ifndef HARNESS_MEASURE_H
#define HARNESS_MEASURE_H

#include <signal.h>

#include "analysis/gate.h"
#include "harness/experiments/experiment.h"
#include "harness/measure/progress.h"
#include "harness/measure/trial.h"
#include "results/store.h"

/* How to measure.  Times in seconds. */
typedef struct Protocol {
    double target;     /* half width of a ratio's interval, or of a median's
                          over it                                           */
    double limit;      /* what the samples of one case may take             */
    double budget;     /* what the whole run may take; 0: no limit          */
    double warmup;     /* of each case, in runs that are not kept           */
    int min_samples;   /* before a case counts as converged                 */
    int max_samples;   /* when a case is settled in any case                */
    int block;         /* cases in a block                                  */
    int processes;     /* over which the samples of a case on the CPU are
                          spread: this one, then fresh ones; 0 or 1: this   */
    char another[64];  /* shell command that starts a fresh one (serve.h)   */
    bool to_first;     /* compare each case with the first that is given    */
    RatioGate gate;    /* with to_first: a pair is also settled when this is
                          answered of it                                    */
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

/* True if n samples are enough: the stopping rule, apart from time.  They are
 * in order of measurement, and must be worth 16 independent ones. */
bool measure_converged(const Protocol *protocol, const double *ns, int n);

#endif
