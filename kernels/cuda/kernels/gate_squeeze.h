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

/* A stage of the map has come, and with the first the weights: those packs that
 * this thread asked for. */
static __device__ __forceinline__ void wait_for_stage(int stage)
{
    static_assert(STAGES == 4, "as many as are waited for");
    if (stage == 0)
        cp_async_wait<3>();
    else if (stage == 1)
        cp_async_wait<2>();
    else if (stage == 2)
        cp_async_wait<1>();
    else
        cp_async_wait<0>();
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
}

/* Asks for the block's rows, which begin at `from`, and for those around them;
 * `to` has room for HALO rows first.  A thread asks for the packs that it will
 * squeeze, so that it need not wait for others. */
template <int N, int HALO, typename T>
static __device__ __forceinline__ void fetch(const Part<T> &c, T *to,
                                             const T *from)
{
    const Shape &s = c.s;
    const int line = s.W * s.C, positions = c.rows * s.W;

    to += HALO * line;
#pragma unroll 1
    for (int stage = 0; stage < STAGES; stage++) {
        const int end = stage_begin(s, positions, stage + 1);

#pragma unroll 1
        for (int p = c.own; p < s.packs && c.lane < s.lanes; p += s.across)
#pragma unroll 1
            for (int q = stage_begin(s, positions, stage) + c.lane; q < end;
                 q += s.lanes)
                cp_async16(to + q * s.C + p * N, from + q * s.C + p * N);
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

/* The order of a thread's positions: every lanes-th, a stage of the map when it
 * has come, which is for the first to see the map; the same, at once; or one
 * after the other, so that the row is nearly always that of the last. */
enum Order { AS_THEY_COME, IN_STEPS, IN_RUNS };

static __device__ __forceinline__ int run_of(const Shape &s, int positions)
{
    return (int)divide((unsigned)(positions + s.lanes - 1), s.by_lanes);
}

/* Number of a lane's positions. */
template <Order ORDER>
static __device__ __forceinline__ int positions_of(const Shape &s,
                                                   int positions, int lane)
{
    const int run = run_of(s, positions);

    if (ORDER == IN_RUNS)
        return max(0, min(run, positions - lane * run));
    return run - (lane >= positions - (run - 1) * s.lanes);
}

/* take(pack, row, column) of a thread's packs of channels from `channel` on. */
template <int N, Order ORDER, typename T, typename Take>
static __device__ __forceinline__ void for_positions(const Part<T> &c,
                                                     int channel, Take take)
{
    constexpr bool WAITS = ORDER == AS_THEY_COME;
    const Shape &s = c.s;
    const int n = c.rows * s.W, run = run_of(s, n);

#pragma unroll 1
    for (int stage = WAITS ? 0 : STAGES - 1; stage < STAGES; stage++) {
        int q = c.lane, end = n;

        if (WAITS) {
            q += stage_begin(s, n, stage);
            end = stage_begin(s, n, stage + 1);
            wait_for_stage(stage);
        } else if (ORDER == IN_RUNS) {
            q *= run;
            end = min(n, q + run);
        }
#pragma unroll 4
        for (; q < end; q += ORDER == IN_RUNS ? 1 : s.lanes) {
            unsigned column = (unsigned)q;
            const int row = (int)divmod(&column, s.by_W);

            take(load_pack<N>(c.x + q * s.C + channel), row, (int)column);
        }
    }
}

/* value(pack, row, column, channel) joined over the block's positions, for each
 * channel: to[channel].  All have it. */
template <typename How, int N, Order ORDER, typename T, typename Value>
static __device__ __forceinline__ void squeeze(const Part<T> &c, float *to,
                                               Value value)
{
    const Shape &s = c.s;

#pragma unroll 1
    for (int p = c.own; p < s.packs && c.lane < s.lanes; p += s.across) {
        Pack<float, N> sum = no_pack<How, Pack<float, N>>();

        for_positions<N, ORDER>(
            c, p * N, [&](const Pack<T, N> &x, int row, int column) {
                join_pack<How>(&sum, value(x, row, column, p * N));
            });
        store_floats(c.part + c.lane * s.C + p * N, sum);
    }
    if (ORDER == AS_THEY_COME)
        cp_async_wait<0>();
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

/* Sums of value(), and squared deviations from their mean.  A thread takes its
 * first number off all others, so that squares of what they have in common do
 * not cancel; then it knows the deviations from its own mean, and these are put
 * together (Chan, Golub and LeVeque, 1979).  c.part has room for two parts. */
template <int N, Order ORDER, typename T, typename Value>
static __device__ __forceinline__ void squeeze_moments(const Part<T> &c,
                                                       float *to_sum, float *to,
                                                       Value value)
{
    const Shape &s = c.s;
    const int positions = c.rows * s.W;
    float *part = c.part, *squares_part = part + s.lanes * s.C;

#pragma unroll 1
    for (int p = c.own; p < s.packs && c.lane < s.lanes; p += s.across) {
        Pack<float, N> sum = {}, off = {}, squares = {}, first = {};
        float n = 0;

        for_positions<N, ORDER>(
            c, p * N, [&](const Pack<T, N> &x, int row, int column) {
                const Pack<float, N> v = value(x, row, column, p * N);

#pragma unroll
                for (int k = 0; k < N; k++) {
                    first.at[k] = n > 0 ? first.at[k] : v.at[k];
                    const float d = v.at[k] - first.at[k];

                    sum.at[k] += v.at[k];
                    off.at[k] += d;
                    squares.at[k] += d * d;
                }
                n++;
            });
        const float scale = __fdividef(1, fmaxf(n, 1));

#pragma unroll
        for (int k = 0; k < N; k++)
            squares.at[k] -= off.at[k] * off.at[k] * scale;
        store_floats(part + c.lane * s.C + p * N, sum);
        store_floats(squares_part + c.lane * s.C + p * N, squares);
    }
    if (ORDER == AS_THEY_COME)
        cp_async_wait<0>();
    __syncthreads();
#pragma unroll 1
    for (int i = (int)threadIdx.x; i < s.C; i += THREADS) {
        float sum = 0, squares = 0;

#pragma unroll 4
        for (int l = 0; l < s.lanes; l++)
            sum += part[l * s.C + i];
        const float mean = __fdividef(sum, (float)max(positions, 1));

#pragma unroll 4
        for (int l = 0; l < s.lanes; l++) {
            const float n = (float)positions_of<ORDER>(s, positions, l);
            const float d = __fdividef(part[l * s.C + i], fmaxf(n, 1)) - mean;

            squares += squares_part[l * s.C + i] + n * d * d;
        }
        to_sum[i] = sum;
        to[i] = squares;
    }
    __syncthreads();
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
