/*
 * descriptors.c - cuDNN's calls on descriptors, with sticky errors
 */
#include "kernels/cuda/library/descriptors.h"

#include <cudnn.h>

#include "kernels/core/err.h"

int cudnn_error(int status)
{
    char why[256] = "";

    if (status == CUDNN_STATUS_SUCCESS)
        return OK;
    cudnnGetLastErrorString(why, sizeof(why));
    return fail(
        status / 1000 == CUDNN_STATUS_NOT_SUPPORTED / 1000 ? ERR_UNSUPPORTED
                                                           : ERR_DEVICE,
        "cuDNN: %s (%s)", cudnnGetErrorString((cudnnStatus_t)status), why);
}

void *desc_new(Descriptors *s, int type)
{
    cudnnBackendDescriptor_t d = NULL;

    if (s->err)
        return NULL;
    BUG_IF(s->n == MAX_DESCRIPTORS);
    s->err = cudnn_error((int)cudnnBackendCreateDescriptor(
        (cudnnBackendDescriptorType_t)type, &d));
    if (!s->err)
        s->at[s->n++] = d;
    return d;
}

void desc_set(Descriptors *s, void *d, int name, int type, int64_t n,
              const void *values)
{
    if (!s->err)
        s->err = cudnn_error((int)cudnnBackendSetAttribute(
            d, (cudnnBackendAttributeName_t)name,
            (cudnnBackendAttributeType_t)type, n, values));
}

void desc_finish(Descriptors *s, void *d)
{
    if (!s->err)
        s->err = cudnn_error((int)cudnnBackendFinalize(d));
}

int64_t desc_get(Descriptors *s, void *d, int name, int type, int64_t max,
                 void *values)
{
    int64_t n = 0;

    if (!s->err)
        s->err = cudnn_error((int)cudnnBackendGetAttribute(
            d, (cudnnBackendAttributeName_t)name,
            (cudnnBackendAttributeType_t)type, max, &n, values));
    return s->err ? 0 : n < max ? n : max;
}

void desc_link(Descriptors *s, void *d, int name, void *value)
{
    desc_set(s, d, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &value);
}

void desc_ints(Descriptors *s, void *d, int name, int64_t n,
               const int64_t *values)
{
    desc_set(s, d, name, CUDNN_TYPE_INT64, n, values);
}

void desc_free_all(Descriptors *s)
{
    while (s->n)
        cudnnBackendDestroyDescriptor(s->at[--s->n]);
}
