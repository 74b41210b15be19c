/*
 * spans.h - what the windows of pooling cover along one dim
 */
#ifndef SIMD_SPANS_H
#define SIMD_SPANS_H

#include "kernels/cpu/simd/simd.h"

/* Positions of window i on a map of this size: begin to end - 1. */
typedef struct Span {
    size_t begin, end;
} Span;

static inline Span fixed_span(const PoolAttr *a, size_t i, int size)
{
    const int from = (int)i * a->stride - a->pad, to = from + a->k;

    return (Span){ from > 0 ? (size_t)from : 0,
                   (size_t)(to < size ? to : size) };
}

static inline Span adaptive_span(size_t i, int size, int windows)
{
    const size_t n = (size_t)size, w = (size_t)windows;

    return (Span){ i * n / w, ceil_div((i + 1) * n, w) };
}

#endif
