/*
 * global_pool.cu - sums and maxima down the columns of a matrix:
 * global_avg_pool, global_max_pool, mean_h, mean_w, sum_rows, and
 * adaptive_avg_pool2d to one number
 *
 *   y[o,k] = scale * sum over r of x[o,r,k]      (or the maximum)
 *
 *                    o        r      k
 *   global pools     N        H W    C
 *   mean_w           N H      W      C
 *   mean_h           N        H      W C
 *   sum_rows         N G      M      K
 *
 * Bound by the bytes of x, each read once: columns.h.
 */
#include "kernels/cuda/kernels/columns.h"

static int plan(Device *dev, const Tensor *out, void **state, Columns c)
{
    ColumnsState *s = (ColumnsState *)calloc(1, sizeof(*s));

    if (!s)
        return fail(ERR_MEMORY, "no memory for %zu bytes", sizeof(*s));
    *state = s;
    s->c = c;
    return columns_plan(s, dev, out->dtype);
}

static int plan_global(Device *dev, const Tensor *out, void **state)
{
    const size_t P = tensor_positions(out->src[0]);

    return plan(dev, out, state,
                { .outer = (size_t)out->dim[0],
                  .rows = (unsigned)P,
                  .width = (unsigned)out->dim[1],
                  .scale = out->op == &global_max_pool_def
                               ? 1.0f
                               : (float)(1.0 / (double)P) });
}

static int plan_mean_w(Device *dev, const Tensor *out, void **state)
{
    const Tensor *x = out->src[0];

    return plan(dev, out, state,
                { .outer = (size_t)x->dim[0] * (size_t)x->dim[2],
                  .rows = (unsigned)x->dim[3],
                  .width = (unsigned)x->dim[1],
                  .scale = (float)(1.0 / x->dim[3]) });
}

static int plan_mean_h(Device *dev, const Tensor *out, void **state)
{
    const Tensor *x = out->src[0];

    return plan(dev, out, state,
                { .outer = (size_t)x->dim[0],
                  .rows = (unsigned)x->dim[2],
                  .width = (unsigned)x->dim[3] * (unsigned)x->dim[1],
                  .scale = (float)(1.0 / x->dim[2]) });
}

static int plan_sum_rows(Device *dev, const Tensor *out, void **state)
{
    const Tensor *x = out->src[0];

    return plan(dev, out, state,
                { .outer = (size_t)x->dim[0] * (size_t)x->dim[1],
                  .rows = (unsigned)x->dim[2],
                  .width = (unsigned)x->dim[3],
                  .scale = 1 });
}

static int run_sum(Device *dev, const Tensor *out, void *state)
{
    return columns_run(dev, out, (const ColumnsState *)state, Plain<Sum>());
}

static int run_max(Device *dev, const Tensor *out, void *state)
{
    return columns_run(dev, out, (const ColumnsState *)state, Plain<Max>());
}

#define COLUMNS(id, plan_id, run_id, exact) \
    const Kernel cuda_##id = {              \
        .op = &id##_def,                    \
        .name = "columns",                  \
        .dtypes = ALL_DTYPES,               \
        .plan = plan_id,                    \
        .run = run_id,                      \
        .release = columns_free,            \
        .exact_flops = exact,               \
    };
COLUMNS(global_avg_pool, plan_global, run_sum, true)
COLUMNS(global_max_pool, plan_global, run_max, false)
COLUMNS(mean_w, plan_mean_w, run_sum, true)
COLUMNS(mean_h, plan_mean_h, run_sum, true)
COLUMNS(sum_rows, plan_sum_rows, run_sum, true)

static bool to_one(const Tensor *out)
{
    return out->dim[2] == 1 && out->dim[3] == 1;
}

const Kernel cuda_adaptive_to_one = {
    .op = &adaptive_avg_pool2d_def,
    .name = "columns",
    .dtypes = ALL_DTYPES,
    .supports = to_one,
    .plan = plan_global,
    .run = run_sum,
    .release = columns_free,
};
