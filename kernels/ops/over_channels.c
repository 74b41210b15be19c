/*
 * over_channels.c - one number a position: mean_c, max_c
 *
 *   mean or maximum of x[n,:,h,w] over channels; a NaN wins
 *
 * What CBAM's spatial attention looks at (eq. 3).  Reads a map to write a
 * C-th of it: bound by bytes.
 */
#include <math.h>

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

static void mean_ref(const Tensor *out)
{
    const size_t C = (size_t)out->src[0]->dim[1];

    for (size_t r = 0; r < tensor_rows(out); r++) {
        const float *x = (float *)out->src[0]->data + r * C;
        double sum = 0;

        for (size_t c = 0; c < C; c++)
            sum += x[c];
        ((float *)out->data)[r] = (float)(sum / (double)C);
    }
}

static void max_ref(const Tensor *out)
{
    const size_t C = (size_t)out->src[0]->dim[1];

    for (size_t r = 0; r < tensor_rows(out); r++) {
        const float *x = (float *)out->src[0]->data + r * C;
        float most = -INFINITY;

        for (size_t c = 0; c < C; c++)
            most = max_of(most, x[c]);
        ((float *)out->data)[r] = most;
    }
}

const Op mean_c_def = {
    .name = "mean_c",
    .sources = 1,
    .shape = shape,
    .cost = mean_cost,
    .ref = mean_ref,
    .tol_f32 = 3e-6,
};

const Op max_c_def = {
    .name = "max_c",
    .sources = 1,
    .shape = shape,
    .cost = max_cost,
    .ref = max_ref,
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
