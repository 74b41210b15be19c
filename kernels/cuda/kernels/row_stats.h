/*
 * row_stats.h - normalises a row of channels: of layer norms, and of groups
 * that are such rows
 */
#ifndef CUDA_ROW_STATS_H
#define CUDA_ROW_STATS_H

#include "kernels/cuda/kernels/kernel.h"

/* Statistics of a row or a group: x^ = (x - mean) scale. */
struct Stats {
    float mean, scale;
};

/* Finds those of a row of C numbers, by a warp: the mean first, then the mean
 * square deviation from it. */
template <int N, typename T>
static __device__ __forceinline__ Stats stats_of(const T *row, int C, float eps)
{
    const int first = threadIdx.x % WARP * N;
    float sum = 0, squares = 0;

    for (int c = first; c < C; c += WARP * N) {
        const Pack<T, N> v = load_pack<N>(row + c);

#pragma unroll
        for (int i = 0; i < N; i++)
            sum += v.at[i];
    }
    const float mean = __fdividef(warp_sum(sum), (float)C);

    for (int c = first; c < C; c += WARP * N) {
        const Pack<T, N> v = load_pack<N>(row + c);

#pragma unroll
        for (int i = 0; i < N; i++)
            squares += (v.at[i] - mean) * (v.at[i] - mean);
    }
    return Stats{ mean, rsqrtf(__fdividef(warp_sum(squares), (float)C) + eps) };
}

#endif
