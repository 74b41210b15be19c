/*
 * reduce_packs.h - sums and maxima of packs, for the .cu files of pools
 */
#ifndef CUDA_REDUCE_PACKS_H
#define CUDA_REDUCE_PACKS_H

#include <math.h>

#include "kernels/cuda/kernels/kernel.h"

enum {
    JOIN_THREADS = 256, /* most in a block                              */
    LEAST_THREADS = 64, /* least in a block                             */
    LINE_BYTES = 128,   /* of a row: what memory is fetched by          */
    BLOCKS_WANTED = 4,  /* a multiprocessor: half of what it can hold   */
    UNDER_WAY = 4,      /* loads of a thread                            */
};

/* begin to end - 1. */
template <typename I> struct Span {
    I begin, end;
};

/* Wide is what few numbers are joined in, so that a sum of many loses nothing
 * at its end. */
struct Sum {
    typedef double Wide;
    static constexpr float none = 0;

    template <typename V> static __device__ __forceinline__ V join(V a, V b)
    {
        return a + b;
    }
};

struct Max {
    typedef float Wide;
    static constexpr float none = -INFINITY;

    static __device__ __forceinline__ float join(float a, float b)
    {
        return max_nan(a, b);
    }
};

template <typename How, typename P>
static __device__ __forceinline__ void join_pack(P *acc, const P &v)
{
#pragma unroll
    for (int j = 0; j < P::N; j++)
        acc->at[j] = How::join(acc->at[j], v.at[j]);
}

template <typename How, typename P>
static __device__ __forceinline__ P no_pack()
{
    P v;

#pragma unroll
    for (int j = 0; j < P::N; j++)
        v.at[j] = How::none;
    return v;
}

/* Four at a time: v[0] is the join of all. */
template <typename How, typename P>
static __device__ __forceinline__ void join_four(P v[UNDER_WAY])
{
    join_pack<How>(&v[0], v[1]);
    join_pack<How>(&v[2], v[3]);
    join_pack<How>(&v[0], v[2]);
}

/* The join of n numbers that are `stride` apart. */
template <typename How>
static __device__ __forceinline__ float join_parts(const float *part,
                                                   unsigned n, unsigned stride)
{
    typedef typename How::Wide V;
    V v[4] = { How::none, How::none, How::none, How::none };
    unsigned i = 0;

    for (; i + 4 <= n; i += 4)
#pragma unroll
        for (unsigned k = 0; k < 4; k++)
            v[k] = How::join(v[k], (V)part[(i + k) * stride]);
    for (; i < n; i++)
        v[0] = How::join(v[0], (V)part[i * stride]);
    return (float)How::join(How::join(v[0], v[1]), How::join(v[2], v[3]));
}

/* How a row of n numbers is divided among lanes of one pack each. */
typedef struct Lanes {
    bool whole;      /* packs are of 16 bytes, not of one number */
    unsigned lanes;  /* a power of two, at most a warp           */
    unsigned across; /* how many times as many make a row        */
} Lanes;

/*
 * As many lanes as the row has packs, for `rows` blocks to begin with.  Of a
 * longer row less, while there are not as many blocks as wanted: a line of
 * memory; or half a line, which is what memory fetches at least, while there is
 * not even one a multiprocessor.
 */
static inline Lanes lanes_of(Dtype dtype, size_t n, size_t rows, size_t wanted)
{
    const bool whole = whole_packs(dtype, n);
    const size_t bytes = whole ? 16 : dtype_size(dtype);
    const size_t packs = n * dtype_size(dtype) / bytes;
    size_t lanes = 1;

    while (lanes < WARP && lanes < packs)
        lanes *= 2;
    while (lanes * bytes > LINE_BYTES && rows * ceil_div(packs, lanes) < wanted)
        lanes /= 2;
    if (lanes * bytes == LINE_BYTES &&
        rows * ceil_div(packs, lanes) * BLOCKS_WANTED < wanted)
        lanes /= 2;
    return { whole, (unsigned)lanes, (unsigned)ceil_div(packs, lanes) };
}

#endif
