/*
 * scsa_weights.h - the weights that a block of the kernel "cluster" has, in one
 *                  piece of f32: packed when a plan is made, one per rank
 */
#ifndef CUDA_SCSA_WEIGHTS_H
#define CUDA_SCSA_WEIGHTS_H

#include "kernels/cuda/kernels/scsa_cut.h"

enum { PACK_THREADS = 256 };

/* A piece; C' is the block's channels. */
typedef struct BlockWeights {
    float *dwc_bias, *norm_hw; /* (C'), (4,C')  */
    float *norm, *qkv;         /* (2,C), (3,C) */
    float *dwc_weight;         /* (C',k)       */
} BlockWeights;

static __device__ __forceinline__ BlockWeights weights_at(float *p,
                                                          const Scsa &s,
                                                          int channels)
{
    BlockWeights w;

    w.dwc_bias = p;
    w.norm_hw = w.dwc_bias + channels;
    w.norm = w.norm_hw + 4 * channels;
    w.qkv = w.norm + 2 * s.C;
    w.dwc_weight = w.qkv + 3 * s.C;
    return w;
}

/* n numbers as f32, by the block. */
template <typename T>
static __device__ __forceinline__ void pack_floats(float *to, const T *from,
                                                   int n)
{
#pragma unroll 1
    for (int i = (int)threadIdx.x; i < n; i += PACK_THREADS)
        to[i] = to_float(from[i]);
}

/* Block r writes the piece of rank r. */
template <typename T>
static __global__ void __launch_bounds__(PACK_THREADS)
    pack_weights(float *pieces, const ScsaWeights<T> from, const Scsa s,
                 const Cut cut)
{
    const int rank = (int)blockIdx.x, n = cut.channels, first = rank * n;
    const int quarter = rank / (cut.blocks / SCSA_QUARTERS);
    const int within = first - quarter * (s.C / SCSA_QUARTERS);
    const int k = of_quarter(s.k, quarter), floats = (int)cut.weight_floats;
    float *piece = pieces + (size_t)rank * cut.weight_floats;
    const BlockWeights w = weights_at(piece, s, n);
    float *end = w.dwc_weight + n * k;

    pack_floats(w.dwc_bias, of_quarter(from.dwc_bias, quarter) + within, n);
#pragma unroll
    for (int i = 0; i < 4; i++)
        pack_floats(w.norm_hw + i * n, from.norm_hw[i] + first, n);
#pragma unroll
    for (int i = 0; i < 2; i++)
        pack_floats(w.norm + i * s.C, from.norm[i], s.C);
#pragma unroll
    for (int i = 0; i < 3; i++)
        pack_floats(w.qkv + i * s.C, from.qkv[i], s.C);
    pack_floats(w.dwc_weight, of_quarter(from.dwc_weight, quarter) + within * k,
                n * k);
    for (float *p = end + threadIdx.x; p < piece + floats; p += PACK_THREADS)
        *p = 0;
}

#endif
