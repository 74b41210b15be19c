/*
 * softmax_grad.c - dx = y (dy - sum of y dy), along the dim of y = softmax(x)
 *
 * Reads two numbers and writes one for four operations: bound by bytes.
 */
#include <math.h>

#include "kernels/core/err.h"
#include "kernels/ops/shapes.h"

static int shape(Tensor *out)
{
    const DimAttr *attr = out->attr;
    const Tensor *y = out->src[0], *dy = out->src[1];

    if (attr->dim < 0 || attr->dim >= y->rank)
        return fail(ERR_INPUT, "dim=%d, y has dims 0 to %d", attr->dim,
                    y->rank - 1);
    if (!tensor_same_dims(y, dy) || (y->rank > 2 && y->layout != dy->layout))
        return fail(ERR_INPUT, "y and dy differ in their dims");
    return shape_like(out, y);
}

static Cost cost(const Tensor *out)
{
    return (Cost){
        .flops = 4 * (double)tensor_count(out),
        .bytes = bytes_once(out),
    };
}

/* n numbers, `step` apart. */
static void softmax_grad(float *dx, const float *y, const float *dy, size_t n,
                         size_t step)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (double)y[i * step] * dy[i * step];
    for (size_t i = 0; i < n; i++)
        dx[i * step] = (float)(y[i * step] * (dy[i * step] - sum));
}

static void softmax_grad_terms(float *terms, const float *y, const float *dy,
                               size_t n, size_t step)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += fabs((double)y[i * step] * dy[i * step]);
    for (size_t i = 0; i < n; i++)
        terms[i * step] =
            (float)(fabs(y[i * step]) * (fabs(dy[i * step]) + sum));
}

typedef void Line(float *to, const float *y, const float *dy, size_t n,
                  size_t step);

/* Goes through all numbers whose index along the dim is 0. */
static void each_line(const Tensor *out, float *to, Line *line)
{
    const DimAttr *attr = out->attr;
    const float *y = out->src[0]->data, *dy = out->src[1]->data;
    const size_t n = (size_t)out->dim[attr->dim], count = tensor_count(out);
    size_t stride[MAX_RANK], step;

    tensor_strides(out, stride);
    step = stride[attr->dim];
    for (size_t block = 0; block < count; block += n * step)
        for (size_t i = block; i < block + step; i++)
            line(to + i, y + i, dy + i, n, step);
}

static int ref(const Tensor *out)
{
    each_line(out, out->data, softmax_grad);
    return OK;
}

static int terms(const Tensor *out, float *to)
{
    each_line(out, to, softmax_grad_terms);
    return OK;
}

const Op softmax_grad_def = {
    .name = "softmax_grad",
    .sources = 2,
    .attr_size = sizeof(DimAttr),
    .shape = shape,
    .cost = cost,
    .ref = ref,
    .terms = terms,
    .tol_f32 = 3e-6,
};

Tensor *op_softmax_grad(Graph *g, Tensor *y, Tensor *dy, int dim)
{
    return graph_apply(g, &softmax_grad_def, &(DimAttr){ dim },
                       (Tensor *[]){ y, dy });
}
