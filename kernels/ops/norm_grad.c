/*
 * norm_grad.c - gradients of normalisation: batch_norm_grad_x,
 * batch_norm_grad_w, group_norm_grad_x, group_norm_grad_w
 *
 * With r = 1 / sqrt(var + eps) and x^ = (x - mean) r,
 *
 *   of the weight   dw[c] = sum of dy x^ over images and positions; for a
 *                   weight of P < C numbers also over the channels c mod P
 *   of x            stored statistics: dx = dy w r
 *                   those of x: dx = r (g - mean of g - x^ mean of g x^), with
 *                   g = dy w and means over the group, as of x and its square
 *
 * The gradient of a bias is a sum, bias_grad() in shapes.h.  Layer norms, and
 * batch norms of the batch's own statistics, are group norms of views.  Bound
 * by bytes.
 */
#include <math.h>
#include <stdlib.h>

#include "kernels/core/err.h"
#include "kernels/ops/shapes.h"

/* ---- stored statistics -------------------------------------------------- */

static int batch_x_shape(Tensor *out)
{
    const Tensor *dy = out->src[0];

    TRY(want_rows(dy, 2, 4));
    TRY(want_dims(out->src[1], "weight", DIMS(dy->dim[1])));
    TRY(want_dims(out->src[2], "var", DIMS(dy->dim[1])));
    return shape_like(out, dy);
}

static int check_alike(const Tensor *x, const Tensor *dy)
{
    TRY(want_rows(x, 2, 4));
    TRY(want_rows(dy, 2, 4));
    return tensor_same_dims(x, dy)
               ? OK
               : fail(ERR_INPUT, "x and dy differ in their dims");
}

static int batch_w_shape(Tensor *out)
{
    const Tensor *x = out->src[0];

    TRY(check_alike(x, out->src[1]));
    TRY(want_dims(out->src[2], "mean", DIMS(x->dim[1])));
    TRY(want_dims(out->src[3], "var", DIMS(x->dim[1])));
    return shape_dims(out, DIMS(x->dim[1]));
}

/* A root, a division and an addition a channel. */
static Cost batch_x_cost(const Tensor *out)
{
    return (Cost){
        .flops = (double)tensor_count(out) + 3.0 * out->dim[1],
        .bytes = bytes_once(out),
    };
}

static Cost batch_w_cost(const Tensor *out)
{
    return (Cost){
        .flops = 3 * (double)tensor_count(out->src[0]) + 4.0 * out->dim[0],
        .bytes = bytes_once(out),
    };
}

static int batch_x_ref(const Tensor *out)
{
    const NormAttr *attr = out->attr;
    const size_t rows = tensor_rows(out), C = (size_t)out->dim[1];
    const float *dy = out->src[0]->data, *weight = out->src[1]->data,
                *var = out->src[2]->data;
    float *dx = out->data;

    for (size_t c = 0; c < C; c++) {
        const double scale = weight[c] / sqrt(var[c] + attr->eps);

        for (size_t r = 0; r < rows; r++)
            dx[r * C + c] = (float)(dy[r * C + c] * scale);
    }
    return OK;
}

static int batch_w_ref(const Tensor *out)
{
    const NormAttr *attr = out->attr;
    const size_t rows = tensor_rows(out->src[0]), C = (size_t)out->dim[0];
    const float *x = out->src[0]->data, *dy = out->src[1]->data,
                *mean = out->src[2]->data, *var = out->src[3]->data;

    for (size_t c = 0; c < C; c++) {
        double sum = 0;

        for (size_t r = 0; r < rows; r++)
            sum += dy[r * C + c] * ((double)x[r * C + c] - mean[c]);
        ((float *)out->data)[c] = (float)(sum / sqrt(var[c] + attr->eps));
    }
    return OK;
}

/* ---- statistics of a group ---------------------------------------------- */

static int check_groups(const Tensor *x, int groups, int weights)
{
    if (groups < 1 || x->dim[1] % groups)
        return fail(ERR_INPUT, "groups=%d does not divide channels=%d", groups,
                    x->dim[1]);
    if (weights < 1 || x->dim[1] % weights)
        return fail(ERR_INPUT, "the %d weights do not divide channels=%d",
                    weights, x->dim[1]);
    return OK;
}

static int group_x_shape(Tensor *out)
{
    const NormAttr *attr = out->attr;
    const Tensor *x = out->src[0], *weight = out->src[2];

    TRY(check_alike(x, out->src[1]));
    TRY(want_rank(weight, "weight", 1, 1));
    TRY(check_groups(x, attr->groups, weight->dim[0]));
    return shape_like(out, x);
}

static int group_w_shape(Tensor *out)
{
    const NormGradAttr *attr = out->attr;
    const Tensor *x = out->src[0];

    TRY(check_alike(x, out->src[1]));
    TRY(check_groups(x, attr->groups, attr->weights));
    return shape_dims(out, DIMS(attr->weights));
}

/* A number: 4 for the statistics, 3 for g and its sums, 7 to put together. */
static Cost group_x_cost(const Tensor *out)
{
    const NormAttr *attr = out->attr;

    return (Cost){
        .flops =
            14 * (double)tensor_count(out) + 7.0 * out->dim[0] * attr->groups,
        .bytes = bytes_once(out),
    };
}

static Cost group_w_cost(const Tensor *out)
{
    const NormGradAttr *attr = out->attr;
    const Tensor *x = out->src[0];

    return (Cost){
        .flops = 8 * (double)tensor_count(x) + 5.0 * x->dim[0] * attr->groups,
        .bytes = bytes_once(out),
    };
}

/* A group: cg channels of a (P,C) image from channel c. */
typedef struct Group {
    size_t first, P, C;
    int c, cg;
    double mean, scale;
} Group;

static Group group_of(const Tensor *x, int groups, double eps, int n, int i)
{
    const size_t C = (size_t)x->dim[1], P = tensor_positions(x);
    const int cg = x->dim[1] / groups;
    const double count = (double)P * cg;
    Group g = { (size_t)n * P * C, P, C, i * cg, cg, 0, 0 };
    const float *at = (const float *)x->data + g.first;
    double sum = 0, squares = 0;

    for (size_t p = 0; p < P; p++)
        for (int c = g.c; c < g.c + cg; c++)
            sum += at[p * C + (size_t)c];
    g.mean = sum / count;
    for (size_t p = 0; p < P; p++)
        for (int c = g.c; c < g.c + cg; c++)
            squares += (at[p * C + (size_t)c] - g.mean) *
                       (at[p * C + (size_t)c] - g.mean);
    g.scale = 1 / sqrt(squares / count + eps);
    return g;
}

static void group_x(const Tensor *out, const Group *g)
{
    const Tensor *weight = out->src[2];
    const float *x = (const float *)out->src[0]->data + g->first;
    const float *dy = (const float *)out->src[1]->data + g->first;
    const float *w = weight->data;
    float *dx = (float *)out->data + g->first;
    const double count = (double)g->P * g->cg;
    double sum = 0, with_x = 0;

    for (size_t p = 0; p < g->P; p++)
        for (int c = g->c; c < g->c + g->cg; c++) {
            const size_t i = p * g->C + (size_t)c;
            const double grad = (double)dy[i] * w[c % weight->dim[0]];

            sum += grad;
            with_x += grad * (x[i] - g->mean) * g->scale;
        }
    for (size_t p = 0; p < g->P; p++)
        for (int c = g->c; c < g->c + g->cg; c++) {
            const size_t i = p * g->C + (size_t)c;
            const double grad = (double)dy[i] * w[c % weight->dim[0]];
            const double normal = (x[i] - g->mean) * g->scale;

            dx[i] = (float)(g->scale *
                            (grad - sum / count - normal * with_x / count));
        }
}

/* x^ is a difference, too: of terms that add up to this, of which a rounding
 * is its error. */
static double normal_terms(const Group *g, double x)
{
    return (fabs(x) + fabs(g->mean)) * g->scale;
}

/* The magnitudes of what group_x takes from each other, and what an error of x^
 * makes of them. */
static void group_x_terms(const Tensor *out, const Group *g, float *terms)
{
    const Tensor *weight = out->src[2];
    const float *x = (const float *)out->src[0]->data + g->first;
    const float *dy = (const float *)out->src[1]->data + g->first;
    const float *w = weight->data;
    const double count = (double)g->P * g->cg;
    double sum = 0, with_x = 0, with_terms = 0;

    for (size_t p = 0; p < g->P; p++)
        for (int c = g->c; c < g->c + g->cg; c++) {
            const size_t i = p * g->C + (size_t)c;
            const double grad = fabs((double)dy[i] * w[c % weight->dim[0]]);

            sum += grad;
            with_x += grad * fabs(x[i] - g->mean) * g->scale;
            with_terms += grad * normal_terms(g, x[i]);
        }
    for (size_t p = 0; p < g->P; p++)
        for (int c = g->c; c < g->c + g->cg; c++) {
            const size_t i = p * g->C + (size_t)c;
            const double grad = fabs((double)dy[i] * w[c % weight->dim[0]]);
            const double normal = fabs(x[i] - g->mean) * g->scale;

            terms[g->first + i] =
                (float)(g->scale * (grad + sum / count +
                                    normal_terms(g, x[i]) * with_x / count +
                                    normal * with_terms / count));
        }
}

/* Into out, or into terms, if that is not NULL, what it is made of. */
static int group_x_each(const Tensor *out, float *terms)
{
    const NormAttr *a = out->attr;

    for (int n = 0; n < out->dim[0]; n++)
        for (int i = 0; i < a->groups; i++) {
            const Group g = group_of(out->src[0], a->groups, a->eps, n, i);

            if (terms)
                group_x_terms(out, &g, terms);
            else
                group_x(out, &g);
        }
    return OK;
}

static int group_x_ref(const Tensor *out)
{
    return group_x_each(out, NULL);
}

static void group_w(const Tensor *out, const Group *g, double *sum, bool terms)
{
    const float *x = (const float *)out->src[0]->data + g->first;
    const float *dy = (const float *)out->src[1]->data + g->first;

    for (size_t p = 0; p < g->P; p++)
        for (int c = g->c; c < g->c + g->cg; c++) {
            const size_t i = p * g->C + (size_t)c;

            sum[c % out->dim[0]] += terms ? fabs(dy[i]) * normal_terms(g, x[i])
                                          : dy[i] * (x[i] - g->mean) * g->scale;
        }
}

static int group_w_each(const Tensor *out, float *terms)
{
    const NormGradAttr *a = out->attr;
    const Tensor *x = out->src[0];
    double *sum = ref_doubles((size_t)out->dim[0]);

    if (!sum)
        return ERR_MEMORY;
    for (int n = 0; n < x->dim[0]; n++)
        for (int i = 0; i < a->groups; i++) {
            const Group g = group_of(x, a->groups, a->eps, n, i);

            group_w(out, &g, sum, terms != NULL);
        }
    for (int c = 0; c < out->dim[0]; c++)
        (terms ? terms : (float *)out->data)[c] = (float)sum[c];
    free(sum);
    return OK;
}

static int group_w_ref(const Tensor *out)
{
    return group_w_each(out, NULL);
}

#define NORM_GRAD(id, nsources, attribute, part, each) \
    const Op id##_def = {                              \
        .name = #id,                                   \
        .sources = nsources,                           \
        .attr_size = sizeof(attribute),                \
        .shape = part##_shape,                         \
        .cost = part##_cost,                           \
        .ref = part##_ref,                             \
        .terms = each,                                 \
        .tol_f32 = 3e-6,                               \
    };

NORM_GRAD(batch_norm_grad_x, 3, NormAttr, batch_x, NULL)
NORM_GRAD(batch_norm_grad_w, 4, NormAttr, batch_w, NULL)
NORM_GRAD(group_norm_grad_x, 3, NormAttr, group_x, group_x_each)
NORM_GRAD(group_norm_grad_w, 2, NormGradAttr, group_w, group_w_each)

Tensor *op_batch_norm_grad_x(Graph *g, Tensor *dy, Tensor *weight, Tensor *var,
                             double eps)
{
    return graph_apply(g, &batch_norm_grad_x_def, &(NormAttr){ 1, eps },
                       (Tensor *[]){ dy, weight, var });
}

Tensor *op_batch_norm_grad_w(Graph *g, Tensor *x, Tensor *dy, Tensor *mean,
                             Tensor *var, double eps)
{
    return graph_apply(g, &batch_norm_grad_w_def, &(NormAttr){ 1, eps },
                       (Tensor *[]){ x, dy, mean, var });
}

Tensor *op_group_norm_grad_x(Graph *g, Tensor *x, Tensor *dy, Tensor *weight,
                             int groups, double eps)
{
    return graph_apply(g, &group_norm_grad_x_def, &(NormAttr){ groups, eps },
                       (Tensor *[]){ x, dy, weight });
}

Tensor *op_group_norm_grad_w(Graph *g, Tensor *x, Tensor *dy, int weights,
                             int groups, double eps)
{
    return graph_apply(g, &group_norm_grad_w_def,
                       &(NormGradAttr){ groups, weights, eps },
                       (Tensor *[]){ x, dy });
}
