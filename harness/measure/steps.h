/*
 * steps.h - the steps of a network's plan, timed inside its passes.
 *
 * A module costs a few per cent of a pass.  As the difference of two passes
 * that is a small difference of large, noisy numbers; but the module's own
 * steps can be timed within the pass, where numerator and denominator share
 * clock, neighbours and frequency: the direct cost.  What it leaves out, such
 * as caches that the module has emptied, is the indirect cost, which only pairs
 * of passes show (analysis/cost.h).
 *
 * For devices that work in the host's memory, whose steps are done when their
 * function returns: one reading of the clock between two steps, 25 to 50 ns.
 */
#ifndef HARNESS_STEPS_H
#define HARNESS_STEPS_H

#include "kernels/core/plan.h"

typedef struct Steps Steps;

/* For a plan on a device that works in the host's memory, and has no
 * recording. */
Steps *steps_new(const Plan *plan);
void steps_free(Steps *s);

/* True if the modules' share of a plan can be told: some steps are a module's,
 * and none is a module's and the network's at once. */
bool steps_tell_modules(const Plan *plan);

/* Runs the plan once, as a part of the current sample. */
int steps_run(Steps *s, Plan *plan);

/* Ends the sample, of that many runs: the time of the modules' steps in one, in
 * nanoseconds; NAN if there are none, or if one of them is a neighbour's, too.
 * keep: the sample counts. */
double steps_end(Steps *s, int runs, bool keep);

/* A time in nanoseconds, with its 95 % interval. */
typedef struct StepsTime {
    double ns, lo, hi;
} StepsTime;

/*
 * The time of a pass from its steps: the sum of the median of each over all
 * samples.  A step of a millisecond is undisturbed far more often than a pass
 * of a hundred.  modules: the same of the modules' steps alone, whose interval
 * is that of their share of the pass.  NANs for fewer than six samples; modules
 * also where steps_end gives NAN.
 */
void steps_stitch(const Steps *s, StepsTime *pass, StepsTime *modules);

#endif
