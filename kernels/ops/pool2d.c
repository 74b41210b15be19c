/*
 * pool2d.c - mean and maximum over windows of k by k: avg_pool2d, max_pool2d;
 * and their gradients, avg_pool2d_grad, max_pool2d_grad
 *
 * SCSA's 7x7 mean, the stem's 3x3 maximum.  The mean has no padding and
 * ignores the last rows and columns that no window reaches; the maximum pads
 * with -inf, and a NaN in a window wins.  Bound by bytes.  The paper's
 * convention counts neither.
 *
 * Each number's gradient is spread over its window, or goes to the first of its
 * maxima.
 */
#include <math.h>
#include <stdlib.h>

#include "kernels/core/err.h"
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

static int avg_ref(const Tensor *out)
{
    pool(out, mean_of);
    return OK;
}

static int max_ref(const Tensor *out)
{
    pool(out, largest_of);
    return OK;
}

static bool reach(const Tensor *out, int k, Extent *rows, Extent *columns)
{
    const PoolAttr *a = out->attr;

    (void)k;
    reach_window(rows, (Window){ a->k, a->stride, a->pad });
    reach_window(columns, (Window){ a->k, a->stride, a->pad });
    return true;
}

static void avg_grad(Graph *g, Tensor *out, Tensor *dy, const bool *wants,
                     Tensor **grad)
{
    const PoolAttr *a = out->attr;
    const Tensor *x = out->src[0];

    if (wants[0])
        grad[0] =
            op_avg_pool2d_grad(g, dy, a->k, a->stride, x->dim[2], x->dim[3]);
}

const Op avg_pool2d_def = {
    .name = "avg_pool2d",
    .sources = 1,
    .attr_size = sizeof(PoolAttr),
    .shape = shape,
    .cost = avg_cost,
    .ref = avg_ref,
    .grad = avg_grad,
    .reach = reach,
    .tol_f32 = 3e-6,
};

static void max_grad(Graph *g, Tensor *out, Tensor *dy, const bool *wants,
                     Tensor **grad)
{
    const PoolAttr *a = out->attr;

    if (wants[0])
        grad[0] =
            op_max_pool2d_grad(g, out->src[0], dy, a->k, a->stride, a->pad);
}

const Op max_pool2d_def = {
    .name = "max_pool2d",
    .sources = 1,
    .attr_size = sizeof(PoolAttr),
    .shape = shape,
    .cost = max_cost,
    .ref = max_ref,
    .grad = max_grad,
    .reach = reach,
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

/* ---- gradients ---------------------------------------------------------- */

/* Refuses dy that pooling a map like x does not make; out gets x's dims. */
static int grad_shape(Tensor *out, const Tensor *x, const Tensor *dy,
                      const PoolAttr *a)
{
    char is[DIMS_TEXT];
    Tensor pooled = { .attr = a };

    pooled.src[0] = (Tensor *)(uintptr_t)x;
    TRY(shape(&pooled));
    TRY(want_rows(dy, 4, 4));
    if (!tensor_same_dims(&pooled, dy))
        return fail(ERR_INPUT, "dy %s is not what pooling a map of %dx%d gives",
                    tensor_dims_text(dy, is), x->dim[2], x->dim[3]);
    return shape_like(out, x);
}

static int avg_grad_shape(Tensor *out)
{
    const PoolGradAttr *a = out->attr;
    const Tensor *dy = out->src[0];
    const Tensor x = { .rank = 4,
                       .layout = CHANNELS_LAST,
                       .dim = { dy->dim[0], dy->dim[1], a->h, a->w } };

    return grad_shape(out, &x, dy, &a->pool);
}

static int max_grad_shape(Tensor *out)
{
    return grad_shape(out, out->src[0], out->src[1], out->attr);
}

/* A division per number of dy, an addition per number of a window; or as many
 * comparisons as the maximum took, and the additions. */
static Cost avg_grad_cost(const Tensor *out)
{
    const PoolGradAttr *a = out->attr;
    const double n = (double)tensor_count(out->src[0]);

    return (Cost){ .flops = n * (1 + a->pool.k * a->pool.k),
                   .bytes = bytes_once(out) };
}

static Cost max_grad_cost(const Tensor *out)
{
    const PoolAttr *a = out->attr;
    const double n = (double)tensor_count(out->src[1]);

    return (Cost){ .flops = n * a->k * a->k, .bytes = bytes_once(out) };
}

typedef struct Spread {
    const PoolAttr *pool;
    const Tensor *dx, *dy;
    const Tensor *x; /* of a maximum; NULL: the mean */
    double *sum;     /* by dx's place                */
} Spread;

static void spread_mean(const Spread *s, int n, int c, const int h[2],
                        const int w[2], double dy)
{
    for (int i = h[0]; i < h[1]; i++)
        for (int j = w[0]; j < w[1]; j++)
            s->sum[tensor_at(s->dx, n, c, i, j)] +=
                dy / ((h[1] - h[0]) * (w[1] - w[0]));
}

static void spread_max(const Spread *s, int n, int c, const int h[2],
                       const int w[2], double dy)
{
    float most = -INFINITY;
    int at_h = h[0], at_w = w[0];

    for (int i = h[0]; i < h[1]; i++)
        for (int j = w[0]; j < w[1]; j++)
            if (is_more(*at(s->x, n, c, i, j), most)) {
                most = *at(s->x, n, c, i, j);
                at_h = i;
                at_w = j;
            }
    s->sum[tensor_at(s->dx, n, c, at_h, at_w)] += dy;
}

static int spread(const Tensor *out, const PoolAttr *pool, const Tensor *x,
                  const Tensor *dy)
{
    const size_t size = tensor_count(out);
    const Spread s = { pool, out, dy, x, ref_doubles(size) };
    int h[2], w[2];

    if (!s.sum)
        return ERR_MEMORY;
    for (int n = 0; n < dy->dim[0]; n++)
        for (int i = 0; i < dy->dim[2]; i++)
            for (int j = 0; j < dy->dim[3]; j++) {
                window(pool, i, out->dim[2], &h[0], &h[1]);
                window(pool, j, out->dim[3], &w[0], &w[1]);
                for (int c = 0; c < dy->dim[1]; c++)
                    (x ? spread_max : spread_mean)(&s, n, c, h, w,
                                                   *at(dy, n, c, i, j));
            }
    for (size_t i = 0; i < size; i++)
        ((float *)out->data)[i] = (float)s.sum[i];
    free(s.sum);
    return OK;
}

static int avg_grad_ref(const Tensor *out)
{
    const PoolGradAttr *a = out->attr;

    return spread(out, &a->pool, NULL, out->src[0]);
}

static int max_grad_ref(const Tensor *out)
{
    return spread(out, out->attr, out->src[0], out->src[1]);
}

const Op avg_pool2d_grad_def = {
    .name = "avg_pool2d_grad",
    .sources = 1,
    .attr_size = sizeof(PoolGradAttr),
    .shape = avg_grad_shape,
    .cost = avg_grad_cost,
    .ref = avg_grad_ref,
    .tol_f32 = 3e-6,
};

const Op max_pool2d_grad_def = {
    .name = "max_pool2d_grad",
    .sources = 2,
    .attr_size = sizeof(PoolAttr),
    .shape = max_grad_shape,
    .cost = max_grad_cost,
    .ref = max_grad_ref,
    .tol_f32 = 3e-6,
};

Tensor *op_avg_pool2d_grad(Graph *g, Tensor *dy, int k, int stride, int h,
                           int w)
{
    return graph_apply(g, &avg_pool2d_grad_def,
                       &(PoolGradAttr){ { k, stride, 0 }, h, w }, &dy);
}

Tensor *op_max_pool2d_grad(Graph *g, Tensor *x, Tensor *dy, int k, int stride,
                           int pad)
{
    return graph_apply(g, &max_pool2d_grad_def, &(PoolAttr){ k, stride, pad },
                       (Tensor *[]){ x, dy });
}
