/*
 * tensor.c - sizes, strides and the one conversion between storage orders.
 */
#include "kernels/core/tensor.h"

#include <stdio.h>
#include <string.h>

#include "kernels/core/err.h"
#include "kernels/core/op.h"

size_t tensor_count(const Tensor *t)
{
    size_t n = 1;

    for (int i = 0; i < t->rank; i++)
        n *= (size_t)t->dim[i];
    return n;
}

size_t tensor_bytes(const Tensor *t)
{
    return tensor_count(t) * dtype_size(t->dtype);
}

void tensor_strides(const Tensor *t, size_t stride[MAX_RANK])
{
    size_t step = 1;

    memset(stride, 0, MAX_RANK * sizeof(*stride));
    if (t->layout == CHANNELS_LAST && t->rank > 2) {
        stride[1] = 1;
        step = (size_t)t->dim[1];
        for (int i = t->rank - 1; i >= 2; i--) {
            stride[i] = step;
            step *= (size_t)t->dim[i];
        }
        stride[0] = step;
        return;
    }
    for (int i = t->rank - 1; i >= 0; i--) {
        stride[i] = step;
        step *= (size_t)t->dim[i];
    }
}

size_t tensor_at(const Tensor *t, int i, int j, int k, int l)
{
    size_t s[MAX_RANK];

    tensor_strides(t, s);
    return (size_t)i * s[0] + (size_t)j * s[1] + (size_t)k * s[2] +
           (size_t)l * s[3];
}

int tensor_channels(const Tensor *t)
{
    return t->rank > 1 ? t->dim[1] : t->dim[0];
}

size_t tensor_rows(const Tensor *t)
{
    return tensor_count(t) / (size_t)tensor_channels(t);
}

size_t tensor_positions(const Tensor *t)
{
    size_t n = 1;

    for (int i = 2; i < t->rank; i++)
        n *= (size_t)t->dim[i];
    return n;
}

bool tensor_is_weight(const Tensor *t)
{
    return t->role == ROLE_WEIGHT || t->role == ROLE_BUFFER;
}

const Tensor *tensor_storage(const Tensor *t)
{
    while (t->op && (t->op->view || t->op->updates))
        t = t->src[0];
    return t;
}

bool tensor_same_dims(const Tensor *a, const Tensor *b)
{
    if (a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i])
            return false;
    return true;
}

char *tensor_dims_text(const Tensor *t, char text[DIMS_TEXT])
{
    int n = 0;

    text[n++] = '(';
    for (int i = 0; i < t->rank; i++)
        n += snprintf(text + n, (size_t)(DIMS_TEXT - n), "%s%d", i ? "," : "",
                      t->dim[i]);
    snprintf(text + n, (size_t)(DIMS_TEXT - n), ")");
    return text;
}

/* Walks both orders at once; to_own says which pointer is in the tensor's. */
static void convert(const Tensor *t, float *dst, const float *src, bool to_own)
{
    size_t s[MAX_RANK], nchw = 0;
    int d[MAX_RANK] = { 1, 1, 1, 1 };

    BUG_IF(t->rank < 1);
    tensor_strides(t, s);
    memcpy(d, t->dim, (size_t)t->rank * sizeof(*d));
    for (int i = 0; i < d[0]; i++)
        for (int j = 0; j < d[1]; j++)
            for (int k = 0; k < d[2]; k++)
                for (int l = 0; l < d[3]; l++, nchw++) {
                    const size_t own = (size_t)i * s[0] + (size_t)j * s[1] +
                                       (size_t)k * s[2] + (size_t)l * s[3];
                    if (to_own)
                        dst[own] = src[nchw];
                    else
                        dst[nchw] = src[own];
                }
}

void tensor_from_nchw(const Tensor *t, float *dst, const float *src)
{
    convert(t, dst, src, true);
}

void tensor_to_nchw(const Tensor *t, float *dst, const float *src)
{
    convert(t, dst, src, false);
}
