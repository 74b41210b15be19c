/*
 * batch_norm_grad.c - gradients of a batch norm with stored statistics:
 * batch_norm_grad_x, batch_norm_grad_w
 *
 *   dx = dy weight / sqrt(var + eps), by channel
 *
 * Bound by bytes.
 *
 *   rows   x: a factor a channel, made anew in every run: weights may change.
 */
#include <math.h>

#include "kernels/cpu/simd/rows.h"

/* State: a factor for each channel. */
static int x_plan(Device *dev, const Tensor *out, void **state)
{
    (void)dev;
    return state_new(state, (size_t)out->dim[1] * sizeof(float));
}

static void x_range(const Tensor *out, const void *state, size_t begin,
                    size_t end)
{
    const size_t C = (size_t)out->dim[1];
    const float *dy = (const float *)out->src[0]->data + begin * C;
    const float *scale = state;
    float *dx = (float *)out->data + begin * C;

    for (size_t r = begin; r < end; r++, dx += C, dy += C)
#pragma omp simd
        for (size_t k = 0; k < C; k++)
            dx[k] = dy[k] * scale[k];
}

static int x_run(Device *dev, const Tensor *out, void *state)
{
    const NormAttr *attr = out->attr;
    const float *weight = out->src[1]->data, *var = out->src[2]->data;
    const size_t C = (size_t)out->dim[1];
    float *scale = state;

    for (size_t c = 0; c < C; c++)
        scale[c] = (float)(weight[c] / sqrt(var[c] + attr->eps));
    return split(
        dev, out, state,
        (Split){ x_range, tensor_rows(out), 2.0 * (double)tensor_count(out) });
}

const Kernel SIMD(batch_norm_grad_x) = {
    .op = &batch_norm_grad_x_def,
    .name = "rows",
    .plan = x_plan,
    .run = x_run,
    .inplace = 1,
};
