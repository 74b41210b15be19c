/*
 * strips.h - filters along strips, and group norms of them: for ELA and SCSA
 *
 * Bound by latency: a few thousand numbers per image.  Strips are rows of
 * channels, `row` floats apart, whole vectors of them.
 */
#ifndef SIMD_STRIPS_H
#define SIMD_STRIPS_H

#include <math.h>

#include "kernels/cpu/simd/simd.h"

enum {
    LENGTH = 7,   /* of a strip at once: divides 7, 14, 28 and 56 */
    PARTIAL = 64, /* rows whose moments are summed before they are added */
};

/* Weight and bias of a group norm. */
typedef struct NormWeights {
    float *weight, *bias;
} NormWeights;

/* Moments of each channel over some rows: a copy of the first row, the sums of
 * d = x - first and of d^2.  As the first is within a few deviations of the
 * mean, squares cancel little, whatever the mean. */
typedef struct Moments {
    float *first, *sum, *squares;
} Moments;

/* n positions of one vector of channels; n is a constant. */
INLINE void filter_block(size_t row, float *y, const float *x,
                         const float *filter, size_t taps, Vec bias,
                         float scale, const size_t n)
{
    Vec sum[LENGTH];

    for (size_t i = 0; i < n; i++)
        sum[i] = splat(0);
    for (size_t t = 0; t < taps; t++) {
        const Vec weight = load(filter + t * row);

        for (size_t i = 0; i < n; i++)
            sum[i] += weight * load(x + (i + t) * row);
    }
    for (size_t i = 0; i < n; i++)
        store(y + i * row, sum[i] * scale + bias);
}

/* y[l] = scale times the sum over t of x[l + t] filter[t], plus bias, for L
 * positions of one vector of channels. */
static inline void filter_vector(size_t row, float *y, const float *x, size_t L,
                                 const float *filter, size_t taps, Vec bias,
                                 float scale)
{
    size_t l = 0;

    for (; l + LENGTH <= L; l += LENGTH)
        filter_block(row, y + l * row, x + l * row, filter, taps, bias, scale,
                     LENGTH);
    for (; l < L; l++)
        filter_block(row, y + l * row, x + l * row, filter, taps, bias, scale,
                     1);
}

/* The moments of rows of x, `row` apart, for the vectors of channels c to end -
 * 1. */
static void take_moments(size_t row, Moments m, const float *x, size_t rows,
                         size_t c, size_t end)
{
    for (; c < end; c += LANES) {
        const Vec first = load(x + c);
        Vec sum = splat(0), squares = sum;

        for (size_t from = 0; from < rows; from += PARTIAL) {
            const size_t to = min_size(from + PARTIAL, rows);
            Vec s1 = splat(0), s2 = s1;

            for (size_t r = from; r < to; r++) {
                const Vec d = load(x + r * row + c) - first;

                s1 += d;
                s2 += d * d;
            }
            sum += s1;
            squares += s2;
        }
        store(m.first + c, first);
        store(m.sum + c, sum);
        store(m.squares + c, squares);
    }
}

/* The mean of `size` channels, and one over their deviation. */
typedef struct Normal {
    double mean, scale;
} Normal;

/* Moments of channels first to first + size - 1, over `rows` rows. */
static Normal join_moments(Moments m, size_t first, size_t size, size_t rows,
                           double eps)
{
    const double part = 1 / (double)rows, n = (double)size;
    double mean = 0, var = 0;

#pragma omp simd reduction(+ : mean)
    for (size_t k = first; k < first + size; k++)
        mean += m.first[k] + m.sum[k] * part;
    mean /= n;
    /* Each channel's own variance, and its mean's distance from the group's. */
#pragma omp simd reduction(+ : var)
    for (size_t k = first; k < first + size; k++) {
        const double d = m.sum[k] * part, apart = m.first[k] + d - mean;

        var += m.squares[k] * part - d * d + apart * apart;
    }
    return (Normal){ mean, 1 / sqrt((var < 0 ? 0 : var / n) + eps) };
}

/* A group norm over `rows` rows, whose moments were taken. */
typedef struct Norm {
    Moments moments;
    size_t C, rows, groups;
    NormWeights weights;
    double eps;
} Norm;

/* A norm takes x to (x - mean) * scale + shift, channel by channel. */
typedef struct NormRows {
    float *mean, *scale, *shift;
} NormRows;

/* For channels c to end - 1.  Each thread that has a channel of a group joins
 * the moments of all of it. */
static void set_affine(const Norm *n, NormRows to, size_t c, size_t end)
{
    const size_t size = n->C / n->groups;

    end = min_size(end, n->C);
    for (size_t g = c / size * size; g < end; g += size) {
        const Normal normal =
            join_moments(n->moments, g, size, n->rows, n->eps);
        const float near = (float)normal.mean;
        const float rest = (float)(normal.mean - near);
        const size_t last = min_size(g + size, end);

#pragma omp simd
        for (size_t k = g > c ? g : c; k < last; k++) {
            const float scale = (float)(normal.scale * n->weights.weight[k]);

            to.mean[k] = near;
            to.scale[k] = scale;
            to.shift[k] = n->weights.bias[k] - rest * scale;
        }
    }
}

#endif
