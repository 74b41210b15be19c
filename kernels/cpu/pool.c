/*
 * pool.c - avg_pool2d and max_pool2d by oneDNN
 *
 * Bound by bytes where windows overlap little.  oneDNN's code vectorises over
 * channels, which is what channels last is good for.
 */
#include "kernels/core/err.h"
#include "kernels/cpu/device.h"

static int plan_pool(Device *dev, const Tensor *out, void **state, Pooling how)
{
    const PoolAttr *a = out->attr;
    Primitive *prim;
    Problem p = {
        .kernel = { a->k, a->k },
        .stride = { a->stride, a->stride },
        .pad_lo = { a->pad, a->pad },
        .pad_hi = { a->pad, a->pad },
    };

    p.array[SLOT_SRC] = array_of(out->src[0]);
    p.array[SLOT_DST] = array_of(out);
    TRY(primitive_pool(&prim, cpu_device(dev)->onednn, &p, how));
    *state = prim;
    TRY(primitive_bind(prim, SLOT_SRC, out->src[0]->data));
    return primitive_bind(prim, SLOT_DST, out->data);
}

static int plan_avg(Device *dev, const Tensor *out, void **state)
{
    return plan_pool(dev, out, state, POOL_AVG);
}

static int plan_max(Device *dev, const Tensor *out, void **state)
{
    return plan_pool(dev, out, state, POOL_MAX);
}

static bool supports(const Tensor *out)
{
    return out->dtype == F32;
}

const Kernel onednn_avg_pool2d = {
    .op = &avg_pool2d_def,
    .name = "onednn",
    .supports = supports,
    .plan = plan_avg,
    .run = primitive_run,
    .release = primitive_free,
};

const Kernel onednn_max_pool2d = {
    .op = &max_pool2d_def,
    .name = "onednn",
    .supports = supports,
    .plan = plan_max,
    .run = primitive_run,
    .release = primitive_free,
};
