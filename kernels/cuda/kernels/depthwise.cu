/*
 * depthwise.cu - each channel's own filter: conv2d and conv2d_grad_x (conv.h)
 * with as many groups as channels and outputs, and dwconv1d
 *
 *   y[n,c,i,j] = act(b[c] + z[n,c,i,j] + sum over u,v of
 *                    x[n,c,i s + u - p_h,j s + v - p_w] w[c,u,v])
 *
 * Bound by bytes in device memory for small filters; from 5x5 on by those that
 * come from L1, as every number of x is used kh * kw times.  Weights are kept
 * as [tap][c], so that they are read as x is, a pack of channels at a time.
 *
 *   runs   a thread computes a pack of channels at RUN neighbouring positions
 *          along the filter's longer side.  The numbers that it needs slide
 *          through a window of RUN packs in registers: for k taps RUN + k - 1
 *          loads and not RUN * k.  RUN is 4 where that leaves threads enough,
 *          and 1 else, or with a stride, where windows share little.  Channels
 *          that packs do not divide go one to a thread; so does ECA's strip of
 *          one channel, where neighbouring threads are neighbouring positions.
 *          Starves on small maps of few images.
 */
#include "kernels/cuda/kernels/conv.h"

enum { RUN = 4, RUN_THREADS_PER_SM = 512 };

/* One of the two sides of the map.  Steps are in numbers. */
struct Side {
    int in, out, k, pad;
    int x_step, y_step, w_step;
};

/* Runs go along the first side. */
struct Filter {
    Side along, across;
    int N, C, stride, apart; /* as of Conv */
    Activation act;
};

static Filter filter_of_strip(const Tensor *out)
{
    const int C = out->dim[1], L = out->dim[2], k = out->src[1]->dim[2];

    return Filter{
        .along = { L, L, k, k / 2, C, C, C },
        .across = { 1, 1, 1, 0, 0, 0, 0 },
        .N = out->dim[0],
        .C = C,
        .stride = 1,
        .apart = 1,
        .act = ACT_NONE,
    };
}

static Filter filter_of(const Tensor *out)
{
    if (out->op == &dwconv1d_def)
        return filter_of_strip(out);

    const Conv c = conv_of(out);
    const Side rows = { c.H,       c.OH,       c.kh,      c.pad_h,
                        c.W * c.C, c.OW * c.C, c.kw * c.C };
    const Side columns = { c.W, c.OW, c.kw, c.pad_w, c.C, c.C, c.C };
    const bool tall = rows.k > columns.k;

    return Filter{
        .along = tall ? rows : columns,
        .across = tall ? columns : rows,
        .N = c.N,
        .C = c.C,
        .stride = c.stride,
        .apart = c.apart,
        .act = c.act,
    };
}

/* x at one position of the line, 0 beyond its ends. */
template <int N, typename T>
static __device__ __forceinline__ Pack<T, N> at(const T *line, const Side &s,
                                                int i, int apart)
{
    return place_of(&i, s.in, apart) ? load_pack<N>(line + i * s.x_step)
                                     : Pack<T, N>{};
}

/* Adds one line of the filter to R neighbouring sums, the first of which
 * begins at position `first`. */
template <int N, int R, typename T>
static __device__ __forceinline__ void add_line(Pack<T, N> sum[R],
                                                const T *line, const T *w,
                                                const Side &s, int first,
                                                int apart)
{
    Pack<T, N> window[R + 1];

#pragma unroll
    for (int r = 1; r < R; r++)
        window[r] = at<N>(line, s, first + r - 1, apart);
#pragma unroll 4
    for (int v = 0; v < s.k; v++) {
        const Pack<T, N> tap = load_pack<N>(w + v * s.w_step);

        window[R] = at<N>(line, s, first + v + R - 1, apart);
#pragma unroll
        for (int r = 0; r < R; r++) {
            window[r] = window[r + 1];
            add_product(&sum[r], window[r], tap);
        }
    }
}

template <typename T, int N, int R>
static __global__ void runs(Places<T> p, Filter f, Runs items)
{
    const unsigned threads = gridDim.x * CONV_THREADS;
    const size_t x_image = (size_t)f.along.in * f.across.in * f.C;
    const size_t y_image = (size_t)f.along.out * f.across.out * f.C;

    for (int n = blockIdx.y; n < f.N; n += gridDim.y)
        for (unsigned e = blockIdx.x * CONV_THREADS + threadIdx.x;
             e < items.count; e += threads) {
            const Run item = run_at(e, items);
            const int c = item.pack * N, j = item.length * R, i = item.line;
            const T *x = p.x + n * x_image + c;
            const size_t y = n * y_image + (size_t)i * f.across.y_step + c;
            Pack<T, N> sum[R] = {};

            for (int u = 0; u < f.across.k; u++) {
                int h = i * f.stride + u - f.across.pad;

                if (place_of(&h, f.across.in, f.apart))
                    add_line<N, R>(sum, x + (size_t)h * f.across.x_step,
                                   p.w + u * f.across.w_step + c, f.along,
                                   j * f.stride - f.along.pad, f.apart);
            }
#pragma unroll
            for (int r = 0; r < R; r++)
                if (j + r < f.along.out)
                    finish<N>(p, y + (size_t)(j + r) * f.along.y_step, c,
                              sum[r], f.act);
        }
}

template <typename T, int N, int R>
static int launch_runs(Device *dev, const Places<T> &p, const Filter &f)
{
    const Runs items = runs_of(f.C / N, ceil_div(f.along.out, R), f.across.out);

    return launch(dev, launch_per_image(items, f.N), runs<T, N, R>, p, f,
                  items);
}

static int run(Device *dev, const Tensor *out, void *state)
{
    const Reordered *w = (const Reordered *)state;
    const Filter f = filter_of(out);
    const size_t few = (size_t)cuda_device(dev)->sms * RUN_THREADS_PER_SM;
    int err = OK;

    TRY(reordered_before_run(dev, out, state));
    FOR_PACK(out->dtype, whole_packs(out->dtype, (size_t)f.C), T, N, {
        const Places<T> p = places_of<T>(out, w->at);
        const bool many = tensor_count(out) / (RUN * N) >= few && f.apart == 1;

        err = many && f.stride == 1 && f.along.k > 1
                  ? launch_runs<T, N, RUN>(dev, p, f)
                  : launch_runs<T, N, 1>(dev, p, f);
    });
    return err;
}

static int plan(Device *dev, const Tensor *out, void **state)
{
    return reordered_plan(dev, out, state, true);
}

static bool depthwise(const Tensor *out)
{
    const Conv c = conv_of(out);

    return c.cg == 1 && c.og == 1 && !c.shared;
}

#define DEPTHWISE(id, op_id, supports_id, exact) \
    const Kernel cuda_##id = {                   \
        .op = &op_id##_def,                      \
        .name = "depthwise",                     \
        .dtypes = ALL_DTYPES,                    \
        .supports = supports_id,                 \
        .plan = plan,                            \
        .run = run,                              \
        .release = reordered_release,            \
        .repack = reordered_repack,              \
        .packs = 1u << 1,                        \
        .exact_flops = exact,                    \
    };
DEPTHWISE(conv2d_depthwise, conv2d, depthwise, true)
DEPTHWISE(conv2d_grad_x_depthwise, conv2d_grad_x, depthwise, false)
DEPTHWISE(dwconv1d, dwconv1d, NULL, true)
