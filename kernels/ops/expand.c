/*
 * expand.c - broadcasting, and the sum that is its gradient: expand, reduce
 *
 *   expand   x[n,c,h,w] = scale y[n,c',h,w]   y's indices as in mul (binary.c):
 *   reduce   y[n,c',..] = sum of x[n,c,h,w] z[n,c,h,w] over all that share it
 *
 * With them the gradients of means, sums, biases and gates are written.  Bound
 * by bytes.  Without z, reduce is a sum.
 */
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"
#include "kernels/ops/shapes.h"

/* Refuses y that does not broadcast to x; in either direction. */
static int check(const Tensor *x, const Tensor *y)
{
    char is[DIMS_TEXT], other[DIMS_TEXT];
    bool fits = y->rank <= x->rank;

    for (int i = 0; fits && i < y->rank; i++)
        fits = y->dim[i] > 0 &&
               (i == 1 ? x->dim[1] % y->dim[1] == 0
                       : y->dim[i] == x->dim[i] || y->dim[i] == 1);
    return fits ? OK
                : fail(ERR_INPUT, "%s does not broadcast to %s",
                       tensor_dims_text(y, other), tensor_dims_text(x, is));
}

static int shape(Tensor *out)
{
    const ExpandAttr *a = out->attr;

    TRY(shape_dims(out, a->dims));
    out->layout = a->layout;
    return OK;
}

static int expand_shape(Tensor *out)
{
    TRY(shape(out));
    return check(out, out->src[0]);
}

static int reduce_shape(Tensor *out)
{
    const Tensor *x = out->src[0], *z = out->src[1];

    TRY(shape(out));
    if (z &&
        (!tensor_same_dims(x, z) || (x->rank > 2 && x->layout != z->layout)))
        return fail(ERR_INPUT, "x and z differ in their dims");
    return check(x, out);
}

static Cost expand_cost(const Tensor *out)
{
    const ExpandAttr *a = out->attr;

    return (Cost){
        .flops = a->scale == 1 ? 0 : (double)tensor_count(out->src[0]),
        .bytes = bytes_once(out),
    };
}

static Cost reduce_cost(const Tensor *out)
{
    const double n = (double)tensor_count(out->src[0]);

    return (Cost){
        .flops = (out->src[1] ? 2 * n : n) - (double)tensor_count(out),
        .bytes = bytes_once(out),
    };
}

/* Where in y the number is that element (i,j,k,l) of x has to do with. */
static size_t place_of(const Tensor *y, const Tensor *x, int i, int j, int k,
                       int l)
{
    int at[MAX_RANK] = { i, j, k, l };

    for (int d = 0; d < MAX_RANK; d++)
        at[d] = d < y->rank ? at[d] / (x->dim[d] / y->dim[d]) : 0;
    return tensor_at(y, at[0], at[1], at[2], at[3]);
}

static int expand_ref(const Tensor *out)
{
    const ExpandAttr *a = out->attr;
    const Tensor *y = out->src[0];
    int d[MAX_RANK] = { 1, 1, 1, 1 };

    memcpy(d, out->dim, (size_t)out->rank * sizeof(*d));
    for (int i = 0; i < d[0]; i++)
        for (int j = 0; j < d[1]; j++)
            for (int k = 0; k < d[2]; k++)
                for (int l = 0; l < d[3]; l++)
                    *at(out, i, j, k, l) =
                        (float)(a->scale *
                                ((const float *)
                                     y->data)[place_of(y, out, i, j, k, l)]);
    return OK;
}

static int reduce_ref(const Tensor *out)
{
    const Tensor *x = out->src[0], *z = out->src[1];
    const size_t n = tensor_count(out);
    double *sum = ref_doubles(n);
    int d[MAX_RANK] = { 1, 1, 1, 1 };

    if (!sum)
        return ERR_MEMORY;
    memcpy(d, x->dim, (size_t)x->rank * sizeof(*d));
    for (int i = 0; i < d[0]; i++)
        for (int j = 0; j < d[1]; j++)
            for (int k = 0; k < d[2]; k++)
                for (int l = 0; l < d[3]; l++)
                    sum[place_of(out, x, i, j, k, l)] +=
                        (double)*at(x, i, j, k, l) *
                        (z ? *at(z, i, j, k, l) : 1);
    for (size_t i = 0; i < n; i++)
        ((float *)out->data)[i] = (float)sum[i];
    free(sum);
    return OK;
}

/* Order in which a result made of x is stored. */
static Layout layout_of(const Tensor *x)
{
    return x && x->rank > 2 ? x->layout : CHANNELS_LAST;
}

/* The gradient of each is the other, stored as x is. */
static void expand_grad(Graph *g, Tensor *out, Tensor *dy, const bool *wants,
                        Tensor **grad)
{
    const ExpandAttr *a = out->attr;

    if (wants[0])
        grad[0] = op_scale_shift(g, op_reduce_like(g, dy, NULL, out->src[0]),
                                 a->scale, 0);
}

static void reduce_grad(Graph *g, Tensor *out, Tensor *dy, const bool *wants,
                        Tensor **grad)
{
    Tensor *x = out->src[0], *z = out->src[1];
    const ExpandAttr like_x = { dims_of(x), layout_of(x), 1 };

    if (wants[0])
        grad[0] =
            z ? op_mul(g, z, dy) : graph_apply(g, &expand_def, &like_x, &dy);
    if (wants[1])
        grad[1] = op_mul(g, x, dy);
}

const Op expand_def = {
    .name = "expand",
    .sources = 1,
    .attr_size = sizeof(ExpandAttr),
    .shape = expand_shape,
    .cost = expand_cost,
    .ref = expand_ref,
    .grad = expand_grad,
    .tol_f32 = 1e-6,
};

const Op reduce_def = {
    .name = "reduce",
    .sources = 1,
    .optional = 1,
    .attr_size = sizeof(ExpandAttr),
    .shape = reduce_shape,
    .cost = reduce_cost,
    .ref = reduce_ref,
    .grad = reduce_grad,
    .tol_f32 = 3e-6,
};

Tensor *op_expand(Graph *g, Tensor *y, Dims dims, double scale)
{
    return graph_apply(
        g, &expand_def,
        &(ExpandAttr){ dims, layout_of(y), scale != 0 ? scale : 1 }, &y);
}

Tensor *op_reduce(Graph *g, Tensor *x, Tensor *z, Dims dims)
{
    return graph_apply(g, &reduce_def, &(ExpandAttr){ dims, layout_of(x), 1 },
                       (Tensor *[]){ x, z });
}

Tensor *op_reduce_like(Graph *g, Tensor *x, Tensor *z, const Tensor *y)
{
    return graph_apply(g, &reduce_def,
                       &(ExpandAttr){ dims_of(y), layout_of(y), 1 },
                       (Tensor *[]){ x, z });
}
