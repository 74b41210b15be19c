/*
 * pool2d.c - mean and maximum over windows of k by k: avg_pool2d, max_pool2d
 *
 * SCSA's 7x7 mean, the stem's 3x3 maximum.  The mean has no padding and
 * ignores the last rows and columns that no window reaches; the maximum pads
 * with -inf, and a NaN in a window wins.  Bound by bytes.  The paper's
 * convention counts neither.
 */
#include <math.h>

#include "kernels/ops/shapes.h"

static int shape(Tensor *out)
{
    const Tensor *x = out->src[0];
    const PoolAttr *a = out->attr;

    TRY(want_rows(x, 4, 4));
    if (a->k < 1 || a->stride < 1 || a->pad < 0 || a->pad > a->k / 2)
        return fail(ERR_INPUT,
                    "k=%d stride=%d pad=%d: k and stride must be positive, "
                    "pad 0 to k/2",
                    a->k, a->stride, a->pad);
    for (int d = 2; d < 4; d++)
        if (x->dim[d] + 2 * a->pad < a->k)
            return fail(ERR_INPUT,
                        "the window %dx%d is larger than the padded map %dx%d",
                        a->k, a->k, x->dim[2] + 2 * a->pad,
                        x->dim[3] + 2 * a->pad);
    return shape_dims(out,
                      DIMS(x->dim[0], x->dim[1],
                           (x->dim[2] + 2 * a->pad - a->k) / a->stride + 1,
                           (x->dim[3] + 2 * a->pad - a->k) / a->stride + 1));
}

/* The part of window i that is inside 0 to size - 1: begin to end - 1. */
static void window(const PoolAttr *a, int i, int size, int *begin, int *end)
{
    const int from = i * a->stride - a->pad, to = from + a->k;

    *begin = from > 0 ? from : 0;
    *end = to < size ? to : size;
}

/* Numbers in all windows along one dim. */
static double window_sum(const Tensor *out, int dim)
{
    double sum = 0;
    int begin, end;

    for (int i = 0; i < out->dim[dim]; i++) {
        window(out->attr, i, out->src[0]->dim[dim], &begin, &end);
        sum += end - begin;
    }
    return sum;
}

/* k k - 1 additions and a division; or k k - 1 comparisons, fewer at edges. */
static Cost avg_cost(const Tensor *out)
{
    return (Cost){
        .flops = (double)out->dim[0] * out->dim[1] * window_sum(out, 2) *
                 window_sum(out, 3),
        .bytes = bytes_once(out),
    };
}

static Cost max_cost(const Tensor *out)
{
    Cost c = avg_cost(out);

    c.flops -= (double)tensor_count(out);
    return c;
}

static float mean_of(const Tensor *x, int n, int c, const int at_h[2],
                     const int at_w[2])
{
    double sum = 0;

    for (int h = at_h[0]; h < at_h[1]; h++)
        for (int w = at_w[0]; w < at_w[1]; w++)
            sum += *at(x, n, c, h, w);
    return (float)(sum / ((at_h[1] - at_h[0]) * (at_w[1] - at_w[0])));
}

static float largest_of(const Tensor *x, int n, int c, const int at_h[2],
                        const int at_w[2])
{
    float most = -INFINITY;

    for (int h = at_h[0]; h < at_h[1]; h++)
        for (int w = at_w[0]; w < at_w[1]; w++)
            most = max_of(most, *at(x, n, c, h, w));
    return most;
}

static void pool(const Tensor *out,
                 float (*of)(const Tensor *x, int n, int c, const int at_h[2],
                             const int at_w[2]))
{
    const Tensor *x = out->src[0];
    int h[2], w[2];

    for (int n = 0; n < out->dim[0]; n++)
        for (int i = 0; i < out->dim[2]; i++)
            for (int j = 0; j < out->dim[3]; j++) {
                window(out->attr, i, x->dim[2], &h[0], &h[1]);
                window(out->attr, j, x->dim[3], &w[0], &w[1]);
                for (int c = 0; c < out->dim[1]; c++)
                    *at(out, n, c, i, j) = of(x, n, c, h, w);
            }
}

static void avg_ref(const Tensor *out)
{
    pool(out, mean_of);
}

static void max_ref(const Tensor *out)
{
    pool(out, largest_of);
}

const Op avg_pool2d_def = {
    .name = "avg_pool2d",
    .sources = 1,
    .attr_size = sizeof(PoolAttr),
    .shape = shape,
    .cost = avg_cost,
    .ref = avg_ref,
    .tol_f32 = 3e-6,
};

const Op max_pool2d_def = {
    .name = "max_pool2d",
    .sources = 1,
    .attr_size = sizeof(PoolAttr),
    .shape = shape,
    .cost = max_cost,
    .ref = max_ref,
    .tol_f32 = 0,
};

Tensor *op_avg_pool2d(Graph *g, Tensor *x, int k, int stride)
{
    return graph_apply(g, &avg_pool2d_def, &(PoolAttr){ k, stride, 0 }, &x);
}

Tensor *op_max_pool2d(Graph *g, Tensor *x, int k, int stride, int pad)
{
    return graph_apply(g, &max_pool2d_def, &(PoolAttr){ k, stride, pad }, &x);
}
