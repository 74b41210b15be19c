/*
 * conv.h - dense convolutions and their gradients, to the same kernels
 *
 * With stride 1 conv2d_grad_x is a convolution of dy: by the turned kernel,
 * whose inputs are what were outputs.  So source 0 is what windows are taken
 * from, and source 1 the filters, for either op; they differ in the order of
 * the weights, and in what happens to a sum.
 */
#ifndef SIMD_CONV_H
#define SIMD_CONV_H

#include "kernels/cpu/simd/tiles.h"

/* The filter that makes output o of input c begins at first, its taps are step
 * apart. */
typedef struct Filter {
    size_t first;
    int step;
} Filter;

static inline Filter filter_of(const Tensor *out, size_t o, size_t c)
{
    const Tensor *w = out->src[1];
    const size_t taps = (size_t)(w->rank == 4 ? w->dim[2] * w->dim[3] : 1);
    const size_t I = (size_t)w->dim[1];

    if (out->op == &conv2d_grad_x_def)
        return (Filter){ (c * I + o) * taps + taps - 1, -1 };
    return (Filter){ (o * I + c) * taps, 1 };
}

/* The values of a bias, or NULL. */
static inline const float *bias_of(const Tensor *out)
{
    return weight_host(out->op == &conv2d_grad_x_def ? NULL : out->src[2]);
}

/* Epilogue of a sum: z is added; then it goes through act, or, where
 * there is x, which act has made, through act'(x). */
typedef struct Epilogue {
    const Elem *z, *x;
    Activation act;
} Epilogue;

static inline Epilogue epilogue_of(const Tensor *out)
{
    if (out->op == &conv2d_def) {
        const Conv2dAttr *a = out->attr;

        return (Epilogue){ .z = out->src[3] ? out->src[3]->data : NULL,
                           .act = a->act };
    }
    if (out->op == &conv2d_grad_x_def) {
        const Conv2dGradAttr *a = out->attr;

        return (Epilogue){ out->src[2] ? out->src[2]->data : NULL,
                           out->src[3] ? out->src[3]->data : NULL,
                           a->conv.act };
    }
    return (Epilogue){ .act = ACT_NONE };
}

/* v where act' is 1 at x, elsewhere 0. */
INLINE Vec through(Vec v, Vec x, Activation act)
{
    VecInt open = x > 0;

    if (act == ACT_RELU6)
        open &= x < splat(6);
    return (Vec)((VecInt)v & open);
}

/* Sums of which the first is number `at` of the result. */
INLINE Vec finish_sums(const Epilogue *e, Vec sum, size_t at)
{
    if (e->z)
        sum += load_elems(e->z + at);
    return e->x ? through(sum, load_elems(e->x + at), e->act)
                : activate(sum, e->act);
}

/* True if dx is a convolution of dy without groups. */
static inline bool supports_turned(const Tensor *out)
{
    const Conv2dGradAttr *a = out->attr;
    const Tensor *w = out->src[1];

    return is_weight(w) && a->conv.stride == 1 && a->conv.groups == 1 &&
           a->conv.pad_h < w->dim[2] && a->conv.pad_w < w->dim[3];
}

#endif
