/*
 * scsa_block.h - what a block of the kernel "cluster" holds of an image, how
 *                that comes from device memory, and which of it is a thread's
 */
#ifndef CUDA_SCSA_BLOCK_H
#define CUDA_SCSA_BLOCK_H

#include "kernels/cuda/kernels/cluster.h"
#include "kernels/cuda/kernels/scsa_cut.h"
#include "kernels/simt/prims.h"

/* ---- a block, and a thread of it ----------------------------------------- */

/* Contents of shared memory; C' is the block's channels. */
template <typename T> struct Block {
    int rank, first; /* in the cluster; its first channel                   */
    int quarter, warp, warps;
    T *map;                 /* (H,W,C')                                     */
    float *attn_h, *attn_w; /* (H,C') and (W,C'); eq. (3), (4) leave z here */
    float *x_p;             /* (P,C'), which the other blocks read, as they */
    Moments *moments;       /* do these: of z_h, z_w, x_p, (3, warps)       */
    float *gate;            /* (C'): of eq. (11)                            */
    float *work;            /* sums to be added; at last x_p (P,C)          */
    float *dwc_weight, *dwc_bias, *norm_hw; /* own: (C',k), (C'), (4,C')   */
    float *norm, *qkv;                      /* (2,C), (3,C)                 */
};

template <typename T>
static __device__ __forceinline__ Block<T> block_of(float *shared,
                                                    const Scsa &s,
                                                    const Cut &cut)
{
    const int channels = cut.channels;
    Block<T> b;

    b.rank = cluster_rank();
    b.first = b.rank * channels;
    b.quarter = b.rank / (cut.blocks / SCSA_QUARTERS);
    b.warp = (int)threadIdx.x / WARP;
    b.warps = (int)blockDim.x / WARP;
    b.map = reinterpret_cast<T *>(shared);
    b.attn_h = shared + cut.attn_h;
    b.attn_w = shared + cut.attn_w;
    b.x_p = shared + cut.x_p;
    b.moments = reinterpret_cast<Moments *>(shared + cut.moments);
    b.gate = shared + cut.gate;
    b.work = shared + cut.work;
    b.dwc_bias = shared + cut.weights;
    b.norm_hw = b.dwc_bias + channels;
    b.norm = b.norm_hw + 4 * channels;
    b.qkv = b.norm + 2 * s.C;
    b.dwc_weight = b.qkv + 3 * s.C;
    return b;
}

/* A thread's column of packs, and the first of its rows: H, so none, for those
 * that are left over. */
typedef struct Column {
    int w, q, row;
} Column;

template <int N>
static __device__ __forceinline__ Column column_of(const Scsa &s,
                                                   const Cut &cut)
{
    const int columns = s.W * cut.packs;
    const int group = (int)threadIdx.x / columns;
    unsigned q = threadIdx.x - (unsigned)(group * columns);
    Column c;

    c.w = (int)divmod(&q, cut.by_packs);
    c.q = (int)q * N;
    c.row = group < cut.row_groups ? group : s.H;
    return c;
}

/* The first row of a stage of the map: the same for every thread, and with
 * every row group as long. */
static __device__ __forceinline__ int stage_row(const Scsa &s, const Cut &cut,
                                                int stage)
{
    const int steps = (s.H + cut.row_groups - 1) / cut.row_groups;

    return min(s.H, steps * stage / STAGES * cut.row_groups);
}

static __device__ __forceinline__ int at(const Scsa &s, const Cut &cut, int h,
                                         const Column &c)
{
    return (h * s.W + c.w) * cut.channels + c.q;
}

/* ---- from device memory -------------------------------------------------- */

template <int N, typename T>
static __device__ __forceinline__ void copy_pack(T *to, const T *from)
{
    if constexpr (N > 1)
        cp_async16(to, from);
    else
        *to = *from;
}

/* Asks for the block's map, of x (H,W,C) from its first channel on. */
template <typename T, int N>
static __device__ __forceinline__ void fetch_map(const Block<T> &b,
                                                 const Scsa &s, const Cut &cut,
                                                 const Column &c, const T *x)
{
#pragma unroll
    for (int stage = 0; stage < STAGES; stage++) {
        const int end = stage_row(s, cut, stage + 1);
        int h = stage_row(s, cut, stage) + c.row;

        for (; h < end; h += cut.row_groups)
            copy_pack<N>(b.map + at(s, cut, h, c),
                         x + (size_t)(h * s.W + c.w) * s.C + c.q);
        cp_async_commit();
    }
}

/* n numbers as f32, if it is this warp's turn. */
template <typename T>
static __device__ __forceinline__ void fetch_floats(int *turn, int warps,
                                                    float *to, const T *from,
                                                    int n)
{
    if (*turn == 0)
        for (int i = (int)threadIdx.x % WARP; i < n; i += WARP)
            to[i] = to_float(from[i]);
    *turn = *turn ? *turn - 1 : warps - 1;
}

/* The weights, an array a warp, so that all are on their way at once. */
template <typename T>
static __device__ __forceinline__ void fetch_weights(const Block<T> &b,
                                                     const Scsa &s,
                                                     const Cut &cut,
                                                     const ScsaWeights<T> &w)
{
    const int k = of_quarter(s.k, b.quarter), n = cut.channels;
    const int within = b.first - b.quarter * (s.C / SCSA_QUARTERS);
    int turn = b.warp;

    fetch_floats(&turn, b.warps, b.dwc_weight,
                 of_quarter(w.dwc_weight, b.quarter) + within * k, n * k);
    fetch_floats(&turn, b.warps, b.dwc_bias,
                 of_quarter(w.dwc_bias, b.quarter) + within, n);
#pragma unroll
    for (int i = 0; i < 4; i++)
        fetch_floats(&turn, b.warps, b.norm_hw + i * n, w.norm_hw[i] + b.first,
                     n);
#pragma unroll
    for (int i = 0; i < 2; i++)
        fetch_floats(&turn, b.warps, b.norm + i * s.C, w.norm[i], s.C);
#pragma unroll
    for (int i = 0; i < 3; i++)
        fetch_floats(&turn, b.warps, b.qkv + i * s.C, w.qkv[i], s.C);
}

#endif
