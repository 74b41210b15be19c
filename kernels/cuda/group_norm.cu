/*
 * group_norm.cu - y = (x - mean) / sqrt(var + eps) * weight + bias, the mean
 * and variance being those of a group of channels over all positions of an
 * image
 *
 * Memory bound: one number in, one out, if the second and third reading come
 * from L2; small maps are bound by latency.
 *
 * The work is cut into slabs of whole groups of one image, of LINE bytes of
 * channels or more, so that rows of a slab are whole lines of memory.  Threads
 * stand in rows of packs and go down the positions.  The mean comes first and
 * then the mean square deviation from it, so squares never cancel; sums are
 * joined in one order always.
 *
 *   slabs    a block a slab: mean, deviation, result, all in one launch.
 *   chunks   where that leaves multiprocessors idle and slabs are long: they
 *            are cut across as well.  One launch for mean and deviation of
 *            every chunk, one that joins them by group (Chan, Golub and
 *            LeVeque, 1979) and writes.  x is read from memory twice where it
 *            does not fit L2.
 */
#include <stdlib.h>

#include "kernels/cuda/kernel.h"

enum {
    WARPS = 8,
    THREADS = WARPS * 32,
    PACK_MAX = 8,           /* numbers of f16 in 16 bytes                */
    LINE = 64,              /* bytes of channels that a slab has at least */
    GROUPS_MAX = 64,        /* of a slab                                  */
    CHUNK_BYTES = 16 << 10, /* a block's worth of work                    */
    CHUNKS_MAX = 64,
    UNDER_WAY = 4, /* rows that a thread asks for before it uses one */
    BLOCKS = 3,    /* a multiprocessor: with 4 some kernels spill     */
};

/* What of the map a kernel sees.  A slab has `groups` groups, the last one of
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

/*
 * sum[g], for the groups of the piece, of (x - mean[g]) to the power of 1 or 2.
 * If there is more than one group, a thread has but one pack of channels.
 */
template <int POWER, int N, typename T>
static __device__ __forceinline__ void sum_groups(float *sum, float *columns,
                                                  const T *x, const Slabs &s,
                                                  const Piece &p,
                                                  const float *mean)
{
    const Place at = place_in(p.width / N);
    const int width = p.groups == 1 ? at.across * N : s.cg;
    const int stride = at.across * N;
    Pack<T, N> from = {}, mine = {};

#pragma unroll
    for (int i = 0; i < N && POWER == 2; i++)
        from.at[i] = mean[p.groups == 1 ? 0 : (at.pack * N + i) / s.cg];
    for (int k = at.pack; k < p.width / N; k += at.across)
        for (int r = p.begin + at.row; r < p.end; r += UNDER_WAY * at.down) {
            const size_t e = p.image + p.c + k * N;
            Pack<T, N> v[UNDER_WAY];

#pragma unroll
            for (int j = 0; j < UNDER_WAY; j++) {
                const int row = r + j * at.down;

                v[j] = from; /* beyond the end: no deviation */
                if (row < p.end)
                    v[j] = load_pack<N>(x + e + (size_t)row * s.C);
            }
#pragma unroll
            for (int j = 0; j < UNDER_WAY; j++)
#pragma unroll
                for (int i = 0; i < N; i++) {
                    const float d = v[j].at[i] - from.at[i];

                    mine.at[i] += POWER == 2 ? d * d : d;
                }
        }
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

/* The result, given the mean and the deviation of each group. */
template <int N, typename T>
static __device__ __forceinline__ void normalise(T *y, const T *x,
                                                 const T *weight, const T *bias,
                                                 const float *mean,
                                                 const float *squares,
                                                 const Slabs &s, const Piece &p)
{
    constexpr int ROWS = N > 4 ? UNDER_WAY / 2 : UNDER_WAY; /* else: spills */
    const Place at = place_in(p.width / N);
    const float count = (float)s.rows * s.cg;

    for (int k = at.pack; k < p.width / N; k += at.across) {
        Pack<T, N> from, scale, shift;

#pragma unroll
        for (int i = 0; i < N; i++) {
            const int c = p.c + k * N + i;

            scale.at[i] = to_float(weight[c % s.repeat]);
            shift.at[i] = to_float(bias[c % s.repeat]);
        }
#pragma unroll
        for (int i = 0; i < N; i++) {
            const int g = (k * N + i) / s.cg;

            from.at[i] = mean[g];
            scale.at[i] /= sqrtf(squares[g] / count + s.eps);
        }
        for (int r = p.begin + at.row; r < p.end; r += ROWS * at.down) {
            const size_t e = p.image + p.c + k * N;
            Pack<T, N> v[ROWS];

#pragma unroll
            for (int j = 0; j < ROWS; j++)
                if (r + j * at.down < p.end)
                    v[j] =
                        load_pack<N>(x + e + (size_t)(r + j * at.down) * s.C);
#pragma unroll
            for (int j = 0; j < ROWS; j++) {
#pragma unroll
                for (int i = 0; i < N; i++)
                    v[j].at[i] =
                        (v[j].at[i] - from.at[i]) * scale.at[i] + shift.at[i];
                if (r + j * at.down < p.end)
                    store_pack(y + e + (size_t)(r + j * at.down) * s.C, v[j]);
            }
        }
    }
}

/* y may be x: a block writes what it alone has read. */
template <typename T, int N>
static __global__ void __launch_bounds__(THREADS, BLOCKS)
    slabs(T *y, const T *x, const T *weight, const T *bias, Slabs s)
{
    SHARED(float, columns, [THREADS * PACK_MAX]);
    SHARED(float, mean, [GROUPS_MAX]);
    SHARED(float, squares, [GROUPS_MAX]);
    const Piece p = piece_of(s);

    measure<N>(mean, squares, columns, x, s, p);
    normalise<N>(y, x, weight, bias, mean, squares, s, p);
}

/* What a chunk knows of one of its groups. */
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

/* Joins the parts of the piece's groups, a warp a group. */
static __device__ __forceinline__ void join(float *mean, float *squares,
                                            const Part *parts, const Slabs &s,
                                            const Piece &p)
{
    const int lane = threadIdx.x % WARP;

    for (int g = threadIdx.x / WARP; g < p.groups; g += WARPS) {
        const Part *part = parts + (p.first_group + g) * s.chunks;
        float sum = 0, all = 0;

        for (int k = lane; k < s.chunks; k += WARP)
            sum += part[k].mean * (chunk_begin(s, k + 1) - chunk_begin(s, k));
        sum = warp_sum(sum) / s.rows;
        for (int k = lane; k < s.chunks; k += WARP) {
            const float d = part[k].mean - sum;

            all += part[k].squares +
                   d * d * s.cg * (chunk_begin(s, k + 1) - chunk_begin(s, k));
        }
        all = warp_sum(all);
        if (lane == 0) {
            mean[g] = sum;
            squares[g] = all;
        }
    }
    __syncthreads();
}

template <typename T, int N>
static __global__ void __launch_bounds__(THREADS, BLOCKS)
    write_chunks(T *y, const T *x, const T *weight, const T *bias,
                 const Part *parts, Slabs s)
{
    SHARED(float, mean, [GROUPS_MAX]);
    SHARED(float, squares, [GROUPS_MAX]);
    const Piece p = piece_of(s);

    join(mean, squares, parts, s, p);
    normalise<N>(y, x, weight, bias, mean, squares, s, p);
}

/* ---- host --------------------------------------------------------------- */

/* How many groups a slab has: of LINE bytes at least, and whole packs where
 * the channels are. */
static int groups_of_slab(const Tensor *out, int cg, int groups)
{
    const int bytes = cg * (int)dtype_size(out->dtype);
    int n = (int)ceil_div(LINE, bytes);

    if (whole_packs(out->dtype, (size_t)out->dim[1]))
        while (!whole_packs(out->dtype, (size_t)n * cg))
            n++;
    return n < groups ? n : groups;
}

static Slabs slabs_of(Device *dev, const Tensor *out)
{
    const NormAttr *attr = (const NormAttr *)out->attr;
    const size_t enough = 2 * (size_t)cuda_device(dev)->sms;
    Slabs s = {
        .C = out->dim[1],
        .rows = (int)tensor_positions(out),
        .cg = out->dim[1] / attr->groups,
        .repeat = out->src[1]->dim[0],
        .eps = (float)attr->eps,
    };

    s.groups = groups_of_slab(out, s.cg, attr->groups);
    s.slabs = (int)ceil_div(attr->groups, s.groups);
    const size_t pieces = (size_t)s.slabs * out->dim[0];
    const size_t bytes = tensor_bytes(out) / pieces / CHUNK_BYTES;
    const size_t wanted = ceil_div(enough, pieces);
    const size_t chunks = wanted < bytes ? wanted : bytes;

    s.chunks = chunks < 1 ? 1 : chunks > CHUNKS_MAX ? CHUNKS_MAX : (int)chunks;
    if (s.chunks > s.rows)
        s.chunks = s.rows;
    return s;
}

/* The parts of the chunks, on the device. */
typedef struct State {
    Device *dev;
    void *parts;
} State;

static int plan(Device *dev, const Tensor *out, void **state)
{
    const Slabs s = slabs_of(dev, out);
    State *st = (State *)calloc(1, sizeof(*st));
    const size_t groups = (size_t)out->dim[0] * (s.C / s.cg);

    if (!st)
        return fail(ERR_MEMORY, "no memory for a kernel's state");
    st->dev = dev;
    *state = st;
    return s.chunks == 1
               ? OK
               : dev->backend->alloc(dev, &st->parts,
                                     groups * s.chunks * sizeof(Part));
}

static void release(void *state)
{
    State *st = (State *)state;

    if (st && st->parts)
        st->dev->backend->release(st->dev, st->parts);
    free(st);
}

template <typename T, int N>
static int launch_slabs(Device *dev, const Tensor *out, Part *parts)
{
    const Slabs s = slabs_of(dev, out);
    const size_t blocks = (size_t)s.chunks * s.slabs * out->dim[0];
    const Launch l = { dim3((unsigned)blocks), THREADS };
    const T *x = (const T *)out->src[0]->data;
    const T *weight = (const T *)out->src[1]->data;
    const T *bias = (const T *)out->src[2]->data;
    T *y = (T *)out->data;

    if (s.chunks == 1)
        return launch(dev, l, slabs<T, N>, y, x, weight, bias, s);
    TRY(launch(dev, l, measure_chunks<T, N>, parts, x, s));
    return launch(dev, l, write_chunks<T, N>, y, x, weight, bias, parts, s);
}

static int run(Device *dev, const Tensor *out, void *state)
{
    Part *parts = (Part *)((State *)state)->parts;
    const Slabs s = slabs_of(dev, out);
    const bool packs = whole_packs(out->dtype, (size_t)s.C) &&
                       whole_packs(out->dtype, (size_t)s.groups * s.cg);
    int err = OK;

    FOR_PACK(out->dtype, packs, T, N,
             err = launch_slabs<T, N>(dev, out, parts));
    return err;
}

const Kernel cuda_group_norm = {
    .op = &group_norm_def,
    .name = "slabs",
    .dtypes = ALL_DTYPES,
    .plan = plan,
    .run = run,
    .release = release,
    .inplace = 1u << 0,
};
