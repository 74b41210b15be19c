/*
 * op.h - what an op states about itself: shape, cost, gradient, reference.
 *
 * An op is what is computed; how a backend computes it is a Kernel
 * (backend.h).  All of an op is in one file of kernels/ops.
 */
#ifndef CORE_OP_H
#define CORE_OP_H

#include "kernels/core/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

struct Graph;

/*
 * Cost of computing one output, whatever the kernel.  All are counts for
 * the whole batch.  flops is the honest count: every arithmetic operation of
 * the definition, a multiply-add is 2, a comparison is 1.  exp, erf, tanh and
 * the like are not in flops but in transcendentals.  bytes counts each operand
 * read once and the result written once.  macs counts convolutions and linears
 * only; paper_flops follows the convention of the paper's tables (a
 * multiply-add is 1, pools and gates mostly 0), rule by rule in each op.
 */
typedef struct Cost {
    double macs;
    double flops;
    double transcendentals;
    double bytes;
    double paper_flops;
    double act_flops; /* of flops, those of an activation in the same pass */
} Cost;

/* An activation that follows a convolution or an addition in the same pass over
 * memory. */
typedef enum Activation { ACT_NONE, ACT_RELU, ACT_RELU6 } Activation;

/* Rows first to last of a map, or columns; empty where last < first. */
typedef struct Extent {
    int first, last;
} Extent;

typedef struct Op {
    const char *name;
    int sources;      /* as many as must be given                        */
    int optional;     /* how many more may be given or NULL              */
    size_t attr_size; /* bytes of the attribute struct; 0: none          */
    bool view;        /* the output is the first source's storage        */
    bool updates;     /* so it is, and has new values: the first source
                         is a weight or buffer, which nothing reads later */

    bool layer;         /* a convolution or linear, with weights     */
    Activation act;     /* it is this activation                     */
    Activation grad_of; /* or the gradient of this one               */

    /* Sets rank, dim and layout of out from its sources and attributes. */
    int (*shape)(Tensor *out);

    Cost (*cost)(const Tensor *out);

    /* The definition: plain loops, double sums, float in and out.  It fails
     * where memory runs out, and only there. */
    int (*ref)(const Tensor *out);

    /* Into terms, for each number of out, the sum of the magnitudes of what
     * it is the difference of: floats that cancel leave a rounding of that,
     * even where the definition is exactly 0.  NULL where rounding the sources
     * shows as much, as in all sums.  It fails as ref does. */
    int (*terms)(const Tensor *out, float *terms);

    /* A fused op: builds the graph of ops that it replaces, from its own
     * sources; its shape, cost and definition follow from that (ops/fused.h).
     * NULL for all others. */
    struct Tensor *(*compose)(struct Graph *g, struct Tensor *const *src,
                              const void *attr);

    /* The gradient rule, as more of the same graph: into grad[k] the gradient
     * of source k, for each that wants[k], given dy, that of out.  NULL where
     * it has none.  A fused op needs no rule: what it replaces has. */
    void (*grad)(struct Graph *g, Tensor *out, Tensor *dy, const bool *wants,
                 Tensor **grad);

    /* Turns positions of out, a map, into those of source k that they depend
     * on; they may lie outside of it.  False, with both unchanged, where they
     * depend on all of it.  NULL: they do, of every source. */
    bool (*reach)(const Tensor *out, int k, Extent *rows, Extent *columns);

    /* True if source k is a gate: an attention module multiplies features with
     * it.  NULL: none is. */
    bool (*gate)(const Tensor *out, int k);

    /* The largest relative L2 error that a float kernel may show. */
    double tol_f32;
} Op;

#ifdef __cplusplus
}
#endif

#endif
