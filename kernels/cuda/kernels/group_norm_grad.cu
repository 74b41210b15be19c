/*
 * group_norm_grad.cu - with x^ = (x - mean) r, r = 1 / sqrt(var + eps) and
 * g = dy weight[c], means being those of a group of channels over all positions
 * of an image: group_norm_grad_x, group_norm_grad_w
 *
 *   dx = r (g - mean of g - x^ mean of g x^)
 *   dw = sum of dy x^ over all that meet the same weight
 *
 * Memory bound: two numbers in, one out, if all further reading comes from L2.
 * The work of dx is cut as group_stats.h says; images of one position and group
 * are for layer_norm_grad.cu.
 *
 *   slabs     a block a slab: mean, deviation, the two means of the gradient,
 *             result, all in one launch.
 *   chunks    where slabs are cut across: one launch for the sums of every
 *             chunk, of g (x - mean) about the chunk's own mean; one that joins
 *             them by group and writes.
 *   columns   dw: mean and r of each group first, then the sums by columns.h,
 *             of a matrix as wide as there are weights.  Starves on fewer
 *             weights than a pack has numbers.
 */
#include "kernels/cuda/kernels/columns.h"
#include "kernels/cuda/kernels/group_stats.h"
#include "kernels/cuda/kernels/row_stats.h"

/* ---- dx by slabs --------------------------------------------------------- */

enum { ROWS = 2 }; /* loads of either that are under way */

/* Sums of g and of g (x - mean) over a group or a part of it. */
struct Sums {
    float g, with_x;
};

/* The same of each group of the piece, as two arrays. */
template <int N, typename T>
static __device__ __forceinline__ void sum_grads(float *g, float *with_x,
                                                 float *columns, const T *x,
                                                 const T *dy, const T *weight,
                                                 const Slabs &s, const Piece &p,
                                                 const float *mean)
{
    const Place at = place_in(s, p);
    Pack<T, N> all = {}, with = {};

    for (int k = at.pack; k < p.width / N; k += at.across) {
        const size_t e = p.image + p.c + k * N;
        Pack<T, N> from, scale;

#pragma unroll
        for (int i = 0; i < N; i++) {
            from.at[i] = mean[divide(k * N + i, s.by_cg)];
            scale.at[i] = to_float(weight[weight_of(s, p.c + k * N + i)]);
        }
        for (int r = p.begin + at.row; r < p.end; r += ROWS * at.down) {
            Pack<T, N> v[ROWS], d[ROWS];

#pragma unroll
            for (int j = 0; j < ROWS; j++) {
                const int row = r + j * at.down;

                v[j] = d[j] = Pack<T, N>{};
                if (row < p.end) {
                    v[j] = load_pack<N>(x + e + (size_t)row * s.C);
                    d[j] = load_pack<N>(dy + e + (size_t)row * s.C);
                }
            }
#pragma unroll
            for (int j = 0; j < ROWS; j++)
#pragma unroll
                for (int i = 0; i < N; i++) {
                    const float grad = d[j].at[i] * scale.at[i];

                    all.at[i] += grad;
                    with.at[i] += grad * (v[j].at[i] - from.at[i]);
                }
        }
    }
    join_columns(g, columns, all, at, s, p);
    join_columns(with_x, columns, with, at, s, p);
}

/* The result, of sums over whole groups. */
template <int N, typename T>
static __device__ __forceinline__ void apply(T *dx, const T *x, const T *dy,
                                             const T *weight, const float *mean,
                                             const float *squares,
                                             const float *g,
                                             const float *with_x,
                                             const Slabs &s, const Piece &p)
{
    const Place at = place_in(s, p);

    for (int k = at.pack; k < p.width / N; k += at.across) {
        Pack<T, N> from, scale, shift, slope;

#pragma unroll
        for (int i = 0; i < N; i++) {
            const unsigned group = divide(k * N + i, s.by_cg);
            const float r = rsqrtf(squares[group] * s.per_number + s.eps);

            from.at[i] = mean[group];
            scale.at[i] = r * to_float(weight[weight_of(s, p.c + k * N + i)]);
            shift.at[i] = r * g[group] * s.per_number;
            slope.at[i] = r * r * r * with_x[group] * s.per_number;
        }
        for (int r = p.begin + at.row; r < p.end; r += at.down) {
            const size_t e = p.image + p.c + k * N + (size_t)r * s.C;
            const Pack<T, N> v = load_pack<N>(x + e);
            Pack<T, N> d = load_pack<N>(dy + e);

#pragma unroll
            for (int i = 0; i < N; i++)
                d.at[i] = d.at[i] * scale.at[i] - shift.at[i] -
                          (v.at[i] - from.at[i]) * slope.at[i];
            store_pack(dx + e, d);
        }
    }
}

/* dx may be x or dy: a block writes what it alone has read. */
template <typename T, int N>
static __global__ void __launch_bounds__(THREADS)
    slabs(T *dx, const T *x, const T *dy, const T *weight, Slabs s)
{
    SHARED(float, columns, [THREADS * PACK_MAX]);
    SHARED(float, mean, [GROUPS_MAX]);
    SHARED(float, squares, [GROUPS_MAX]);
    SHARED(float, g, [GROUPS_MAX]);
    SHARED(float, with_x, [GROUPS_MAX]);
    const Piece p = piece_of(s);

    measure<N>(mean, squares, columns, x, s, p);
    sum_grads<N>(g, with_x, columns, x, dy, weight, s, p, mean);
    apply<N>(dx, x, dy, weight, mean, squares, g, with_x, s, p);
}

template <typename T, int N>
static __global__ void __launch_bounds__(THREADS)
    sum_chunks(Part *parts, Sums *sums, const T *x, const T *dy,
               const T *weight, Slabs s)
{
    SHARED(float, columns, [THREADS * PACK_MAX]);
    SHARED(float, mean, [GROUPS_MAX]);
    SHARED(float, squares, [GROUPS_MAX]);
    SHARED(float, g, [GROUPS_MAX]);
    SHARED(float, with_x, [GROUPS_MAX]);
    const Piece p = piece_of(s);
    const size_t at =
        (p.first_group + threadIdx.x) * s.chunks + blockIdx.x % s.chunks;

    measure<N>(mean, squares, columns, x, s, p);
    sum_grads<N>(g, with_x, columns, x, dy, weight, s, p, mean);
    if ((int)threadIdx.x < p.groups) {
        parts[at] = Part{ mean[threadIdx.x], squares[threadIdx.x] };
        sums[at] = Sums{ g[threadIdx.x], with_x[threadIdx.x] };
    }
}

/* Joins each group of the piece, whose mean is known; one warp per group. */
static __device__ __forceinline__ void join_sums(float *g, float *with_x,
                                                 const float *mean,
                                                 const Part *parts,
                                                 const Sums *sums,
                                                 const Slabs &s, const Piece &p)
{
    for (int i = threadIdx.x / WARP; i < p.groups; i += WARPS) {
        const size_t first = (p.first_group + i) * s.chunks;
        float all = 0, with = 0;

        for (int k = threadIdx.x % WARP; k < s.chunks; k += WARP) {
            const Sums part = sums[first + k];

            all += part.g;
            with += part.with_x + part.g * (parts[first + k].mean - mean[i]);
        }
        all = warp_sum(all);
        with = warp_sum(with);
        if (threadIdx.x % WARP == 0) {
            g[i] = all;
            with_x[i] = with;
        }
    }
    __syncthreads();
}

template <typename T, int N>
static __global__ void __launch_bounds__(THREADS)
    write_chunks(T *dx, const T *x, const T *dy, const T *weight,
                 const Part *parts, const Sums *sums, Slabs s)
{
    SHARED(float, mean, [GROUPS_MAX]);
    SHARED(float, squares, [GROUPS_MAX]);
    SHARED(float, g, [GROUPS_MAX]);
    SHARED(float, with_x, [GROUPS_MAX]);
    const Piece p = piece_of(s);

    join(mean, squares, parts, s, p);
    join_sums(g, with_x, mean, parts, sums, s, p);
    apply<N>(dx, x, dy, weight, mean, squares, g, with_x, s, p);
}

static Slabs slabs_for(Device *dev, const Tensor *out)
{
    const NormAttr *attr = (const NormAttr *)out->attr;

    return slabs_of(dev, out, attr->groups, out->src[2]->dim[0], attr->eps);
}

/* Number of parts: all chunks of all groups of x. */
static size_t parts_of(const Tensor *x, const Slabs &s)
{
    return (size_t)x->dim[0] * (s.C / s.cg) * s.chunks;
}

static int plan_slabs(Device *dev, const Tensor *out, void **state)
{
    const Slabs s = slabs_for(dev, out);

    (void)state;
    return s.chunks == 1 ? OK
                         : cuda_workspace(cuda_device(dev),
                                          parts_of(out, s) *
                                              (sizeof(Part) + sizeof(Sums)));
}

template <typename T, int N>
static int launch_slabs(Device *dev, const Tensor *out)
{
    const Slabs s = slabs_for(dev, out);
    const size_t blocks = (size_t)s.chunks * s.slabs * out->dim[0];
    const Launch l = { dim3((unsigned)blocks), THREADS };
    const T *x = (const T *)out->src[0]->data;
    const T *dy = (const T *)out->src[1]->data;
    const T *weight = (const T *)out->src[2]->data;
    Part *parts = (Part *)cuda_device(dev)->workspace;
    Sums *sums = (Sums *)(parts + parts_of(out, s));
    T *dx = (T *)out->data;

    if (s.chunks == 1)
        return launch(dev, l, slabs<T, N>, dx, x, dy, weight, s);
    TRY(launch(dev, l, sum_chunks<T, N>, parts, sums, x, dy, weight, s));
    return launch(dev, l, write_chunks<T, N>, dx, x, dy, weight, parts, sums,
                  s);
}

static int run_slabs(Device *dev, const Tensor *out, void *state)
{
    const Slabs s = slabs_for(dev, out);
    int err = OK;

    (void)state;
    FOR_PACK(out->dtype, slabs_whole(out, s), T, N,
             err = launch_slabs<T, N>(dev, out));
    return err;
}

const Kernel cuda_group_norm_grad_x = {
    .op = &group_norm_grad_x_def,
    .name = "slabs",
    .dtypes = ALL_DTYPES,
    .plan = plan_slabs,
    .run = run_slabs,
    .inplace = (1u << 0) | (1u << 1),
};

/* ---- dw ------------------------------------------------------------------ */

/* The mean and r of each row, of each group. */
template <typename T, int N>
static __global__ void __launch_bounds__(THREADS)
    stats_of_rows(Stats *stats, const T *x, size_t rows, int C, float eps)
{
    const size_t warps = (size_t)gridDim.x * WARPS;

    for (size_t r = (size_t)blockIdx.x * WARPS + threadIdx.x / WARP; r < rows;
         r += warps) {
        const Stats s = stats_of<N>(x + r * C, C, eps);

        if (threadIdx.x % WARP == 0)
            stats[r] = s;
    }
}

static __global__ void __launch_bounds__(THREADS)
    stats_of_groups(Stats *stats, const Part *parts, size_t groups, Slabs s)
{
    const size_t warps = (size_t)gridDim.x * WARPS;

    for (size_t g = (size_t)blockIdx.x * WARPS + threadIdx.x / WARP; g < groups;
         g += warps) {
        const Part all = join_group(parts + g * s.chunks, s);

        if (threadIdx.x % WARP == 0)
            stats[g] =
                Stats{ all.mean, rsqrtf(all.squares * s.per_number + s.eps) };
    }
}

/* dy x^, of x as a matrix as wide as there are weights, so that a row of
 * channels is `repeats` of its rows; dy is of x's type. */
struct Normal : Plain<Sum> {
    const void *dy;
    const Stats *stats;
    Divider repeats, positions, group; /* group: channels of one */
    unsigned weights, groups;
    bool whole; /* groups are whole packs */

    template <typename P, typename T>
    __device__ __forceinline__ P load(const T *x, size_t at, unsigned r,
                                      unsigned k) const
    {
        const P d = load_pack<P::N>((const T *)dy + at);
        P v = load_pack<P::N>(x + at);
        const unsigned row = divmod(&r, repeats), c = r * weights + k;
        const Stats *image = stats + (size_t)divide(row, positions) * groups;
        Stats s = image[divide(c, group)];

#pragma unroll
        for (int i = 0; i < P::N; i++) {
            if (i && !whole)
                s = image[divide(c + i, group)];
            v.at[i] = d.at[i] * (v.at[i] - s.mean) * s.scale;
        }
        return v;
    }
};

typedef struct State {
    ColumnsState columns;
    Slabs s;
    size_t groups; /* of all images */
    Stats *stats;
    bool rows; /* images are rows of one group */
} State;

static void release(void *state)
{
    State *s = (State *)state;

    if (!s)
        return;
    columns_release(&s->columns);
    if (s->stats)
        s->columns.dev->backend->release(s->columns.dev, s->stats);
    free(s);
}

static int plan_w(Device *dev, const Tensor *out, void **state)
{
    const NormGradAttr *attr = (const NormGradAttr *)out->attr;
    const Tensor *x = out->src[0];
    State *s = (State *)calloc(1, sizeof(*s));

    if (!s)
        return fail(ERR_MEMORY, "no memory for a kernel's state");
    *state = s;
    s->columns.c = { .outer = 1,
                     .rows = (unsigned)(tensor_count(x) / attr->weights),
                     .width = (unsigned)attr->weights,
                     .scale = 1 };
    TRY(columns_plan(&s->columns, dev, out->dtype));
    s->s = slabs_of(dev, x, attr->groups, attr->weights, attr->eps);
    s->groups = (size_t)x->dim[0] * attr->groups;
    s->rows = tensor_positions(x) == 1 && attr->groups == 1;
    TRY(cuda_workspace(cuda_device(dev), parts_of(x, s->s) * sizeof(Part)));
    return dev->backend->alloc(dev, (void **)&s->stats,
                               s->groups * sizeof(Stats));
}

template <typename T, int N>
static int launch_stats(Device *dev, const Tensor *x, const State *st)
{
    const Slabs &s = st->s;
    const Launch pieces = {
        dim3((unsigned)((size_t)s.chunks * s.slabs * x->dim[0])), THREADS
    };
    const Launch groups = { grid_of(ceil_div(st->groups, WARPS)), THREADS };
    Part *parts = (Part *)cuda_device(dev)->workspace;

    if (st->rows)
        return launch(dev, groups, stats_of_rows<T, N>, st->stats,
                      (const T *)x->data, st->groups, s.C, s.eps);
    TRY(launch(dev, pieces, measure_chunks<T, N>, parts, (const T *)x->data,
               s));
    return launch(dev, groups, stats_of_groups, st->stats, parts, st->groups,
                  s);
}

static int run_w(Device *dev, const Tensor *out, void *state)
{
    const State *st = (const State *)state;
    const Tensor *x = out->src[0];
    Normal how;
    int err = OK;

    FOR_PACK(x->dtype, slabs_whole(x, st->s), T, N,
             err = launch_stats<T, N>(dev, x, st));
    TRY(err);
    how.dy = out->src[1]->data;
    how.stats = st->stats;
    how.repeats = divider(x->dim[1] / out->dim[0]);
    how.positions = divider(tensor_positions(x));
    how.group = divider(st->s.cg);
    how.weights = (unsigned)out->dim[0];
    how.groups = (unsigned)(st->s.C / st->s.cg);
    how.whole = whole_packs(x->dtype, (size_t)st->s.cg);
    return columns_run(dev, out, &st->columns, how);
}

static bool small_source(const Tensor *out)
{
    return small_index(out->src[0]);
}

const Kernel cuda_group_norm_grad_w = {
    .op = &group_norm_grad_w_def,
    .name = "columns",
    .dtypes = ALL_DTYPES,
    .supports = small_source,
    .plan = plan_w,
    .run = run_w,
    .release = release,
};
