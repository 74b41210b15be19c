/*
 * conv2d_grad.c - the gradients of a convolution: conv2d_grad_x, conv2d_grad_w
 *
 *   dx[n,c,h,w] = sum of dy[n,o,i,j] w[o,c',u,v]   over all o, u, v, i, j with
 *   dw[o,c',u,v] = sum of dy[n,o,i,j] x[n,c,h,w]   h = i s + u - p_h,
 *                                                  w = j s + v - p_w
 *
 * c being channel c' of o's group.  Each costs as many multiply-adds as the
 * convolution itself.  With stride 1, dx is a convolution of dy with the
 * turned kernel, its channels swapped.
 *
 * Instead of dx, conv2d_grad_x may give act'(x) (dx + z): z is the gradient
 * that came to x by another way, a shortcut's, and act the activation that made
 * x, which is given then.  graph_fold puts them into it.
 */
#include <stdlib.h>

#include "kernels/core/err.h"
#include "kernels/ops/shapes.h"

static int check_window(const Conv2dGradAttr *a)
{
    const Conv2dAttr *c = &a->conv;

    if (c->stride < 1 || c->groups < 1 || c->pad_h < 0 || c->pad_w < 0 ||
        a->h < 1 || a->w < 1)
        return fail(ERR_INPUT,
                    "stride=%d groups=%d pad_h=%d pad_w=%d, result %dx%d: none "
                    "may be negative",
                    c->stride, c->groups, c->pad_h, c->pad_w, a->h, a->w);
    return OK;
}

/* Refuses dy that no convolution of these sizes makes. */
static int check_dy(const Tensor *dy, const Conv2dAttr *c, int h, int w, int kh,
                    int kw)
{
    char dims[DIMS_TEXT];
    const int H = (h + 2 * c->pad_h - kh) / c->stride + 1;
    const int W = (w + 2 * c->pad_w - kw) / c->stride + 1;

    TRY(want_rows(dy, 4, 4));
    if (dy->dim[2] == H && dy->dim[3] == W && h + 2 * c->pad_h >= kh &&
        w + 2 * c->pad_w >= kw)
        return OK;
    return fail(ERR_INPUT, "a map of %dx%d gives %dx%d, dy is %s", h, w, H, W,
                tensor_dims_text(dy, dims));
}

/* Refuses t unless it is like out; NULL is accepted. */
static int want_map(const Tensor *t, const char *name, const Tensor *out)
{
    TRY(want_dims(t, name,
                  DIMS(out->dim[0], out->dim[1], out->dim[2], out->dim[3])));
    if (t && t->layout != CHANNELS_LAST)
        return fail(ERR_INPUT, "%s is row-major, wants channels last", name);
    return OK;
}

static int x_shape(Tensor *out)
{
    const Conv2dGradAttr *a = out->attr;
    const Tensor *dy = out->src[0], *w = out->src[1], *x = out->src[3];
    const int G = a->conv.groups;

    TRY(check_window(a));
    if (!x != (a->conv.act == ACT_NONE))
        return fail(ERR_INPUT, "the gradient of an activation wants what the "
                               "activation made, and nothing else does");
    TRY(want_rank(w, "w", 4, 4));
    TRY(check_dy(dy, &a->conv, a->h, a->w, w->dim[2], w->dim[3]));
    if (dy->dim[1] != w->dim[0] * (a->conv.shared ? G : 1) || dy->dim[1] % G)
        return fail(ERR_INPUT, "dy has %d channels in groups=%d, w gives %d",
                    dy->dim[1], G, w->dim[0]);
    TRY(shape_dims(out, DIMS(dy->dim[0], w->dim[1] * G, a->h, a->w)));
    TRY(want_map(out->src[2], "z", out));
    return want_map(x, "x", out);
}

static int w_shape(Tensor *out)
{
    const Conv2dGradAttr *a = out->attr;
    const Tensor *x = out->src[0], *dy = out->src[1];
    const int G = a->conv.groups;

    TRY(check_window(a));
    if (a->conv.act != ACT_NONE)
        return fail(ERR_INPUT, "an activation has no weights");
    TRY(want_rows(x, 4, 4));
    TRY(check_dy(dy, &a->conv, x->dim[2], x->dim[3], a->h, a->w));
    if (x->dim[1] % G || dy->dim[1] % G || x->dim[0] != dy->dim[0])
        return fail(ERR_INPUT, "groups=%d does not divide channels %d and %d",
                    G, x->dim[1], dy->dim[1]);
    TRY(shape_dims(out, DIMS(dy->dim[1] / (a->conv.shared ? G : 1),
                             x->dim[1] / G, a->h, a->w)));
    out->layout = ROW_MAJOR;
    return OK;
}

/* dy, and what stands in for x and w: of which one is the result. */
typedef struct Parts {
    const Tensor *x, *w, *dy;
    const Conv2dAttr *conv;
} Parts;

static Parts parts_of(const Tensor *out)
{
    const Conv2dGradAttr *a = out->attr;

    if (out->op == &conv2d_grad_x_def)
        return (Parts){ out, out->src[1], out->src[0], &a->conv };
    return (Parts){ out->src[0], out, out->src[1], &a->conv };
}

/* Every number of dy meets a whole kernel; z and act are of conv2d_grad_x. */
static Cost cost(const Tensor *out)
{
    const Parts p = parts_of(out);
    const double n = (double)tensor_count(out);
    const double macs =
        (double)tensor_count(p.dy) * p.w->dim[1] * p.w->dim[2] * p.w->dim[3];

    return (Cost){
        .macs = macs,
        .flops = 2 * macs + n * (!!out->src[2] + act_flops(p.conv->act)),
        .act_flops = n * act_flops(p.conv->act),
        .bytes = bytes_once(out),
        .paper_flops = macs,
    };
}

/* Where number (o, c', u, v) of w is, in order that c' be innermost. */
static size_t tap_at(const Tensor *w, int o, int c, int u, int v)
{
    return (((size_t)o * (size_t)w->dim[2] + (size_t)u) * (size_t)w->dim[3] +
            (size_t)v) *
               (size_t)w->dim[1] +
           (size_t)c;
}

/* to[k] += dy from[k] for all pairs of rows of channels that dy[n,o,i,j] brings
 * together: of x, and of w by tap. */
typedef void Meet(double *x, double *w, double dy, int c);

static void meet(const Parts *p, double *x, double *w, const int at_dy[4],
                 Meet *rows)
{
    const Conv2dAttr *a = p->conv;
    const int n = at_dy[0], o = at_dy[1], c = p->w->dim[1];
    const int first = o / (p->dy->dim[1] / a->groups) * c;
    const double dy = *at(p->dy, n, o, at_dy[2], at_dy[3]);

    for (int u = 0; u < p->w->dim[2]; u++)
        for (int v = 0; v < p->w->dim[3]; v++) {
            const int h = at_dy[2] * a->stride + u - a->pad_h;
            const int l = at_dy[3] * a->stride + v - a->pad_w;

            if (h >= 0 && h < p->x->dim[2] && l >= 0 && l < p->x->dim[3])
                rows(x + tensor_at(p->x, n, first, h, l),
                     w + tap_at(p->w, o % p->w->dim[0], 0, u, v), dy, c);
        }
}

static void add_to_x(double *x, double *w, double dy, int c)
{
#pragma omp simd
    for (int k = 0; k < c; k++)
        x[k] += dy * w[k];
}

static void add_to_w(double *x, double *w, double dy, int c)
{
#pragma omp simd
    for (int k = 0; k < c; k++)
        w[k] += dy * x[k];
}

/* w to its doubles by tap, or from them. */
static void copy_taps(const Tensor *w, double *taps, bool to_taps)
{
    for (int o = 0; o < w->dim[0]; o++)
        for (int c = 0; c < w->dim[1]; c++)
            for (int u = 0; u < w->dim[2]; u++)
                for (int v = 0; v < w->dim[3]; v++)
                    if (to_taps)
                        taps[tap_at(w, o, c, u, v)] = *at(w, o, c, u, v);
                    else
                        *at(w, o, c, u, v) = (float)taps[tap_at(w, o, c, u, v)];
}

/* Number k of the result, whose sum is given. */
static double finished(const Tensor *out, size_t k, double sum)
{
    const Activation act = ((const Conv2dGradAttr *)out->attr)->conv.act;
    const Tensor *z = out->src[2];
    double x;

    sum += z ? ((float *)z->data)[k] : 0;
    if (act == ACT_NONE)
        return sum;
    x = ((float *)out->src[3]->data)[k];
    return x > 0 && (act == ACT_RELU || x < 6) ? sum : 0;
}

static int x_ref(const Tensor *out)
{
    const Parts p = parts_of(out);
    double *x = ref_doubles(tensor_count(p.x));
    double *w = ref_doubles(tensor_count(p.w));
    const int err = x && w ? OK : ERR_MEMORY;

    if (err)
        goto out;
    copy_taps(p.w, w, true);
#pragma omp parallel for if (cost(out).macs > SMALL_WORK)
    for (int n = 0; n < p.dy->dim[0]; n++)
        for (int i = 0; i < p.dy->dim[2]; i++)
            for (int j = 0; j < p.dy->dim[3]; j++)
                for (int o = 0; o < p.dy->dim[1]; o++)
                    meet(&p, x, w, (int[]){ n, o, i, j }, add_to_x);
    for (size_t k = 0; k < tensor_count(out); k++)
        ((float *)out->data)[k] = (float)finished(out, k, x[k]);
out:
    free(x);
    free(w);
    return err;
}

static int w_ref(const Tensor *out)
{
    const Parts p = parts_of(out);
    double *x = ref_doubles(tensor_count(p.x));
    double *w = ref_doubles(tensor_count(p.w));
    const int err = x && w ? OK : ERR_MEMORY;

    if (err)
        goto out;
    for (size_t k = 0; k < tensor_count(p.x); k++)
        x[k] = ((const float *)p.x->data)[k];
#pragma omp parallel for if (cost(out).macs > SMALL_WORK)
    for (int row = 0; row < out->dim[0]; row++)
        for (int o = row; o < p.dy->dim[1]; o += out->dim[0])
            for (int n = 0; n < p.dy->dim[0]; n++)
                for (int i = 0; i < p.dy->dim[2]; i++)
                    for (int j = 0; j < p.dy->dim[3]; j++)
                        meet(&p, x, w, (int[]){ n, o, i, j }, add_to_w);
    copy_taps(out, w, false);
out:
    free(x);
    free(w);
    return err;
}

const Op conv2d_grad_x_def = {
    .name = "conv2d_grad_x",
    .sources = 2,
    .optional = 2,
    .attr_size = sizeof(Conv2dGradAttr),
    .shape = x_shape,
    .cost = cost,
    .ref = x_ref,
    .tol_f32 = 3e-6,
};

const Op conv2d_grad_w_def = {
    .name = "conv2d_grad_w",
    .sources = 2,
    .attr_size = sizeof(Conv2dGradAttr),
    .shape = w_shape,
    .cost = cost,
    .ref = w_ref,
    .tol_f32 = 3e-6,
};

static Tensor *apply(Graph *g, const Op *op, const Conv2dAttr *attr, int h,
                     int w, Tensor *const *src)
{
    Conv2dGradAttr a = { attr ? *attr : (Conv2dAttr){ 0 }, h, w };

    a.conv.stride = a.conv.stride ? a.conv.stride : 1;
    a.conv.groups = a.conv.groups ? a.conv.groups : 1;
    a.conv.act = ACT_NONE;
    return graph_apply(g, op, &a, src);
}

Tensor *op_conv2d_grad_x(Graph *g, Tensor *dy, Tensor *w, int h, int width,
                         const Conv2dAttr *attr)
{
    return apply(g, &conv2d_grad_x_def, attr, h, width,
                 (Tensor *[]){ dy, w, NULL, NULL });
}

Tensor *op_conv2d_grad_w(Graph *g, Tensor *x, Tensor *dy, int h, int width,
                         const Conv2dAttr *attr)
{
    return apply(g, &conv2d_grad_w_def, attr, h, width, (Tensor *[]){ x, dy });
}
