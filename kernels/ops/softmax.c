/*
 * softmax.c - y = exp(x - max) / sum of exp(x - max), along one dim
 *
 * Subtracting the maximum changes nothing but keeps exp in range.  In SCSA
 * along the columns of its scores, in EMA over the channels of each group.
 * Bound by exp on small shapes, by bytes on large ones.
 */
#include <math.h>

#include "kernels/core/err.h"
#include "kernels/ops/shapes.h"

static int shape(Tensor *out)
{
    const DimAttr *attr = out->attr;

    if (attr->dim < 0 || attr->dim >= out->src[0]->rank)
        return fail(ERR_INPUT, "dim=%d, x has dims 0 to %d", attr->dim,
                    out->src[0]->rank - 1);
    return shape_like(out, out->src[0]);
}

/* A comparison, a subtraction, an addition and a division per number. */
static Cost cost(const Tensor *out)
{
    const double n = (double)tensor_count(out);

    return (Cost){
        .flops = 4 * n,
        .transcendentals = n,
        .bytes = bytes_once(out),
    };
}

/* n numbers, `step` apart. */
static void softmax(float *y, const float *x, size_t n, size_t step)
{
    float most = -INFINITY;
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        most = max_of(most, x[i * step]);
    for (size_t i = 0; i < n; i++)
        sum += exp((double)x[i * step] - most);
    for (size_t i = 0; i < n; i++)
        y[i * step] = (float)(exp((double)x[i * step] - most) / sum);
}

/* Goes through all numbers whose index along the dim is 0. */
static int ref(const Tensor *out)
{
    const DimAttr *attr = out->attr;
    const float *x = out->src[0]->data;
    const size_t n = (size_t)out->dim[attr->dim], count = tensor_count(out);
    size_t stride[MAX_RANK], step;

    tensor_strides(out, stride);
    step = stride[attr->dim];
    for (size_t block = 0; block < count; block += n * step)
        for (size_t i = 0; i < step; i++)
            softmax((float *)out->data + block + i, x + block + i, n, step);
    return OK;
}

static void grad(Graph *g, Tensor *out, Tensor *dy, const bool *wants,
                 Tensor **grad)
{
    const DimAttr *attr = out->attr;

    if (wants[0])
        grad[0] = op_softmax_grad(g, out, dy, attr->dim);
}

const Op softmax_def = {
    .name = "softmax",
    .sources = 1,
    .attr_size = sizeof(DimAttr),
    .shape = shape,
    .cost = cost,
    .ref = ref,
    .grad = grad,
    .tol_f32 = 3e-6,
};

Tensor *op_softmax(Graph *g, Tensor *x, int dim)
{
    return graph_apply(g, &softmax_def, &(DimAttr){ dim }, &x);
}
