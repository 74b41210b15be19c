/*
 * backend.c - which kernels a device has, and for which tensors they are.
 */
#include "kernels/core/backend.h"

#include <stdlib.h>

#include "kernels/core/err.h"

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

int kernel_list(const Kernel ***out, KernelAt *at, const void *arg)
{
    size_t n = 0;

    while (at(arg, (int)n))
        n++;
    *out = calloc(n + 1, sizeof(**out));
    if (!*out)
        return fail(ERR_MEMORY, "no memory for a list of %zu kernels", n);
    for (size_t i = 0; i < n; i++)
        (*out)[i] = at(arg, (int)i);
    return OK;
}
