/*
 * tiles.h - the inner loop of matrix products: a tile of sums in registers.
 *
 * A tile is up to ROWS rows times up to NV vectors of one panel of w, which is
 * packed (C, PANEL).  Each step of c costs NV loads of w, ROWS broadcasts of x
 * and ROWS NV multiply-adds, which are what binds.  In bf16 a step is a PAIR of
 * c, of which one instruction adds both products: w is packed (C/PAIR, PANEL,
 * PAIR).  rows and nv are constants wherever they are passed, so that the loops
 * vanish.
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

/* sum + x w, of PAIR numbers at x with as many at w for each lane. */
#ifdef SIMD_BF16
enum { PAIR = 2 };

INLINE Vec add_product(Vec sum, const Elem *x, const Elem *w)
{
    int32_t pair;

    memcpy(&pair, x, sizeof(pair));
    return (Vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_epi32(pair),
                                 (__m512bh)_mm512_loadu_si512(w));
}
#else
enum { PAIR = 1 };

INLINE Vec add_product(Vec sum, const Elem *x, const Elem *w)
{
    return sum + *x * load(w);
}
#endif

/* sum += x[row][c] w[c] for c from begin to end - 1. */
INLINE void add_products(Vec *sum, const Elem *const *x, const Elem *w,
                         size_t begin, size_t end, const size_t rows,
                         const size_t nv)
{
    for (size_t c = begin; c < end; c += PAIR) {
        UNROLL
        for (size_t k = 0; k < rows * nv; k++)
            sum[k] = add_product(sum[k], x[k / nv] + c,
                                 w + c * PANEL + k % nv * LANES * PAIR);
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
