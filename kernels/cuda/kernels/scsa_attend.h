/*
 * scsa_attend.h - PCSA's attention, eq. (10) and (11), of the kernels of SCSA
 *
 * A warp has ROWS neighbouring channels i, its lanes have the channels j: at
 * each position one read of 16 bytes, the same for all lanes, has the rows'
 * q, and each lane's own reads have its k.  A row's sums are kept against the
 * largest score that its lane has seen, and put together at the end.
 *
 * Warps may share the rows: each has some of the channels j.
 */
#ifndef CUDA_SCSA_ATTEND_H
#define CUDA_SCSA_ATTEND_H

#include <float.h>

#include "kernels/cuda/kernels/scsa.h"
#include "kernels/simt/prims.h"

static constexpr int ATTEND_ROWS = 4, ATTEND_COLS = 2, ATTEND_SPAN = 64;

/* Where x_p, normalised, is: its rows i to i + 3, and column(j), a channel of
 * it; of each a position is `pitch` numbers after the last. */
template <typename F> struct Related {
    int i;
    const float *rows;
    F column;
    int pitch;
};
template <typename F>
static __device__ __forceinline__ Related<F> related(int i, const float *rows,
                                                     F column, int pitch)
{
    return { i, rows, column, pitch };
}

/* The channels j of this warp: every `of`-th lot of them, from the own-th on.
 * Each part of a head has some. */
typedef struct Part {
    int own, of;
} Part;

typedef struct SoftmaxMean {
    float max;      /* of the scores, times log2 e                           */
    float sum, out; /* of e = 2^(score - max): sum of e, sum of e mean(v) */
} SoftmaxMean;

/* Nothing that is there, and nothing that comes, is larger than max. */
static __device__ __forceinline__ void raise_max(SoftmaxMean *row, float max)
{
    const float less = power2(row->max - max);

    row->max = max;
    row->sum *= less;
    row->out *= less;
}

/* A score that is not larger than the maximum. */
static __device__ __forceinline__ void add_score(SoftmaxMean *row, float score,
                                                 float mean_v)
{
    const float e = power2(score - row->max);

    row->sum += e;
    row->out += e * mean_v;
}

/* Any score: one exponential, of the smaller less the larger. */
static __device__ __forceinline__ void admit(SoftmaxMean *row, float score,
                                             float mean_v)
{
    const float e = power2(-fabsf(score - row->max));
    const bool higher = score > row->max;
    const float old = higher ? e : 1, now = higher ? 1 : e;

    row->max = higher ? score : row->max;
    row->sum = row->sum * old + now;
    row->out = row->out * old + now * mean_v;
}

/* Adds what another warp has of the same row. */
static __device__ __forceinline__ void admit_part(SoftmaxMean *row,
                                                  const SoftmaxMean &part)
{
    const float max = max_nan(row->max, part.max);
    const float more = power2(part.max - max);

    raise_max(row, max);
    row->sum += part.sum * more;
    row->out += part.out * more;
}

/* The lanes' parts of the rows put together, in every lane. */
static __device__ __forceinline__ void meet(SoftmaxMean (&row)[ATTEND_ROWS])
{
#pragma unroll
    for (int r = 0; r < ATTEND_ROWS; r++) {
        raise_max(&row[r], warp_max(row[r].max));
        row[r].sum = warp_sum(row[r].sum);
        row[r].out = warp_sum(row[r].out);
    }
}

/* Eq. (11) up to its gate, of a whole row. */
static __device__ __forceinline__ float gate_of(const SoftmaxMean &row)
{
    return sigmoid(__fdividef(row.out, row.sum));
}

/* dot[r][c] += sum_p x_i x_j and sum[c] += sum_p x_j over some positions, for
 * the channels i + r and those that x_j points to. */
static __device__ __forceinline__ void dot_products(
    float (&dot)[ATTEND_ROWS][ATTEND_COLS], float (&sum)[ATTEND_COLS],
    const float *x_i, const float *const (&x_j)[ATTEND_COLS], int positions,
    int pitch)
{
    float part[ATTEND_ROWS][ATTEND_COLS] = {};

#pragma unroll 8
    for (int p = 0; p < positions; p++) {
        const Pack<float, ATTEND_ROWS> a =
            load_pack<ATTEND_ROWS>(x_i + p * pitch);

#pragma unroll
        for (int c = 0; c < ATTEND_COLS; c++) {
            const float b = x_j[c][p * pitch];

            sum[c] += b;
#pragma unroll
            for (int r = 0; r < ATTEND_ROWS; r++)
                part[r][c] += a.at[r] * b;
        }
    }
#pragma unroll
    for (int r = 0; r < ATTEND_ROWS; r++)
#pragma unroll
        for (int c = 0; c < ATTEND_COLS; c++)
            dot[r][c] += part[r][c];
}

/* Rows i to i + 3 of the attention, averaged over positions; q, k, v are (C); i
 * is a multiple of 4.  A lane takes ATTEND_COLS channels j at a time. */
template <typename W, typename F>
static __device__ __forceinline__ void attend_many(
    SoftmaxMean (&row)[ATTEND_ROWS], const Related<F> &x, const Scsa &s,
    const W *q, const W *k, const W *v, const Part &part)
{
    const int lane = (int)threadIdx.x % WARP, d = s.depth, i = x.i;
    const int end = ((i + ATTEND_ROWS - 1) / d + 1) * d;
    int head[ATTEND_ROWS]; /* the first channel of the row's */

#pragma unroll
    for (int r = 0; r < ATTEND_ROWS; r++)
        head[r] = (i + r) / d * d;
#pragma unroll 1
    for (int j0 = head[0] + part.own * ATTEND_COLS * WARP; j0 < end;
         j0 += part.of * ATTEND_COLS * WARP) {
        float dot[ATTEND_ROWS][ATTEND_COLS] = {}, sum[ATTEND_COLS] = {};
        const float *x_j[ATTEND_COLS];

#pragma unroll
        for (int c = 0; c < ATTEND_COLS; c++)
            x_j[c] = x.column(min(j0 + c * WARP + lane, end - 1));
#pragma unroll 1
        for (int p = 0; p < s.P; p += ATTEND_SPAN) {
            const float *there[ATTEND_COLS];

#pragma unroll
            for (int c = 0; c < ATTEND_COLS; c++)
                there[c] = x_j[c] + p * x.pitch;
            dot_products(dot, sum, x.rows + p * x.pitch, there,
                         min(ATTEND_SPAN, s.P - p), x.pitch);
        }
#pragma unroll
        for (int c = 0; c < ATTEND_COLS; c++) {
            const int at = j0 + c * WARP + lane, j = min(at, end - 1);
            const float k_j = to_float(k[j]) * s.scale;
            const float mean_v =
                to_float(v[j]) * __fdividef(sum[c], (float)s.P);

#pragma unroll
            for (int r = 0; r < ATTEND_ROWS; r++)
                if ((unsigned)(at - head[r]) < (unsigned)d) /* not the last's */
                    admit(&row[r], to_float(q[i + r]) * k_j * dot[r][c],
                          mean_v);
        }
    }
}

/* The same at a single position, the four rows being of one head: the scores
 * t_i k_j have rank one, so the largest of a row is at one end of k. */
template <typename W, typename F>
static __device__ __forceinline__ void attend_one(
    SoftmaxMean (&row)[ATTEND_ROWS], const Related<F> &x, const Scsa &s,
    const W *q, const W *k, const W *v, const Part &part)
{
    const int lane = (int)threadIdx.x % WARP, i = x.i;
    const int begin = i / s.depth * s.depth, end = begin + s.depth;
    const int first = begin + part.own * WARP + lane;
    const int step = part.of * WARP;
    float high = -FLT_MAX, low = FLT_MAX, t[ATTEND_ROWS];

#pragma unroll 4
    for (int j = first; j < end; j += step) {
        const float k_j = to_float(k[j]) * *x.column(j);

        high = fmaxf(high, k_j);
        low = fminf(low, k_j);
    }
    high = warp_max(high);
    low = -warp_max(-low);
#pragma unroll
    for (int r = 0; r < ATTEND_ROWS; r++) {
        t[r] = to_float(q[i + r]) * s.scale * x.rows[r];
        row[r].max = fmaxf(t[r] * high, t[r] * low);
    }
#pragma unroll 4
    for (int j = first; j < end; j += step) {
        const float x_j = *x.column(j);
        const float k_j = to_float(k[j]) * x_j, v_j = to_float(v[j]) * x_j;

#pragma unroll
        for (int r = 0; r < ATTEND_ROWS; r++)
            add_score(&row[r], t[r] * k_j, v_j);
    }
}

/* A warp's part of rows i to i + 3, in every lane. */
template <typename W, typename F>
static __device__ __forceinline__ void attend(SoftmaxMean (&row)[ATTEND_ROWS],
                                              const Related<F> &x,
                                              const Scsa &s, const W *q,
                                              const W *k, const W *v,
                                              const Part &part)
{
#pragma unroll
    for (int r = 0; r < ATTEND_ROWS; r++)
        row[r] = { -FLT_MAX, 0, 0 };
    if (s.P == 1 && s.depth % ATTEND_ROWS == 0)
        attend_one(row, x, s, q, k, v, part);
    else
        attend_many(row, x, s, q, k, v, part);
    meet(row);
}

#endif
