/*
 * concat.c - two to four tensors, one after the other along a dim
 *
 * SCSA's four strips of channels, CA's two strips of positions, CBAM's two
 * planes.  Only copies; along channels a row of each after the other.
 */
#include "kernels/core/err.h"
#include "kernels/ops/shapes.h"

static int shape(Tensor *out)
{
    const DimAttr *attr = out->attr;
    const Tensor *first = out->src[0];
    const int dim = attr->dim;
    char one[DIMS_TEXT], other[DIMS_TEXT];

    if (dim < 0 || dim >= first->rank)
        return fail(ERR_INPUT, "dim=%d, x has dims 0 to %d", dim,
                    first->rank - 1);
    TRY(shape_like(out, first));
    for (int s = 1; s < CONCAT_MAX && out->src[s]; s++) {
        Tensor next = *out->src[s];

        next.dim[dim < next.rank ? dim : 0] = first->dim[dim];
        if (!tensor_same_dims(first, &next) ||
            (next.rank > 2 && next.layout != first->layout))
            return fail(ERR_INPUT, "%s and %s differ in more than dim %d",
                        tensor_dims_text(first, one),
                        tensor_dims_text(out->src[s], other), dim);
        out->dim[dim] += out->src[s]->dim[dim];
    }
    return OK;
}

static Cost cost(const Tensor *out)
{
    return (Cost){ .bytes = bytes_once(out) };
}

/* Copies x to where its index along dim is `begin` in out. */
static void place(const Tensor *out, const Tensor *x, int dim, int begin)
{
    int d[MAX_RANK] = { 1, 1, 1, 1 }, from[MAX_RANK] = { 0 };

    for (int i = 0; i < x->rank; i++)
        d[i] = x->dim[i];
    from[dim] = begin;
    for (int i = 0; i < d[0]; i++)
        for (int j = 0; j < d[1]; j++)
            for (int k = 0; k < d[2]; k++)
                for (int l = 0; l < d[3]; l++)
                    *at(out, i + from[0], j + from[1], k + from[2],
                        l + from[3]) = *at(x, i, j, k, l);
}

static int ref(const Tensor *out)
{
    const DimAttr *attr = out->attr;
    int begin = 0;

    for (int s = 0; s < CONCAT_MAX && out->src[s]; s++) {
        place(out, out->src[s], attr->dim, begin);
        begin += out->src[s]->dim[attr->dim];
    }
    return OK;
}

static void grad(Graph *g, Tensor *out, Tensor *dy, const bool *wants,
                 Tensor **grad)
{
    const int dim = ((const DimAttr *)out->attr)->dim;
    int begin = 0;

    for (int s = 0; s < CONCAT_MAX && out->src[s]; s++) {
        const int count = out->src[s]->dim[dim];

        if (wants[s])
            grad[s] = op_slice(g, dy, dim, begin, count);
        begin += count;
    }
}

const Op concat_def = {
    .name = "concat",
    .sources = 2,
    .optional = CONCAT_MAX - 2,
    .attr_size = sizeof(DimAttr),
    .shape = shape,
    .cost = cost,
    .ref = ref,
    .grad = grad,
    .reach = reach_same,
    .tol_f32 = 0,
};

Tensor *op_concat(Graph *g, int dim, int n, Tensor *const *x)
{
    Tensor *src[CONCAT_MAX] = { 0 };

    if (n < 2 || n > CONCAT_MAX)
        return graph_fail(g, "concat: %d tensors, wants 2 to %d", n,
                          CONCAT_MAX);
    for (int i = 0; i < n; i++) {
        if (!x[i])
            return graph_fail(g, "concat: source %d is missing", i);
        src[i] = x[i];
    }
    return graph_apply(g, &concat_def, &(DimAttr){ dim }, src);
}
