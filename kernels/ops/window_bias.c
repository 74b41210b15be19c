/*
 * window_bias.c - what is added to the scores within each window; and the
 * gradient of the table, window_bias_grad
 *
 *   y[0, k heads + h, i, j] = table[offset(i, j), h] + mask(k, i, j)
 *
 * Liu et al., "Swin Transformer", ICCV 2021, arXiv:2103.14030, eq. (4): a
 * learned number for each way that two positions can lie to each other.  The
 * mask is -100 between positions that only the shift has made neighbours, else
 * 0; without a shift all windows are alike, and there is but one, k = 0.
 */
#include <stdlib.h>

#include "kernels/core/err.h"
#include "kernels/ops/shapes.h"

static int shape(Tensor *out)
{
    const WindowAttr *a = out->attr;
    const Tensor *table = out->src[0];
    int windows, area;

    TRY(want_windows(a));
    TRY(want_rank(table, "table", 2, 2));
    TRY(want_dims(table, "table",
                  DIMS((2 * a->h - 1) * (2 * a->w - 1), table->dim[1])));
    windows = window_shifted(a) ? window_count(a) : 1;
    area = a->h * a->w;
    TRY(shape_dims(out, DIMS(1, windows * table->dim[1], area, area)));
    out->layout = ROW_MAJOR;
    return OK;
}

/* The mask is an addition a number where there is one. */
static Cost cost(const Tensor *out)
{
    return (Cost){
        .flops = window_shifted(out->attr) ? (double)tensor_count(out) : 0,
        .bytes = bytes_once(out),
    };
}

static int ref(const Tensor *out)
{
    const WindowAttr *a = out->attr;
    const int heads = out->src[0]->dim[1], area = a->h * a->w;

    for (int u = 0; u < out->dim[1]; u++) {
        const int k = u / heads, h = u % heads;

        for (int i = 0; i < area; i++)
            for (int j = 0; j < area; j++)
                *at(out, 0, u, i, j) =
                    *at(out->src[0], window_offset(a, i, j), h, 0, 0) +
                    window_mask(a, k, i, j);
    }
    return OK;
}

static void grad(Graph *g, Tensor *out, Tensor *dy, const bool *wants,
                 Tensor **grad)
{
    if (wants[0])
        grad[0] = op_window_bias_grad(g, dy, out->src[0]->dim[1], out->attr);
}

const Op window_bias_def = {
    .name = "window_bias",
    .sources = 1,
    .attr_size = sizeof(WindowAttr),
    .shape = shape,
    .cost = cost,
    .ref = ref,
    .grad = grad,
    .tol_f32 = 0,
};

Tensor *op_window_bias(Graph *g, Tensor *table, const WindowAttr *attr)
{
    return graph_apply(g, &window_bias_def, attr, &table);
}

/* ---- the gradient: sums over all that a number was added to -------------- */

static int grad_shape(Tensor *out)
{
    const WindowBiasGradAttr *a = out->attr;
    const WindowAttr *w = &a->window;
    const Tensor *dy = out->src[0];
    const int area = w->h * w->w;

    TRY(want_windows(w));
    if (a->heads < 1)
        return fail(ERR_INPUT, "heads=%d, must be positive", a->heads);
    TRY(want_dims(dy, "dy",
                  DIMS(1, a->heads * (window_shifted(w) ? window_count(w) : 1),
                       area, area)));
    return shape_dims(out, DIMS((2 * w->h - 1) * (2 * w->w - 1), a->heads));
}

static Cost grad_cost(const Tensor *out)
{
    return (Cost){ .flops = (double)tensor_count(out->src[0]) -
                            (double)tensor_count(out),
                   .bytes = bytes_once(out) };
}

static int grad_ref(const Tensor *out)
{
    const WindowBiasGradAttr *a = out->attr;
    const Tensor *dy = out->src[0];
    const int area = a->window.h * a->window.w;
    const size_t n = tensor_count(out);
    double *sum = ref_doubles(n);

    if (!sum)
        return ERR_MEMORY;
    for (int u = 0; u < dy->dim[1]; u++)
        for (int i = 0; i < area; i++)
            for (int j = 0; j < area; j++)
                sum[tensor_at(out, window_offset(&a->window, i, j),
                              u % a->heads, 0, 0)] += *at(dy, 0, u, i, j);
    for (size_t i = 0; i < n; i++)
        ((float *)out->data)[i] = (float)sum[i];
    free(sum);
    return OK;
}

const Op window_bias_grad_def = {
    .name = "window_bias_grad",
    .sources = 1,
    .attr_size = sizeof(WindowBiasGradAttr),
    .shape = grad_shape,
    .cost = grad_cost,
    .ref = grad_ref,
    .tol_f32 = 3e-6,
};

Tensor *op_window_bias_grad(Graph *g, Tensor *dy, int heads,
                            const WindowAttr *attr)
{
    return graph_apply(g, &window_bias_grad_def,
                       &(WindowBiasGradAttr){ *attr, heads }, &dy);
}
