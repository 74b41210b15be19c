/*
 * group_stats.h - means and deviations of groups of channels over all positions
 * of an image, for .cu files
 *
 * The work is cut into slabs of whole groups of one image, of LINE bytes of
 * channels or more, so that rows of a slab are whole lines of memory.  Threads
 * stand in rows of packs and go down the positions.  The mean comes first and
 * then the mean square deviation from it, so squares never cancel; sums are
 * joined in one order always.
 *
 * Where slabs leave multiprocessors idle and are long, they are cut across into
 * chunks as well, whose parts are joined by group (Chan, Golub and LeVeque,
 * 1979).
 */
#ifndef CUDA_GROUP_STATS_H
#define CUDA_GROUP_STATS_H

#include <stdlib.h>

#include "kernels/cuda/kernels/kernel.h"

enum {
    WARPS = 8,
    THREADS = WARPS * 32,
    PACK_MAX = 8,           /* numbers of f16 in 16 bytes                */
    LINE = 64,              /* bytes of channels that a slab has at least */
    GROUPS_MAX = 64,        /* of a slab                                  */
    CHUNK_BYTES = 16 << 10, /* a block's worth of work                    */
    CHUNKS_MAX = 64,
    ROWS_UNDER_WAY = 4, /* rows that a thread asks for before it uses one */
    BLOCKS = 3,         /* a multiprocessor: with 4 some kernels spill     */
};

/* View of the map for a kernel.  A slab has `groups` groups, the last one of
 * an image perhaps fewer. */
struct Slabs {
    int C, rows, cg, groups, slabs, chunks;
    int repeat; /* weights: that of channel c is c % repeat */
    float eps;
};

/* This block's piece: rows begin to end of channels c to c + width. */
struct Piece {
    int c, width, groups, begin, end;
    size_t image, first_group; /* of the image, of all images */
};

static __device__ __forceinline__ int chunk_begin(const Slabs &s, int chunk)
{
    return (int)((int64_t)s.rows * chunk / s.chunks);
}

/* Blocks: chunks, slabs, images. */
static __device__ __forceinline__ Piece piece_of(const Slabs &s)
{
    const unsigned chunk = blockIdx.x % s.chunks;
    const unsigned slab = blockIdx.x / s.chunks % s.slabs;
    const size_t n = blockIdx.x / s.chunks / s.slabs;
    Piece p;

    p.c = slab * s.groups * s.cg;
    p.width = min(s.groups * s.cg, s.C - p.c);
    p.groups = p.width / s.cg;
    p.begin = chunk_begin(s, chunk);
    p.end = chunk_begin(s, chunk + 1);
    p.image = n * s.rows * s.C;
    p.first_group = n * (s.C / s.cg) + (size_t)slab * s.groups;
    return p;
}

/* This thread's place: packs from `pack` on by `across`, rows by `down`.  The
 * threads that fill no row have no rows. */
struct Place {
    int pack, across, row, down;
};

static __device__ __forceinline__ Place place_in(int packs)
{
    const int across = min(packs, (int)THREADS), down = THREADS / across;
    const int row = threadIdx.x / across;

    return Place{ (int)threadIdx.x % across, across,
                  row < down ? row : INT_MAX / 2, down };
}

/* sum[g], for the groups of the piece, of what the threads have of their
 * columns.  If there is more than one group, a thread has but one pack. */
template <typename T, int N>
static __device__ __forceinline__ void join_columns(float *sum, float *columns,
                                                    const Pack<T, N> &mine,
                                                    const Place &at,
                                                    const Slabs &s,
                                                    const Piece &p)
{
    const int width = p.groups == 1 ? at.across * N : s.cg;
    const int stride = at.across * N;

    if (at.row < at.down)
#pragma unroll
        for (int i = 0; i < N; i++)
            columns[at.row * stride + at.pack * N + i] = mine.at[i];
    __syncthreads();
    for (int g = threadIdx.x / WARP; g < p.groups; g += WARPS) {
        float total = 0;

        for (int e = threadIdx.x % WARP; e < width * at.down; e += WARP)
            total += columns[e / width * stride + g * width + e % width];
        total = warp_sum(total);
        if (threadIdx.x % WARP == 0)
            sum[g] = total;
    }
    __syncthreads();
}

/* sum[g], for the groups of the piece, of (x - mean[g]) to the power of 1 or
 * 2. */
template <int POWER, int N, typename T>
static __device__ __forceinline__ void sum_groups(float *sum, float *columns,
                                                  const T *x, const Slabs &s,
                                                  const Piece &p,
                                                  const float *mean)
{
    const Place at = place_in(p.width / N);
    Pack<T, N> from = {}, mine = {};

#pragma unroll
    for (int i = 0; i < N && POWER == 2; i++)
        from.at[i] = mean[p.groups == 1 ? 0 : (at.pack * N + i) / s.cg];
    for (int k = at.pack; k < p.width / N; k += at.across)
        for (int r = p.begin + at.row; r < p.end;
             r += ROWS_UNDER_WAY * at.down) {
            const size_t e = p.image + p.c + k * N;
            Pack<T, N> v[ROWS_UNDER_WAY];

#pragma unroll
            for (int j = 0; j < ROWS_UNDER_WAY; j++) {
                const int row = r + j * at.down;

                v[j] = from; /* beyond the end: no deviation */
                if (row < p.end)
                    v[j] = load_pack<N>(x + e + (size_t)row * s.C);
            }
#pragma unroll
            for (int j = 0; j < ROWS_UNDER_WAY; j++)
#pragma unroll
                for (int i = 0; i < N; i++) {
                    const float d = v[j].at[i] - from.at[i];

                    mine.at[i] += POWER == 2 ? d * d : d;
                }
        }
    join_columns(sum, columns, mine, at, s, p);
}

/* The mean and the sum of square deviations from it, of each group. */
template <int N, typename T>
static __device__ __forceinline__ void measure(float *mean, float *squares,
                                               float *columns, const T *x,
                                               const Slabs &s, const Piece &p)
{
    sum_groups<1, N>(mean, columns, x, s, p, NULL);
    if ((int)threadIdx.x < p.groups)
        mean[threadIdx.x] /= (float)(p.end - p.begin) * s.cg;
    __syncthreads();
    sum_groups<2, N>(squares, columns, x, s, p, mean);
}

/* Moments that a chunk has of one of its groups. */
struct Part {
    float mean, squares;
};

template <typename T, int N>
static __global__ void __launch_bounds__(THREADS, BLOCKS)
    measure_chunks(Part *parts, const T *x, Slabs s)
{
    SHARED(float, columns, [THREADS * PACK_MAX]);
    SHARED(float, mean, [GROUPS_MAX]);
    SHARED(float, squares, [GROUPS_MAX]);
    const Piece p = piece_of(s);

    measure<N>(mean, squares, columns, x, s, p);
    if ((int)threadIdx.x < p.groups)
        parts[(p.first_group + threadIdx.x) * s.chunks +
              blockIdx.x % s.chunks] =
            Part{ mean[threadIdx.x], squares[threadIdx.x] };
}

/* The mean and the square deviations of a group, of its chunks; by a warp. */
static __device__ __forceinline__ Part join_group(const Part *part,
                                                  const Slabs &s)
{
    const int lane = threadIdx.x % WARP;
    float sum = 0, all = 0;

    for (int k = lane; k < s.chunks; k += WARP)
        sum += part[k].mean * (chunk_begin(s, k + 1) - chunk_begin(s, k));
    sum = warp_sum(sum) / s.rows;
    for (int k = lane; k < s.chunks; k += WARP) {
        const float d = part[k].mean - sum;

        all += part[k].squares +
               d * d * s.cg * (chunk_begin(s, k + 1) - chunk_begin(s, k));
    }
    return Part{ sum, warp_sum(all) };
}

/* The same of all groups of the piece. */
static __device__ __forceinline__ void join(float *mean, float *squares,
                                            const Part *parts, const Slabs &s,
                                            const Piece &p)
{
    for (int g = threadIdx.x / WARP; g < p.groups; g += WARPS) {
        const Part all = join_group(parts + (p.first_group + g) * s.chunks, s);

        if (threadIdx.x % WARP == 0) {
            mean[g] = all.mean;
            squares[g] = all.squares;
        }
    }
    __syncthreads();
}

/* ---- host --------------------------------------------------------------- */

/* How many groups a slab has: of LINE bytes at least, and whole packs where
 * the channels are. */
static inline int groups_of_slab(const Tensor *x, int cg, int groups)
{
    const int bytes = cg * (int)dtype_size(x->dtype);
    int n = (int)ceil_div(LINE, bytes);

    if (whole_packs(x->dtype, (size_t)x->dim[1]))
        while (!whole_packs(x->dtype, (size_t)n * cg))
            n++;
    return n < groups ? n : groups;
}

/* Slabs of x, with this many weights. */
static inline Slabs slabs_of(Device *dev, const Tensor *x, int groups,
                             int weights, double eps)
{
    const size_t enough = 2 * (size_t)cuda_device(dev)->sms;
    Slabs s = {
        .C = x->dim[1],
        .rows = (int)tensor_positions(x),
        .cg = x->dim[1] / groups,
        .repeat = weights,
        .eps = (float)eps,
    };

    s.groups = groups_of_slab(x, s.cg, groups);
    s.slabs = (int)ceil_div(groups, s.groups);
    const size_t pieces = (size_t)s.slabs * x->dim[0];
    const size_t bytes = tensor_bytes(x) / pieces / CHUNK_BYTES;
    const size_t wanted = ceil_div(enough, pieces);
    const size_t chunks = wanted < bytes ? wanted : bytes;

    s.chunks = chunks < 1 ? 1 : chunks > CHUNKS_MAX ? CHUNKS_MAX : (int)chunks;
    if (s.chunks > s.rows)
        s.chunks = s.rows;
    return s;
}

/* True if all of x and of a slab are packs. */
static inline bool slabs_whole(const Tensor *x, const Slabs &s)
{
    return whole_packs(x->dtype, (size_t)s.C) &&
           whole_packs(x->dtype, (size_t)s.groups * s.cg);
}

#endif
