/*
 * inner.h - a kernel within a kernel: an op computed by what the device has for
 * another one.
 */
#ifndef CPU_INNER_H
#define CPU_INNER_H

#include "kernels/core/backend.h"

typedef struct Inner {
    Tensor out; /* what is to be computed: op, sources, attributes, data */
    const Kernel *kernel;
    void *state;
} Inner;

/* Plans out with the first of the device's kernels that takes it and does not
 * refuse. */
int inner_plan(Inner *inner, Device *dev);
int inner_run(Device *dev, const Inner *inner);
void inner_release(Inner *inner); /* also after an error, or unplanned */

#endif
