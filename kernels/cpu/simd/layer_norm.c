/*
 * layer_norm.c - y = (x - mean) / sqrt(var + eps) * weight + bias, the mean and
 * variance being those of the channels of one position
 *
 * Bound by bytes: a row is read from memory once and stays in the L1 cache
 * for its three passes.
 *
 *   rows   mean, then squares about it, then y.  Starves on few channels, as
 *          every row pays for two horizontal sums and a square root.
 */
#include <math.h>

#include "kernels/cpu/simd/simd.h"

static void row(float *y, const float *x, const float *weight,
                const float *bias, size_t C, float eps)
{
    float sum = 0, rest = 0, squares = 0, mean, var, scale;

#pragma omp simd reduction(+ : sum)
    for (size_t c = 0; c < C; c++)
        sum += x[c];
    mean = sum / (float)C;
#pragma omp simd reduction(+ : rest, squares)
    for (size_t c = 0; c < C; c++) {
        const float d = x[c] - mean;

        rest += d;
        squares += d * d;
    }
    /* mean is rounded: what is left of it is in rest. */
    rest /= (float)C;
    var = squares / (float)C - rest * rest;
    scale = 1 / sqrtf((var < 0 ? 0 : var) + eps);
#pragma omp simd
    for (size_t c = 0; c < C; c++)
        y[c] = (x[c] - mean - rest) * (scale * weight[c]) + bias[c];
}

static void range(const Tensor *out, const void *state, size_t begin,
                  size_t end)
{
    const size_t C = (size_t)out->dim[1];
    const NormAttr *attr = out->attr;
    const float *x = out->src[0]->data, *weight = out->src[1]->data,
                *bias = out->src[2]->data;
    float *y = out->data;

    (void)state;
    for (size_t r = begin; r < end; r++)
        row(y + r * C, x + r * C, weight, bias, C, (float)attr->eps);
}

static int run(Device *dev, const Tensor *out, void *state)
{
    return split(
        dev, out, state,
        (Split){ range, tensor_rows(out), 4.0 * (double)tensor_count(out) });
}

const Kernel SIMD(layer_norm) = {
    .op = &layer_norm_def,
    .name = "rows",
    .run = run,
    .inplace = 1,
};
