/*
 * cross_entropy.c - what a classifier is trained by: cross_entropy; and its
 * gradient, cross_entropy_grad
 *
 *   y = mean over n of  -sum over k of t[n,k] log p[n,k],   p = softmax(x)
 *   dx[n,k] = (p[n,k] sum of t[n] - t[n,k]) / N
 *
 * t holds probabilities: one class has them all, where images are labelled.
 * log p = x - m - log of the sum of exp(x - m), m the largest, so nothing
 * overflows.  A few thousand numbers: bound by latency.
 */
#include <math.h>

#include "kernels/core/err.h"
#include "kernels/ops/shapes.h"

static int check(const Tensor *x, const Tensor *t)
{
    TRY(want_rank(x, "x", 2, 2));
    return want_dims(t, "target", DIMS(x->dim[0], x->dim[1]));
}

static int shape(Tensor *out)
{
    TRY(check(out->src[0], out->src[1]));
    return shape_dims(out, DIMS(1, 1));
}

static int grad_shape(Tensor *out)
{
    TRY(check(out->src[0], out->src[1]));
    return shape_like(out, out->src[0]);
}

/* A number: a comparison, a subtraction, an addition; then a product and its
 * sum, or a product, a subtraction and a division. */
static Cost cost(const Tensor *out)
{
    const Tensor *x = out->src[0];
    const double n = (double)tensor_count(x);

    return (Cost){
        .flops = 6 * n,
        .transcendentals = n + (out->op == &cross_entropy_def ? x->dim[0] : 0),
        .bytes = bytes_once(out),
    };
}

/* Finds the largest of K numbers, and the sum of exp(x - largest). */
static double sum_of(const float *x, int K, double *most)
{
    double sum = 0;

    *most = -INFINITY;
    for (int k = 0; k < K; k++)
        *most = max_of((float)*most, x[k]);
    for (int k = 0; k < K; k++)
        sum += exp(x[k] - *most);
    return sum;
}

static int ref(const Tensor *out)
{
    const int N = out->src[0]->dim[0], K = out->src[0]->dim[1];
    const float *x = out->src[0]->data, *t = out->src[1]->data;
    double loss = 0;

    for (int n = 0; n < N; n++) {
        double most, sum = sum_of(x + (size_t)n * (size_t)K, K, &most);

        for (int k = 0; k < K; k++) {
            const size_t i = (size_t)n * (size_t)K + (size_t)k;

            loss -= t[i] * (x[i] - most - log(sum));
        }
    }
    *(float *)out->data = (float)(loss / N);
    return OK;
}

static int grad_ref(const Tensor *out)
{
    const int N = out->dim[0], K = out->dim[1];
    const float *x = out->src[0]->data, *t = out->src[1]->data;
    float *dx = out->data;

    for (int n = 0; n < N; n++) {
        double most, sum = sum_of(x + (size_t)n * (size_t)K, K, &most), all = 0;

        for (int k = 0; k < K; k++)
            all += t[(size_t)n * (size_t)K + (size_t)k];
        for (int k = 0; k < K; k++) {
            const size_t i = (size_t)n * (size_t)K + (size_t)k;

            dx[i] = (float)((exp(x[i] - most) / sum * all - t[i]) / N);
        }
    }
    return OK;
}

/* Targets are given, not learned. */
static void grad(Graph *g, Tensor *out, Tensor *dy, const bool *wants,
                 Tensor **grad)
{
    Tensor *x = out->src[0], *target = out->src[1];

    if (wants[0])
        grad[0] = op_mul(g, op_cross_entropy_grad(g, x, target), dy);
    if (wants[1])
        graph_unsupported(g, "the targets of a loss have no gradient");
}

const Op cross_entropy_def = {
    .name = "cross_entropy",
    .sources = 2,
    .shape = shape,
    .cost = cost,
    .ref = ref,
    .grad = grad,
    .tol_f32 = 1e-6,
};

const Op cross_entropy_grad_def = {
    .name = "cross_entropy_grad",
    .sources = 2,
    .shape = grad_shape,
    .cost = cost,
    .ref = grad_ref,
    .tol_f32 = 3e-6,
};

Tensor *op_cross_entropy(Graph *g, Tensor *x, Tensor *target)
{
    return graph_apply(g, &cross_entropy_def, NULL, (Tensor *[]){ x, target });
}

Tensor *op_cross_entropy_grad(Graph *g, Tensor *x, Tensor *target)
{
    return graph_apply(g, &cross_entropy_grad_def, NULL,
                       (Tensor *[]){ x, target });
}
