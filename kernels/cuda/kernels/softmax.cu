/*
 * softmax.cu - y = exp(x - max) / sum of exp(x - max), along one dim; and
 * softmax_grad, dx = y (dy - sum of y dy)
 *
 * Bound by bytes: x is read once, or again from L1, y is written once; and by
 * exp where the map is in L2.  NaN goes through the sum, so that the maximum
 * need not see it.
 *
 *   warp_keeps_line   the numbers of a line are neighbours (rows of scores, the
 *                     channels of a vector or map).  Lanes take a pack each, a
 *                     warp a line, which it has in registers from the first
 *                     load to the store.  Starves on lines shorter than a warp.
 *   warp_per_line     the same of longer lines, read three times: for the
 *                     maximum, for the sum, and to write; exp twice a number.
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
    SHORT = 16, /* numbers: such a line is not worth a warp   */
    KEPT = 16,  /* numbers of a line in a lane's registers    */
};

/* Lines of n numbers, `step` apart; `step` lines begin at neighbours, and the
 * next ones n * step further on. */
struct Lines {
    size_t count, step;
    Divider by_step;
    int n;
};

static Lines lines_of(const Tensor *out)
{
    const int dim = ((const DimAttr *)out->attr)->dim;
    size_t stride[MAX_RANK];

    tensor_strides(out, stride);
    return Lines{ tensor_count(out) / out->dim[dim], stride[dim],
                  divider(stride[dim]), out->dim[dim] };
}

/* The first number of line i, of those that lie across memory. */
static __device__ __forceinline__ size_t line_at(const Lines &l, size_t i)
{
    unsigned rest = (unsigned)i;
    const size_t outer = divmod(&rest, l.by_step);

    return outer * l.step * l.n + rest;
}

/* y may be x: a lane writes what it alone has read. */
template <typename T, int N>
static __global__ void __launch_bounds__(THREADS)
    warp_keeps_line(T *y, const T *x, Lines l)
{
    constexpr int PACKS = KEPT / N;
    const int first = threadIdx.x % WARP * N;
    const size_t warps = (size_t)gridDim.x * WARPS;

    for (size_t i = (size_t)blockIdx.x * WARPS + threadIdx.x / WARP;
         i < l.count; i += warps) {
        const size_t line = i * l.n + first;
        const int left = l.n - first; /* from this lane's first number on */
        float most = -INFINITY, sum = 0;
        Pack<T, N> v[PACKS];

#pragma unroll
        for (int j = 0; j < PACKS; j++) {
            v[j] = Pack<T, N>{};
            if (j * WARP * N < left)
                v[j] = load_pack<N>(x + line + j * WARP * N);
        }
#pragma unroll
        for (int j = 0; j < PACKS; j++)
            if (j * WARP * N < left)
#pragma unroll
                for (int e = 0; e < N; e++)
                    most = fmaxf(most, v[j].at[e]);
        most = warp_max(most);
#pragma unroll
        for (int j = 0; j < PACKS; j++)
            if (j * WARP * N < left)
#pragma unroll
                for (int e = 0; e < N; e++) {
                    v[j].at[e] = expf(v[j].at[e] - most);
                    sum += v[j].at[e];
                }
        const float share = __fdividef(1, warp_sum(sum));
#pragma unroll
        for (int j = 0; j < PACKS; j++)
            if (j * WARP * N < left) {
#pragma unroll
                for (int e = 0; e < N; e++)
                    v[j].at[e] *= share;
                store_pack(y + line + j * WARP * N, v[j]);
            }
    }
}

/* y may be x: a lane writes what it alone has read. */
template <typename T, int N>
static __global__ void __launch_bounds__(THREADS)
    warp_per_line(T *y, const T *x, Lines l)
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
                most = fmaxf(most, v.at[e]);
        }
        most = warp_max(most);
        for (int k = first; k < l.n; k += WARP * N) {
            const Pack<T, N> v = load_pack<N>(line + k);

#pragma unroll
            for (int e = 0; e < N; e++)
                sum += expf(v.at[e] - most);
        }
        const float share = __fdividef(1, warp_sum(sum));
        for (int k = first; k < l.n; k += WARP * N) {
            Pack<T, N> v = load_pack<N>(line + k);

#pragma unroll
            for (int e = 0; e < N; e++)
                v.at[e] = expf(v.at[e] - most) * share;
            store_pack(y + i * l.n + k, v);
        }
    }
}

/* Packs hold neighbouring lines: N > 1 needs N to divide step. */
template <typename T, int N>
static __global__ void __launch_bounds__(THREADS)
    thread_per_line(T *y, const T *x, Lines l)
{
    const size_t threads = (size_t)gridDim.x * THREADS;

    for (size_t i = ((size_t)blockIdx.x * THREADS + threadIdx.x) * N;
         i < l.count; i += threads * N) {
        const size_t at = line_at(l, i);
        Pack<T, N> most, sum = {};

#pragma unroll
        for (int e = 0; e < N; e++)
            most.at[e] = -INFINITY;
        for (int k = 0; k < l.n; k++) {
            const Pack<T, N> v = load_pack<N>(x + at + k * l.step);

#pragma unroll
            for (int e = 0; e < N; e++)
                most.at[e] = fmaxf(most.at[e], v.at[e]);
        }
        for (int k = 0; k < l.n; k++) {
            const Pack<T, N> v = load_pack<N>(x + at + k * l.step);

#pragma unroll
            for (int e = 0; e < N; e++)
                sum.at[e] += expf(v.at[e] - most.at[e]);
        }
#pragma unroll
        for (int e = 0; e < N; e++)
            sum.at[e] = __fdividef(1, sum.at[e]);
        for (int k = 0; k < l.n; k++) {
            Pack<T, N> v = load_pack<N>(x + at + k * l.step);

#pragma unroll
            for (int e = 0; e < N; e++)
                v.at[e] = expf(v.at[e] - most.at[e]) * sum.at[e];
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
        const size_t at = line_at(l, i);
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
                      !warps                    ? thread_per_line<T, N>
                      : l.n <= (int)KEPT * WARP ? warp_keeps_line<T, N>
                                                : warp_per_line<T, N>,
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

/* An index of 31 bits for each line. */
static bool few_lines(const Tensor *out)
{
    return lines_of(out).count <= INT_MAX;
}

const Kernel cuda_softmax = {
    .op = &softmax_def,
    .name = "lines",
    .dtypes = ALL_DTYPES,
    .supports = few_lines,
    .run = run,
    .inplace = 1u << 0,
};

const Kernel cuda_softmax_grad = {
    .op = &softmax_grad_def,
    .name = "lines",
    .dtypes = ALL_DTYPES,
    .supports = few_lines,
    .run = run,
    .inplace = (1u << 0) | (1u << 1),
};
