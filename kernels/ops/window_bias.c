/*
 * window_bias.c - what is added to the scores within each window
 *
 *   y[0, k heads + h, i, j] = table[offset(i, j), h] + mask(k, i, j)
 *
 * Liu et al., "Swin Transformer", ICCV 2021, arXiv:2103.14030, eq. (4): a
 * learned number for each way that two positions can lie to each other.  The
 * mask is -100 between positions that only the shift has made neighbours, else
 * 0; without a shift all windows are alike, and there is but one, k = 0.
 */
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

static void ref(const Tensor *out)
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
}

const Op window_bias_def = {
    .name = "window_bias",
    .sources = 1,
    .attr_size = sizeof(WindowAttr),
    .shape = shape,
    .cost = cost,
    .ref = ref,
    .tol_f32 = 0,
};

Tensor *op_window_bias(Graph *g, Tensor *table, const WindowAttr *attr)
{
    return graph_apply(g, &window_bias_def, attr, &table);
}
