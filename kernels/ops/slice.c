/*
 * slice.c - a piece of x along a dim: begin to begin + count - 1
 *
 * SCSA's quarters of the channels, CA's and EMA's way back from two strips in
 * one.  Only copies.
 */
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

/* Of x only the piece is read. */
static Cost cost(const Tensor *out)
{
    return (Cost){ .bytes = 2 * (double)tensor_bytes(out) };
}

static void ref(const Tensor *out)
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
}

const Op slice_def = {
    .name = "slice",
    .sources = 1,
    .attr_size = sizeof(SliceAttr),
    .shape = shape,
    .cost = cost,
    .ref = ref,
    .tol_f32 = 0,
};

Tensor *op_slice(Graph *g, Tensor *x, int dim, int begin, int count)
{
    return graph_apply(g, &slice_def, &(SliceAttr){ dim, begin, count }, &x);
}
