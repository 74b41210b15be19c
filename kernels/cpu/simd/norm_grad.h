/*
 * norm_grad.h - sums over rows of each column that gradients of norms need
 *
 * Sums dy and dy d, and, where the statistics are not stored, d and d^2; d is
 * x less a number near the column's mean, so that squares cancel little.  In
 * float over PARTIAL rows, then in double.
 */
#ifndef SIMD_NORM_GRAD_H
#define SIMD_NORM_GRAD_H

#include "kernels/cpu/simd/rows.h"

enum {
    BLOCK = 512,  /* columns at a time: four sums of 2 KiB next to rows   */
    PARTIAL = 64, /* rows summed in float                                  */
};

/* Sums, of C numbers each. */
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

    for (; rows >= 4; rows -= 4, x += 4 * c.C, dy += 4 * c.C) {
        const float *x1 = x + c.C, *x2 = x1 + c.C, *x3 = x2 + c.C;
        const float *dy1 = dy + c.C, *dy2 = dy1 + c.C, *dy3 = dy2 + c.C;

        fetch_ahead(x, 4, c.C, c.width);
        fetch_ahead(dy, 4, c.C, c.width);
#pragma omp simd
        for (size_t k = 0; k < c.width; k++) {
            const float d = x[k] - near[k], d1 = x1[k] - near[k],
                        d2 = x2[k] - near[k], d3 = x3[k] - near[k];

            sum[SUM_DY][k] += (dy[k] + dy1[k]) + (dy2[k] + dy3[k]);
            sum[SUM_DY_D][k] +=
                (dy[k] * d + dy1[k] * d1) + (dy2[k] * d2 + dy3[k] * d3);
            if (statistics) {
                sum[SUM_D][k] += (d + d1) + (d2 + d3);
                sum[SUM_D2][k] += (d * d + d1 * d1) + (d2 * d2 + d3 * d3);
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
