/*
 * fp32.c - which of our own kernels do what their ops say, and nothing else.
 */
#include "harness/explain/fp32.h"

#include <math.h>
#include <string.h>

#include "kernels/ops/ops.h"
#include "kernels/ops/shapes.h"

/* By name: the plugin's kernels are not the program's to point at.  Those of
 * libraries are called "cudnn" and "cublaslt". */
static const struct {
    const Op *op;
    const char *kernel;
} known[] = {
    { &conv2d_def, "tiles" },      { &conv2d_def, "direct" },
    { &conv2d_def, "depthwise" },  { &dwconv1d_def, "depthwise" },
    { &linear_def, "tiles" },      { &matmul_def, "tiles" },
    { &matmul_def, "each" },       { &global_avg_pool_def, "columns" },
    { &mean_h_def, "columns" },    { &mean_w_def, "columns" },
    { &sum_rows_def, "columns" },  { &mul_def, "packs" },
    { &scale_shift_def, "packs" }, { &add_def, "packs" },
};
enum { NKNOWN = sizeof(known) / sizeof(known[0]) };

bool fp32_known(int i, const char **op, const char **kernel)
{
    if (i >= NKNOWN)
        return false;
    *op = known[i].op->name;
    *kernel = known[i].kernel;
    return true;
}

/* A comparison or two, of each number. */
static Activation fused_into(const Tensor *out)
{
    if (out->op == &conv2d_def)
        return ((const Conv2dAttr *)out->attr)->act;
    if (out->op == &add_def && out->attr)
        return ((const AddAttr *)out->attr)->act;
    return ACT_NONE;
}

double fp32_flops(const Tensor *out, const Kernel *kernel)
{
    if (out->dtype != F32)
        return NAN;
    for (int i = 0; i < NKNOWN; i++)
        if (known[i].op == out->op && !strcmp(known[i].kernel, kernel->name))
            return out->op->cost(out).flops -
                   act_flops(fused_into(out)) * (double)tensor_count(out);
    return NAN;
}
