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
#include "kernels/cpu/simd/moments.h"

static void row(Elem *y, const Elem *x, const Elem *weight, const Elem *bias,
                size_t C, float eps)
{
    const RowMoments m = row_moments(x, C, eps);

#pragma omp simd
    for (size_t c = 0; c < C; c++)
        y[c] = elem((number(x[c]) - m.mean - m.rest) *
                        (m.scale * number(weight[c])) +
                    number(bias[c]));
}

static void range(const Tensor *out, const void *state, size_t begin,
                  size_t end)
{
    const size_t C = (size_t)out->dim[1];
    const NormAttr *attr = out->attr;
    const Elem *x = out->src[0]->data, *weight = out->src[1]->data,
               *bias = out->src[2]->data;
    Elem *y = out->data;

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
    .dtypes = SIMD_DTYPES,
    .name = "rows",
    .run = run,
    .inplace = 1,
};
