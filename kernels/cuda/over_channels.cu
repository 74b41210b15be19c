/*
 * over_channels.cu - y[n,h,w] = mean or maximum over c of x[n,c,h,w]: mean_c,
 * max_c
 *
 * Bound by the bytes of x, each read once.
 *
 *   rows   a row of channels has as many lanes of a warp as it has packs, at
 *          most all, and a warp so many rows beside each other; a lane takes
 *          every lanes-th pack, four loads under way, and shuffles join the
 *          lanes.  Starves on rows that are no packs, and on few long rows.
 */
#include "kernels/cuda/join.h"

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

/* Packs begin, begin + lanes, ... of a row of C numbers. */
template <typename How, typename P, typename T>
static __device__ __forceinline__ P join_row(const T *x, unsigned C,
                                             unsigned begin, unsigned lanes)
{
    P acc = no_pack<How, P>();

    for (unsigned c = begin * P::N; c < C; c += UNDER_WAY * lanes * P::N) {
        P v[UNDER_WAY];

#pragma unroll
        for (unsigned i = 0; i < UNDER_WAY; i++) {
            v[i] = no_pack<How, P>();
            if (c + i * lanes * P::N < C)
                v[i] = load_pack<P::N>(x + c + i * lanes * P::N);
        }
        join_four<How>(v);
        join_pack<How>(&acc, v[0]);
    }
    return acc;
}

/* Grid: any; a block is JOIN_THREADS / lanes rows, and the next are after those
 * of the whole grid. */
template <typename T, int N, typename How>
static __global__ void __launch_bounds__(JOIN_THREADS)
    rows(T *y, const T *x, size_t n, unsigned C, unsigned lanes, float scale)
{
    const unsigned lane = threadIdx.x % lanes;
    const size_t step = (size_t)gridDim.x * (JOIN_THREADS / lanes);
    size_t r = ((size_t)blockIdx.x * JOIN_THREADS + threadIdx.x) / lanes;

    /* All lanes of a warp go round equally often. */
    for (size_t base = r - threadIdx.x / lanes; base < n;
         base += step, r += step) {
        float v = How::none;

        if (r < n)
            v = join_numbers<How>(
                join_row<How, Pack<T, N>>(x + r * C, C, lane, lanes));
        for (unsigned d = lanes / 2; d > 0; d /= 2)
            v = How::join(v, __shfl_xor_sync(FULL_WARP, v, d));
        if (r < n && lane == 0)
            from_float(&y[r], v * scale);
    }
}

template <typename How>
static int run(Device *dev, const Tensor *out, float scale)
{
    const size_t n = tensor_count(out);
    const unsigned C = (unsigned)out->src[0]->dim[1];
    const Lanes lanes = lanes_of(out->dtype, C, 0, 0);
    const size_t blocks = ceil_div(n * lanes.lanes, JOIN_THREADS);
    const Launch l = { even_grid(dev, blocks, 2 * BLOCKS_WANTED),
                       JOIN_THREADS };
    int err = OK;

    FOR_PACK(out->dtype, lanes.whole, T, N, {
        err = launch(dev, l, rows<T, N, How>, (T *)out->data,
                     (const T *)out->src[0]->data, n, C, lanes.lanes, scale);
    });
    return err;
}

static int run_mean(Device *dev, const Tensor *out, void *state)
{
    (void)state;
    return run<Sum>(dev, out, 1.0f / (float)out->src[0]->dim[1]);
}

static int run_max(Device *dev, const Tensor *out, void *state)
{
    (void)state;
    return run<Max>(dev, out, 1);
}

const Kernel cuda_mean_c = {
    .op = &mean_c_def,
    .name = "rows",
    .dtypes = ALL_DTYPES,
    .run = run_mean,
};

const Kernel cuda_max_c = {
    .op = &max_c_def,
    .name = "rows",
    .dtypes = ALL_DTYPES,
    .run = run_max,
};
