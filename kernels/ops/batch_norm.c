/*
 * batch_norm.c - y = (x - mean[c]) / sqrt(var[c] + eps) * weight[c] + bias[c]
 *
 * Ioffe and Szegedy, ICML 2015, in evaluation mode: the statistics are stored
 * ones, so it is one multiply-add a number and bound by bytes.  graph_fold
 * puts it into the convolution before it.
 */
#include <math.h>

#include "kernels/core/err.h"
#include "kernels/ops/shapes.h"

static int shape(Tensor *out)
{
    static const char *const names[] = { "x", "weight", "bias", "mean", "var" };
    const Tensor *x = out->src[0];

    TRY(want_rows(x, 2, 4));
    for (int i = 1; i < 5; i++)
        TRY(want_dims(out->src[i], names[i], DIMS(x->dim[1])));
    return shape_like(out, x);
}

/* Five operations per channel make scale and shift. */
static Cost cost(const Tensor *out)
{
    const double n = (double)tensor_count(out);

    return (Cost){
        .flops = 2 * n + 5.0 * out->dim[1],
        .bytes = bytes_once(out),
        .paper_flops = 2 * n,
    };
}

static int ref(const Tensor *out)
{
    const NormAttr *attr = out->attr;
    const size_t rows = tensor_rows(out), C = (size_t)out->dim[1];
    const float *x = out->src[0]->data, *weight = out->src[1]->data,
                *bias = out->src[2]->data, *mean = out->src[3]->data,
                *var = out->src[4]->data;
    float *y = out->data;

    for (size_t c = 0; c < C; c++) {
        const double scale = weight[c] / sqrt(var[c] + attr->eps);

        for (size_t r = 0; r < rows; r++)
            y[r * C + c] =
                (float)(((double)x[r * C + c] - mean[c]) * scale + bias[c]);
    }
    return OK;
}

static void grad(Graph *g, Tensor *out, Tensor *dy, const bool *wants,
                 Tensor **grad)
{
    const double eps = ((const NormAttr *)out->attr)->eps;
    Tensor *const *s = out->src;

    if (wants[0])
        grad[0] = op_batch_norm_grad_x(g, dy, s[1], s[4], eps);
    if (wants[1])
        grad[1] = op_batch_norm_grad_w(g, s[0], dy, s[3], s[4], eps);
    if (wants[2])
        grad[2] = bias_grad(g, dy, out->dim[1]);
    if (wants[3] || wants[4])
        graph_unsupported(g, "the statistics of a batch norm have no gradient");
}

const Op batch_norm_def = {
    .name = "batch_norm",
    .sources = 5,
    .attr_size = sizeof(NormAttr),
    .shape = shape,
    .cost = cost,
    .ref = ref,
    .grad = grad,
    .reach = reach_same,
    .tol_f32 = 3e-6,
};

/* All images as one, each channel as a group. */
static Tensor *of_batch(Graph *g, Tensor *x, Tensor *weight, Tensor *bias,
                        double eps)
{
    const int C = tensor_channels(x);
    Tensor *rows = op_view(g, x, DIMS(1, C, (int)tensor_rows(x)));

    return op_view(g, op_group_norm(g, rows, weight, bias, C, eps), dims_of(x));
}

Tensor *op_batch_norm(Graph *g, Tensor *x, Tensor *weight, Tensor *bias,
                      Tensor *mean, Tensor *var, double eps)
{
    if (graph_is_training(g) && x && tensor_rows(x) == 1)
        return graph_unsupported(
            g,
            "batch_norm: training takes more than one value per channel, and "
            "there is one (batch=%d, a map of one position): give a larger "
            "--batch",
            x->dim[0]);
    if (graph_is_training(g) && x)
        return of_batch(g, x, weight, bias, eps);
    return graph_apply(g, &batch_norm_def, &(NormAttr){ 1, eps },
                       (Tensor *[]){ x, weight, bias, mean, var });
}

NormAffine batch_norm_affine(const Tensor *norm, int c)
{
    const NormAttr *attr = norm->attr;
    const double weight = norm->src[1]->host[c], bias = norm->src[2]->host[c],
                 mean = norm->src[3]->host[c], var = norm->src[4]->host[c];
    const double scale = weight / sqrt(var + attr->eps);

    return (NormAffine){ scale, bias - mean * scale };
}
