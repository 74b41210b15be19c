/*
 * plan_parts.h - the inside of a plan; for the files plan*.c alone.
 */
#ifndef CORE_PLAN_PARTS_H
#define CORE_PLAN_PARTS_H

#include "kernels/core/arena.h"
#include "kernels/core/plan.h"

typedef struct PlanStep {
    const Tensor *out;
    const Kernel *kernel;
    void *state;
    bool repacks; /* it has packed a weight that a run updates */
} PlanStep;

/* A plan's parts in other memory.  Those of the one in use are where they are
 * without copies: in the tensors and steps. */
typedef struct PlanCopy {
    void **data;  /* of each tensor, all the time */
    void **state; /* of each step, while it is not in use */
} PlanCopy;

struct Plan {
    Device *dev;
    Graph *graph;
    PlanStep *steps;
    int nsteps;
    Buffer *buffers;
    int nbuffers;
    int *buffer_of; /* tensor id -> index of its buffer, -1 for weights */
    char *arena;
    size_t arena_bytes;
    void *recording;  /* NULL: run step by step */
    bool updates;     /* a run changes weights                         */
    bool stale;       /* weights have changed since they were packed */
    PlanCopy *copies; /* number 0 is where it was planned; or NULL     */
    int ncopies, used;
    char *copied; /* memory of all but number 0 */
};

void plan_release_state(PlanStep *s);

/* True if a weight's device memory is its host memory. */
bool plan_shares_host(const Plan *p, const Tensor *t);

/* True if any step still reads weight t when it runs. */
bool plan_reads(const Plan *p, const Tensor *t);

/* ---- plan_run.c -------------------------------------------------------- */

void plan_free_recording(Plan *p);

/* ---- plan_updates.c: weights that a run updates ------------------------ */

/* Fills in what follows from the steps and their kernels. */
void plan_find_updates(Plan *p);
bool plan_is_updated(const Graph *g, const Tensor *weight);

/* True if a step packs from the host's copy of a weight that a run updates. */
bool plan_packs_from_host(const Plan *p);

/* Packs again what the latest run has updated. */
int plan_repack(Plan *p);

/* Gives them the values that the plan began with. */
int plan_restore_updated(const Plan *p);

/* ---- plan_copies.c ----------------------------------------------------- */

/* Gives back all but number 0, which is then in use. */
void plan_copies_free(Plan *p);

/* Forgets weight t, which no step reads. */
void plan_copies_drop(Plan *p, const Tensor *t);

#endif
