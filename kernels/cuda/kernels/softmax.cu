/*
 * softmax.cu - y = exp(x - max) / sum of exp(x - max), along one dim; and
 * softmax_grad, dx = y (dy - sum of y dy)
 *
 * Bound by bytes: x comes from memory once and from L1 twice, y is written
 * once; and by exp, two per number, where the map is in L2.
 *
 *   warp_per_line     the numbers of a line are neighbours (rows of scores, the
 *                     channels of a vector or map).  Lanes take a pack each, a
 *                     warp a line: one for the maximum, one for the sum, one to
 *                     write.  Starves on lines shorter than a warp.
 *   thread_per_line   lines lie across memory, or are short: a thread a line.
 *                     Where lines lie across, neighbouring threads have
 *                     neighbouring lines, and take a pack of them each.
 *                     Starves on few lines, however long.
 *
 * The gradient goes the same two ways, once for the sum and once to write.
 */
#include "kernels/cuda/kernels/kernel.h"

enum {
    WARPS = 4,
    THREADS = WARPS * 32,
    SHORT = 16, /* numbers: such a line is not worth a warp */
};

/* Lines of n numbers, `step` apart; `step` lines begin at neighbours, and the
 * next ones n * step further on. */
struct Lines {
    size_t count, step;
    int n;
};

static Lines lines_of(const Tensor *out)
{
    const int dim = ((const DimAttr *)out->attr)->dim;
    size_t stride[MAX_RANK];

    tensor_strides(out, stride);
    return Lines{ tensor_count(out) / out->dim[dim], stride[dim],
                  out->dim[dim] };
}

/* y may be x: a lane writes what it alone has read. */
template <typename T, int N>
static __global__ void warp_per_line(T *y, const T *x, Lines l)
{
    const int first = threadIdx.x % WARP * N;
    const size_t warps = (size_t)gridDim.x * WARPS;

    for (size_t i = (size_t)blockIdx.x * WARPS + threadIdx.x / WARP;
         i < l.count; i += warps) {
        const T *line = x + i * l.n;
        float most = -INFINITY, sum = 0;

        for (int k = first; k < l.n; k += WARP * N) {
            const Pack<T, N> v = load_pack<N>(line + k);

#pragma unroll
            for (int e = 0; e < N; e++)
                most = max_nan(most, v.at[e]);
        }
        most = warp_max(most);
        for (int k = first; k < l.n; k += WARP * N) {
            const Pack<T, N> v = load_pack<N>(line + k);

#pragma unroll
            for (int e = 0; e < N; e++)
                sum += expf(v.at[e] - most);
        }
        sum = warp_sum(sum);
        for (int k = first; k < l.n; k += WARP * N) {
            Pack<T, N> v = load_pack<N>(line + k);

#pragma unroll
            for (int e = 0; e < N; e++)
                v.at[e] = expf(v.at[e] - most) / sum;
            store_pack(y + i * l.n + k, v);
        }
    }
}

/* Packs hold neighbouring lines: N > 1 needs N to divide step. */
template <typename T, int N>
static __global__ void thread_per_line(T *y, const T *x, Lines l)
{
    const size_t threads = (size_t)gridDim.x * THREADS;

    for (size_t i = ((size_t)blockIdx.x * THREADS + threadIdx.x) * N;
         i < l.count; i += threads * N) {
        const size_t at = i / l.step * l.step * l.n + i % l.step;
        Pack<T, N> most, sum = {};

#pragma unroll
        for (int e = 0; e < N; e++)
            most.at[e] = -INFINITY;
        for (int k = 0; k < l.n; k++) {
            const Pack<T, N> v = load_pack<N>(x + at + k * l.step);

#pragma unroll
            for (int e = 0; e < N; e++)
                most.at[e] = max_nan(most.at[e], v.at[e]);
        }
        for (int k = 0; k < l.n; k++) {
            const Pack<T, N> v = load_pack<N>(x + at + k * l.step);

#pragma unroll
            for (int e = 0; e < N; e++)
                sum.at[e] += expf(v.at[e] - most.at[e]);
        }
        for (int k = 0; k < l.n; k++) {
            Pack<T, N> v = load_pack<N>(x + at + k * l.step);

#pragma unroll
            for (int e = 0; e < N; e++)
                v.at[e] = expf(v.at[e] - most.at[e]) / sum.at[e];
            store_pack(y + at + k * l.step, v);
        }
    }
}

/* ---- the gradient ------------------------------------------------------- */

/* dx may be y or dy: a lane writes what it alone has read. */
template <typename T, int N>
static __global__ void warp_per_line_grad(T *dx, const T *y, const T *dy,
                                          Lines l)
{
    const int first = threadIdx.x % WARP * N;
    const size_t warps = (size_t)gridDim.x * WARPS;

    for (size_t i = (size_t)blockIdx.x * WARPS + threadIdx.x / WARP;
         i < l.count; i += warps) {
        const size_t line = i * l.n;
        float sum = 0;

        for (int k = first; k < l.n; k += WARP * N) {
            const Pack<T, N> v = load_pack<N>(y + line + k);
            const Pack<T, N> d = load_pack<N>(dy + line + k);

#pragma unroll
            for (int e = 0; e < N; e++)
                sum += v.at[e] * d.at[e];
        }
        sum = warp_sum(sum);
        for (int k = first; k < l.n; k += WARP * N) {
            const Pack<T, N> v = load_pack<N>(y + line + k);
            Pack<T, N> d = load_pack<N>(dy + line + k);

#pragma unroll
            for (int e = 0; e < N; e++)
                d.at[e] = v.at[e] * (d.at[e] - sum);
            store_pack(dx + line + k, d);
        }
    }
}

template <typename T, int N>
static __global__ void thread_per_line_grad(T *dx, const T *y, const T *dy,
                                            Lines l)
{
    const size_t threads = (size_t)gridDim.x * THREADS;

    for (size_t i = ((size_t)blockIdx.x * THREADS + threadIdx.x) * N;
         i < l.count; i += threads * N) {
        const size_t at = i / l.step * l.step * l.n + i % l.step;
        Pack<T, N> sum = {};

        for (int k = 0; k < l.n; k++) {
            const Pack<T, N> v = load_pack<N>(y + at + k * l.step);
            const Pack<T, N> d = load_pack<N>(dy + at + k * l.step);

#pragma unroll
            for (int e = 0; e < N; e++)
                sum.at[e] += v.at[e] * d.at[e];
        }
        for (int k = 0; k < l.n; k++) {
            const Pack<T, N> v = load_pack<N>(y + at + k * l.step);
            Pack<T, N> d = load_pack<N>(dy + at + k * l.step);

#pragma unroll
            for (int e = 0; e < N; e++)
                d.at[e] = v.at[e] * (d.at[e] - sum.at[e]);
            store_pack(dx + at + k * l.step, d);
        }
    }
}

/* ---- host --------------------------------------------------------------- */

template <typename T, int N>
static int launch_lines(Device *dev, const Tensor *out, const Lines &l,
                        bool warps)
{
    const size_t threads = warps ? l.count * WARP : l.count / N;
    const size_t blocks = ceil_div(threads, THREADS);
    const Launch launched = { grid_of(blocks), THREADS };

    const T *source = (const T *)out->src[0]->data;

    if (out->op == &softmax_def)
        return launch(dev, launched,
                      warps ? warp_per_line<T, N> : thread_per_line<T, N>,
                      (T *)out->data, source, l);
    return launch(dev, launched,
                  warps ? warp_per_line_grad<T, N> : thread_per_line_grad<T, N>,
                  (T *)out->data, source, (const T *)out->src[1]->data, l);
}

static int run(Device *dev, const Tensor *out, void *state)
{
    const Lines l = lines_of(out);
    const bool warps = l.step == 1 && l.n > SHORT;
    const size_t run = warps ? (size_t)l.n : l.step;
    int err = OK;

    (void)state;
    FOR_PACK(out->dtype, whole_packs(out->dtype, run), T, N,
             err = launch_lines<T, N>(dev, out, l, warps));
    return err;
}

const Kernel cuda_softmax = {
    .op = &softmax_def,
    .name = "lines",
    .dtypes = ALL_DTYPES,
    .run = run,
    .inplace = 1u << 0,
};

const Kernel cuda_softmax_grad = {
    .op = &softmax_grad_def,
    .name = "lines",
    .dtypes = ALL_DTYPES,
    .run = run,
    .inplace = (1u << 0) | (1u << 1),
};
