/*
 * batch_norm.c - y = (x - mean) / sqrt(var + eps) * weight + bias, by channel
 *
 * Bound by bytes: x read, y written, in place where the plan allows it.
 *
 *   rows   the four vectors become three at plan time (rows.h, Affine).
 */
#include <math.h>

#include "kernels/cpu/simd/rows.h"

static bool supports(const Tensor *out)
{
    for (int i = 1; i <= 4; i++)
        if (!is_weight(out->src[i]))
            return false;
    return true;
}

/* State: mean, scale, shift, C floats each. */
static int plan(Device *dev, const Tensor *out, void **state)
{
    const NormAttr *attr = out->attr;
    const float *weight = weight_host(out->src[1]);
    const float *bias = weight_host(out->src[2]);
    const float *mean = weight_host(out->src[3]);
    const float *var = weight_host(out->src[4]);
    const size_t C = (size_t)out->dim[1];
    float *a;

    (void)dev;
    TRY(state_new(state, 3 * C * sizeof(float)));
    a = *state;
    for (size_t c = 0; c < C; c++) {
        a[c] = mean[c];
        a[C + c] = (float)(weight[c] / sqrt(var[c] + attr->eps));
        a[2 * C + c] = bias[c];
    }
    return OK;
}

static void range(const Tensor *out, const void *state, size_t begin,
                  size_t end)
{
    const size_t C = (size_t)out->dim[1];
    const float *a = state;

    normalise_rows((Elem *)out->data + begin * C,
                   (const Elem *)out->src[0]->data + begin * C, end - begin, C,
                   C, (Affine){ a, a + C, a + 2 * C });
}

static int run(Device *dev, const Tensor *out, void *state)
{
    return split(
        dev, out, state,
        (Split){ range, tensor_rows(out), 2.0 * (double)tensor_count(out) });
}

const Kernel SIMD(batch_norm) = {
    .op = &batch_norm_def,
    .dtypes = SIMD_DTYPES,
    .name = "rows",
    .supports = supports,
    .plan = plan,
    .run = run,
    .inplace = 1,
    .packs = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4,
};
