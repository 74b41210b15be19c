/*
 * group_norm.cu - y = (x - mean) / sqrt(var + eps) * weight + bias, the mean
 * and variance being those of a group of channels over all positions of an
 * image
 *
 * Memory bound: one number in, one out, if the second and third reading come
 * from L2; small maps are bound by latency.
 *
 * The work is cut as group_stats.h says.
 *
 *   slabs    a block a slab: mean, deviation, result, all in one launch.
 *   chunks   where that leaves multiprocessors idle and slabs are long: they
 *            are cut across as well.  One launch for mean and deviation of
 *            every chunk, one that joins them by group and writes.  x is read
 *            from memory twice where it does not fit L2.
 */
#include "kernels/cuda/kernels/group_stats.h"

/* The result, given the mean and the deviation of each group. */
template <int N, typename T>
static __device__ __forceinline__ void normalise(T *y, const T *x,
                                                 const T *weight, const T *bias,
                                                 const float *mean,
                                                 const float *squares,
                                                 const Slabs &s, const Piece &p)
{
    constexpr int ROWS =
        N > 4 ? ROWS_UNDER_WAY / 2 : ROWS_UNDER_WAY; /* else: spills */
    const Place at = place_in(s, p);

    for (int k = at.pack; k < p.width / N; k += at.across) {
        Pack<T, N> from, scale, shift;

#pragma unroll
        for (int i = 0; i < N; i++) {
            const unsigned w = weight_of(s, p.c + k * N + i);

            scale.at[i] = to_float(weight[w]);
            shift.at[i] = to_float(bias[w]);
        }
#pragma unroll
        for (int i = 0; i < N; i++) {
            const unsigned g = divide(k * N + i, s.by_cg);

            from.at[i] = mean[g];
            scale.at[i] *= rsqrtf(squares[g] * s.per_number + s.eps);
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

static Slabs slabs_for(Device *dev, const Tensor *out)
{
    const NormAttr *attr = (const NormAttr *)out->attr;

    return slabs_of(dev, out, attr->groups, out->src[1]->dim[0], attr->eps);
}

/* The parts of the chunks, on the device. */
typedef struct State {
    Device *dev;
    void *parts;
} State;

static int plan(Device *dev, const Tensor *out, void **state)
{
    const Slabs s = slabs_for(dev, out);
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
    const Slabs s = slabs_for(dev, out);
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
    const Slabs s = slabs_for(dev, out);
    int err = OK;

    FOR_PACK(out->dtype, slabs_whole(out, s), T, N,
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
