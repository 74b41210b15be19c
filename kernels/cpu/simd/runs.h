/*
 * runs.h - runs of neighbouring numbers, for what moves them
 */
#ifndef SIMD_RUNS_H
#define SIMD_RUNS_H

#include "kernels/cpu/simd/simd.h"

enum { LONG = 256 }; /* numbers in a run that memcpy is for */

/* A call of memcpy takes as long as this loop does for a hundred numbers. */
static inline void copy(Elem *y, const Elem *x, size_t n)
{
    if (n >= LONG) {
        memcpy(y, x, n * sizeof(*y));
        return;
    }
    for (size_t k = 0; k + LANES <= n; k += LANES)
        store_elems(y + k, load_elems(x + k));
    for (size_t k = n / LANES * LANES; k < n; k++)
        y[k] = x[k];
}

/* Numbers between neighbours of t along dim. */
static inline size_t step_along(const Tensor *t, int dim)
{
    size_t stride[MAX_RANK];

    tensor_strides(t, stride);
    return stride[dim];
}

#endif
