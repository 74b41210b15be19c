/*
 * global_pool.c - one number per channel: global_avg_pool, global_max_pool; and
 * the gradient of the second, global_max_pool_grad
 *
 *   mean or maximum of x[n,c] over all positions; a NaN wins
 *
 * The squeeze of channel attention: SE eq. (2), CBAM eq. (2).  Reads a map to
 * write a vector, so judge its kernels by bytes.  The paper's convention
 * counts one for each number of x if the code has AdaptiveAvgPool2d, else
 * nothing.
 */
#include <math.h>

#include "kernels/core/err.h"
#include "kernels/ops/shapes.h"

static int shape(Tensor *out)
{
    const Tensor *x = out->src[0];

    TRY(want_rows(x, 3, 4));
    return shape_dims(out, DIMS(x->dim[0], x->dim[1]));
}

/* One less addition than numbers, and a division. */
static Cost avg_cost(const Tensor *out)
{
    const SqueezeAttr *attr = out->attr;
    const double n = (double)tensor_count(out->src[0]);

    return (Cost){
        .flops = n,
        .bytes = bytes_once(out),
        .paper_flops = attr->how == SQUEEZE_ADAPTIVE ? n : 0,
    };
}

static Cost max_cost(const Tensor *out)
{
    return (Cost){
        .flops = (double)tensor_count(out->src[0]) - (double)tensor_count(out),
        .bytes = bytes_once(out),
    };
}

static int avg_ref(const Tensor *out)
{
    const size_t C = (size_t)out->dim[1], P = tensor_positions(out->src[0]);

    for (size_t n = 0; n < (size_t)out->dim[0]; n++)
        for (size_t c = 0; c < C; c++) {
            const float *x = (float *)out->src[0]->data + n * P * C + c;
            double sum = 0;

            for (size_t p = 0; p < P; p++)
                sum += x[p * C];
            ((float *)out->data)[n * C + c] = (float)(sum / (double)P);
        }
    return OK;
}

static int max_ref(const Tensor *out)
{
    const size_t C = (size_t)out->dim[1], P = tensor_positions(out->src[0]);

    for (size_t n = 0; n < (size_t)out->dim[0]; n++)
        for (size_t c = 0; c < C; c++) {
            const float *x = (float *)out->src[0]->data + n * P * C + c;
            float most = -INFINITY;

            for (size_t p = 0; p < P; p++)
                most = max_of(most, x[p * C]);
            ((float *)out->data)[n * C + c] = most;
        }
    return OK;
}

static void avg_grad(Graph *g, Tensor *out, Tensor *dy, const bool *wants,
                     Tensor **grad)
{
    const Tensor *x = out->src[0];

    if (wants[0])
        grad[0] = op_expand(g, dy, dims_of(x), 1 / (double)tensor_positions(x));
}

const Op global_avg_pool_def = {
    .name = "global_avg_pool",
    .sources = 1,
    .attr_size = sizeof(SqueezeAttr),
    .shape = shape,
    .cost = avg_cost,
    .ref = avg_ref,
    .grad = avg_grad,
    .tol_f32 = 3e-6,
};

static void max_grad(Graph *g, Tensor *out, Tensor *dy, const bool *wants,
                     Tensor **grad)
{
    if (wants[0])
        grad[0] = op_global_max_pool_grad(g, out->src[0], dy);
}

const Op global_max_pool_def = {
    .name = "global_max_pool",
    .sources = 1,
    .shape = shape,
    .cost = max_cost,
    .ref = max_ref,
    .grad = max_grad,
    .tol_f32 = 0,
};

Tensor *op_global_avg_pool(Graph *g, Tensor *x, Squeeze how)
{
    return graph_apply(g, &global_avg_pool_def, &(SqueezeAttr){ how }, &x);
}

Tensor *op_global_max_pool(Graph *g, Tensor *x)
{
    return graph_apply(g, &global_max_pool_def, NULL, &x);
}

/* ---- the gradient of a maximum: dy where the first of them is ----------- */

static int max_grad_shape(Tensor *out)
{
    const Tensor *x = out->src[0];

    TRY(want_rows(x, 3, 4));
    TRY(want_dims(out->src[1], "dy", DIMS(x->dim[0], x->dim[1])));
    return shape_like(out, x);
}

static Cost max_grad_cost(const Tensor *out)
{
    return (Cost){ .flops = (double)tensor_count(out),
                   .bytes = bytes_once(out) };
}

static int max_grad_ref(const Tensor *out)
{
    const size_t C = (size_t)out->dim[1], P = tensor_positions(out);

    for (size_t n = 0; n < (size_t)out->dim[0]; n++)
        for (size_t c = 0; c < C; c++) {
            const float *x = (float *)out->src[0]->data + n * P * C + c;
            float *dx = (float *)out->data + n * P * C + c;
            size_t most = 0;

            for (size_t p = 0; p < P; p++) {
                dx[p * C] = 0;
                if (is_more(x[p * C], x[most * C]))
                    most = p;
            }
            dx[most * C] = ((float *)out->src[1]->data)[n * C + c];
        }
    return OK;
}

const Op global_max_pool_grad_def = {
    .name = "global_max_pool_grad",
    .sources = 2,
    .shape = max_grad_shape,
    .cost = max_grad_cost,
    .ref = max_grad_ref,
    .tol_f32 = 0,
};

Tensor *op_global_max_pool_grad(Graph *g, Tensor *x, Tensor *dy)
{
    return graph_apply(g, &global_max_pool_grad_def, NULL,
                       (Tensor *[]){ x, dy });
}
