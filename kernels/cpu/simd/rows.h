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

/* Prefetches what lies 4 KiB behind each of these rows: from memory sums of
 * several rows at once come faster so than by hardware's prefetchers alone. */
static inline void fetch_ahead(const Elem *x, size_t rows, size_t stride,
                               size_t width)
{
    const size_t ahead = 4096 / sizeof(Elem), line = 64 / sizeof(Elem);

    for (size_t r = 0; r < rows; r++)
        for (size_t k = 0; k < width; k += line)
            __builtin_prefetch(x + r * stride + k + ahead);
}

/* acc[k] += the sum over rows of x[k]. */
static inline void add_rows(float *acc, const Elem *x, size_t rows,
                            size_t stride, size_t width)
{
    for (; rows >= 8; rows -= 8, x += 8 * stride) {
        const Elem *b = x + stride, *c = b + stride, *d = c + stride,
                   *e = d + stride, *f = e + stride, *g = f + stride,
                   *h = g + stride;
#pragma omp simd
        for (size_t k = 0; k < width; k++)
            acc[k] +=
                ((number(x[k]) + number(b[k])) +
                 (number(c[k]) + number(d[k]))) +
                ((number(e[k]) + number(f[k])) + (number(g[k]) + number(h[k])));
    }
    if (rows >= 4) {
        const Elem *b = x + stride, *c = b + stride, *d = c + stride;
#pragma omp simd
        for (size_t k = 0; k < width; k++)
            acc[k] +=
                (number(x[k]) + number(b[k])) + (number(c[k]) + number(d[k]));
        rows -= 4;
        x += 4 * stride;
    }
    for (; rows; rows--, x += stride)
#pragma omp simd
        for (size_t k = 0; k < width; k++)
            acc[k] += number(x[k]);
}

/* acc[k] += the sum over rows of x[k] b[k]. */
static inline void add_row_products(float *acc, const Elem *x, const float *b,
                                    size_t rows, size_t stride, size_t width)
{
    for (; rows >= 4; rows -= 4, x += 4 * stride, b += 4 * stride) {
        const Elem *x1 = x + stride, *x2 = x1 + stride, *x3 = x2 + stride;
        const float *b1 = b + stride, *b2 = b1 + stride, *b3 = b2 + stride;
#pragma omp simd
        for (size_t k = 0; k < width; k++)
            acc[k] += (number(x[k]) * b[k] + number(x1[k]) * b1[k]) +
                      (number(x2[k]) * b2[k] + number(x3[k]) * b3[k]);
    }
    for (; rows; rows--, x += stride, b += stride)
#pragma omp simd
        for (size_t k = 0; k < width; k++)
            acc[k] += number(x[k]) * b[k];
}

/* acc[k] = the larger of itself and x[k] of every row. */
static inline void max_rows(Elem *acc, const Elem *x, size_t rows,
                            size_t stride, size_t width)
{
    for (; rows >= 4; rows -= 4, x += 4 * stride) {
        const Elem *b = x + stride, *c = b + stride, *d = c + stride;
#pragma omp simd
        for (size_t k = 0; k < width; k++)
            acc[k] = same_elem(max_nan(
                number(acc[k]), max_nan(max_nan(number(x[k]), number(b[k])),
                                        max_nan(number(c[k]), number(d[k])))));
    }
    for (; rows; rows--, x += stride)
#pragma omp simd
        for (size_t k = 0; k < width; k++)
            acc[k] = same_elem(max_nan(number(acc[k]), number(x[k])));
}

/* The sum of n numbers, by 4 LANES partial ones. */
#define SUM(id, Type, load_vec, number_of)                       \
    static inline float id(const Type *x, size_t n)              \
    {                                                            \
        Vec a = splat(0), b = a, c = a, d = a;                   \
        float sum;                                               \
                                                                 \
        for (; n >= 4 * LANES; n -= 4 * LANES, x += 4 * LANES) { \
            a += load_vec(x);                                    \
            b += load_vec(x + LANES);                            \
            c += load_vec(x + 2 * LANES);                        \
            d += load_vec(x + 3 * LANES);                        \
        }                                                        \
        for (; n >= LANES; n -= LANES, x += LANES)               \
            a += load_vec(x);                                    \
        sum = sum_lanes((a + b) + (c + d));                      \
        for (; n; n--, x++)                                      \
            sum += number_of(*x);                                \
        return sum;                                              \
    }
SUM(sum_row, Elem, load_elems, number)
SUM(sum_floats, float, load, (float))
#undef SUM

/* The sum of n products, in the same way. */
static inline float dot_row(const float *x, const float *y, size_t n)
{
    Vec a = splat(0), b = a, c = a, d = a;
    float sum;

    for (; n >= 4 * LANES; n -= 4 * LANES, x += 4 * LANES, y += 4 * LANES) {
        a += load(x) * load(y);
        b += load(x + LANES) * load(y + LANES);
        c += load(x + 2 * LANES) * load(y + 2 * LANES);
        d += load(x + 3 * LANES) * load(y + 3 * LANES);
    }
    for (; n >= LANES; n -= LANES, x += LANES, y += LANES)
        a += load(x) * load(y);
    sum = sum_lanes((a + b) + (c + d));
    for (; n; n--, x++, y++)
        sum += *x * *y;
    return sum;
}

/* The largest of n numbers, NaN if any is.  A comparison that keeps NaN takes
 * some 8 cycles, hence four vectors, which gcc keeps in registers only if they
 * are no array. */
static inline float max_row(const Elem *x, size_t n)
{
    Vec a = splat(-INFINITY), b = a, c = a, d = a;
    float most;

    for (; n >= 4 * LANES; n -= 4 * LANES, x += 4 * LANES) {
        a = max_vec(a, load_elems(x));
        b = max_vec(b, load_elems(x + LANES));
        c = max_vec(c, load_elems(x + 2 * LANES));
        d = max_vec(d, load_elems(x + 3 * LANES));
    }
    for (; n >= LANES; n -= LANES, x += LANES)
        a = max_vec(a, load_elems(x));
    most = max_lane(max_vec(max_vec(a, b), max_vec(c, d)));
    for (; n; n--, x++)
        most = max_nan(most, number(*x));
    return most;
}

/* Per channel, what takes x to (x - mean) * scale + shift. */
typedef struct Affine {
    const float *mean, *scale, *shift;
} Affine;

/*
 * The mean is a float near the true one, and shift makes up for the
 * difference: exact where the mean is large next to the deviation, which
 * x * scale + shift would not be.
 */
static inline void normalise_rows(Elem *y, const Elem *x, size_t rows,
                                  size_t stride, size_t width, Affine a)
{
    for (; rows; rows--, x += stride, y += stride)
#pragma omp simd
        for (size_t k = 0; k < width; k++)
            y[k] = elem((number(x[k]) - a.mean[k]) * a.scale[k] + a.shift[k]);
}

#endif
