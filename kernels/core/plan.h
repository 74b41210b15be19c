/*
 * plan.h - a graph on a backend: kernels chosen, memory laid out, weights
 * packed, ready to run.  Everything slow happens in plan_new.
 */
#ifndef CORE_PLAN_H
#define CORE_PLAN_H

#include "kernels/core/backend.h"
#include "kernels/core/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct Plan Plan;

/*
 * Plans g on dev.  Weights must have their host values; a graph has one plan
 * at a time.  Activations share one arena by lifetime; inputs and outputs
 * keep their memory to themselves.  ERR_UNSUPPORTED names the op and the
 * shape for which the device has no kernel; ERR_MEMORY says how much was
 * asked for.
 */
int plan_new(Plan **out, Device *dev, Graph *g);
void plan_free(Plan *plan);

/* Runs every kernel once, in order.  Where that updates weights (Op.updates),
 * the next run packs them again first. */
int plan_run(Plan *plan);

/* From now on plan_run replays a recording of `runs` runs of itself, in the
 * place of an earlier one (the state called graph).  Weights that it updates
 * are then as they were given.  ERR_UNSUPPORTED where the device has no such
 * thing. */
int plan_record(Plan *plan, int runs);

/*
 * plan_run with a look at the clock (ticks.h) before, between and after the n
 * steps: step i took at[i + 1] - at[i] nanoseconds, and at[0] is 0.  Packing
 * weights again is before that.  Only where memory is the host's, so that a
 * step has run when it returns, and where nothing is recorded.  The device's
 * own clock is left alone: its clock_start comes first, which gives a CPU its
 * threads.
 */
int plan_run_marked(Plan *plan, double *at);

/* The same, timing each step apart: ns[i] for step i.  Slower in all, on a
 * device with a memory of its own; packing weights again is in no step. */
int plan_run_timed(Plan *plan, double *ns);

/* The steps: nodes that a kernel computes (views are none). */
int plan_steps(const Plan *plan);
const Tensor *plan_step(const Plan *plan, int i, const Kernel **kernel);

/* Runs one step; those before it have run. */
int plan_run_step(const Plan *plan, int i);

/* Bytes that inputs, outputs and all between share; weights are apart. */
size_t plan_arena_bytes(const Plan *plan);

/*
 * Copies the plan until a run of each has passed through `bytes` of memory or
 * more, and at least once: weights as they are now, inputs still to be set.  To
 * be called before plan_drop_packed, and before any run.  ERR_MEMORY where the
 * device has no room for them; ERR_UNSUPPORTED where it would take too many.
 */
int plan_copies(Plan *plan, size_t bytes);

/* How many there are, number 0 included, in which it was planned. */
int plan_ncopies(const Plan *plan);

/* All that runs or reads does so in the i-th; in the one after that in use. */
void plan_use(Plan *plan, int i);
void plan_use_next(Plan *plan);

/* Frees the host copies of weights that all their kernels have packed. */
void plan_drop_packed(Plan *plan);

/* Fills an input, of all copies, or reads an output, of the copy in use, as
 * PyTorch-ordered floats, whatever its dtype. */
int plan_set(Plan *plan, Tensor *input, const float *nchw);
int plan_get(Plan *plan, const Tensor *output, float *nchw);

#ifdef __cplusplus
}
#endif

#endif
