/*
 * panels.h - the weights of a linear layer or a 1x1 convolution in the order
 * in which tiles read them.
 */
#ifndef SIMD_PANELS_H
#define SIMD_PANELS_H

#include "kernels/cpu/simd/simd.h"

/* Panels of `panel` outputs each that out has. */
static inline size_t panels_of(const Tensor *out, size_t panel)
{
    return ceil_div((size_t)out->dim[1], panel);
}

/* State: b (panels * panel), then the panels, (I, panel) each; zeros where
 * there is no output. */
static inline int panels_new(void **state, const Tensor *out, size_t panel)
{
    const float *w = weight_host(out->src[1]), *b = weight_host(out->src[2]);
    const size_t I = (size_t)out->src[1]->dim[1], O = (size_t)out->dim[1];
    const size_t padded = panels_of(out, panel) * panel;
    float *to;

    TRY(state_new(state, padded * (I + 1) * sizeof(float)));
    to = *state;
    for (size_t o = 0; o < padded; o++)
        *to++ = b && o < O ? b[o] : 0;
    for (size_t first = 0; first < padded; first += panel)
        for (size_t i = 0; i < I; i++)
            for (size_t o = first; o < first + panel; o++)
                *to++ = o < O ? w[o * I + i] : 0;
    return OK;
}

#endif
