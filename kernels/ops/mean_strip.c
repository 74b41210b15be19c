/*
 * mean_strip.c - the mean over one axis of the map: mean_h, mean_w
 *
 *   mean_h   y[n,c,w] = mean over h of x[n,c,h,w]
 *   mean_w   y[n,c,h] = mean over w of x[n,c,h,w]
 *
 * The strip pooling of CA (eq. 4, 5), ELA, EMA and SCSA: what is left is a
 * strip, along which a convolution can still tell places apart.  Bound by
 * bytes.
 */
#include "kernels/core/err.h"
#include "kernels/ops/shapes.h"

static int h_shape(Tensor *out)
{
    const Tensor *x = out->src[0];

    TRY(want_rows(x, 4, 4));
    return shape_dims(out, DIMS(x->dim[0], x->dim[1], x->dim[3]));
}

static int w_shape(Tensor *out)
{
    const Tensor *x = out->src[0];

    TRY(want_rows(x, 4, 4));
    return shape_dims(out, DIMS(x->dim[0], x->dim[1], x->dim[2]));
}

static Cost cost(const Tensor *out)
{
    const SqueezeAttr *attr = out->attr;
    const double n = (double)tensor_count(out->src[0]);

    return (Cost){
        .flops = n,
        .bytes = bytes_once(out),
        .paper_flops = attr->how == SQUEEZE_ADAPTIVE ? n : 0,
    };
}

/* The mean over source dim `over`, which is not `along`. */
static int ref(const Tensor *out, int over, int along)
{
    const Tensor *x = out->src[0];
    size_t sx[MAX_RANK], sy[MAX_RANK];

    tensor_strides(x, sx);
    tensor_strides(out, sy);
    for (size_t n = 0; n < (size_t)out->dim[0]; n++)
        for (size_t l = 0; l < (size_t)out->dim[2]; l++)
            for (size_t c = 0; c < (size_t)out->dim[1]; c++) {
                const float *from =
                    (float *)x->data + n * sx[0] + c + l * sx[along];
                double sum = 0;

                for (size_t i = 0; i < (size_t)x->dim[over]; i++)
                    sum += from[i * sx[over]];
                ((float *)out->data)[n * sy[0] + c + l * sy[2]] =
                    (float)(sum / x->dim[over]);
            }
    return OK;
}

static int h_ref(const Tensor *out)
{
    return ref(out, 2, 3);
}

static int w_ref(const Tensor *out)
{
    return ref(out, 3, 2);
}

static void h_grad(Graph *g, Tensor *out, Tensor *dy, const bool *wants,
                   Tensor **grad)
{
    const Tensor *x = out->src[0];

    if (!wants[0])
        return;
    dy = op_view(g, dy, DIMS(x->dim[0], x->dim[1], 1, x->dim[3]));
    grad[0] = op_expand(g, dy, dims_of(x), 1.0 / x->dim[2]);
}

const Op mean_h_def = {
    .name = "mean_h",
    .sources = 1,
    .attr_size = sizeof(SqueezeAttr),
    .shape = h_shape,
    .cost = cost,
    .ref = h_ref,
    .grad = h_grad,
    .tol_f32 = 3e-6,
};

static void w_grad(Graph *g, Tensor *out, Tensor *dy, const bool *wants,
                   Tensor **grad)
{
    const Tensor *x = out->src[0];

    if (!wants[0])
        return;
    dy = op_view(g, dy, DIMS(x->dim[0], x->dim[1], x->dim[2], 1));
    grad[0] = op_expand(g, dy, dims_of(x), 1.0 / x->dim[3]);
}

const Op mean_w_def = {
    .name = "mean_w",
    .sources = 1,
    .attr_size = sizeof(SqueezeAttr),
    .shape = w_shape,
    .cost = cost,
    .ref = w_ref,
    .grad = w_grad,
    .tol_f32 = 3e-6,
};

Tensor *op_mean_h(Graph *g, Tensor *x, Squeeze how)
{
    return graph_apply(g, &mean_h_def, &(SqueezeAttr){ how }, &x);
}

Tensor *op_mean_w(Graph *g, Tensor *x, Squeeze how)
{
    return graph_apply(g, &mean_w_def, &(SqueezeAttr){ how }, &x);
}
