/*
 * batch_norm_grad.c - gradients of a batch norm with stored statistics:
 * batch_norm_grad_x, batch_norm_grad_w
 *
 *   dx = dy weight / sqrt(var + eps), by channel
 *   dw = sum of dy (x - mean) / sqrt(var + eps), of all positions
 *
 * Bound by bytes.
 *
 *   rows      x: a factor per channel, made again in every run: weights may
 *             change.
 *   columns   w: each thread adds up its part of the rows, as they lie in
 *             memory; the sums are added at the end (norm_grad.h).
 */
#include <math.h>

#include "kernels/cpu/simd/norm_grad.h"

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

/* State: for each thread sums of C channels. */
static int w_plan(Device *dev, const Tensor *out, void **state)
{
    return state_new(state, (size_t)dev->threads * SUM_D * (size_t)out->dim[0] *
                                sizeof(double));
}

/* Units are parts of the rows, as many as threads. */
typedef struct Parts {
    double *sums;
    size_t parts;
} Parts;

static void w_range(const Tensor *out, const void *state, size_t begin,
                    size_t end)
{
    const Parts *p = state;
    const size_t C = (size_t)out->dim[0], rows = tensor_rows(out->src[0]);
    const float *x = out->src[0]->data, *dy = out->src[1]->data;

    for (size_t u = begin; u < end; u++) {
        const size_t from = rows * u / p->parts;
        const size_t to = rows * (u + 1) / p->parts;

        norm_sums(p->sums + u * SUM_D * C,
                  (Columns){ .near = out->src[2]->data,
                             .x = x + from * C,
                             .dy = dy + from * C,
                             .rows = to - from,
                             .C = C },
                  false);
    }
}

static int w_run(Device *dev, const Tensor *out, void *state)
{
    const NormAttr *attr = out->attr;
    const Parts p = { state, (size_t)dev->threads };
    const size_t C = (size_t)out->dim[0];
    const float *var = out->src[3]->data;
    float *dw = out->data;

    TRY(split(
        dev, out, &p,
        (Split){ w_range, p.parts, 2.0 * (double)tensor_count(out->src[0]) }));
    for (size_t c = 0; c < C; c++) {
        double sum = 0;

        for (size_t i = 0; i < p.parts; i++)
            sum += p.sums[(i * SUM_D + SUM_DY_D) * C + c];
        dw[c] = (float)(sum / sqrt(var[c] + attr->eps));
    }
    return OK;
}

const Kernel SIMD(batch_norm_grad_w) = {
    .op = &batch_norm_grad_w_def,
    .name = "columns",
    .plan = w_plan,
    .run = w_run,
};
