/*
 * adaptive_avg_pool2d.c - means over windows that cover the map evenly; and
 * their gradient, adaptive_avg_pool2d_grad
 *
 * As torch's AdaptiveAvgPool2d: window i along H begins at floor(i H / H') and
 * ends before ceil((i + 1) H / H'), so windows may overlap, and H' may exceed
 * H.  FCA brings maps to the size of its DCT with it.  Bound by bytes.
 */
#include "kernels/core/err.h"
#include "kernels/ops/shapes.h"

static int shape(Tensor *out)
{
    const SizeAttr *a = out->attr;
    const Tensor *x = out->src[0];

    TRY(want_rows(x, 4, 4));
    if (a->h < 1 || a->w < 1)
        return fail(ERR_INPUT, "the result %dx%d must be positive", a->h, a->w);
    return shape_dims(out, DIMS(x->dim[0], x->dim[1], a->h, a->w));
}

static int begin_of(int i, int size, int windows)
{
    return (int)((long)i * size / windows);
}

static int end_of(int i, int size, int windows)
{
    return (int)(((long)(i + 1) * size + windows - 1) / windows);
}

/* Numbers in all windows along one dim. */
static double window_sum(const Tensor *out, int dim)
{
    const int size = out->src[0]->dim[dim], windows = out->dim[dim];
    double sum = 0;

    for (int i = 0; i < windows; i++)
        sum += end_of(i, size, windows) - begin_of(i, size, windows);
    return sum;
}

/* The paper's convention: one for each number of x. */
static Cost cost(const Tensor *out)
{
    return (Cost){
        .flops = (double)out->dim[0] * out->dim[1] * window_sum(out, 2) *
                 window_sum(out, 3),
        .bytes = bytes_once(out),
        .paper_flops = (double)tensor_count(out->src[0]),
    };
}

static float mean(const Tensor *out, int n, int c, int i, int j)
{
    const Tensor *x = out->src[0];
    const int h0 = begin_of(i, x->dim[2], out->dim[2]);
    const int h1 = end_of(i, x->dim[2], out->dim[2]);
    const int w0 = begin_of(j, x->dim[3], out->dim[3]);
    const int w1 = end_of(j, x->dim[3], out->dim[3]);
    double sum = 0;

    for (int h = h0; h < h1; h++)
        for (int w = w0; w < w1; w++)
            sum += *at(x, n, c, h, w);
    return (float)(sum / ((double)(h1 - h0) * (w1 - w0)));
}

static int ref(const Tensor *out)
{
    for (int n = 0; n < out->dim[0]; n++)
        for (int c = 0; c < out->dim[1]; c++)
            for (int i = 0; i < out->dim[2]; i++)
                for (int j = 0; j < out->dim[3]; j++)
                    *at(out, n, c, i, j) = mean(out, n, c, i, j);
    return OK;
}

static void grad(Graph *g, Tensor *out, Tensor *dy, const bool *wants,
                 Tensor **grad)
{
    const Tensor *x = out->src[0];

    if (wants[0])
        grad[0] = op_adaptive_avg_pool2d_grad(g, dy, x->dim[2], x->dim[3]);
}

const Op adaptive_avg_pool2d_def = {
    .name = "adaptive_avg_pool2d",
    .sources = 1,
    .attr_size = sizeof(SizeAttr),
    .shape = shape,
    .cost = cost,
    .ref = ref,
    .grad = grad,
    .tol_f32 = 3e-6,
};

Tensor *op_adaptive_avg_pool2d(Graph *g, Tensor *x, int out_h, int out_w)
{
    return graph_apply(g, &adaptive_avg_pool2d_def, &(SizeAttr){ out_h, out_w },
                       &x);
}

/* ---- the gradient: each number spread over its window -------------------- */

static int grad_shape(Tensor *out)
{
    const SizeAttr *a = out->attr;
    const Tensor *dy = out->src[0];

    TRY(want_rows(dy, 4, 4));
    if (a->h < 1 || a->w < 1)
        return fail(ERR_INPUT, "the result %dx%d must be positive", a->h, a->w);
    return shape_dims(out, DIMS(dy->dim[0], dy->dim[1], a->h, a->w));
}

/* An addition a number of a window, a division each. */
static Cost grad_cost(const Tensor *out)
{
    const Tensor *dy = out->src[0];
    const Tensor pooled = { .dim = { dy->dim[0], dy->dim[1], dy->dim[2],
                                     dy->dim[3] },
                            .src = { (Tensor *)(uintptr_t)out } };

    return (Cost){
        .flops = (double)dy->dim[0] * dy->dim[1] * window_sum(&pooled, 2) *
                     window_sum(&pooled, 3) +
                 (double)tensor_count(dy),
        .bytes = bytes_once(out),
    };
}

/* Sum that one place gets from all windows that hold it. */
static double share(const Tensor *out, int n, int c, int h, int w)
{
    const Tensor *dy = out->src[0];
    double sum = 0;

    for (int i = 0; i < dy->dim[2]; i++) {
        const int h0 = begin_of(i, out->dim[2], dy->dim[2]);
        const int h1 = end_of(i, out->dim[2], dy->dim[2]);

        for (int j = 0; h >= h0 && h < h1 && j < dy->dim[3]; j++) {
            const int w0 = begin_of(j, out->dim[3], dy->dim[3]);
            const int w1 = end_of(j, out->dim[3], dy->dim[3]);

            if (w >= w0 && w < w1)
                sum += *at(dy, n, c, i, j) / ((double)(h1 - h0) * (w1 - w0));
        }
    }
    return sum;
}

static int grad_ref(const Tensor *out)
{
    for (int n = 0; n < out->dim[0]; n++)
        for (int c = 0; c < out->dim[1]; c++)
            for (int h = 0; h < out->dim[2]; h++)
                for (int w = 0; w < out->dim[3]; w++)
                    *at(out, n, c, h, w) = (float)share(out, n, c, h, w);
    return OK;
}

const Op adaptive_avg_pool2d_grad_def = {
    .name = "adaptive_avg_pool2d_grad",
    .sources = 1,
    .attr_size = sizeof(SizeAttr),
    .shape = grad_shape,
    .cost = grad_cost,
    .ref = grad_ref,
    .tol_f32 = 3e-6,
};

Tensor *op_adaptive_avg_pool2d_grad(Graph *g, Tensor *dy, int h, int w)
{
    return graph_apply(g, &adaptive_avg_pool2d_grad_def, &(SizeAttr){ h, w },
                       &dy);
}
