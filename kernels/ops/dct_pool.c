/*
 * dct_pool.c - one coefficient of the cosine transform of each channel; and its
 * gradient, dct_pool_grad
 *
 *   y[n,c] = sum over h,w of x[n,c,h,w] B(h,u,H) B(w,v,W)
 *   B(p,q,L) = cos(pi q (p + 1/2) / L) / sqrt(L), times sqrt 2 if q > 0
 *
 * Qin et al., "FcaNet", ICCV 2021, eq. (9): channels in n equal groups, each
 * with a frequency (u,v) of its own; (0,0) is the mean times sqrt(H W).  The
 * basis is a table made beforehand, so its cosines are not in the cost.
 * Reads a map to write a vector: bound by bytes.
 */
#include <math.h>

#include "kernels/core/err.h"
#include "kernels/ops/shapes.h"

double dct_basis(int p, int q, int L)
{
    const double b = cos(M_PI * q * (p + 0.5) / L) / sqrt(L);

    return q > 0 ? b * M_SQRT2 : b;
}

static int shape(Tensor *out)
{
    const DctPoolAttr *a = out->attr;
    const Tensor *x = out->src[0];

    TRY(want_rows(x, 4, 4));
    if (a->n < 1 || a->n > DCT_MAX)
        return fail(ERR_INPUT, "%d frequencies, wants 1 to %d", a->n, DCT_MAX);
    if (x->dim[1] % a->n)
        return fail(ERR_INPUT, "%d frequencies do not divide channels=%d", a->n,
                    x->dim[1]);
    for (int i = 0; i < a->n; i++)
        if (a->u[i] < 0 || a->u[i] >= x->dim[2] || a->v[i] < 0 ||
            a->v[i] >= x->dim[3])
            return fail(ERR_INPUT, "frequency (%d,%d) is outside the map %dx%d",
                        a->u[i], a->v[i], x->dim[2], x->dim[3]);
    return shape_dims(out, DIMS(x->dim[0], x->dim[1]));
}

static Cost cost(const Tensor *out)
{
    return (Cost){
        .flops = 2 * (double)tensor_count(out->src[0]),
        .bytes = bytes_once(out),
    };
}

static double coefficient(const Tensor *x, int n, int c, int u, int v)
{
    double sum = 0;

    for (int h = 0; h < x->dim[2]; h++) {
        double row = 0;

        for (int w = 0; w < x->dim[3]; w++)
            row += *at(x, n, c, h, w) * dct_basis(w, v, x->dim[3]);
        sum += row * dct_basis(h, u, x->dim[2]);
    }
    return sum;
}

static int ref(const Tensor *out)
{
    const DctPoolAttr *a = out->attr;
    const int C = out->dim[1];

    for (int n = 0; n < out->dim[0]; n++)
        for (int c = 0; c < C; c++) {
            const int f = c / (C / a->n);

            *at(out, n, c, 0, 0) =
                (float)coefficient(out->src[0], n, c, a->u[f], a->v[f]);
        }
    return OK;
}

static void grad(Graph *g, Tensor *out, Tensor *dy, const bool *wants,
                 Tensor **grad)
{
    const Tensor *x = out->src[0];

    if (wants[0])
        grad[0] = op_dct_pool_grad(g, dy, x->dim[2], x->dim[3], out->attr);
}

const Op dct_pool_def = {
    .name = "dct_pool",
    .sources = 1,
    .attr_size = sizeof(DctPoolAttr),
    .shape = shape,
    .cost = cost,
    .ref = ref,
    .grad = grad,
    .tol_f32 = 3e-6,
};

Tensor *op_dct_pool(Graph *g, Tensor *x, const DctPoolAttr *attr)
{
    return graph_apply(g, &dct_pool_def, attr, &x);
}

/* ---- the gradient: dy times the basis ------------------------------------ */

static int grad_shape(Tensor *out)
{
    const DctPoolGradAttr *a = out->attr;
    const Tensor *dy = out->src[0];
    Tensor x = { .rank = 4,
                 .layout = CHANNELS_LAST,
                 .dim = { dy->dim[0], dy->dim[1], a->h, a->w } };
    Tensor pooled = { .attr = &a->dct, .src = { &x } };

    TRY(want_rank(dy, "dy", 2, 2));
    TRY(shape(&pooled));
    return shape_like(out, &x);
}

/* As one table of h by w: a multiplication a number. */
static Cost grad_cost(const Tensor *out)
{
    return (Cost){ .flops = (double)tensor_count(out),
                   .bytes = bytes_once(out) };
}

static int grad_ref(const Tensor *out)
{
    const DctPoolGradAttr *a = out->attr;
    const Tensor *dy = out->src[0];
    const int C = out->dim[1], H = a->h, W = a->w;

    for (int n = 0; n < out->dim[0]; n++)
        for (int c = 0; c < C; c++)
            for (int h = 0; h < H; h++)
                for (int w = 0; w < W; w++) {
                    const int f = c / (C / a->dct.n);

                    *at(out, n, c, h, w) =
                        (float)(*at(dy, n, c, 0, 0) *
                                dct_basis(h, a->dct.u[f], H) *
                                dct_basis(w, a->dct.v[f], W));
                }
    return OK;
}

const Op dct_pool_grad_def = {
    .name = "dct_pool_grad",
    .sources = 1,
    .attr_size = sizeof(DctPoolGradAttr),
    .shape = grad_shape,
    .cost = grad_cost,
    .ref = grad_ref,
    .tol_f32 = 3e-6,
};

Tensor *op_dct_pool_grad(Graph *g, Tensor *dy, int h, int w,
                         const DctPoolAttr *attr)
{
    return graph_apply(g, &dct_pool_grad_def, &(DctPoolGradAttr){ *attr, h, w },
                       &dy);
}
