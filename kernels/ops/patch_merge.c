/*
 * patch_merge.c - four neighbours of a map as one position of four times the
 * channels; and back, patch_split, which is its gradient
 *
 *   y[n, (2 dx + dy) C + c, h, w] = x[n, c, 2h + dy, 2w + dx]
 *
 * Liu et al., "Swin Transformer", ICCV 2021, arXiv:2103.14030, section 3.1;
 * the order of the four (down first) is that of the authors' code.  Only
 * copies.
 */
#include "kernels/core/err.h"
#include "kernels/ops/shapes.h"

static int shape(Tensor *out)
{
    const Tensor *x = out->src[0];

    TRY(want_rank(x, "x", 4, 4));
    TRY(want_rows(x, 4, 4));
    if (x->dim[2] % 2 || x->dim[3] % 2)
        return fail(ERR_INPUT, "a map of %dx%d has no whole 2x2 patches",
                    x->dim[2], x->dim[3]);
    return shape_dims(
        out, DIMS(x->dim[0], 4 * x->dim[1], x->dim[2] / 2, x->dim[3] / 2));
}

static Cost cost(const Tensor *out)
{
    return (Cost){ .bytes = bytes_once(out) };
}

static int ref(const Tensor *out)
{
    const Tensor *x = out->src[0];
    const int C = x->dim[1];

    for (int n = 0; n < out->dim[0]; n++)
        for (int k = 0; k < out->dim[1]; k++)
            for (int h = 0; h < out->dim[2]; h++)
                for (int w = 0; w < out->dim[3]; w++) {
                    const int dx = k / C / 2, dy = k / C % 2;

                    *at(out, n, k, h, w) =
                        *at(x, n, k % C, 2 * h + dy, 2 * w + dx);
                }
    return OK;
}

static void grad(Graph *g, Tensor *out, Tensor *dy, const bool *wants,
                 Tensor **grad)
{
    (void)out;
    if (wants[0])
        grad[0] = op_patch_split(g, dy);
}

static bool reach(const Tensor *out, int k, Extent *rows, Extent *columns)
{
    (void)out;
    (void)k;
    reach_window(rows, (Window){ 2, 2, 0 });
    reach_window(columns, (Window){ 2, 2, 0 });
    return true;
}

const Op patch_merge_def = {
    .name = "patch_merge",
    .sources = 1,
    .shape = shape,
    .cost = cost,
    .ref = ref,
    .grad = grad,
    .reach = reach,
    .tol_f32 = 0,
};

Tensor *op_patch_merge(Graph *g, Tensor *x)
{
    return graph_apply(g, &patch_merge_def, NULL, &x);
}

static int split_shape(Tensor *out)
{
    const Tensor *x = out->src[0];

    TRY(want_rank(x, "x", 4, 4));
    TRY(want_rows(x, 4, 4));
    if (x->dim[1] % 4)
        return fail(ERR_INPUT, "channels=%d are not those of whole patches",
                    x->dim[1]);
    return shape_dims(
        out, DIMS(x->dim[0], x->dim[1] / 4, 2 * x->dim[2], 2 * x->dim[3]));
}

static int split_ref(const Tensor *out)
{
    const Tensor *x = out->src[0];
    const int C = out->dim[1];

    for (int n = 0; n < x->dim[0]; n++)
        for (int k = 0; k < x->dim[1]; k++)
            for (int h = 0; h < x->dim[2]; h++)
                for (int w = 0; w < x->dim[3]; w++) {
                    const int dx = k / C / 2, dy = k / C % 2;

                    *at(out, n, k % C, 2 * h + dy, 2 * w + dx) =
                        *at(x, n, k, h, w);
                }
    return OK;
}

static void split_grad(Graph *g, Tensor *out, Tensor *dy, const bool *wants,
                       Tensor **grad)
{
    (void)out;
    if (wants[0])
        grad[0] = op_patch_merge(g, dy);
}

const Op patch_split_def = {
    .name = "patch_split",
    .sources = 1,
    .shape = split_shape,
    .cost = cost,
    .ref = split_ref,
    .grad = split_grad,
    .tol_f32 = 0,
};

Tensor *op_patch_split(Graph *g, Tensor *x)
{
    return graph_apply(g, &patch_split_def, NULL, &x);
}
