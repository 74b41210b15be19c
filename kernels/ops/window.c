/*
 * window.c - maps as windows, and back: window_partition, window_reverse
 *
 *   y[n nW + k, c, i] = x[n, c, position(k, i)]        and the other way round
 *
 * Liu et al., "Swin Transformer: Hierarchical Vision Transformer using Shifted
 * Windows", ICCV 2021, arXiv:2103.14030, sections 3.2 and "efficient batch
 * computation".  Only copies.
 *
 * The map is rolled by -shift on both axes, then cut into windows, row by row.
 * In a rolled map the last rows are followed by what were the first ones, so
 * the last windows hold positions that were no neighbours: those are of
 * different regions and are masked.
 */
#include "kernels/core/err.h"
#include "kernels/ops/shapes.h"

int window_count(const WindowAttr *a)
{
    return a->map_h / a->h * (a->map_w / a->w);
}

bool window_shifted(const WindowAttr *a)
{
    return a->shift_h > 0 || a->shift_w > 0;
}

/* Position i of a window in the rolled map. */
static void rolled(const WindowAttr *a, int window, int i, int *y, int *x)
{
    const int across = a->map_w / a->w;

    *y = window / across * a->h + i / a->w;
    *x = window % across * a->w + i % a->w;
}

int window_position(const WindowAttr *a, int window, int i)
{
    int y, x;

    rolled(a, window, i, &y, &x);
    return (y + a->shift_h) % a->map_h * a->map_w + (x + a->shift_w) % a->map_w;
}

/* How far apart two positions are, down and across. */
int window_offset(const WindowAttr *a, int i, int j)
{
    const int down = i / a->w - j / a->w + a->h - 1;
    const int across = i % a->w - j % a->w + a->w - 1;

    return down * (2 * a->w - 1) + across;
}

/* Along an axis a rolled map is whole windows, then what is left of the last
 * one, then what was rolled in from the other end. */
static int region(const WindowAttr *a, int window, int i)
{
    int y, x;

    rolled(a, window, i, &y, &x);
    return 3 * ((y >= a->map_h - a->h) + (y >= a->map_h - a->shift_h)) +
           (x >= a->map_w - a->w) + (x >= a->map_w - a->shift_w);
}

/* As in the authors' code, finite: a softmax of nothing else has a value. */
float window_mask(const WindowAttr *a, int window, int i, int j)
{
    if (!window_shifted(a) || region(a, window, i) == region(a, window, j))
        return 0;
    return -100;
}

/* Windows must tile the map: the authors' code pads, which needs zeros before
 * the projection to q, k and v and so is for the network to do. */
int want_windows(const WindowAttr *a)
{
    if (a->h < 1 || a->w < 1 || a->map_h < 1 || a->map_w < 1)
        return fail(ERR_INPUT, "windows of %dx%d on a map of %dx%d", a->h, a->w,
                    a->map_h, a->map_w);
    if (a->map_h % a->h || a->map_w % a->w)
        return fail(ERR_INPUT,
                    "windows of %dx%d do not tile a map of %dx%d: choose an "
                    "input whose maps are multiples of the window",
                    a->h, a->w, a->map_h, a->map_w);
    if (a->shift_h < 0 || a->shift_h >= a->h || a->shift_w < 0 ||
        a->shift_w >= a->w)
        return fail(ERR_INPUT, "shift=%dx%d is not within a window of %dx%d",
                    a->shift_h, a->shift_w, a->h, a->w);
    return OK;
}

static int partition_shape(Tensor *out)
{
    const WindowAttr *a = out->attr;
    const Tensor *x = out->src[0];

    TRY(want_rank(x, "x", 4, 4));
    TRY(want_rows(x, 4, 4));
    TRY(want_windows(a));
    TRY(want_dims(x, "x", DIMS(x->dim[0], x->dim[1], a->map_h, a->map_w)));
    return shape_dims(out,
                      DIMS(x->dim[0] * window_count(a), x->dim[1], a->h, a->w));
}

static int reverse_shape(Tensor *out)
{
    const WindowAttr *a = out->attr;
    const Tensor *x = out->src[0];

    TRY(want_rank(x, "x", 4, 4));
    TRY(want_rows(x, 4, 4));
    TRY(want_windows(a));
    TRY(want_dims(x, "x", DIMS(x->dim[0], x->dim[1], a->h, a->w)));
    if (x->dim[0] % window_count(a))
        return fail(ERR_INPUT, "x has %d windows, an image has %d", x->dim[0],
                    window_count(a));
    return shape_dims(
        out, DIMS(x->dim[0] / window_count(a), x->dim[1], a->map_h, a->map_w));
}

static Cost cost(const Tensor *out)
{
    return (Cost){ .bytes = bytes_once(out) };
}

/* Rows of channels, those of `windows` in the order of windows, those of `map`
 * in that of the map; the row of one is copied to that of the other. */
static void copy_rows(const Tensor *out, bool to_windows)
{
    const WindowAttr *a = out->attr;
    const int nw = window_count(a), area = a->h * a->w;
    const size_t C = (size_t)out->dim[1], P = (size_t)(a->map_h * a->map_w);
    const int images = (int)(tensor_rows(out) / P);
    const float *x = out->src[0]->data;
    float *y = out->data;

    for (int k = 0; k < images * nw; k++)
        for (int i = 0; i < area; i++) {
            const size_t window = (size_t)k * (size_t)area + (size_t)i;
            const size_t map =
                (size_t)(k / nw) * P + (size_t)window_position(a, k % nw, i);
            const size_t from = to_windows ? map : window;
            const size_t to = to_windows ? window : map;

            for (size_t c = 0; c < C; c++)
                y[to * C + c] = x[from * C + c];
        }
}

static int partition_ref(const Tensor *out)
{
    copy_rows(out, true);
    return OK;
}

static int reverse_ref(const Tensor *out)
{
    copy_rows(out, false);
    return OK;
}

static void partition_grad(Graph *g, Tensor *out, Tensor *dy, const bool *wants,
                           Tensor **grad)
{
    if (wants[0])
        grad[0] = op_window_reverse(g, dy, out->attr);
}

const Op window_partition_def = {
    .name = "window_partition",
    .sources = 1,
    .attr_size = sizeof(WindowAttr),
    .shape = partition_shape,
    .cost = cost,
    .ref = partition_ref,
    .grad = partition_grad,
    .tol_f32 = 0,
};

static void reverse_grad(Graph *g, Tensor *out, Tensor *dy, const bool *wants,
                         Tensor **grad)
{
    if (wants[0])
        grad[0] = op_window_partition(g, dy, out->attr);
}

const Op window_reverse_def = {
    .name = "window_reverse",
    .sources = 1,
    .attr_size = sizeof(WindowAttr),
    .shape = reverse_shape,
    .cost = cost,
    .ref = reverse_ref,
    .grad = reverse_grad,
    .tol_f32 = 0,
};

Tensor *op_window_partition(Graph *g, Tensor *x, const WindowAttr *attr)
{
    return graph_apply(g, &window_partition_def, attr, &x);
}

Tensor *op_window_reverse(Graph *g, Tensor *x, const WindowAttr *attr)
{
    return graph_apply(g, &window_reverse_def, attr, &x);
}
