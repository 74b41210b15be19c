/*
 * adaptive_avg_pool2d.c - means over windows that cover the map evenly
 *
 * As torch's AdaptiveAvgPool2d: window i along H begins at floor(i H / H') and
 * ends before ceil((i + 1) H / H'), so windows may overlap, and H' may exceed
 * H.  FCA brings maps to the size of its DCT with it.  Bound by bytes.
 */
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

static void ref(const Tensor *out)
{
    for (int n = 0; n < out->dim[0]; n++)
        for (int c = 0; c < out->dim[1]; c++)
            for (int i = 0; i < out->dim[2]; i++)
                for (int j = 0; j < out->dim[3]; j++)
                    *at(out, n, c, i, j) = mean(out, n, c, i, j);
}

const Op adaptive_avg_pool2d_def = {
    .name = "adaptive_avg_pool2d",
    .sources = 1,
    .attr_size = sizeof(SizeAttr),
    .shape = shape,
    .cost = cost,
    .ref = ref,
    .tol_f32 = 3e-6,
};

Tensor *op_adaptive_avg_pool2d(Graph *g, Tensor *x, int out_h, int out_w)
{
    return graph_apply(g, &adaptive_avg_pool2d_def, &(SizeAttr){ out_h, out_w },
                       &x);
}
