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
#include "kernels/cpu/simd/rows.h"

/* What takes a row to its result: (x - mean - rest) * scale. */
typedef struct Moments {
    float mean, rest, scale; /* mean is rounded: rest is what is left of it */
} Moments;

static Moments moments(const Elem *x, size_t C, float eps)
{
    const float mean = sum_row(x, C) / (float)C;
    Vec sums = splat(0), squares = sums;
    float rest, square, var;
    size_t c = 0;

    for (; c + LANES <= C; c += LANES) {
        const Vec d = load_elems(x + c) - mean;

        sums += d;
        squares += d * d;
    }
    rest = sum_lanes(sums);
    square = sum_lanes(squares);
    for (; c < C; c++) {
        rest += number(x[c]) - mean;
        square += (number(x[c]) - mean) * (number(x[c]) - mean);
    }
    rest /= (float)C;
    var = square / (float)C - rest * rest;
    return (Moments){ mean, rest, 1 / sqrtf((var < 0 ? 0 : var) + eps) };
}

static void row(Elem *y, const Elem *x, const Elem *weight, const Elem *bias,
                size_t C, float eps)
{
    const Moments m = moments(x, C, eps);

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
