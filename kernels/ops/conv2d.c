/*
 * conv2d.c - y = act(conv(x, w) + b + z), zero padding
 *
 *   y[n,o,i,j] = act(b[o] + z[n,o,i,j] + sum over c,u,v of
 *                    x[n, gC/G + c, i s + u - p_h, j s + v - p_w] w[o,c,u,v])
 *
 * with g the group of o and G the number of groups.  Nearly all the work of a
 * convolutional backbone; 1x1 ones are matrix products, depthwise ones (G = C)
 * are bound by bytes.  With shared, w and b of o mod O/G serve every group:
 * EMA's convolutions, whose authors fold the groups into the batch.
 *
 * b, z and act are there so that graph_fold can put what follows a
 * convolution into it.  A kernel whose act is part of the convolution may make
 * 0 of a NaN, as the libraries' do; relu by itself may not.  In the attributes
 * as stored stride and groups are never 0.
 */
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"
#include "kernels/ops/shapes.h"

static int check_weight(const Tensor *x, const Tensor *w, const Conv2dAttr *a,
                        int O)
{
    char dims[DIMS_TEXT];

    if (x->dim[1] % a->groups)
        return fail(ERR_INPUT, "groups=%d does not divide channels=%d",
                    a->groups, x->dim[1]);
    if (O % a->groups)
        return fail(ERR_INPUT, "groups=%d does not divide the %d outputs of w",
                    a->groups, O);
    if (w->dim[1] != x->dim[1] / a->groups)
        return fail(ERR_INPUT,
                    "w %s takes %d channels per group, x has %d in %d group%s",
                    tensor_dims_text(w, dims), w->dim[1], x->dim[1], a->groups,
                    a->groups > 1 ? "s" : "");
    return OK;
}

static int shape(Tensor *out)
{
    const Tensor *x = out->src[0], *w = out->src[1], *z = out->src[3];
    const Conv2dAttr *a = out->attr;
    int O, H, W;

    TRY(want_rows(x, 4, 4));
    TRY(want_rank(w, "w", 4, 4));
    if (a->stride < 1 || a->groups < 1 || a->pad_h < 0 || a->pad_w < 0)
        return fail(ERR_INPUT,
                    "stride=%d groups=%d pad_h=%d pad_w=%d: none may be "
                    "negative",
                    a->stride, a->groups, a->pad_h, a->pad_w);
    O = a->shared ? w->dim[0] * a->groups : w->dim[0];
    TRY(check_weight(x, w, a, O));
    H = x->dim[2] + 2 * a->pad_h - w->dim[2];
    W = x->dim[3] + 2 * a->pad_w - w->dim[3];
    if (H < 0 || W < 0)
        return fail(ERR_INPUT,
                    "the kernel %dx%d is larger than the padded map %dx%d",
                    w->dim[2], w->dim[3], x->dim[2] + 2 * a->pad_h,
                    x->dim[3] + 2 * a->pad_w);
    TRY(shape_dims(out,
                   DIMS(x->dim[0], O, H / a->stride + 1, W / a->stride + 1)));
    TRY(want_dims(out->src[2], "b", DIMS(w->dim[0])));
    TRY(want_dims(z, "z", DIMS(x->dim[0], O, out->dim[2], out->dim[3])));
    if (z && z->layout != CHANNELS_LAST)
        return fail(ERR_INPUT, "z is row-major, wants channels last");
    return OK;
}

/* Shared weights cost as much as if each group had its own. */
static Cost cost(const Tensor *out)
{
    const Conv2dAttr *a = out->attr;
    const Tensor *w = out->src[1];
    const double n = (double)tensor_count(out);
    const double macs = n * w->dim[1] * w->dim[2] * w->dim[3];

    return (Cost){
        .macs = macs,
        .flops =
            2 * macs + n * (!!out->src[2] + !!out->src[3] + act_flops(a->act)),
        .act_flops = n * act_flops(a->act),
        .bytes = bytes_once(out),
        .paper_flops = macs,
    };
}

/* w (O,c,kh,kw) as [tap][c][o] in double, shared ones repeated. */
static double *by_tap(const Tensor *w, int O)
{
    const int c = w->dim[1], taps = w->dim[2] * w->dim[3];
    const float *src = w->data;
    double *dst = ref_doubles((size_t)O * (size_t)c * (size_t)taps);

    if (!dst)
        return NULL;
    for (int o = 0; o < O; o++)
        for (int i = 0; i < c; i++)
            for (int t = 0; t < taps; t++)
                dst[((size_t)t * (size_t)c + (size_t)i) * (size_t)O +
                    (size_t)o] =
                    src[((size_t)(o % w->dim[0]) * (size_t)c + (size_t)i) *
                            (size_t)taps +
                        (size_t)t];
    return dst;
}

/* acc[o] += the contribution of one tap: x and w of all groups. */
static void add_tap(double *acc, const float *x, const double *w, int O,
                    int groups, int c)
{
    const int per_group = O / groups;

    for (int i = 0; i < c; i++, w += O)
        for (int g = 0; g < groups; g++) {
            const double v = x[g * c + i];
            const double *wg = w + g * per_group;
            double *sum = acc + g * per_group;

#pragma omp simd
            for (int o = 0; o < per_group; o++)
                sum[o] += v * wg[o];
        }
}

/* One row of the result: y (W',O), acc of the same size. */
static void row(const Tensor *out, const double *taps, double *acc, int n,
                int i)
{
    const Tensor *x = out->src[0], *w = out->src[1], *b = out->src[2],
                 *z = out->src[3];
    const Conv2dAttr *a = out->attr;
    const int O = out->dim[1], kh = w->dim[2], kw = w->dim[3];
    const size_t first = tensor_at(out, n, 0, i, 0);
    const size_t tap = (size_t)w->dim[1] * (size_t)O;
    float *y = (float *)out->data + first;

    memset(acc, 0, (size_t)out->dim[3] * (size_t)O * sizeof(*acc));
    for (int u = 0; u < kh; u++)
        for (int v = 0; v < kw; v++)
            for (int j = 0; j < out->dim[3]; j++) {
                const int h = i * a->stride + u - a->pad_h;
                const int l = j * a->stride + v - a->pad_w;

                if (h >= 0 && h < x->dim[2] && l >= 0 && l < x->dim[3])
                    add_tap(acc + (size_t)j * (size_t)O, at(x, n, 0, h, l),
                            taps + (size_t)(u * kw + v) * tap, O, a->groups,
                            w->dim[1]);
            }
    for (size_t k = 0; k < (size_t)out->dim[3] * (size_t)O; k++) {
        double sum = acc[k];

        sum += b ? *at(b, (int)(k % (size_t)O) % b->dim[0], 0, 0, 0) : 0;
        sum += z ? ((float *)z->data)[first + k] : 0;
        y[k] = (float)act_of(a->act, sum);
    }
}

static int ref(const Tensor *out)
{
    const int N = out->dim[0], O = out->dim[1], H = out->dim[2];
    const size_t row_size = (size_t)out->dim[3] * (size_t)O;
    double *taps = by_tap(out->src[1], O);
    bool missing = !taps;

#pragma omp parallel if (cost(out).macs > SMALL_WORK) reduction(|| : missing)
    {
        double *acc = malloc(row_size * sizeof(*acc));

        missing = !taps || !acc;
#pragma omp for collapse(2)
        for (int n = 0; n < N; n++)
            for (int i = 0; i < H; i++)
                if (!missing)
                    row(out, taps, acc, n, i);
        free(acc);
    }
    free(taps);
    return missing
               ? fail(ERR_MEMORY, "no memory for a row of %zu sums", row_size)
               : OK;
}

static void grad(Graph *g, Tensor *out, Tensor *dy, const bool *wants,
                 Tensor **grad)
{
    Tensor *x = out->src[0], *w = out->src[1];
    const Conv2dAttr *a = out->attr;

    dy = act_grad(g, a->act, out, dy);
    if (wants[0])
        grad[0] = op_conv2d_grad_x(g, dy, w, x->dim[2], x->dim[3], a);
    if (wants[1])
        grad[1] = op_conv2d_grad_w(g, x, dy, w->dim[2], w->dim[3], a);
    if (wants[2])
        grad[2] = bias_grad(g, dy, w->dim[0]);
    if (wants[3])
        grad[3] = dy;
}

static bool reach(const Tensor *out, int k, Extent *rows, Extent *columns)
{
    const Conv2dAttr *a = out->attr;
    const Tensor *w = out->src[1];

    if (k != 0)
        return reach_same(out, k, rows, columns);
    reach_window(rows, (Window){ w->dim[2], a->stride, a->pad_h });
    reach_window(columns, (Window){ w->dim[3], a->stride, a->pad_w });
    return true;
}

const Op conv2d_def = {
    .name = "conv2d",
    .sources = 2,
    .optional = 2,
    .attr_size = sizeof(Conv2dAttr),
    .layer = true,
    .shape = shape,
    .cost = cost,
    .ref = ref,
    .grad = grad,
    .reach = reach,
    .tol_f32 = 3e-6,
};

Tensor *op_conv2d_add(Graph *g, Tensor *x, Tensor *w, Tensor *b, Tensor *z,
                      const Conv2dAttr *attr)
{
    Conv2dAttr a = attr ? *attr : (Conv2dAttr){ 0 };

    a.stride = a.stride ? a.stride : 1;
    a.groups = a.groups ? a.groups : 1;
    return graph_apply(g, &conv2d_def, &a, (Tensor *[]){ x, w, b, z });
}

Tensor *op_conv2d(Graph *g, Tensor *x, Tensor *w, Tensor *b,
                  const Conv2dAttr *attr)
{
    return op_conv2d_add(g, x, w, b, NULL, attr);
}
