/*
 * move_units.h - the kernel of all that only moves numbers, for the .cu files
 * that say where from
 *
 * Units move as a whole: 16 bytes where every run of neighbours is,
 * else of 8, 4 or 2, so that one kernel serves all dtypes.  A thread makes 16
 * bytes of the result, of as many units as that is, and strides over it by the
 * grid; from(i) is unit i of the result.
 *
 * Grid: what the machine holds at once, each block equally many rounds.
 */
#ifndef CUDA_MOVE_UNITS_H
#define CUDA_MOVE_UNITS_H

#include "kernels/cuda/kernels/kernel.h"

enum { GATHER_THREADS = 256, GATHER_BLOCKS_PER_SM = 8 };

template <typename U, typename From>
static __global__ void __launch_bounds__(GATHER_THREADS)
    gather(U *y, unsigned n, From from)
{
    constexpr unsigned N = 16 / sizeof(U);
    const unsigned thread = blockIdx.x * GATHER_THREADS + threadIdx.x;
    const unsigned threads = gridDim.x * GATHER_THREADS;
    const unsigned whole = n / N;

    for (unsigned i = thread; i < whole; i += threads) {
        union {
            uint4 word;
            U at[N];
        } u;

#pragma unroll
        for (unsigned k = 0; k < N; k++)
            u.at[k] = from(i * N + k);
        reinterpret_cast<uint4 *>(y)[i] = u.word;
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
