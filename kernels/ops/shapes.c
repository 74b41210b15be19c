/*
 * shapes.c - small rules that several ops share.
 */
#include "kernels/ops/shapes.h"

#include <string.h>

int shape_like(Tensor *out, const Tensor *x)
{
    out->rank = x->rank;
    out->layout = x->layout;
    memcpy(out->dim, x->dim, sizeof(out->dim));
    return OK;
}

int shape_dims(Tensor *out, Dims dims)
{
    out->rank = dims.rank;
    out->layout = CHANNELS_LAST;
    memcpy(out->dim, dims.dim, sizeof(out->dim));
    return OK;
}

int want_rank(const Tensor *x, const char *name, int lo, int hi)
{
    char dims[DIMS_TEXT];

    if (x->rank >= lo && x->rank <= hi)
        return OK;
    return fail(ERR_INPUT, "%s has %d dims %s, wants %d to %d", name, x->rank,
                tensor_dims_text(x, dims), lo, hi);
}

double bytes_once(const Tensor *out)
{
    double bytes = (double)tensor_bytes(out);

    for (int i = 0; i < MAX_SRC; i++) {
        bool seen = !out->src[i];

        for (int j = 0; j < i; j++)
            seen |= out->src[j] == out->src[i];
        if (!seen)
            bytes += (double)tensor_bytes(out->src[i]);
    }
    return bytes;
}
