/*
 * layer_norm.c - normalised over the channels at each position
 *
 *   y = (x - mean) / sqrt(var + eps) * weight[c] + bias[c]
 *
 * Ba, Kiros and Hinton, 2016; var is the mean square deviation.  In
 * transformers.  One row of a channels-last map at a time; bound by bytes.
 */
#include <math.h>

#include "kernels/core/err.h"
#include "kernels/ops/shapes.h"

static int shape(Tensor *out)
{
    const Tensor *x = out->src[0];

    TRY(want_rows(x, 2, 4));
    TRY(want_dims(out->src[1], "weight", DIMS(x->dim[1])));
    TRY(want_dims(out->src[2], "bias", DIMS(x->dim[1])));
    return shape_like(out, x);
}

/* As group_norm: 8 per number, 5 per row. */
static Cost cost(const Tensor *out)
{
    const double n = (double)tensor_count(out);

    return (Cost){
        .flops = 8 * n + 5 * (double)tensor_rows(out),
        .bytes = bytes_once(out),
        .paper_flops = 5 * n,
    };
}

static int ref(const Tensor *out)
{
    const NormAttr *attr = out->attr;
    const size_t rows = tensor_rows(out), C = (size_t)out->dim[1];
    const float *weight = out->src[1]->data, *bias = out->src[2]->data;

    for (size_t r = 0; r < rows; r++) {
        const float *x = (float *)out->src[0]->data + r * C;
        float *y = (float *)out->data + r * C;
        double sum = 0, squares = 0, mean, scale;

        for (size_t c = 0; c < C; c++)
            sum += x[c];
        mean = sum / (double)C;
        for (size_t c = 0; c < C; c++)
            squares += (x[c] - mean) * (x[c] - mean);
        scale = 1 / sqrt(squares / (double)C + attr->eps);
        for (size_t c = 0; c < C; c++)
            y[c] = (float)((x[c] - mean) * scale * weight[c] + bias[c]);
    }
    return OK;
}

/* Each row is an image of its own to a group norm of one group. */
static void grad(Graph *g, Tensor *out, Tensor *dy, const bool *wants,
                 Tensor **grad)
{
    const double eps = ((const NormAttr *)out->attr)->eps;
    const int C = out->dim[1];
    const Dims rows = DIMS((int)tensor_rows(out), C), dims = dims_of(out);
    Tensor *x = op_view(g, out->src[0], rows), *weight = out->src[1];

    dy = op_view(g, dy, rows);
    if (wants[0])
        grad[0] =
            op_view(g, op_group_norm_grad_x(g, x, dy, weight, 1, eps), dims);
    if (wants[1])
        grad[1] = op_group_norm_grad_w(g, x, dy, C, 1, eps);
    if (wants[2])
        grad[2] = bias_grad(g, dy, C);
}

const Op layer_norm_def = {
    .name = "layer_norm",
    .sources = 3,
    .attr_size = sizeof(NormAttr),
    .shape = shape,
    .cost = cost,
    .ref = ref,
    .grad = grad,
    .reach = reach_same,
    .tol_f32 = 3e-6,
};

Tensor *op_layer_norm(Graph *g, Tensor *x, Tensor *weight, Tensor *bias,
                      double eps)
{
    return graph_apply(g, &layer_norm_def, &(NormAttr){ 1, eps },
                       (Tensor *[]){ x, weight, bias });
}
