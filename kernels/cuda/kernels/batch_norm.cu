/*
 * batch_norm.cu - y = (x - mean[c]) / sqrt(var[c] + eps) * weight[c] + bias[c];
 * batch_norm_grad_x, which is the same without mean and bias; and
 * batch_norm_grad_w, dw[c] = sum of dy (x - mean[c]) / sqrt(var[c] + eps)
 *
 * Memory bound: one number in, one out; two in.
 *
 *   columns   a thread stays with one pack of channels, whose four numbers a
 *             channel it reads once and keeps, and goes down the rows.  Where
 *             packs do not divide the channels, one channel per thread.
 *   sums      batch_norm_grad_w: columns.h, which has nothing but the means to
 *             read besides.
 */
#include "kernels/cuda/kernels/columns.h"

enum { THREADS = 256, BLOCKS_PER_SM = 8 };

/* bias and mean may be NULL. */
template <typename T> struct Norm {
    const T *weight, *bias, *mean, *var;
    float eps;
};

/* y may be x. */
template <typename T, int N>
static __global__ void down(T *y, const T *x, Norm<T> p, size_t rows, int C)
{
    const unsigned packs = C / N;
    const size_t thread = (size_t)blockIdx.x * THREADS + threadIdx.x;
    const size_t step = (size_t)gridDim.x * THREADS / packs;
    const int c = thread % packs * N;
    const Pack<T, N> mean = p.mean ? load_pack<N>(p.mean + c) : Pack<T, N>{};
    const Pack<T, N> bias = p.bias ? load_pack<N>(p.bias + c) : Pack<T, N>{};
    const Pack<T, N> var = load_pack<N>(p.var + c);
    Pack<T, N> scale = load_pack<N>(p.weight + c);

#pragma unroll
    for (int i = 0; i < N; i++)
        scale.at[i] /= sqrtf(var.at[i] + p.eps);
    /* Threads of the last, incomplete row of threads have nothing to do. */
    for (size_t r = thread / packs; r < rows && thread / packs < step;
         r += step) {
        Pack<T, N> v = load_pack<N>(x + r * C + c);

#pragma unroll
        for (int i = 0; i < N; i++)
            v.at[i] = (v.at[i] - mean.at[i]) * scale.at[i] + bias.at[i];
        store_pack(y + r * C + c, v);
    }
}

/* Blocks enough for a row of threads at least, and no more than there are
 * numbers or places. */
static size_t blocks_for(Device *dev, size_t rows, size_t packs)
{
    const size_t most = (size_t)cuda_device(dev)->sms * BLOCKS_PER_SM;
    const size_t all = ceil_div(rows * packs, THREADS);
    const size_t row = ceil_div(packs, THREADS);

    return all < most ? all : most > row ? most : row;
}

/* Where the sources are; -1: there is none. */
typedef struct Sources {
    int weight, bias, mean, var;
} Sources;

template <typename T> static const T *source(const Tensor *out, int i)
{
    return i < 0 ? NULL : (const T *)out->src[i]->data;
}

static int run_with(Device *dev, const Tensor *out, Sources at)
{
    const size_t rows = tensor_rows(out);
    const int C = tensor_channels(out);
    int err = OK;

    FOR_PACK(out->dtype, whole_packs(out->dtype, (size_t)C), T, N, {
        const Launch l = { dim3((unsigned)blocks_for(dev, rows, C / N)),
                           THREADS };
        const Norm<T> norm = {
            source<T>(out, at.weight),
            source<T>(out, at.bias),
            source<T>(out, at.mean),
            source<T>(out, at.var),
            (float)((const NormAttr *)out->attr)->eps,
        };

        err = launch(dev, l, down<T, N>, (T *)out->data,
                     (const T *)out->src[0]->data, norm, rows, C);
    });
    return err;
}

static int run(Device *dev, const Tensor *out, void *state)
{
    (void)state;
    return run_with(dev, out, { 1, 2, 3, 4 });
}

static int run_grad_x(Device *dev, const Tensor *out, void *state)
{
    (void)state;
    return run_with(dev, out, { 1, -1, -1, 2 });
}

#define COLUMNS(id, run_id)    \
    const Kernel cuda_##id = { \
        .op = &id##_def,       \
        .name = "columns",     \
        .dtypes = ALL_DTYPES,  \
        .run = run_id,         \
        .inplace = 1u << 0,    \
    };
COLUMNS(batch_norm, run)
COLUMNS(batch_norm_grad_x, run_grad_x)

/* ---- the gradient of the weight ----------------------------------------- */

/* dy (x - mean), and what the sum of a column is multiplied with; all of x's
 * type. */
struct Deviation : Plain<Sum> {
    const void *dy, *mean, *var;
    float eps;

    template <typename P, typename T>
    __device__ __forceinline__ P load(const T *x, size_t at, unsigned,
                                      unsigned k) const
    {
        const P from = load_pack<P::N>((const T *)mean + k);
        const P d = load_pack<P::N>((const T *)dy + at);
        P v = load_pack<P::N>(x + at);

#pragma unroll
        for (int i = 0; i < P::N; i++)
            v.at[i] = d.at[i] * (v.at[i] - from.at[i]);
        return v;
    }

    template <typename T>
    __device__ __forceinline__ float finish(float v, unsigned k) const
    {
        return v * rsqrtf(to_float(((const T *)var)[k]) + eps);
    }
};

static int plan_grad_w(Device *dev, const Tensor *out, void **state)
{
    ColumnsState *s = (ColumnsState *)calloc(1, sizeof(*s));

    if (!s)
        return fail(ERR_MEMORY, "no memory for %zu bytes", sizeof(*s));
    *state = s;
    s->c = { .outer = 1,
             .rows = (unsigned)tensor_rows(out->src[0]),
             .width = (unsigned)out->dim[0],
             .scale = 1 };
    return columns_plan(s, dev, out->dtype);
}

static int run_grad_w(Device *dev, const Tensor *out, void *state)
{
    Deviation how;

    how.dy = out->src[1]->data;
    how.mean = out->src[2]->data;
    how.var = out->src[3]->data;
    how.eps = (float)((const NormAttr *)out->attr)->eps;
    return columns_run(dev, out, (const ColumnsState *)state, how);
}

const Kernel cuda_batch_norm_grad_w = {
    .op = &batch_norm_grad_w_def,
    .name = "columns",
    .dtypes = ALL_DTYPES,
    .plan = plan_grad_w,
    .run = run_grad_w,
    .release = columns_free,
};
