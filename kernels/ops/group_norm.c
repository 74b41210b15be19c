/*
 * group_norm.c - normalised over the channels of a group and all positions
 *
 *   y = (x - mean) / sqrt(var + eps) * weight[c] + bias[c]
 *
 * Wu and He, ECCV 2018; var is the mean square deviation.  In SCSA, ELA, and
 * (one channel per group) EMA and SA, whose weights are those of one of their
 * folded groups: a weight of P < C numbers is repeated, w[c mod P].  x is read
 * twice or three times from cache, so small maps are bound by latency.
 */
#include <math.h>

#include "kernels/core/err.h"
#include "kernels/ops/shapes.h"

static int shape(Tensor *out)
{
    const Tensor *x = out->src[0], *weight = out->src[1], *bias = out->src[2];
    const NormAttr *attr = out->attr;

    TRY(want_rows(x, 2, 4));
    TRY(want_rank(weight, "weight", 1, 1));
    TRY(want_dims(bias, "bias", DIMS(weight->dim[0])));
    if (attr->groups < 1 || x->dim[1] % attr->groups)
        return fail(ERR_INPUT, "groups=%d does not divide channels=%d",
                    attr->groups, x->dim[1]);
    if (x->dim[1] % weight->dim[0])
        return fail(ERR_INPUT, "the %d weights do not divide channels=%d",
                    weight->dim[0], x->dim[1]);
    return shape_like(out, x);
}

/* A number: 1 for the mean, 3 for the variance, 4 to normalise and scale.  A
 * group: two divisions, eps, root, reciprocal. */
static Cost cost(const Tensor *out)
{
    const NormAttr *attr = out->attr;
    const double n = (double)tensor_count(out);

    return (Cost){
        .flops = 8 * n + 5.0 * out->dim[0] * attr->groups,
        .bytes = bytes_once(out),
        .paper_flops = 5 * n,
    };
}

/* One group: cg channels of a (P,C) image, c being the first.  Into out, or
 * into terms the magnitudes of what it is the difference of. */
static void normalise(const Tensor *out, float *terms, int n, int c, int cg)
{
    const NormAttr *attr = out->attr;
    const float *weight = out->src[1]->data, *bias = out->src[2]->data;
    const size_t C = (size_t)out->dim[1], P = tensor_positions(out);
    const size_t first = (size_t)n * P * C;
    const float *x = (float *)out->src[0]->data + first;
    const double count = (double)P * cg;
    double sum = 0, squares = 0, mean, scale;
    float *y = (float *)out->data + first;

    for (size_t p = 0; p < P; p++)
        for (int i = c; i < c + cg; i++)
            sum += x[p * C + (size_t)i];
    mean = sum / count;
    for (size_t p = 0; p < P; p++)
        for (int i = c; i < c + cg; i++) {
            const double d = x[p * C + (size_t)i] - mean;

            squares += d * d;
        }
    scale = 1 / sqrt(squares / count + attr->eps);
    for (size_t p = 0; p < P; p++)
        for (int i = c; i < c + cg; i++) {
            const int w = i % out->src[1]->dim[0];

            if (terms)
                terms[first + p * C + (size_t)i] =
                    (float)((fabs(x[p * C + (size_t)i]) + fabs(mean)) * scale *
                                fabs(weight[w]) +
                            fabs(bias[w]));
            else
                y[p * C + (size_t)i] =
                    (float)((x[p * C + (size_t)i] - mean) * scale * weight[w] +
                            bias[w]);
        }
}

static int each_group(const Tensor *out, float *terms)
{
    const NormAttr *attr = out->attr;
    const int cg = out->dim[1] / attr->groups;

    for (int n = 0; n < out->dim[0]; n++)
        for (int g = 0; g < attr->groups; g++)
            normalise(out, terms, n, g * cg, cg);
    return OK;
}

static int ref(const Tensor *out)
{
    return each_group(out, NULL);
}

static void grad(Graph *g, Tensor *out, Tensor *dy, const bool *wants,
                 Tensor **grad)
{
    const NormAttr *a = out->attr;
    Tensor *x = out->src[0], *weight = out->src[1];

    if (wants[0])
        grad[0] = op_group_norm_grad_x(g, x, dy, weight, a->groups, a->eps);
    if (wants[1])
        grad[1] =
            op_group_norm_grad_w(g, x, dy, weight->dim[0], a->groups, a->eps);
    if (wants[2])
        grad[2] = bias_grad(g, dy, weight->dim[0]);
}

const Op group_norm_def = {
    .name = "group_norm",
    .sources = 3,
    .attr_size = sizeof(NormAttr),
    .shape = shape,
    .cost = cost,
    .ref = ref,
    .terms = each_group,
    .grad = grad,
    .tol_f32 = 3e-6,
};

Tensor *op_group_norm(Graph *g, Tensor *x, Tensor *weight, Tensor *bias,
                      int groups, double eps)
{
    return graph_apply(g, &group_norm_def, &(NormAttr){ groups, eps },
                       (Tensor *[]){ x, weight, bias });
}
