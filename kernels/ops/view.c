/*
 * view.c - the same storage under other dims
 *
 * Costs nothing: the plan gives it the address of its source, so there is no
 * kernel, and ref() has nothing to do.  Storage stays in the order it is in:
 * what is row-major with three dims or more (a stack of matrices, a weight)
 * stays row-major, all else is channels last.
 */
#include "kernels/core/err.h"
#include "kernels/ops/shapes.h"

static int shape(Tensor *out)
{
    const ViewAttr *attr = out->attr;
    const Tensor *x = out->src[0];
    char is[DIMS_TEXT], wanted[DIMS_TEXT];

    TRY(shape_dims(out, attr->dims));
    if (x->rank > 2)
        out->layout = x->layout;
    if (attr->stack)
        out->layout = ROW_MAJOR;
    if (attr->dims.rank < 1 || tensor_count(out) != tensor_count(x))
        return fail(ERR_INPUT, "%s has %zu elements, %s has %zu",
                    tensor_dims_text(x, is), tensor_count(x),
                    tensor_dims_text(out, wanted), tensor_count(out));
    return OK;
}

static Cost cost(const Tensor *out)
{
    (void)out;
    return (Cost){ 0 };
}

static int ref(const Tensor *out)
{
    (void)out;
    return OK;
}

static void grad(Graph *g, Tensor *out, Tensor *dy, const bool *wants,
                 Tensor **grad)
{
    const Tensor *x = out->src[0];
    const bool stack = x->layout == ROW_MAJOR && x->rank > 2;

    if (wants[0])
        grad[0] =
            graph_apply(g, &view_def, &(ViewAttr){ dims_of(x), stack }, &dy);
}

const Op view_def = {
    .name = "view",
    .sources = 1,
    .attr_size = sizeof(ViewAttr),
    .view = true,
    .shape = shape,
    .cost = cost,
    .ref = ref,
    .grad = grad,
    .reach = reach_same,
    .tol_f32 = 0,
};

Tensor *op_view(Graph *g, Tensor *x, Dims dims)
{
    return graph_apply(g, &view_def, &(ViewAttr){ dims, false }, &x);
}

Tensor *op_view_stack(Graph *g, Tensor *x, Dims dims)
{
    return graph_apply(g, &view_def, &(ViewAttr){ dims, true }, &x);
}
