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
 * an image perhaps fewer; the first `longer` chunks have a row more. */
struct Slabs {
    int C, rows, cg, all_groups, groups, slabs, chunks;
    int chunk_rows, longer;
    Divider by_cg, by_chunks, by_slabs;
    Divider across, last_across; /* threads in a row of a slab, the last one */
    Divider repeat;              /* weights: that of channel c is c % repeat */
    float eps, per_row, per_number; /* 1 / rows, 1 / numbers of a group      */
};

/* This block's piece: rows begin to end of channels c to c + width. */
struct Piece {
    int c, width, groups, begin, end;
    size_t image, first_group; /* of the image, of all images */
};

static __device__ __forceinline__ int chunk_begin(const Slabs &s, int chunk)
{
    return chunk * s.chunk_rows + min(chunk, s.longer);
}

/* Blocks: chunks, slabs, images. */
static __device__ __forceinline__ Piece piece_of(const Slabs &s)
{
    unsigned chunk = blockIdx.x, slab = divmod(&chunk, s.by_chunks);
    const size_t n = divmod(&slab, s.by_slabs);
    Piece p;

    p.c = slab * s.groups * s.cg;
    p.groups = min(s.groups, s.all_groups - (int)slab * s.groups);
    p.width = p.groups * s.cg;
    p.begin = chunk_begin(s, chunk);
    p.end = chunk_begin(s, chunk + 1);
    p.image = n * s.rows * s.C;
    p.first_group = n * s.all_groups + (size_t)slab * s.groups;
    return p;
}

/* The weight of channel c. */
static __device__ __forceinline__ unsigned weight_of(const Slabs &s, unsigned c)
{
    divmod(&c, s.repeat);
    return c;
}

/* This thread's place: packs from `pack` on by `across`, rows by `down`.  The
 * threads that fill no row have no rows. */
struct Place {
    int pack, across, row, down;
};

static __device__ __forceinline__ Place place_in(const Slabs &s, const Piece &p)
{
    const Divider across = p.groups < s.groups ? s.last_across : s.across;
    const int down = (int)divide(THREADS, across);
    unsigned pack = threadIdx.x;
    const int row = (int)divmod(&pack, across);

    return Place{ (int)pack, (int)across.by, row < down ? row : INT_MAX / 2,
                  down };
}

/* Sums over the lanes that have the same pack: they are `across` apart, which
 * divides a warp. */
template <typename T, int N>
static __device__ __forceinline__ Pack<T, N> sum_lanes(Pack<T, N> v, int across)
{
    for (int d = across; d < WARP; d *= 2)
#pragma unroll
        for (int i = 0; i < N; i++)
            v.at[i] += __shfl_xor_sync(FULL_WARP, v.at[i], d);
    return v;
}

/* sum[0], of all numbers of the threads. */
template <typename T, int N>
static __device__ __forceinline__ void join_group_of_all(float *sum,
                                                         float *columns,
                                                         const Pack<T, N> &mine)
{
    float total = 0;

#pragma unroll
    for (int i = 0; i < N; i++)
        total += mine.at[i];
    total = warp_sum(total);
    if (threadIdx.x % WARP == 0)
        columns[threadIdx.x / WARP] = total;
    __syncthreads();
    if (threadIdx.x == 0) {
        total = 0;
        for (int w = 0; w < WARPS; w++)
            total += columns[w];
        sum[0] = total;
    }
    __syncthreads();
}

/* sum[g], for the groups of the piece, of what the threads have of their
 * columns.  If there is more than one group, a thread has but one pack.
 *
 * Rows are joined first: within a warp where it has whole rows, then through
 * memory, where neighbouring threads add neighbouring columns, so that no two
 * lanes ask one bank; the columns of a group last. */
template <typename T, int N>
static __device__ __forceinline__ void join_columns(float *sum, float *columns,
                                                    Pack<T, N> mine,
                                                    const Place &at,
                                                    const Slabs &s,
                                                    const Piece &p)
{
    if (p.groups == 1) {
        join_group_of_all(sum, columns, mine);
        return;
    }
    const bool whole_rows = WARP % at.across == 0;
    const int rows = whole_rows ? (int)WARPS : at.down;
    const int row = whole_rows ? (int)threadIdx.x / WARP : at.row;
    const int width = at.across * N, me = threadIdx.x;

    if (whole_rows)
        mine = sum_lanes(mine, at.across);
    if (whole_rows ? me % WARP < at.across : row < rows)
        store_floats(columns + row * width + at.pack * N, mine);
    __syncthreads();
    if (me < width) {
        float total = 0;

#pragma unroll 8
        for (int r = 0; r < rows; r++)
            total += columns[r * width + me];
        columns[me] = total; /* which no other thread has read */
    }
    __syncthreads();
    if (me < p.groups) {
        float total = 0;

#pragma unroll 4
        for (int i = 0; i < s.cg; i++)
            total += columns[me * s.cg + i];
        sum[me] = total;
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
    const Place at = place_in(s, p);
    Pack<T, N> from = {}, mine = {};

#pragma unroll
    for (int i = 0; i < N && POWER == 2; i++)
        from.at[i] = mean[p.groups == 1 ? 0 : divide(at.pack * N + i, s.by_cg)];
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
    sum = warp_sum(sum) * s.per_row;
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
    if (n * cg > THREADS) /* join_columns has a thread for each column */
        n = (int)ceil_div(LINE, bytes);
    return n < groups ? n : groups;
}

/* True if all of x and of a slab are packs. */
static inline bool slabs_whole(const Tensor *x, const Slabs &s)
{
    return whole_packs(x->dtype, (size_t)s.C) &&
           whole_packs(x->dtype, (size_t)s.groups * s.cg);
}

/* Threads in a row of that many groups. */
static inline Divider threads_across(const Tensor *x, const Slabs &s,
                                     int groups)
{
    const int pack = slabs_whole(x, s) ? 16 / (int)dtype_size(x->dtype) : 1;
    const int packs = groups * s.cg / pack;

    return divider(packs < THREADS ? packs : THREADS);
}

/* How many chunks a slab is cut into. */
static inline int chunks_of(Device *dev, const Tensor *x, size_t slabs,
                            int rows)
{
    const size_t enough = 2 * (size_t)cuda_device(dev)->sms;
    const size_t pieces = slabs * x->dim[0];
    const size_t bytes = tensor_bytes(x) / pieces / CHUNK_BYTES;
    const size_t wanted = ceil_div(enough, pieces);
    const size_t chunks = wanted < bytes ? wanted : bytes;
    const int n = chunks < 1            ? 1
                  : chunks > CHUNKS_MAX ? (int)CHUNKS_MAX
                                        : (int)chunks;

    return n < rows ? n : rows;
}

/* Slabs of x, with this many weights. */
static inline Slabs slabs_of(Device *dev, const Tensor *x, int groups,
                             int weights, double eps)
{
    Slabs s = {
        .C = x->dim[1],
        .rows = (int)tensor_positions(x),
        .cg = x->dim[1] / groups,
        .all_groups = groups,
        .repeat = divider(weights),
        .eps = (float)eps,
    };

    s.groups = groups_of_slab(x, s.cg, groups);
    const size_t slabs = ceil_div(groups, s.groups);

    s.chunks = chunks_of(dev, x, slabs, s.rows);
    s.chunk_rows = s.rows / s.chunks;
    s.longer = s.rows % s.chunks;
    s.by_cg = divider(s.cg);
    s.by_chunks = divider(s.chunks);
    s.by_slabs = divider(slabs);
    s.across = threads_across(x, s, s.groups);
    s.last_across = threads_across(x, s, groups - ((int)slabs - 1) * s.groups);
    s.per_row = 1.0f / s.rows;
    s.per_number = (float)(1.0 / ((double)s.rows * s.cg));
    s.slabs = (int)slabs;
    return s;
}

#endif
