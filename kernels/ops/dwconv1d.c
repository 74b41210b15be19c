/*
 * dwconv1d.c - y[n,c,l] = b[c] + sum over t of x[n,c,l + t - k/2] w[c,0,t]
 *
 * Each channel's own filter along a strip, zero padding: SCSA's four, ELA's
 * one.  With C = 1 it is ECA's convolution over channels, which are then the
 * positions: (N,C) viewed as (N,1,C).  Bound by bytes.
 */
#include "kernels/core/err.h"
#include "kernels/ops/shapes.h"

static int shape(Tensor *out)
{
    const Tensor *x = out->src[0], *w = out->src[1];

    TRY(want_rows(x, 3, 3));
    TRY(want_rank(w, "w", 3, 3));
    TRY(want_dims(w, "w", DIMS(x->dim[1], 1, w->dim[2])));
    TRY(want_dims(out->src[2], "b", DIMS(x->dim[1])));
    if (w->dim[2] % 2 == 0)
        return fail(ERR_INPUT, "k=%d is even, must be odd", w->dim[2]);
    return shape_like(out, x);
}

static Cost cost(const Tensor *out)
{
    const double n = (double)tensor_count(out);
    const double macs = n * out->src[1]->dim[2];

    return (Cost){
        .macs = macs,
        .flops = 2 * macs + (out->src[2] ? n : 0),
        .bytes = bytes_once(out),
        .paper_flops = macs,
    };
}

static int ref(const Tensor *out)
{
    const Tensor *x = out->src[0], *w = out->src[1], *b = out->src[2];
    const int L = out->dim[2], k = w->dim[2];

    for (int n = 0; n < out->dim[0]; n++)
        for (int l = 0; l < L; l++)
            for (int c = 0; c < out->dim[1]; c++) {
                double sum = b ? *at(b, c, 0, 0, 0) : 0;

                for (int t = 0; t < k; t++) {
                    const int from = l + t - k / 2;

                    if (from >= 0 && from < L)
                        sum +=
                            (double)*at(x, n, c, from, 0) * *at(w, c, 0, t, 0);
                }
                *at(out, n, c, l, 0) = (float)sum;
            }
    return OK;
}

/* That of a depthwise convolution of a map of one row. */
static void grad(Graph *g, Tensor *out, Tensor *dy, const bool *wants,
                 Tensor **grad)
{
    Tensor *x = out->src[0], *w = out->src[1];
    const int C = out->dim[1], L = out->dim[2], k = w->dim[2];
    const Dims map = DIMS(out->dim[0], C, 1, L), strip = dims_of(out);
    const Conv2dAttr a = { .groups = C, .pad_w = k / 2 };

    dy = op_view(g, dy, map);
    if (wants[0]) {
        grad[0] =
            op_conv2d_grad_x(g, dy, op_view(g, w, DIMS(C, 1, 1, k)), 1, L, &a);
        grad[0] = op_view(g, grad[0], strip);
    }
    if (wants[1]) {
        grad[1] = op_conv2d_grad_w(g, op_view(g, x, map), dy, 1, k, &a);
        grad[1] = op_view(g, grad[1], dims_of(w));
    }
    if (wants[2])
        grad[2] = bias_grad(g, dy, C);
}

const Op dwconv1d_def = {
    .name = "dwconv1d",
    .sources = 2,
    .optional = 1,
    .layer = true,
    .shape = shape,
    .cost = cost,
    .ref = ref,
    .grad = grad,
    .tol_f32 = 3e-6,
};

Tensor *op_dwconv1d(Graph *g, Tensor *x, Tensor *w, Tensor *b)
{
    return graph_apply(g, &dwconv1d_def, NULL, (Tensor *[]){ x, w, b });
}
