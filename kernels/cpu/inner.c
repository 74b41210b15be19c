/*
 * inner.c - finds the kernel within a kernel.
 */
#include "kernels/cpu/inner.h"

#include <stdlib.h>

#include "kernels/core/err.h"

int inner_plan(Inner *inner, Device *dev)
{
    const char *name = inner->out.op->name;
    int err = fail(ERR_UNSUPPORTED, "no kernel for %s within another", name);

    for (const Kernel *const *k = dev->kernels; *k; k++) {
        if (!kernel_takes(*k, &inner->out))
            continue;
        inner->kernel = *k;
        err = (*k)->plan ? (*k)->plan(dev, &inner->out, &inner->state) : OK;
        if (err != ERR_UNSUPPORTED)
            return err;
        inner_release(inner);
    }
    return err;
}

int inner_run(Device *dev, const Inner *inner)
{
    return inner->kernel->run(dev, &inner->out, inner->state);
}

void inner_release(Inner *inner)
{
    if (inner->kernel)
        (inner->kernel->release ? inner->kernel->release : free)(inner->state);
    inner->kernel = NULL;
    inner->state = NULL;
}
