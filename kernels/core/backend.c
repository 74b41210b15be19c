/*
 * backend.c - which kernels are for which tensors.
 */
#include "kernels/core/backend.h"

static bool takes_dtype(const Kernel *k, const Tensor *t)
{
    const unsigned dtypes = k->dtypes ? k->dtypes : DTYPE_BIT(F32);

    return dtypes >> t->dtype & 1;
}

bool kernel_takes(const Kernel *k, const Tensor *out)
{
    if ((k->op && k->op != out->op) || !takes_dtype(k, out))
        return false;
    for (int i = 0; i < MAX_SRC; i++)
        if (out->src[i] && !takes_dtype(k, out->src[i]))
            return false;
    return !k->supports || k->supports(out);
}
