/*
 * sgd.c - v = momentum v + dw + decay w, and w = w - rate v
 *
 * Four or three numbers moved for a few operations: bound by bytes.
 *
 *   flat   one loop over the numbers, in place.
 */
#include "kernels/cpu/simd/simd.h"

static void velocity_range(const Tensor *out, const void *state, size_t begin,
                           size_t end)
{
    const SgdAttr *a = out->attr;
    const float momentum = (float)a->momentum, decay = (float)a->decay;
    const float *v = out->src[0]->data, *dw = out->src[1]->data,
                *w = out->src[2]->data;
    float *y = out->data;

    (void)state;
#pragma omp simd
    for (size_t i = begin; i < end; i++)
        y[i] = momentum * v[i] + (dw[i] + decay * w[i]);
}

static void weight_range(const Tensor *out, const void *state, size_t begin,
                         size_t end)
{
    const float rate = (float)((const SgdAttr *)out->attr)->rate;
    const float *w = out->src[0]->data, *v = out->src[1]->data;
    float *y = out->data;

    (void)state;
#pragma omp simd
    for (size_t i = begin; i < end; i++)
        y[i] = w[i] - rate * v[i];
}

static int velocity_run(Device *dev, const Tensor *out, void *state)
{
    const size_t n = tensor_count(out);

    return split(dev, out, state,
                 (Split){ velocity_range, n, 4.0 * (double)n });
}

static int weight_run(Device *dev, const Tensor *out, void *state)
{
    const size_t n = tensor_count(out);

    return split(dev, out, state, (Split){ weight_range, n, 3.0 * (double)n });
}

const Kernel SIMD(sgd_velocity) = {
    .op = &sgd_velocity_def,
    .name = "flat",
    .run = velocity_run,
    .inplace = 1,
};

const Kernel SIMD(sgd_weight) = {
    .op = &sgd_weight_def,
    .name = "flat",
    .run = weight_run,
    .inplace = 1,
};
