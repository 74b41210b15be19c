/*
 * dct.h - the tables of dct_pool and of its gradient
 */
#ifndef SIMD_DCT_H
#define SIMD_DCT_H

#include "kernels/cpu/simd/simd.h"

/* State, of a map like x: along_h (H,C), along_w (W,C). */
static inline int dct_tables(void **state, const DctPoolAttr *a,
                             const Tensor *x)
{
    const int C = x->dim[1], H = x->dim[2], W = x->dim[3], group = C / a->n;
    float *t;

    TRY(state_new(state, (size_t)(H + W) * (size_t)C * sizeof(float)));
    t = *state;
    for (int h = 0; h < H; h++)
        for (int c = 0; c < C; c++)
            *t++ = (float)dct_basis(h, a->u[c / group], H);
    for (int w = 0; w < W; w++)
        for (int c = 0; c < C; c++)
            *t++ = (float)dct_basis(w, a->v[c / group], W);
    return OK;
}

#endif
