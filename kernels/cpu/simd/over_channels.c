/*
 * over_channels.c - y[n,h,w] = mean or maximum over c of x[n,c,h,w]: mean_c,
 * max_c
 *
 * Bound by the bytes of x, each read once.
 *
 *   rows   every row is one sum or maximum of LANES partial ones, joined at
 *          its end.  Joining costs as much as 64 channels do: starves on few.
 */
#include "kernels/cpu/simd/rows.h"

static void mean_range(const Tensor *out, const void *state, size_t begin,
                       size_t end)
{
    const size_t C = (size_t)out->src[0]->dim[1];
    const Elem *x = (const Elem *)out->src[0]->data + begin * C;
    Elem *y = out->data;

    (void)state;
    for (size_t r = begin; r < end; r++, x += C)
        y[r] = elem(sum_row(x, C) / (float)C);
}

static void max_range(const Tensor *out, const void *state, size_t begin,
                      size_t end)
{
    const size_t C = (size_t)out->src[0]->dim[1];
    const Elem *x = out->src[0]->data;
    Elem *y = out->data;

    (void)state;
    for (size_t r = begin; r < end; r++)
        y[r] = same_elem(max_row(x + r * C, C));
}

static int run(Device *dev, const Tensor *out, Range *range)
{
    return split(
        dev, out, NULL,
        (Split){ range, tensor_count(out), (double)tensor_count(out->src[0]) });
}

static int run_mean(Device *dev, const Tensor *out, void *state)
{
    (void)state;
    return run(dev, out, mean_range);
}

static int run_max(Device *dev, const Tensor *out, void *state)
{
    (void)state;
    return run(dev, out, max_range);
}

const Kernel SIMD(mean_c) = {
    .op = &mean_c_def,
    .dtypes = SIMD_DTYPES,
    .name = "rows",
    .run = run_mean,
};

const Kernel SIMD(max_c) = {
    .op = &max_c_def,
    .dtypes = SIMD_DTYPES,
    .name = "rows",
    .run = run_max,
};
