/*
 * over_channels.c - one number per position: mean_c, max_c; and the gradient of
 * the second, max_c_grad
 *
 *   mean or maximum of x[n,:,h,w] over channels; a NaN wins
 *
 * Input of CBAM's spatial attention (eq. 3).  Reads a map to write a
 * C-th of it: bound by bytes.
 */
#include <math.h>

#include "kernels/core/err.h"
#include "kernels/ops/shapes.h"

static int shape(Tensor *out)
{
    const Tensor *x = out->src[0];

    TRY(want_rows(x, 4, 4));
    return shape_dims(out, DIMS(x->dim[0], 1, x->dim[2], x->dim[3]));
}

static Cost mean_cost(const Tensor *out)
{
    return (Cost){
        .flops = (double)tensor_count(out->src[0]),
        .bytes = bytes_once(out),
    };
}

static Cost max_cost(const Tensor *out)
{
    return (Cost){
        .flops = (double)tensor_count(out->src[0]) - (double)tensor_count(out),
        .bytes = bytes_once(out),
    };
}

static int mean_ref(const Tensor *out)
{
    const size_t C = (size_t)out->src[0]->dim[1];

    for (size_t r = 0; r < tensor_rows(out); r++) {
        const float *x = (float *)out->src[0]->data + r * C;
        double sum = 0;

        for (size_t c = 0; c < C; c++)
            sum += x[c];
        ((float *)out->data)[r] = (float)(sum / (double)C);
    }
    return OK;
}

static int max_ref(const Tensor *out)
{
    const size_t C = (size_t)out->src[0]->dim[1];

    for (size_t r = 0; r < tensor_rows(out); r++) {
        const float *x = (float *)out->src[0]->data + r * C;
        float most = -INFINITY;

        for (size_t c = 0; c < C; c++)
            most = max_of(most, x[c]);
        ((float *)out->data)[r] = most;
    }
    return OK;
}

static void mean_grad(Graph *g, Tensor *out, Tensor *dy, const bool *wants,
                      Tensor **grad)
{
    const Tensor *x = out->src[0];

    if (wants[0])
        grad[0] = op_expand(g, dy, dims_of(x), 1.0 / x->dim[1]);
}

const Op mean_c_def = {
    .name = "mean_c",
    .sources = 1,
    .shape = shape,
    .cost = mean_cost,
    .ref = mean_ref,
    .grad = mean_grad,
    .reach = reach_same,
    .tol_f32 = 3e-6,
};

static void max_grad(Graph *g, Tensor *out, Tensor *dy, const bool *wants,
                     Tensor **grad)
{
    if (wants[0])
        grad[0] = op_max_c_grad(g, out->src[0], dy);
}

const Op max_c_def = {
    .name = "max_c",
    .sources = 1,
    .shape = shape,
    .cost = max_cost,
    .ref = max_ref,
    .grad = max_grad,
    .reach = reach_same,
    .tol_f32 = 0,
};

Tensor *op_mean_c(Graph *g, Tensor *x)
{
    return graph_apply(g, &mean_c_def, NULL, &x);
}

Tensor *op_max_c(Graph *g, Tensor *x)
{
    return graph_apply(g, &max_c_def, NULL, &x);
}

/* ---- the gradient of a maximum: dy where the first of them is ----------- */

static int max_grad_shape(Tensor *out)
{
    const Tensor *x = out->src[0];

    TRY(want_rows(x, 4, 4));
    TRY(want_dims(out->src[1], "dy", DIMS(x->dim[0], 1, x->dim[2], x->dim[3])));
    return shape_like(out, x);
}

static Cost max_grad_cost(const Tensor *out)
{
    return (Cost){ .flops = (double)tensor_count(out),
                   .bytes = bytes_once(out) };
}

static int max_grad_ref(const Tensor *out)
{
    const size_t C = (size_t)out->dim[1];

    for (size_t r = 0; r < tensor_rows(out); r++) {
        const float *x = (float *)out->src[0]->data + r * C;
        float *dx = (float *)out->data + r * C;
        size_t most = 0;

        for (size_t c = 0; c < C; c++) {
            dx[c] = 0;
            if (is_more(x[c], x[most]))
                most = c;
        }
        dx[most] = ((float *)out->src[1]->data)[r];
    }
    return OK;
}

const Op max_c_grad_def = {
    .name = "max_c_grad",
    .sources = 2,
    .shape = max_grad_shape,
    .cost = max_grad_cost,
    .ref = max_grad_ref,
    .tol_f32 = 0,
};

Tensor *op_max_c_grad(Graph *g, Tensor *x, Tensor *dy)
{
    return graph_apply(g, &max_c_grad_def, NULL, (Tensor *[]){ x, dy });
}
