/*
 * moments.h - mean and deviation of a row of channels, for layer norms
 *
 * The row should be in the L1 cache: it is read twice.
 */
#ifndef SIMD_MOMENTS_H
#define SIMD_MOMENTS_H

#include "kernels/cpu/simd/rows.h"

/* Normalises a row: (x - mean - rest) * scale. */
typedef struct RowMoments {
    float mean, rest, scale; /* mean is rounded: rest is what is left of it */
} RowMoments;

static inline RowMoments row_moments(const Elem *x, size_t C, float eps)
{
    const float mean = sum_row(x, C) / (float)C;
    Vec sums = splat(0), squares = sums;
    float rest, square, var;
    size_t c = 0;

    for (; c + LANES <= C; c += LANES) {
        const Vec d = load_elems(x + c) - mean;

        sums += d;
        squares += d * d;
    }
    rest = sum_lanes(sums);
    square = sum_lanes(squares);
    for (; c < C; c++) {
        rest += number(x[c]) - mean;
        square += (number(x[c]) - mean) * (number(x[c]) - mean);
    }
    rest /= (float)C;
    var = square / (float)C - rest * rest;
    return (RowMoments){ mean, rest, 1 / sqrtf((var < 0 ? 0 : var) + eps) };
}

#endif
