/*
 * move_units.h - the kernel of all that only moves numbers, for the .cu files
 * that say where from
 *
 * Units move as a whole: 16 bytes where every run of neighbours is,
 * else of 8, 4 or 2, so that one kernel serves all dtypes.  from(i) is unit i
 * of the result.  A thread writes 16 bytes, and strides over the result by the
 * grid; units that are smaller are read by neighbouring lanes, whose neighbours
 * often lie in one line of memory, and change places through shared memory.
 *
 * Grid: what the machine holds at once, each block equally many rounds.
 */
#ifndef CUDA_MOVE_UNITS_H
#define CUDA_MOVE_UNITS_H

#include "kernels/cuda/kernels/kernel.h"

enum { GATHER_THREADS = 256, GATHER_BLOCKS_PER_SM = 8 };

/* The units of the warp's packs from `first` on: neighbouring lanes fetch
 * neighbouring units. */
template <typename U, typename From>
static __device__ __forceinline__ void fetch_units(uint4 *warp, unsigned first,
                                                   unsigned n, const From &from)
{
    constexpr unsigned N = 16 / sizeof(U);
    const unsigned lane = threadIdx.x % WARP;
    U *units = reinterpret_cast<U *>(warp), u[N];

#pragma unroll
    for (unsigned k = 0; k < N; k++) {
        const unsigned i = first * N + k * WARP + lane;

        u[k] = i < n ? from(i) : U{};
    }
#pragma unroll
    for (unsigned k = 0; k < N; k++)
        units[k * WARP + lane] = u[k];
    __syncwarp();
}

template <typename U, typename From>
static __global__ void __launch_bounds__(GATHER_THREADS)
    gather(U *y, unsigned n, From from)
{
    constexpr unsigned N = 16 / sizeof(U);
    SHARED(uint4, packs, [N == 1 ? 1 : GATHER_THREADS]);
    const unsigned lane = threadIdx.x % WARP, inside = threadIdx.x - lane;
    const unsigned thread = blockIdx.x * GATHER_THREADS + threadIdx.x;
    const unsigned threads = gridDim.x * GATHER_THREADS;
    const unsigned whole = n / N;

    for (unsigned i = thread; i - lane < whole; i += threads) {
        if constexpr (N == 1) {
            if (i < whole)
                y[i] = from(i);
        } else {
            fetch_units<U>(packs + inside, i - lane, whole * N, from);
            if (i < whole)
                reinterpret_cast<uint4 *>(y)[i] = packs[threadIdx.x];
            __syncwarp();
        }
    }
    for (unsigned i = whole * N + thread; i < n; i += threads)
        y[i] = from(i);
}

/* from is of units of U. */
template <typename U, typename From>
static int run_gather(Device *dev, const Tensor *out, From from)
{
    const unsigned n = (unsigned)(tensor_bytes(out) / sizeof(U));
    const size_t blocks = ceil_div(tensor_bytes(out), GATHER_THREADS * 16);
    const Launch l = { even_grid(dev, blocks, GATHER_BLOCKS_PER_SM),
                       GATHER_THREADS };

    return launch(dev, l, gather<U, From>, (U *)out->data, n, from);
}

/* Runs a statement with U standing for the largest unit that `bytes` (of all
 * sizes the bits, or-ed) is a multiple of. */
#define FOR_UNIT(bytes, U, ...)        \
    do {                               \
        if ((bytes) % 16 == 0) {       \
            typedef uint4 U;           \
            __VA_ARGS__;               \
        } else if ((bytes) % 8 == 0) { \
            typedef uint2 U;           \
            __VA_ARGS__;               \
        } else if ((bytes) % 4 == 0) { \
            typedef unsigned U;        \
            __VA_ARGS__;               \
        } else {                       \
            typedef unsigned short U;  \
            __VA_ARGS__;               \
        }                              \
    } while (0)

/* All that it reads and writes has an index of 31 bits. */
static inline bool gather_supports(const Tensor *out)
{
    return small_index(out) && small_index(out->src[0]);
}

#define GATHER(id, run_id)           \
    const Kernel cuda_##id = {       \
        .op = &id##_def,             \
        .name = "gather",            \
        .dtypes = ALL_DTYPES,        \
        .supports = gather_supports, \
        .run = run_id,               \
    };

#endif
