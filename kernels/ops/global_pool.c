/*
 * global_pool.c - one number a channel: global_avg_pool, global_max_pool
 *
 *   mean or maximum of x[n,c] over all positions; a NaN wins
 *
 * The squeeze of channel attention: SE eq. (2), CBAM eq. (2).  Reads a map to
 * write a vector, so judge its kernels by bytes.  The paper's convention
 * counts one for each number of x if the code has AdaptiveAvgPool2d, else
 * nothing.
 */
#include <math.h>

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

static void avg_ref(const Tensor *out)
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
}

static void max_ref(const Tensor *out)
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
}

const Op global_avg_pool_def = {
    .name = "global_avg_pool",
    .sources = 1,
    .attr_size = sizeof(SqueezeAttr),
    .shape = shape,
    .cost = avg_cost,
    .ref = avg_ref,
    .tol_f32 = 3e-6,
};

const Op global_max_pool_def = {
    .name = "global_max_pool",
    .sources = 1,
    .shape = shape,
    .cost = max_cost,
    .ref = max_ref,
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
