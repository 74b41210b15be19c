/*
 * gate_squeeze.h - how a block of the kernel "gate" gets its rows, and what is
 *                  squeezed of them, of one block and of all blocks of an image
 */
#ifndef CUDA_GATE_SQUEEZE_H
#define CUDA_GATE_SQUEEZE_H

#include "kernels/cuda/kernels/gate_part.h"
#include "kernels/simt/prims.h"

/* ---- the block's rows ---------------------------------------------------- */

/* The first position of a stage. */
static __device__ __forceinline__ int stage_begin(const Shape &s, int positions,
                                                  int stage)
{
    const int steps = (positions + s.lanes - 1) / s.lanes;

    return min(positions, steps * stage / STAGES * s.lanes);
}

/* A stage of the map has come, for all threads; the weights are behind it. */
static __device__ __forceinline__ void wait_for_stage(int stage)
{
    static_assert(STAGES == 4, "as many as are waited for");
    if (stage == 0)
        cp_async_wait<4>();
    else if (stage == 1)
        cp_async_wait<3>();
    else if (stage == 2)
        cp_async_wait<2>();
    else
        cp_async_wait<1>();
    __syncthreads();
}

template <int N, typename T>
static __device__ __forceinline__ void copy_packs(T *to, const T *from, int n)
{
#pragma unroll 1
    for (int i = (int)threadIdx.x; i < n; i += THREADS)
        cp_async16(to + i * N, from + i * N);
}

/* Asks for the weights, where they are to be in shared memory. */
template <int WEIGHTS, typename T>
static __device__ __forceinline__ void fetch_weights(const Shape &s, T *to,
                                                     const Weights<T> &from)
{
    constexpr int N = 16 / (int)sizeof(T);

    if (s.staged)
#pragma unroll
        for (int k = 0; k < WEIGHTS; k++) {
            const int n = s.weight_n[k], packs = n / N;
            T *own = to + s.weight_at[k];

            copy_packs<N>(own, from.at[k], packs);
            if ((int)threadIdx.x < n - packs * N)
                own[packs * N + (int)threadIdx.x] =
                    from.at[k][packs * N + (int)threadIdx.x];
        }
    cp_async_commit();
}

/* Asks for the block's rows, which begin at `from`, and for those around them;
 * `to` has room for HALO rows first. */
template <int N, int HALO, typename T>
static __device__ __forceinline__ void fetch(const Part<T> &c, T *to,
                                             const T *from)
{
    const Shape &s = c.s;
    const int line = s.W * s.C, positions = c.rows * s.W;

    to += HALO * line;
#pragma unroll 1
    for (int stage = 0; stage < STAGES; stage++) {
        const int begin = stage_begin(s, positions, stage);
        const int end = stage_begin(s, positions, stage + 1);

        copy_packs<N>(to + begin * s.C, from + begin * s.C,
                      (end - begin) * s.packs);
        if (HALO && stage == STAGES - 1 && c.rows) {
            const int above = min(HALO, c.first);
            const int below = min(HALO, s.H - c.first - c.rows);

            copy_packs<N>(to - above * line, from - above * line,
                          above * s.W * s.packs);
            copy_packs<N>(to + c.rows * line, from + c.rows * line,
                          below * s.W * s.packs);
        }
        cp_async_commit();
    }
}

/* to[c] = the join of value(pack, row, column, channel) over the block's
 * positions.  Read by all after a barrier; the first to see the map waits for
 * its stages. */
template <typename How, int N, bool WAITS, typename T, typename Value>
static __device__ __forceinline__ void squeeze(const Part<T> &c, float *to,
                                               Value value)
{
    const Shape &s = c.s;
    const int n = c.rows * s.W;
    const bool works = c.lane < s.lanes;

#pragma unroll 1
    for (int p0 = 0; p0 < s.packs; p0 += s.across) {
        const int channel = (p0 + c.own) * N;
        const bool is = works && channel < s.C;
        Pack<float, N> sum = no_pack<How, Pack<float, N>>();

#pragma unroll 1
        for (int stage = WAITS ? 0 : STAGES - 1; stage < STAGES; stage++) {
            const int begin = WAITS ? stage_begin(s, n, stage) : 0;
            const int end = WAITS ? stage_begin(s, n, stage + 1) : n;

            if (WAITS)
                wait_for_stage(stage);
            if (is)
#pragma unroll 4
                for (int q = begin + c.lane; q < end; q += s.lanes) {
                    unsigned column = (unsigned)q;
                    const int row = (int)divmod(&column, s.by_W);

                    join_pack<How>(&sum,
                                   value(load_pack<N>(c.x + q * s.C + channel),
                                         row, (int)column, channel));
                }
        }
        if (is)
            store_floats(c.part + c.lane * s.C + channel, sum);
    }
    __syncthreads();
#pragma unroll 1
    for (int i = (int)threadIdx.x; i < s.C; i += THREADS) {
        float sum = How::none;

#pragma unroll 4
        for (int l = 0; l < s.lanes; l++)
            sum = How::join(sum, c.part[l * s.C + i]);
        to[i] = sum;
    }
    __syncthreads();
}

/* A pack as it is, as floats. */
template <typename T, int N>
static __device__ __forceinline__ Pack<float, N> floats_of(const Pack<T, N> &v)
{
    Pack<float, N> f;

#pragma unroll
    for (int k = 0; k < N; k++)
        f.at[k] = v.at[k];
    return f;
}

/* Squared deviations of value() from the block's mean, whose sums are known. */
template <int N, typename T, typename Value>
static __device__ __forceinline__ void spread(const Part<T> &c, float *to,
                                              const float *sum, Value value)
{
    const float scale = __fdividef(1, (float)max(c.rows * c.s.W, 1));

    squeeze<Sum, N, false>(
        c, to, [=](const Pack<T, N> &x, int row, int column, int channel) {
            Pack<float, N> v = value(x, row, column, channel);

#pragma unroll
            for (int k = 0; k < N; k++) {
                const float d = v.at[k] - sum[channel + k] * scale;

                v.at[k] = d * d;
            }
            return v;
        });
}

/* Means over each of the block's rows; row_splits threads share one, for one
 * pack, and are `packs` apart in a warp. */
template <int N, typename T>
static __device__ __forceinline__ void squeeze_rows(const Part<T> &c)
{
    const Shape &s = c.s;
    const int n = c.rows * s.row_splits * s.packs;

#pragma unroll 1
    for (int i0 = 0; i0 < n; i0 += THREADS) {
        const int i = i0 + (int)threadIdx.x;
        unsigned pack = (unsigned)i, part = divmod(&pack, s.by_packs);
        const int row = (int)divmod(&part, s.by_row_splits);
        const T *x = c.x + row * s.W * s.C + (int)pack * N;
        Pack<float, N> sum = {};

        if (i < n)
#pragma unroll 4
            for (int q = (int)part; q < s.W; q += s.row_splits)
                join_pack<Sum>(&sum, floats_of(load_pack<N>(x + q * s.C)));
#pragma unroll 1
        for (int d = s.packs; d < s.packs * s.row_splits; d *= 2)
#pragma unroll
            for (int k = 0; k < N; k++)
                sum.at[k] += __shfl_xor_sync(FULL_WARP, sum.at[k], d);
        if (i < n && part == 0) {
#pragma unroll
            for (int k = 0; k < N; k++)
                sum.at[k] *= s.per_row;
            store_floats(c.row + row * s.C + (int)pack * N, sum);
        }
    }
}

/* Sums down each column of the block. */
template <int N, typename T>
static __device__ __forceinline__ void squeeze_columns(const Part<T> &c,
                                                       float *to)
{
    const int line = c.s.W * c.s.C;

#pragma unroll 1
    for (int i = (int)threadIdx.x; i < c.s.W * c.s.packs; i += THREADS) {
        Pack<float, N> sum = {};

#pragma unroll 4
        for (int row = 0; row < c.rows; row++)
            join_pack<Sum>(&sum,
                           floats_of(load_pack<N>(c.x + row * line + i * N)));
        store_floats(to + i * N, sum);
    }
}

/* ---- the image's --------------------------------------------------------- */

/* to[i] = the join of from[i] of all blocks. */
template <typename How, int N>
static __device__ __forceinline__ void join_blocks(float *to, const float *from,
                                                   int n, int blocks)
{
    constexpr int V = N < 4 ? N : 4;

#pragma unroll 1
    for (int i = (int)threadIdx.x * V; i < n; i += THREADS * V) {
        Pack<float, V> sum = no_pack<How, Pack<float, V>>();

#pragma unroll 4
        for (int b = 0; b < blocks; b++)
            join_pack<How>(&sum, load_pack<V>(of_block(from, b) + i));
        store_pack(to + i, sum);
    }
}

/* Sums and squared deviations of the image, of those of its blocks, each about
 * its own mean (Chan, Golub and LeVeque, 1979). */
static __device__ __forceinline__ void join_spreads(const Shape &s,
                                                    float *to_sum, float *to,
                                                    const float *sum,
                                                    const float *spread)
{
#pragma unroll 1
    for (int i = (int)threadIdx.x; i < s.C; i += THREADS) {
        float all = 0, squares = 0;

#pragma unroll 1
        for (int b = 0; b < s.blocks; b++)
            all += of_block(sum, b)[i];
#pragma unroll 1
        for (int b = 0; b < s.blocks; b++) {
            const int n = min(s.rows, max(s.H - b * s.rows, 0)) * s.W;
            const float d = __fdividef(of_block(sum, b)[i], (float)max(n, 1)) -
                            all * s.per_position;

            squares += of_block(spread, b)[i] + (n ? (float)n * d * d : 0);
        }
        to_sum[i] = all;
        to[i] = squares;
    }
}

/* Rows of all blocks, (H,C). */
template <typename T>
static __device__ __forceinline__ void gather_rows(const Part<T> &c, float *to)
{
    const Shape &s = c.s;

#pragma unroll 4
    for (int i = (int)threadIdx.x; i < s.H * s.C; i += THREADS) {
        unsigned at = (unsigned)i;
        const int block = (int)divmod(&at, s.by_piece);

        to[i] = of_block(c.row, block)[at];
    }
}

#endif
