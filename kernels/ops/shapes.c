/*
 * shapes.c - small rules that several ops share.
 */
#include "kernels/ops/shapes.h"

#include <stdlib.h>
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

int want_rows(const Tensor *x, int lo, int hi)
{
    char dims[DIMS_TEXT];

    TRY(want_rank(x, "x", lo, hi));
    if (x->layout == CHANNELS_LAST || x->rank <= 2)
        return OK;
    return fail(ERR_INPUT,
                "x %s is a stack of matrices or a weight, wants a "
                "channels-last map or strip",
                tensor_dims_text(x, dims));
}

int want_dims(const Tensor *w, const char *name, Dims dims)
{
    const Tensor want = { .rank = dims.rank,
                          .dim = { dims.dim[0], dims.dim[1], dims.dim[2],
                                   dims.dim[3] } };
    char is[DIMS_TEXT], should[DIMS_TEXT];

    if (!w || tensor_same_dims(w, &want))
        return OK;
    return fail(ERR_INPUT, "%s is %s, wants %s", name, tensor_dims_text(w, is),
                tensor_dims_text(&want, should));
}

bool reach_same(const Tensor *out, int k, Extent *rows, Extent *columns)
{
    const Tensor *x = out->src[k];

    (void)rows;
    (void)columns;
    return out->rank == 4 && x->rank == 4 && out->dim[2] == x->dim[2] &&
           out->dim[3] == x->dim[3];
}

void reach_window(Extent *span, Window w)
{
    if (span->last < span->first)
        return;
    span->first = span->first * w.stride - w.pad;
    span->last = span->last * w.stride - w.pad + w.k - 1;
}

double act_flops(Activation act)
{
    return act == ACT_NONE ? 0 : act == ACT_RELU ? 1 : 2;
}

double act_of(Activation act, double x)
{
    if (act == ACT_NONE || x != x)
        return x;
    if (x < 0)
        return 0;
    return act == ACT_RELU6 && x > 6 ? 6 : x;
}

double *ref_doubles(size_t n)
{
    double *x = calloc(n, sizeof(*x));

    if (!x)
        fail(ERR_MEMORY, "no memory for %zu sums of the definition", n);
    return x;
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

Cost cost_of_each(const Tensor *out, double flops, double transcendentals)
{
    const double n = (double)tensor_count(out);

    return (Cost){
        .flops = flops * n,
        .transcendentals = transcendentals * n,
        .bytes = bytes_once(out),
    };
}

Dims dims_of(const Tensor *t)
{
    Dims dims = { .rank = t->rank };

    memcpy(dims.dim, t->dim, sizeof(dims.dim));
    return dims;
}

Tensor *act_grad(Graph *g, Activation act, Tensor *y, Tensor *dy)
{
    return act == ACT_NONE   ? dy
           : act == ACT_RELU ? op_relu_grad(g, y, dy)
                             : op_relu6_grad(g, y, dy);
}

/* Channels c, c + n, c + 2n, ... become the positions of channel c. */
Tensor *bias_grad(Graph *g, Tensor *dy, int n)
{
    Tensor *sum = op_reduce(g, dy, NULL, DIMS(1, dy->dim[1]));

    if (n < dy->dim[1]) {
        sum = op_view(g, sum, DIMS(1, n, dy->dim[1] / n));
        sum = op_reduce(g, sum, NULL, DIMS(1, n));
    }
    return op_view(g, sum, DIMS(n));
}

Tensor *as_map(Graph *g, Tensor *x)
{
    return x->rank == 4 ? x
                        : op_view(g, x,
                                  DIMS(x->dim[0], x->dim[1],
                                       x->rank > 2 ? x->dim[2] : 1, 1));
}
