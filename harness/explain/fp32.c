/*
 * fp32.c - the operations of kernels that do what their ops say, no more.
 */
#include "harness/explain/fp32.h"

#include <math.h>

double fp32_flops(const Tensor *out, const Kernel *kernel)
{
    Cost cost;

    if (out->dtype != F32 || !kernel->exact_flops)
        return NAN;
    cost = out->op->cost(out);
    return cost.flops - cost.act_flops;
}
