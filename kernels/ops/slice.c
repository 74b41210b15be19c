/*
 * slice.c - a piece of x along a dim: begin to begin + count - 1; and the
 * gradient, slice_grad: dy in its place, zeros around it
 *
 * SCSA's quarters of the channels, CA's and EMA's way back from two strips in
 * one.  Only copies.
 */
#include <string.h>

#include "kernels/core/err.h"
#include "kernels/ops/shapes.h"

static int shape(Tensor *out)
{
    const SliceAttr *a = out->attr;
    const Tensor *x = out->src[0];

    if (a->dim < 0 || a->dim >= x->rank)
        return fail(ERR_INPUT, "dim=%d, x has dims 0 to %d", a->dim,
                    x->rank - 1);
    if (a->begin < 0 || a->count < 1 || a->begin > x->dim[a->dim] - a->count)
        return fail(ERR_INPUT,
                    "begin=%d count=%d is outside dim %d, of size %d", a->begin,
                    a->count, a->dim, x->dim[a->dim]);
    TRY(shape_like(out, x));
    out->dim[a->dim] = a->count;
    return OK;
}

/* Counts only the piece of x, which alone is read. */
static Cost cost(const Tensor *out)
{
    return (Cost){ .bytes = 2 * (double)tensor_bytes(out) };
}

static int ref(const Tensor *out)
{
    const SliceAttr *a = out->attr;
    int d[MAX_RANK] = { 1, 1, 1, 1 }, from[MAX_RANK] = { 0 };

    for (int i = 0; i < out->rank; i++)
        d[i] = out->dim[i];
    from[a->dim] = a->begin;
    for (int i = 0; i < d[0]; i++)
        for (int j = 0; j < d[1]; j++)
            for (int k = 0; k < d[2]; k++)
                for (int l = 0; l < d[3]; l++)
                    *at(out, i, j, k, l) =
                        *at(out->src[0], i + from[0], j + from[1], k + from[2],
                            l + from[3]);
    return OK;
}

static void grad(Graph *g, Tensor *out, Tensor *dy, const bool *wants,
                 Tensor **grad)
{
    const SliceAttr *a = out->attr;

    if (wants[0])
        grad[0] =
            op_slice_grad(g, dy, a->dim, a->begin, out->src[0]->dim[a->dim]);
}

const Op slice_def = {
    .name = "slice",
    .sources = 1,
    .attr_size = sizeof(SliceAttr),
    .shape = shape,
    .cost = cost,
    .ref = ref,
    .grad = grad,
    .reach = reach_same,
    .tol_f32 = 0,
};

Tensor *op_slice(Graph *g, Tensor *x, int dim, int begin, int count)
{
    return graph_apply(g, &slice_def, &(SliceAttr){ dim, begin, count }, &x);
}

/* ---- the gradient -------------------------------------------------------- */

static int grad_shape(Tensor *out)
{
    const SliceGradAttr *a = out->attr;
    const Tensor *dy = out->src[0];

    if (a->dim < 0 || a->dim >= dy->rank)
        return fail(ERR_INPUT, "dim=%d, dy has dims 0 to %d", a->dim,
                    dy->rank - 1);
    if (a->begin < 0 || a->begin > a->size - dy->dim[a->dim])
        return fail(ERR_INPUT,
                    "%d numbers from begin=%d are outside dim %d, of size %d",
                    dy->dim[a->dim], a->begin, a->dim, a->size);
    TRY(shape_like(out, dy));
    out->dim[a->dim] = a->size;
    return OK;
}

static Cost grad_cost(const Tensor *out)
{
    return (Cost){ .bytes = bytes_once(out) };
}

static int grad_ref(const Tensor *out)
{
    const SliceGradAttr *a = out->attr;
    const Tensor *dy = out->src[0];
    int d[MAX_RANK] = { 1, 1, 1, 1 }, to[MAX_RANK] = { 0 };

    for (int i = 0; i < dy->rank; i++)
        d[i] = dy->dim[i];
    to[a->dim] = a->begin;
    memset(out->data, 0, tensor_count(out) * sizeof(float));
    for (int i = 0; i < d[0]; i++)
        for (int j = 0; j < d[1]; j++)
            for (int k = 0; k < d[2]; k++)
                for (int l = 0; l < d[3]; l++)
                    *at(out, i + to[0], j + to[1], k + to[2], l + to[3]) =
                        *at(dy, i, j, k, l);
    return OK;
}

const Op slice_grad_def = {
    .name = "slice_grad",
    .sources = 1,
    .attr_size = sizeof(SliceGradAttr),
    .shape = grad_shape,
    .cost = grad_cost,
    .ref = grad_ref,
    .tol_f32 = 0,
};

Tensor *op_slice_grad(Graph *g, Tensor *dy, int dim, int begin, int size)
{
    return graph_apply(g, &slice_grad_def, &(SliceGradAttr){ dim, begin, size },
                       &dy);
}
