/*
 * states.h - what a plan needs to be run cold, or as a recording.
 */
#ifndef HARNESS_STATES_H
#define HARNESS_STATES_H

#include <stdbool.h>

#include "kernels/core/plan.h"

/* True if runs on dev are cold because they rotate through copies of the plan;
 * else caches are evicted before a run. */
bool cold_rotates(const Device *dev);

/* Makes the copies, where it takes any: a new plan's, whose inputs are yet to
 * be set.  ERR_UNSUPPORTED or ERR_MEMORY where that cannot be. */
int cold_prepare(Plan *plan, Device *dev);

/* Copies run before any is timed: how far an output of the second, or of the
 * last, is from the first's, relative L2.  first: those of the first where it
 * has run, in training; or NULL. */
int cold_compare(double *rel_l2, Plan *plan, const Graph *g,
                 float *const *first);

/* Makes the next run a cold one; not to be timed. */
int cold_next(Plan *plan, Device *dev);

/* How many runs fill the last cache with what a cold one finds there. */
int cold_runs_to_fill(const Plan *plan);

/* Records several runs of a plan (*runs of them), whose recording is of one
 * run, so that a replay is far longer than the gap between two replays. */
int graph_lengthen(int *runs, Plan *plan, Device *dev);

#endif
