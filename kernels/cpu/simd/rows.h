/*
 * rows.h - loops over rows of channels that several kernels share.
 *
 * All take rows `stride` numbers apart and do `width` columns of them.  Eight
 * rows are combined before the accumulator is touched: that makes the loads
 * of x the bound, and sums pairwise, hence more exact.
 */
#ifndef SIMD_ROWS_H
#define SIMD_ROWS_H

#include <math.h>

#include "kernels/cpu/simd/lanes.h"

/* acc[k] += the sum over rows of x[k]. */
static inline void add_rows(float *acc, const float *x, size_t rows,
                            size_t stride, size_t width)
{
    for (; rows >= 8; rows -= 8, x += 8 * stride) {
        const float *b = x + stride, *c = b + stride, *d = c + stride,
                    *e = d + stride, *f = e + stride, *g = f + stride,
                    *h = g + stride;
#pragma omp simd
        for (size_t k = 0; k < width; k++)
            acc[k] += ((x[k] + b[k]) + (c[k] + d[k])) +
                      ((e[k] + f[k]) + (g[k] + h[k]));
    }
    if (rows >= 4) {
        const float *b = x + stride, *c = b + stride, *d = c + stride;
#pragma omp simd
        for (size_t k = 0; k < width; k++)
            acc[k] += (x[k] + b[k]) + (c[k] + d[k]);
        rows -= 4;
        x += 4 * stride;
    }
    for (; rows; rows--, x += stride)
#pragma omp simd
        for (size_t k = 0; k < width; k++)
            acc[k] += x[k];
}

/* acc[k] = the larger of itself and x[k] of every row. */
static inline void max_rows(float *acc, const float *x, size_t rows,
                            size_t stride, size_t width)
{
    for (; rows >= 4; rows -= 4, x += 4 * stride) {
        const float *b = x + stride, *c = b + stride, *d = c + stride;
#pragma omp simd
        for (size_t k = 0; k < width; k++)
            acc[k] = max_nan(acc[k],
                             max_nan(max_nan(x[k], b[k]), max_nan(c[k], d[k])));
    }
    for (; rows; rows--, x += stride)
#pragma omp simd
        for (size_t k = 0; k < width; k++)
            acc[k] = max_nan(acc[k], x[k]);
}

/* The sum of n numbers, by 4 LANES partial ones. */
static inline float sum_row(const float *x, size_t n)
{
    Vec a = splat(0), b = a, c = a, d = a;
    float sum;

    for (; n >= 4 * LANES; n -= 4 * LANES, x += 4 * LANES) {
        a += load(x);
        b += load(x + LANES);
        c += load(x + 2 * LANES);
        d += load(x + 3 * LANES);
    }
    for (; n >= LANES; n -= LANES, x += LANES)
        a += load(x);
    sum = sum_lanes((a + b) + (c + d));
    for (; n; n--, x++)
        sum += *x;
    return sum;
}

/* The largest of n numbers, NaN if any is.  A comparison that keeps NaN takes
 * some 8 cycles, hence four vectors, which gcc keeps in registers only if they
 * are no array. */
static inline float max_row(const float *x, size_t n)
{
    Vec a = splat(-INFINITY), b = a, c = a, d = a;
    float most;

    for (; n >= 4 * LANES; n -= 4 * LANES, x += 4 * LANES) {
        a = max_vec(a, load(x));
        b = max_vec(b, load(x + LANES));
        c = max_vec(c, load(x + 2 * LANES));
        d = max_vec(d, load(x + 3 * LANES));
    }
    for (; n >= LANES; n -= LANES, x += LANES)
        a = max_vec(a, load(x));
    most = max_lane(max_vec(max_vec(a, b), max_vec(c, d)));
    for (; n; n--, x++)
        most = max_nan(most, *x);
    return most;
}

/* Per channel, what takes x to (x - mean) * scale + shift. */
typedef struct Affine {
    const float *mean, *scale, *shift;
} Affine;

/*
 * The mean is a float near the true one, and shift makes up for the
 * difference: exact where the mean is large beside the deviation, which
 * x * scale + shift would not be.
 */
static inline void normalise_rows(float *y, const float *x, size_t rows,
                                  size_t stride, size_t width, Affine a)
{
    for (; rows; rows--, x += stride, y += stride)
#pragma omp simd
        for (size_t k = 0; k < width; k++)
            y[k] = (x[k] - a.mean[k]) * a.scale[k] + a.shift[k];
}

#endif
