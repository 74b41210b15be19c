/*
 * norm_grad.h - sums over rows of each column that gradients of norms need
 *
 * Of dy and dy d, and, where the statistics are not stored, of d and d^2; d is x
 * less a number near the column's mean, so that squares cancel little.  In
 * float over PARTIAL rows, then in double.
 */
#ifndef SIMD_NORM_GRAD_H
#define SIMD_NORM_GRAD_H

#include "kernels/cpu/simd/rows.h"

enum {
    BLOCK = 512,  /* columns at a time: four sums of 2 KiB beside the rows */
    PARTIAL = 64, /* rows summed in float                                  */
};

/* What is added up, C numbers each. */
enum { SUM_DY, SUM_DY_D, SUM_D, SUM_D2, SUMS };

/* Up to BLOCK columns of x and dy, rows of C numbers. */
typedef struct Columns {
    const float *near, *x, *dy;
    size_t rows, C, width;
} Columns;

/* statistics is a constant. */
INLINE void add_partial(float sum[SUMS][BLOCK], Columns c, bool statistics)
{
    const float *x = c.x, *dy = c.dy, *near = c.near;
    size_t rows = c.rows;

    for (; rows >= 2; rows -= 2, x += 2 * c.C, dy += 2 * c.C) {
        const float *x2 = x + c.C, *dy2 = dy + c.C;
#pragma omp simd
        for (size_t k = 0; k < c.width; k++) {
            const float d = x[k] - near[k], e = x2[k] - near[k];

            sum[SUM_DY][k] += dy[k] + dy2[k];
            sum[SUM_DY_D][k] += dy[k] * d + dy2[k] * e;
            if (statistics) {
                sum[SUM_D][k] += d + e;
                sum[SUM_D2][k] += d * d + e * e;
            }
        }
    }
    for (; rows; rows--, x += c.C, dy += c.C)
#pragma omp simd
        for (size_t k = 0; k < c.width; k++) {
            const float d = x[k] - near[k];

            sum[SUM_DY][k] += dy[k];
            sum[SUM_DY_D][k] += dy[k] * d;
            if (statistics) {
                sum[SUM_D][k] += d;
                sum[SUM_D2][k] += d * d;
            }
        }
}

/* total (SUMS,C) = the sums of c.rows whole rows; statistics is a constant. */
INLINE void norm_sums(double *total, Columns c, bool statistics)
{
    const size_t sums = statistics ? SUMS : SUM_D, C = c.C;
    float sum[SUMS][BLOCK];

    memset(total, 0, sums * C * sizeof(*total));
    for (size_t row = 0; row < c.rows; row += PARTIAL)
        for (size_t from = 0; from < C; from += BLOCK) {
            const Columns part = { c.near + from,
                                   c.x + row * C + from,
                                   c.dy + row * C + from,
                                   min_size(PARTIAL, c.rows - row),
                                   C,
                                   min_size(BLOCK, C - from) };

            for (size_t s = 0; s < sums; s++)
                memset(sum[s], 0, part.width * sizeof(float));
            add_partial(sum, part, statistics);
            for (size_t s = 0; s < sums; s++)
#pragma omp simd
                for (size_t k = 0; k < part.width; k++)
                    total[s * C + from + k] += (double)sum[s][k];
        }
}

#endif
