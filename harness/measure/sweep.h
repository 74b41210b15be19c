/*
 * sweep.h - an experiment into the database: what commands that measure share.
 *
 * The protocol as settings, Ctrl-C, resuming after an interruption, and the
 * messages on the way.
 */
#ifndef HARNESS_SWEEP_H
#define HARNESS_SWEEP_H

#include <stdbool.h>
#include <stdio.h>

#include "harness/experiments/experiment.h"
#include "harness/measure/measure.h"

/* The settings of a command that measures: its struct begins with these. */
typedef struct SweepSettings {
    const char *db, *peer;
    ParamName target;
    int fresh, force, peer_limit;
    int limit, budget, warmup, min_samples, max_samples, block, seed;
    int processes;
} SweepSettings;

enum { SWEEP_PARAMS = 48 };

/* out: the command's own settings, then those of a sweep, as one table. */
void sweep_params(Param out[SWEEP_PARAMS], const Param *own);

/* Reads the settings; the time that the budget counts starts now. */
int sweep_protocol(Protocol *out, const SweepSettings *settings);

/* A sweep to be measured, and the command line that asks for it. */
typedef struct Sweeping {
    const Experiment *experiment;
    const SweepSettings *settings;
    Protocol protocol;
    const char *command; /* "run" */
    int argc;            /* what followed it */
    char **argv;
    FILE *out;               /* for messages to the user     */
    const char *inputs_hash; /* of files that all cases read; NULL: none */
} Sweeping;

/* Measures what the database lacks of it, in the unfinished sweep of the same
 * cases if there is one.  *sweep_id becomes that of our own rows.  Ctrl-C ends
 * it early, which is no error: tally->interrupted. */
int sweep_run(const Sweeping *s, Tally *tally, int64_t *sweep_id);

/* Opens the database and begins a sweep, or resumes the unfinished one of the
 * same cases, for rows that the caller adds one by one: those whose repeat line
 * store_has_run does not know. */
int sweep_begin(const Sweeping *s, Store **store, int64_t *sweep_id);

/* Ends a sweep that sweep_begin began, with the load of this moment, and closes
 * the store.  err: of adding the rows; below 0, the sweep stays unfinished.
 * Returns err, or the error of ending it. */
int sweep_end(Store *store, int64_t sweep_id, int err);

/* True if a case failed, or some were tried and none was measured. */
bool sweep_is_bad(const Tally *tally);

/* "bench" is harness/experiments/bench.json, unless it is a file itself: *found
 * becomes name, or path, which is filled. */
int sweep_find(const char *name, char *path, size_t size, const char **found);

#endif
