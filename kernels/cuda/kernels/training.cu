/*
 * training.cu - the loss of a classifier and a step of descent: cross_entropy,
 *               cross_entropy_grad, sgd_velocity, sgd_weight
 *
 *   y = mean over n of -sum over k of t log softmax(x)
 *   dx = (softmax(x) sum of t - t) / N
 *   v = momentum v + dw + decay w,  w = w - rate v
 *
 * The logits of a batch are a few thousand numbers, so the first two are bound
 * by the latency of a launch.  Descent is bound by bytes: three or four
 * numbers moved for a few operations.
 *
 *   one_block      the loss: one warp per image, its lanes along the classes.
 *                  The images' losses are added in order, so that the sum is
 *                  the same every time.
 *   warp_per_row   its gradient: one warp per image.
 *   flat           descent: one number per thread, strided by the grid.
 */
#include <math.h>

#include "kernels/cuda/kernels/kernel.h"

enum { THREADS = 256, WARPS = THREADS / WARP, BLOCKS_PER_SM = 8 };

/* Largest of a row of K numbers, in every lane, and the log of the sum of
 * their exponentials less that. */
struct Row {
    float most, sum;
};

static __device__ __forceinline__ Row row_of(const float *x, int K, int lane)
{
    Row r = { -INFINITY, 0 };

    for (int k = lane; k < K; k += WARP)
        r.most = max_nan(r.most, x[k]);
    r.most = warp_max(r.most);
    for (int k = lane; k < K; k += WARP)
        r.sum += expf(x[k] - r.most);
    r.sum = warp_sum(r.sum);
    return r;
}

static __global__ void one_block(float *y, const float *x, const float *t,
                                 int N, int K)
{
    SHARED(float, losses, [WARPS]);
    const int warp = (int)threadIdx.x / WARP, lane = (int)threadIdx.x % WARP;
    float mine = 0;

    for (int n = warp; n < N; n += WARPS) {
        const float *xn = x + (size_t)n * K, *tn = t + (size_t)n * K;
        const Row r = row_of(xn, K, lane);
        const float less = logf(r.sum);
        float loss = 0;

        for (int k = lane; k < K; k += WARP)
            loss -= tn[k] * (xn[k] - r.most - less);
        mine += warp_sum(loss);
    }
    if (lane == 0)
        losses[warp] = mine;
    __syncthreads();
    if (threadIdx.x == 0) {
        float all = 0;

        for (int i = 0; i < WARPS; i++)
            all += losses[i];
        *y = all / (float)N;
    }
}

static __global__ void warp_per_row(float *dx, const float *x, const float *t,
                                    int N, int K)
{
    const int warp = (int)threadIdx.x / WARP, lane = (int)threadIdx.x % WARP;
    const int warps = (int)gridDim.x * WARPS;

    for (int n = (int)blockIdx.x * WARPS + warp; n < N; n += warps) {
        const float *xn = x + (size_t)n * K, *tn = t + (size_t)n * K;
        const Row r = row_of(xn, K, lane);
        float all = 0;

        for (int k = lane; k < K; k += WARP)
            all += tn[k];
        all = __fdividef(warp_sum(all), r.sum);
        for (int k = lane; k < K; k += WARP)
            dx[(size_t)n * K + k] =
                __fdividef(expf(xn[k] - r.most) * all - tn[k], (float)N);
    }
}

/* y may be v. */
static __global__ void velocity(float *y, const float *v, const float *dw,
                                const float *w, size_t n, float momentum,
                                float decay)
{
    const size_t threads = (size_t)gridDim.x * THREADS;

    for (size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x; i < n;
         i += threads)
        y[i] = momentum * v[i] + (dw[i] + decay * w[i]);
}

/* y may be w. */
static __global__ void weight(float *y, const float *w, const float *v,
                              size_t n, float rate)
{
    const size_t threads = (size_t)gridDim.x * THREADS;

    for (size_t i = (size_t)blockIdx.x * THREADS + threadIdx.x; i < n;
         i += threads)
        y[i] = w[i] - rate * v[i];
}

static int run_loss(Device *dev, const Tensor *out, void *state)
{
    const Tensor *x = out->src[0];
    const Launch l = { 1, THREADS };

    (void)state;
    return launch(dev, l, one_block, (float *)out->data, (const float *)x->data,
                  (const float *)out->src[1]->data, x->dim[0], x->dim[1]);
}

static int run_loss_grad(Device *dev, const Tensor *out, void *state)
{
    const Launch l = { grid_of(ceil_div((size_t)out->dim[0], WARPS)), THREADS };

    (void)state;
    return launch(dev, l, warp_per_row, (float *)out->data,
                  (const float *)out->src[0]->data,
                  (const float *)out->src[1]->data, out->dim[0], out->dim[1]);
}

static Launch flat(Device *dev, const Tensor *out)
{
    const size_t blocks = ceil_div(tensor_count(out), THREADS);

    return { even_grid(dev, blocks, BLOCKS_PER_SM), THREADS };
}

static int run_velocity(Device *dev, const Tensor *out, void *state)
{
    const SgdAttr *a = (const SgdAttr *)out->attr;

    (void)state;
    return launch(dev, flat(dev, out), velocity, (float *)out->data,
                  (const float *)out->src[0]->data,
                  (const float *)out->src[1]->data,
                  (const float *)out->src[2]->data, tensor_count(out),
                  (float)a->momentum, (float)a->decay);
}

static int run_weight(Device *dev, const Tensor *out, void *state)
{
    const SgdAttr *a = (const SgdAttr *)out->attr;

    (void)state;
    return launch(dev, flat(dev, out), weight, (float *)out->data,
                  (const float *)out->src[0]->data,
                  (const float *)out->src[1]->data, tensor_count(out),
                  (float)a->rate);
}

const Kernel cuda_cross_entropy = {
    .op = &cross_entropy_def,
    .name = "one_block",
    .run = run_loss,
};

const Kernel cuda_cross_entropy_grad = {
    .op = &cross_entropy_grad_def,
    .name = "warp_per_row",
    .run = run_loss_grad,
};

const Kernel cuda_sgd_velocity = {
    .op = &sgd_velocity_def,
    .name = "flat",
    .run = run_velocity,
    .inplace = 1u << 0,
};

const Kernel cuda_sgd_weight = {
    .op = &sgd_weight_def,
    .name = "flat",
    .run = run_weight,
    .inplace = 1u << 0,
};
