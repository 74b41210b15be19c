/*
 * tiles.h - the inner loop of matrix products: a tile of sums in registers.
 *
 * A tile is up to ROWS rows times up to NV vectors of one panel of w, which is
 * packed (C, PANEL).  Each step of c costs NV loads of w, ROWS broadcasts of x
 * and ROWS NV multiply-adds, which are what binds.  rows and nv are constants
 * wherever they are passed, so that the loops vanish.
 */
#ifndef SIMD_TILES_H
#define SIMD_TILES_H

#include "kernels/cpu/simd/simd.h"

enum {
    NV = LANES == 16 ? 4 : 2, /* vectors: NV (ROWS + 1) + 1 fit registers */
    PANEL = NV * LANES,
    ROWS = 6,
};

/* Sum k is that of row k / nv and vector k % nv. */
INLINE void clear_sums(Vec *sum, const size_t rows, const size_t nv)
{
    UNROLL
    for (size_t k = 0; k < rows * nv; k++)
        sum[k] = (Vec){ 0 };
}

/* sum += x[row][c] w[c] for c from begin to end - 1. */
INLINE void add_products(Vec *sum, const float *const *x, const float *w,
                         size_t begin, size_t end, const size_t rows,
                         const size_t nv)
{
    for (size_t c = begin; c < end; c++) {
        UNROLL
        for (size_t k = 0; k < rows * nv; k++)
            sum[k] += x[k / nv][c] * load(w + c * PANEL + k % nv * LANES);
    }
}

/* The activation of a vector.  NaN passes: it compares false. */
INLINE Vec activate(Vec v, Activation act)
{
    const Vec six = splat(6);

    if (act == ACT_NONE)
        return v;
    v = (Vec)((VecInt)v & ~(VecInt)(v <= 0));
    if (act == ACT_RELU6) {
        const VecInt over = v > six;

        v = (Vec)(((VecInt)v & ~over) | ((VecInt)six & over));
    }
    return v;
}

#endif
