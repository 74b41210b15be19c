/*
 * scsa_block.h - what a block of the kernel "cluster" holds of an image, how
 *                that comes from device memory, and which of it is a thread's
 */
#ifndef CUDA_SCSA_BLOCK_H
#define CUDA_SCSA_BLOCK_H

#include "kernels/cuda/kernels/cluster.h"
#include "kernels/cuda/kernels/scsa_weights.h"

/* ---- a block, and a thread of it ----------------------------------------- */

/* Contents of shared memory; C' is the block's channels. */
template <typename T> struct Block {
    int rank, first; /* in the cluster; its first channel                   */
    int quarter, warp, warps;
    T *map;                 /* (H,W,C')                                      */
    float *attn_h, *attn_w; /* (H,C') and (W,C'); eq. (3), (4) leave z here  */
    float *x_w, *x_h;       /* (W,C') and (H,C'), where attn_h and x_p are   */
    float *x_p;             /* (P,C'), which the other blocks read, as they  */
    Moments *moments;       /* do these: of z_h, z_w, x_p, (3,MOMENTS)       */
    SoftmaxMean *rows;      /* of the attention, (groups,parts,ATTEND_ROWS)  */
    float *gate;            /* (C'): of eq. (11)                             */
    float *work;            /* sums to be added; at last x_p (P,C), if there
                               is room for it                                */
    float *weights;         /* all of: */
    BlockWeights w;
};

template <typename T>
static __device__ __forceinline__ Block<T> block_of(float *shared,
                                                    const Scsa &s,
                                                    const Cut &cut)
{
    Block<T> b;

    b.rank = cluster_rank();
    b.first = b.rank * cut.channels;
    b.quarter = cut.blocks > SCSA_QUARTERS ? b.rank / 2 : b.rank;
    static_assert(MAX_BLOCKS == 2 * SCSA_QUARTERS, "two blocks a quarter");
    b.warp = (int)threadIdx.x / WARP;
    b.warps = (int)blockDim.x / WARP;
    b.map = reinterpret_cast<T *>(shared);
    b.attn_h = b.x_w = shared + cut.attn_h;
    b.attn_w = shared + cut.attn_w;
    b.x_p = b.x_h = shared + cut.x_p;
    b.moments = reinterpret_cast<Moments *>(shared + cut.moments);
    b.rows = reinterpret_cast<SoftmaxMean *>(shared + cut.rows);
    b.gate = shared + cut.gate;
    b.work = shared + cut.work;
    b.weights = shared + cut.weights;
    b.w = weights_at(b.weights, s, cut.channels);
    return b;
}

/* A thread's column of packs, and the first of its rows: H, so none, for those
 * that are left over. */
typedef struct Column {
    int w, q, row;
} Column;

template <int N>
static __device__ __forceinline__ Column
column_of(const Scsa &s, const Cut &cut, const Divider &by_column, int groups)
{
    unsigned at = threadIdx.x, q;
    const int group = (int)divmod(&at, by_column);
    Column c;

    c.w = (int)divmod(&(q = at), cut.by_packs);
    c.q = (int)q * N;
    c.row = group < groups ? group : s.H;
    return c;
}

/* The first row of a stage of the map: the same for every thread, and with
 * every row group as long. */
static __device__ __forceinline__ int stage_row(const Scsa &s, const Cut &cut,
                                                int stage)
{
    return min(s.H, cut.row_steps * stage / STAGES * cut.row_groups);
}

static __device__ __forceinline__ int at(const Scsa &s, const Cut &cut, int h,
                                         const Column &c)
{
    return (h * s.W + c.w) * cut.channels + c.q;
}

/* ---- sums that several threads have parts of ----------------------------- */

/* Adds the packs of parts 1, 2 ... to that of part 0.  They pass through room,
 * which has planes of `plane` floats, this pack at `place` of each. */
template <int N>
static __device__ __forceinline__ void join_parts(Pack<float, N> *sum, int part,
                                                  int parts, float *room,
                                                  int planes, int plane,
                                                  int place)
{
#pragma unroll 1
    for (int first = 1; first < parts; first += planes) {
        const int n = min(planes, parts - first), mine = part - first;

        if (mine >= 0 && mine < n)
            store_floats(room + mine * plane + place, *sum);
        __syncthreads();
#pragma unroll 1
        for (int i = 0; part == 0 && i < n; i++)
            add(sum, load_floats<N>(room + i * plane + place));
        __syncthreads();
    }
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

/* The weights of this rank, in one piece for each. */
template <typename T>
static __device__ __forceinline__ void fetch_weights(const Block<T> &b,
                                                     const Cut &cut,
                                                     const float *pieces)
{
    const int floats = (int)cut.weight_floats;
    const float *piece = pieces + b.rank * floats;

#pragma unroll 1
    for (int i = (int)threadIdx.x * 4; i < floats; i += (int)blockDim.x * 4)
        cp_async16(b.weights + i, piece + i);
}

/* Asks for the block's map, of x (H,W,C) from its first channel on, and, with
 * the last stage of it, for the weights. */
template <typename T, int N>
static __device__ __forceinline__ void fetch(const Block<T> &b, const Scsa &s,
                                             const Cut &cut, const Column &c,
                                             const T *x, const float *pieces)
{
#pragma unroll 1
    for (int stage = 0; stage < STAGES; stage++) {
        const int end = stage_row(s, cut, stage + 1);
        int h = stage_row(s, cut, stage) + c.row;

        for (; h < end; h += cut.row_groups)
            copy_pack<N>(b.map + at(s, cut, h, c),
                         x + (size_t)(h * s.W + c.w) * s.C + c.q);
        if (stage == STAGES - 1)
            fetch_weights(b, cut, pieces);
        cp_async_commit();
    }
}

/* A stage of the map has come, for all threads. */
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
    __syncthreads();
}

#endif
