/*
 * kernel_cases.h - the shapes at which every kernel is compared with its op's
 * definition, each with the reason why it is here.
 *
 * To add a case, add a row to its op's family, in tests/kernel_cases_FAMILY.c.
 */
#ifndef TESTS_KERNEL_CASES_H
#define TESTS_KERNEL_CASES_H

#include "kernels/ops/ops.h"

/* A source: rank 0 is none; a stack is row-major, all else channels last.  A
 * buffer is a weight without a gradient, a variance one that is positive. */
typedef struct KernelSource {
    int rank, dim[MAX_RANK];
    bool stack, buffer, variance;
} KernelSource;

typedef struct KernelCase {
    const Op *op;
    KernelSource src[MAX_SRC];
    const char *why;
    const void *attr; /* as graph_apply takes it: nothing left at 0 */
} KernelCase;

/* The families of ops: X stands in tests/kernel_cases_X.c.  Those of fused ops
 * come last, so that a failure names the part first. */
#define KERNEL_CASES(X) \
    X(conv)             \
    X(one_position)     \
    X(products)         \
    X(norms)            \
    X(pools)            \
    X(pointwise)        \
    X(moves)            \
    X(windows)          \
    X(gradients)        \
    X(gradients_conv)   \
    X(training)         \
    X(fused)

/* The i-th of all cases, NULL past the end. */
const KernelCase *kernel_case_at(int i);

/* True if this op's source k is a weight, with values on the host. */
bool kernel_source_is_weight(const Op *op, int k);

/* Source k of a case in g, "source0" by name; NULL: there is none. */
Tensor *kernel_case_source(Graph *g, const KernelCase *c, int k);

#endif
