/*
 * predict.h - the time that a module would take on a GPU that is not here, from
 * what its kernels ask of memory.
 *
 * Our kernels run on the host (kernels/simt/model.h), which counts their
 * requests; nine constants of a card turn these into nanoseconds:
 *
 *   launch      launch_ns in a stream, node_ns as a node of a graph
 *   the longest of
 *     bytes     distinct sectors read and written, over dram_bytes_per_ns, or
 *               l2_bytes_per_ns where all that a run touches stays in L2, and
 *               the state is not cold
 *     cycles    lines of L1 and wavefronts of shared memory, one a cycle of
 *               the multiprocessor that has most of them
 *     flops     those of the op, at two a lane and cycle
 *   waits       round_trip_ns for each interval between barriers in which a
 *               block reads global memory
 *   meetings    cluster_barrier_ns for each cluster.sync
 *
 * Never seen: instructions that are neither, hits in L1, clocks that sink,
 * tensor cores, and the libraries, for which our own kernels stand in.  So a
 * prediction orders kernels and shows what binds them; it is not a time.
 */
#ifndef HARNESS_PREDICT_H
#define HARNESS_PREDICT_H

#include "harness/network/case.h"
#include "kernels/core/plan.h"
#include "kernels/simt/model.h"

/* A card, as the probe of tests/gpu_check writes it: key,value. */
typedef struct CardFacts {
    double launch_ns, node_ns;
    double dram_bytes_per_ns, l2_bytes_per_ns;
    double round_trip_ns, cluster_barrier_ns;
    int sms;
    double ghz;
    double l2_bytes; /* that a run may touch and still find there */
} CardFacts;
extern const Param card_params[];

/* Reads constants over those of an H200.  ERR_INPUT: file, line, what. */
int card_read(CardFacts *card, const char *path);

/* The resource that limits a kernel. */
typedef enum Bound {
    BOUND_LAUNCH,
    BOUND_BYTES,
    BOUND_CYCLES,
    BOUND_FLOPS,
    BOUND_WAITS,
    NBOUNDS
} Bound;
const char *bound_name(Bound b);

typedef struct PredictedStep {
    const Tensor *out;
    const Kernel *kernel;
    int launches;
    double ns, graph_ns;
    double bytes; /* of the whole batch */
    SimtRequests global, shared;
    double sectors, waves; /* asked for, over the ideal; NAN: none was */
    Bound bound;
} PredictedStep;

typedef struct Predicted {
    Graph *graph;
    Plan *plan;
    Device *dev;
    PredictedStep *step;
    int nsteps;
    PredictedStep all; /* out and kernel NULL; the bound is of the slowest */
    double maps;       /* bytes, over those of the input */
} Predicted;

/* Predicts a module alone.  One image runs, on as many multiprocessors as it
 * would have of the batch's.  ERR_UNSUPPORTED for a whole network, which would
 * take minutes, and where the case has no kernel.  Free it in any case. */
int predict_case(Predicted *out, const Case *c, const Model *model,
                 const CardFacts *card);
void predicted_free(Predicted *p, const Model *model);

/* ns of one launch, and what limits it.  scale: images of the batch for each
 * one that was simulated, on sms multiprocessors; flops are the launch's,
 * scaled. */
double predict_launch(const SimtCounts *c, const CardFacts *card, double scale,
                      int sms, double flops, bool in_l2, Bound *bound);

#endif
