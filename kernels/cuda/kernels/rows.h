/*
 * rows.h - sums and maxima of the rows of a matrix, for .cu files
 *
 *   y[r] = scale * sum over c of x[r,c]      (or the maximum)
 *
 * Bound by the bytes of x, each read once.
 *
 *   rows   a row of channels has as many lanes of a warp as it has packs, at
 *          most all, and shuffles join them.  Four loads are under way in each
 *          lane: of four rows (ROWS = 4) where a lane has one pack of a row
 *          and rows are many, else of one.  Starves on rows that are no packs,
 *          and on few long rows.
 *
 * Grid: what the machine holds at once, each block equally many rounds.
 */
#ifndef CUDA_ROWS_H
#define CUDA_ROWS_H

#include "kernels/cuda/kernels/columns.h"

/* One number of a pack. */
template <typename How, typename P>
static __device__ __forceinline__ float join_numbers(P v)
{
#pragma unroll
    for (int d = P::N / 2; d > 0; d /= 2)
#pragma unroll
        for (int i = 0; i < d; i++)
            v.at[i] = How::join(v.at[i], v.at[i + d]);
    return v.at[0];
}

/* Packs begin, begin + lanes, ... of the C numbers from `row` on. */
template <typename P, typename T, typename How>
static __device__ __forceinline__ P join_row(const T *x, size_t row, unsigned C,
                                             const How &how, unsigned begin,
                                             unsigned lanes)
{
    P acc = no_pack<How, P>();

    for (unsigned c = begin * P::N; c < C; c += UNDER_WAY * lanes * P::N) {
        P v[UNDER_WAY];

#pragma unroll
        for (unsigned i = 0; i < UNDER_WAY; i++) {
            v[i] = no_pack<How, P>();
            if (c + i * lanes * P::N < C)
                v[i] =
                    how.template load<P>(x, row + c + i * lanes * P::N, 0, 0);
        }
        join_four<How>(v);
        join_pack<How>(&acc, v[0]);
    }
    return acc;
}

/* Grid: any; block: (lanes, high), ROWS * high rows. */
template <typename T, int N, typename How, int ROWS>
static __global__ void __launch_bounds__(JOIN_THREADS)
    rows(T *y, const T *x, size_t n, unsigned C, float scale, How how)
{
    typedef Pack<T, N> P;
    const unsigned lane = threadIdx.x, lanes = blockDim.x, high = blockDim.y;

    /* All of a block go round equally often: shuffles need whole warps. */
    for (size_t first = (size_t)blockIdx.x * ROWS * high; first < n;
         first += (size_t)gridDim.x * ROWS * high) {
        const size_t r = first + threadIdx.y;
        P v[ROWS];

#pragma unroll
        for (int i = 0; i < ROWS; i++) {
            const size_t row = (r + i * high) * C;

            v[i] = no_pack<How, P>();
            if (r + i * high < n && lane * N < C)
                v[i] = ROWS > 1 ? how.template load<P>(x, row + lane * N, 0, 0)
                                : join_row<P>(x, row, C, how, lane, lanes);
        }
#pragma unroll
        for (int i = 0; i < ROWS; i++) {
            float all = join_numbers<How>(v[i]);

            for (unsigned d = lanes / 2; d > 0; d /= 2)
                all = How::join(all, __shfl_xor_sync(FULL_WARP, all, d));
            if (r + i * high < n && lane == 0)
                from_float(&y[r + i * high], all * scale);
        }
    }
}

/* C numbers per row; how: as of columns. */
template <typename How>
static inline int rows_run(Device *dev, const Tensor *out, unsigned C,
                           float scale, How how)
{
    const size_t n = tensor_count(out);
    const Lanes lanes = lanes_of(out->dtype, C, 0, 0);
    const unsigned high = JOIN_THREADS / lanes.lanes;
    const size_t fours = ceil_div(n, high * UNDER_WAY);
    const unsigned at_once =
        lanes.across == 1 && fours >= (size_t)cuda_device(dev)->sms ? UNDER_WAY
                                                                    : 1;
    const Launch l = { even_grid(dev, ceil_div(n, high * at_once),
                                 BLOCKS_WANTED),
                       dim3(lanes.lanes, high) };
    int err = OK;

    FOR_PACK(out->dtype, lanes.whole, T, N, {
        err = launch(
            dev, l,
            at_once > 1 ? rows<T, N, How, UNDER_WAY> : rows<T, N, How, 1>,
            (T *)out->data, (const T *)out->src[0]->data, n, C, scale, how);
    });
    return err;
}

#endif
