/*
 * transfer.c - converts and copies.
 */
#include "kernels/core/transfer.h"

#include <stdlib.h>

#include "kernels/core/err.h"

int transfer_up(Device *dev, const Tensor *t, const float *own)
{
    const size_t n = tensor_count(t), bytes = tensor_bytes(t);
    void *stored;
    int err;

    if (dtype_size(t->dtype) == sizeof(float))
        return dev->backend->upload(dev, t->data, own, bytes);
    stored = malloc(bytes);
    if (!stored)
        return fail(ERR_MEMORY, "no memory for %zu bytes", bytes);
    dtype_store(t->dtype, stored, own, n);
    err = dev->backend->upload(dev, t->data, stored, bytes);
    free(stored);
    return err;
}

int transfer_down(Device *dev, const Tensor *t, float *own)
{
    const size_t n = tensor_count(t), bytes = tensor_bytes(t);
    void *stored;
    int err;

    if (dtype_size(t->dtype) == sizeof(float))
        return dev->backend->download(dev, own, t->data, bytes);
    stored = malloc(bytes);
    if (!stored)
        return fail(ERR_MEMORY, "no memory for %zu bytes", bytes);
    err = dev->backend->download(dev, stored, t->data, bytes);
    if (!err)
        dtype_load(t->dtype, own, stored, n);
    free(stored);
    return err;
}

static int no_memory(const Tensor *t)
{
    return fail(ERR_MEMORY, "no memory for %zu numbers", tensor_count(t));
}

int transfer_up_nchw(Device *dev, const Tensor *t, const float *nchw)
{
    float *own = malloc(tensor_count(t) * sizeof(*own));
    int err;

    if (!own)
        return no_memory(t);
    tensor_from_nchw(t, own, nchw);
    err = transfer_up(dev, t, own);
    free(own);
    return err;
}

int transfer_down_nchw(Device *dev, const Tensor *t, float *nchw)
{
    float *own = malloc(tensor_count(t) * sizeof(*own));
    int err;

    if (!own)
        return no_memory(t);
    err = transfer_down(dev, t, own);
    if (!err)
        tensor_to_nchw(t, nchw, own);
    free(own);
    return err;
}
