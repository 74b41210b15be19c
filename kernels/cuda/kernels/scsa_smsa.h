/*
 * scsa_smsa.h - SMSA of the kernel "cluster", eq. (1) to (6): from a block's
 *               map, on its way, to its attn_h and attn_w
 */
#ifndef CUDA_SCSA_SMSA_H
#define CUDA_SCSA_SMSA_H

#include "kernels/cuda/kernels/scsa_block.h"

/* Means of rows [begin, end) of the map, into x_h (H,C'): row_splits lanes have
 * some of a row's packs each. */
template <typename T, int N>
static __device__ __forceinline__ void mean_rows(const Block<T> &b,
                                                 const Scsa &s, const Cut &cut,
                                                 int begin, int end)
{
    const int n = (end - begin) * cut.row_splits * cut.packs;
    const float scale = __fdividef(1, (float)s.W);

#pragma unroll 1
    for (int i0 = b.warp * WARP; i0 < n; i0 += (int)blockDim.x) {
        const int i = i0 + (int)threadIdx.x % WARP;
        unsigned q = (unsigned)min(i, n - 1); /* all lanes take part below */
        unsigned split = divmod(&q, cut.by_packs);
        const int h = begin + (int)divmod(&split, cut.by_row_splits);
        const T *row = b.map + (h * s.W) * cut.channels + (int)q * N;
        Pack<float, N> sum = {};

#pragma unroll 4
        for (int w = (int)split; w < s.W; w += cut.row_splits)
            add(&sum, load_pack<N>(row + w * cut.channels));
#pragma unroll 1
        for (int d = 1; d < cut.row_splits; d *= 2)
#pragma unroll
            for (int k = 0; k < N; k++)
                sum.at[k] +=
                    __shfl_xor_sync(FULL_WARP, sum.at[k], d * cut.packs);
        multiply(&sum, scale);
        if (i < n && split == 0)
            store_floats(b.x_h + h * cut.channels + (int)q * N, sum);
    }
}

/* x_h (H,C') and x_w (W,C'): the means in front of eq. (1) and (2). */
template <typename T, int N>
static __device__ __forceinline__ void squeeze(const Block<T> &b, const Scsa &s,
                                               const Cut &cut, const Column &c)
{
    const int position = c.w * cut.channels + c.q;
    Pack<float, N> sum = {};

#pragma unroll 1
    for (int stage = 0; stage < STAGES; stage++) {
        const int begin = stage_row(s, cut, stage);
        const int end = stage_row(s, cut, stage + 1);

        wait_for_stage(stage);
        mean_rows<T, N>(b, s, cut, begin, end);
#pragma unroll 4
        for (int h = begin + c.row; h < end; h += cut.row_groups)
            add(&sum, load_pack<N>(b.map + at(s, cut, h, c)));
    }
    join_parts(&sum, c.row, cut.row_groups, b.attn_w, cut.row_planes,
               s.W * cut.channels, position);
    multiply(&sum, __fdividef(1, (float)s.H));
    if (c.row == 0)
        store_floats(b.x_w + position, sum);
    __syncthreads();
}

/* Eq. (3) or (4) for the block's channels of a strip (L,C'), into z (L,C');
 * this warp's moments of z. */
template <typename T>
static __device__ __forceinline__ void convolve(const Block<T> &b,
                                                const Scsa &s, const Cut &cut,
                                                const float *strip, int L,
                                                float *z, Moments *moments)
{
    const int n = L * cut.channels, k = of_quarter(s.k, b.quarter);
    Moments m;

#pragma unroll 1
    for (int i = (int)threadIdx.x; i < n; i += (int)blockDim.x) {
        unsigned c = (unsigned)i;
        const int l = (int)divmod(&c, cut.by_channels);

        z[i] = dwconv1d(strip, L, cut.channels, l, (int)c, b.w.dwc_weight,
                        b.w.dwc_bias[c], k);
    }
    m = warp_moments(n, [z](int i) { return z[i]; });
    if (threadIdx.x % WARP == 0)
        moments[b.warp] = m;
}

/* The moments that the blocks from first on have published at where, a warp
 * each. */
static __device__ __forceinline__ Moments
moments_of_blocks(const Moments *where, int warps, int first, int blocks)
{
    static_assert((MOMENTS & (MOMENTS - 1)) == 0, "no divisions below");
    return merge_moments(blocks * MOMENTS, [=](int i) {
        const int warp = i % MOMENTS;

        return warp < warps ? of_block(where, first + i / MOMENTS)[warp]
                            : Moments{ 0, 0, 0 };
    });
}

/* Eq. (5) or (6): z (L,C') becomes its gate; norm has weight and bias. */
template <typename T>
static __device__ __forceinline__ void gate_strip(const Block<T> &b,
                                                  const Scsa &s, const Cut &cut,
                                                  float *z, int L,
                                                  const Moments *moments,
                                                  const float *norm)
{
    const int blocks = cut.blocks / SCSA_QUARTERS, n = L * cut.channels;
    const Moments m =
        moments_of_blocks(moments, b.warps, b.quarter * blocks, blocks);

#pragma unroll 1
    for (int i = (int)threadIdx.x; i < n; i += (int)blockDim.x) {
        unsigned c = (unsigned)i;

        divmod(&c, cut.by_channels);
        z[i] = sigmoid(
            normalise(z[i], m, s.eps, norm[c], norm[cut.channels + (int)c]));
    }
}

/* attn_h and attn_w of the map.  Each is where another's x_h or x_w, or a part
 * of them, was: so W first. */
template <typename T, int N>
static __device__ __forceinline__ void smsa(const Block<T> &b, const Scsa &s,
                                            const Cut &cut, const Column &c)
{
    squeeze<T, N>(b, s, cut, c);
#pragma unroll 1
    for (int of_h = 0; of_h < 2; of_h++) {
        convolve(b, s, cut, of_h ? b.x_h : b.x_w, of_h ? s.H : s.W,
                 of_h ? b.attn_h : b.attn_w, b.moments + of_h * MOMENTS);
        if (of_h && cut.blocks > SCSA_QUARTERS)
            cluster_sync();
        else
            __syncthreads();
    }
#pragma unroll 1
    for (int of_h = 0; of_h < 2; of_h++)
        gate_strip(b, s, cut, of_h ? b.attn_h : b.attn_w, of_h ? s.H : s.W,
                   b.moments + of_h * MOMENTS,
                   b.w.norm_hw + (of_h ? 0 : 2 * cut.channels));
    __syncthreads();
}

#endif
