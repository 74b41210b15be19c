/*
 * trial_parts.h - runs and samples of a trial; for the files of trial.h.
 */
#ifndef HARNESS_TRIAL_PARTS_H
#define HARNESS_TRIAL_PARTS_H

#include "harness/measure/trial.h"

/* Runs it that many launches; *ns becomes the nanoseconds of one run, and known
 * (or NULL) what a peer says of them besides. */
int trial_runs(Trial *a, int launches, double *ns, Telemetry *known);

/* The same, without a clock. */
int trial_runs_untimed(Trial *a, int launches);

/* Drops what has been sampled. */
void trial_drop_samples(Trial *a);

#endif
