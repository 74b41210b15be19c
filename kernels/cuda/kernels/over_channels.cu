/*
 * over_channels.cu - y[n,h,w] = mean or maximum over c of x[n,c,h,w]: mean_c,
 * max_c
 *
 * Bound by the bytes of x, each read once: rows.h.
 */
#include "kernels/cuda/kernels/rows.h"

static int run_mean(Device *dev, const Tensor *out, void *state)
{
    const unsigned C = (unsigned)out->src[0]->dim[1];

    (void)state;
    return rows_run(dev, out, C, 1.0f / (float)C, Plain<Sum>());
}

static int run_max(Device *dev, const Tensor *out, void *state)
{
    (void)state;
    return rows_run(dev, out, (unsigned)out->src[0]->dim[1], 1, Plain<Max>());
}

const Kernel cuda_mean_c = {
    .op = &mean_c_def,
    .name = "rows",
    .dtypes = ALL_DTYPES,
    .run = run_mean,
};

const Kernel cuda_max_c = {
    .op = &max_c_def,
    .name = "rows",
    .dtypes = ALL_DTYPES,
    .run = run_max,
};
