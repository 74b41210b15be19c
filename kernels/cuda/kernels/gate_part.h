/*
 * gate_part.h - what a block of the kernel "gate" has of an image, and what
 *               modules compute with
 */
#ifndef CUDA_GATE_PART_H
#define CUDA_GATE_PART_H

#include "kernels/cuda/kernels/cluster.h"
#include "kernels/cuda/kernels/reduce_packs.h"

enum {
    THREADS = 256,
    STAGES = 4,       /* of the map on its way           */
    WEIGHTS_MOST = 9, /* tensors of a module             */
    BLOCKS_MOST = 8,  /* in a cluster                    */
};

/* Per channel of the image: sums, maxima, squared deviations from the mean; per
 * row of the block and channel, the mean over the row; per column of the image
 * and channel, the sum. */
enum Stat { SUMS = 1, MAXIMA = 2, SPREADS = 4, ROWS = 8, COLUMNS = 16 };

/* A call.  Places in shared memory are in floats from its start, where a
 * resident map is. */
typedef struct Shape {
    int N, C, H, W;
    int blocks, rows; /* of the cluster; of a block, the last has less */
    int packs, across, lanes; /* threads: packs side by side, and positions   */
    float per_position, per_row, per_column; /* 1 / (H W), 1 / W, 1 / H */

    /* Facts of the module. */
    int hidden, groups, cg, k; /* cg: channels of a group */
    int units;                 /* of a position: ema's */
    int row_splits;            /* threads that share a row's pack */
    int pitch;                 /* ela's: floats from a position to the next */
    float eps;
    const float *tables; /* on the device */

    Divider by_across, by_packs, by_W, by_C, by_hidden, by_groups, by_cg;
    Divider by_rows, by_piece, by_share, by_line, by_units, by_row_splits,
        by_lanes;

    int share; /* channels that are a block's to compute; piece: floats of its
                  rows' means */

    /* Weights in shared memory: numbers of each, and where they begin; none,
     * where they are too many. */
    bool staged;
    size_t weight_bytes;
    int weight_n[WEIGHTS_MOST], weight_at[WEIGHTS_MOST];

    unsigned part, mine, all, row, gate, spare, weights;
} Shape;

template <typename T> struct Weights {
    const T *at[WEIGHTS_MOST];
};

/* A block's part of an image. */
template <typename T> struct Part {
    const Shape &s;
    const Weights<T> w;
    const T *image;        /* (H,W,C), in device memory                       */
    const T *x;            /* its rows, (rows,W,C), and HALO more around them */
    int rank, first, rows; /* first: row of the image                         */
    int own, lane;         /* a thread's first pack and first position        */
    float *part;           /* sums to be added                                */
    float *mine, *all;     /* of STATS: vectors (C), then columns (W,C); the
                              block's, which others read, and the image's     */
    float *row;            /* (rows,C)                                        */
    float *gate, *spare;   /* the module's; gate: (C)                         */
};

/* Vectors of `mine` before that of `stat`. */
static __host__ __device__ constexpr int vectors_before(int stats, int stat)
{
    int n = 0;

    for (int bit = SUMS; bit < stat && bit < ROWS; bit *= 2)
        n += (stats & bit) != 0;
    return n;
}

/* ---- helpers of modules -------------------------------------------------- */

static __device__ __forceinline__ float sigmoid(float x)
{
    return __fdividef(1, 1 + __expf(-x));
}

/* NaN stays NaN. */
static __device__ __forceinline__ float relu(float x)
{
    return x < 0 ? 0 : x;
}

/* All blocks of the image, or the threads of the only one. */
static __device__ __forceinline__ void meet(const Shape &s)
{
    if (s.blocks > 1)
        cluster_sync();
    else
        __syncthreads();
}

/* out(o, sum over i < n of term(o, i)), for o < m; neighbours share a sum. */
template <typename Term, typename Out>
static __device__ __forceinline__ void sums(int m, int n, Term term, Out out)
{
    int bits = 0;

    while (bits < 5 && 1 << bits < n)
        bits++;
    const int lanes = 1 << bits, lane = (int)threadIdx.x & (lanes - 1);

#pragma unroll 1
    for (int o0 = 0; o0 < m; o0 += THREADS >> bits) {
        const int o = o0 + ((int)threadIdx.x >> bits);
        float sum = 0;

        if (o < m)
#pragma unroll 4
            for (int i = lane; i < n; i += lanes)
                sum += term(o, i);
#pragma unroll 1
        for (int d = lanes / 2; d > 0; d /= 2)
            sum += __shfl_xor_sync(FULL_WARP, sum, d);
        if (o < m && lane == 0)
            out(o, sum);
    }
}

/* N floats at p, for threads next to each other that read packs next to each
 * other: of packs of 32 bytes half of the threads read the second 16 first, so
 * that all read different banks. */
template <int N>
static __device__ __forceinline__ Pack<float, N> load_gates(const float *p)
{
    Pack<float, N> v;

    if constexpr (N == 8) {
        const bool second = reinterpret_cast<uintptr_t>(p) & 128;
        const Pack<float, 4> a = load_pack<4>(p + (second ? 4 : 0));
        const Pack<float, 4> b = load_pack<4>(p + (second ? 0 : 4));

#pragma unroll
        for (int k = 0; k < 4; k++) {
            v.at[k] = second ? b.at[k] : a.at[k];
            v.at[4 + k] = second ? a.at[k] : b.at[k];
        }
    } else {
        load_floats(&v, p);
    }
    return v;
}

template <int N, typename T>
static __device__ __forceinline__ float dot(const Pack<T, N> &a,
                                            const Pack<float, N> &b)
{
    float sum = 0;

#pragma unroll
    for (int k = 0; k < N; k++)
        sum += a.at[k] * b.at[k];
    return sum;
}

/* Layers of vectors, of packs of V inputs.  A thread has OUTS outputs, so that
 * it reads its inputs once for all; its neighbours have the next. */
template <int V, int OUTS, typename T, typename Out>
static __device__ __forceinline__ void layer_of(const T *w, const float *in,
                                                int n, int m, int vectors,
                                                const Divider &by_m, Out out)
{
    const int packs = n / V, step = m / OUTS, items = step * vectors;
    int bits = 0;

    while (bits < 5 && 1 << bits < packs)
        bits++;
    const int lanes = 1 << bits, lane = (int)threadIdx.x & (lanes - 1);

#pragma unroll 1
    for (int i0 = 0; i0 < items; i0 += THREADS >> bits) {
        const int i = i0 + ((int)threadIdx.x >> bits);
        unsigned o = (unsigned)(i * OUTS);
        const int l = (int)divmod(&o, by_m);
        const int first = (int)o / OUTS; /* and step, 2 step ... more */
        const T *of_o = w + first * n;
        float sum[OUTS] = {};

        if (i < items)
#pragma unroll 2
            for (int k = lane; k < packs; k += lanes) {
                const Pack<float, V> v = load_pack<V>(in + l * n + k * V);

#pragma unroll
                for (int j = 0; j < OUTS; j++)
                    sum[j] += dot(load_pack<V>(of_o + j * step * n + k * V), v);
            }
#pragma unroll 1
        for (int d = lanes / 2; d > 0; d /= 2)
#pragma unroll
            for (int j = 0; j < OUTS; j++)
                sum[j] += __shfl_xor_sync(FULL_WARP, sum[j], d);
        if (i < items && lane == 0)
#pragma unroll
            for (int j = 0; j < OUTS; j++)
                out(l, first + j * step, sum[j]);
    }
}

/* out(l, o, w[o,] in[l,]) for o < m and l < vectors; in has n floats per
 * vector, by_m divides by m. */
template <int N, typename T, typename Out>
static __device__ __forceinline__ void layer(const T *w, const float *in, int n,
                                             int m, int vectors,
                                             const Divider &by_m, Out out)
{
    constexpr int V = N < 4 ? N : 4; /* floats that are read at once */

    if (V > 1 && n % V == 0 && m % 4 == 0)
        layer_of<V, 4>(w, in, n, m, vectors, by_m, out);
    else
        layer_of<1, 1>(w, in, n, m, vectors, by_m, out);
}

/* Number o of a batch norm. */
template <typename T>
static __device__ __forceinline__ float batch_norm(float x, const T *weight,
                                                   const T *bias, const T *mean,
                                                   const T *var, float eps,
                                                   int o)
{
    return (x - to_float(mean[o])) * rsqrtf(to_float(var[o]) + eps) *
               to_float(weight[o]) +
           to_float(bias[o]);
}

/* One number of a filter of k taps along n numbers that are `pitch` apart, with
 * zeros around them. */
template <typename T>
static __device__ __forceinline__ float filter(const T *w, int k,
                                               const float *in, int n, int i,
                                               int pitch)
{
    const int first = i - k / 2;
    float sum = 0;

#pragma unroll 1
    for (int t = max(0, -first); t < min(k, n - first); t++)
        sum += to_float(w[t]) * in[(first + t) * pitch];
    return sum;
}

#endif
