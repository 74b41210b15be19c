/*
 * tiles.h - the middle of a product of matrices: TILE x TILE sums of a block,
 * DEPTH products of each at a time, from two tiles in shared memory.
 *
 * 256 threads, 16 x 16, have 4 x 4 sums each; for 16 multiply-adds a thread
 * reads two float4.  Plain FMA, at best half of the peak of such: cuDNN and
 * cuBLASLt have the large products.  Each DEPTH products are summed by
 * themselves before they join the others: the error of a long sum grows with
 * the root of K / DEPTH, not of K.
 */
#ifndef CUDA_TILES_H
#define CUDA_TILES_H

#include "kernels/cuda/kernels/kernel.h"

enum {
    TILE = 64,
    DEPTH = 32,
    SIDE = 4, /* sums of a thread, along either side */
    TILE_THREADS = TILE / SIDE * (TILE / SIDE),
};

/* [k][row]: rows are neighbours, padded to spread them over the banks. */
typedef float Tile[DEPTH][TILE + 4];

/* The first row and column of this thread's sums. */
static __device__ __forceinline__ int tile_row()
{
    return threadIdx.x / (TILE / SIDE) * SIDE;
}

static __device__ __forceinline__ int tile_column()
{
    return threadIdx.x % (TILE / SIDE) * SIDE;
}

/* sum[i][j] += the first n products of a's row i and b's row j. */
template <typename T>
static __device__ __forceinline__ void tile_multiply(Pack<T, SIDE> sum[SIDE],
                                                     const Tile &a,
                                                     const Tile &b, int n)
{
    Pack<T, SIDE> part[SIDE] = {};

#pragma unroll 8
    for (int k = 0; k < n; k++) {
        const Pack<float, SIDE> ak = load_pack<SIDE>(&a[k][tile_row()]);
        const Pack<float, SIDE> bk = load_pack<SIDE>(&b[k][tile_column()]);

#pragma unroll
        for (int i = 0; i < SIDE; i++)
#pragma unroll
            for (int j = 0; j < SIDE; j++)
                part[i].at[j] += ak.at[i] * bk.at[j];
    }
#pragma unroll
    for (int i = 0; i < SIDE; i++)
#pragma unroll
        for (int j = 0; j < SIDE; j++)
            sum[i].at[j] += part[i].at[j];
}

/*
 * Which N products of which row are the e-th to be loaded, of a matrix whose
 * rows lie along k: a warp takes 4 N rows and 8 / N packs of each.  So it reads
 * whole sectors, and writes to 32 different banks.
 */
struct TilePlace {
    int row, k;
};

template <int N> static __device__ __forceinline__ TilePlace tile_place(int e)
{
    constexpr int ROWS = 4 * N, PACKS = DEPTH / N;

    return TilePlace{ e / ROWS / PACKS * ROWS + e % ROWS,
                      e / ROWS % PACKS * N };
}

/* Puts N neighbours along k, or along the rows, into a tile. */
template <typename T, int N>
static __device__ __forceinline__ void tile_put(Tile &t, TilePlace at,
                                                const Pack<T, N> &v)
{
#pragma unroll
    for (int i = 0; i < N; i++)
        t[at.k + i][at.row] = v.at[i];
}

template <typename T, int N>
static __device__ __forceinline__ void tile_put_rows(Tile &t, TilePlace at,
                                                     const Pack<T, N> &v)
{
    constexpr int PART = N < SIDE ? N : SIDE;

#pragma unroll
    for (int i = 0; i < N; i += PART) {
        Pack<float, PART> part;

#pragma unroll
        for (int k = 0; k < PART; k++)
            part.at[k] = v.at[i + k];
        store_pack(&t[at.k][at.row + i], part);
    }
}

#endif
