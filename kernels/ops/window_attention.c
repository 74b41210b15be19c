/*
 * window_attention.c - attention among the positions of each window
 *
 *     qkv (N,3C,H,W) --slice--> q, k, v (N,C,H,W)
 *       --roll, windows--> (N nW,C,h,w), P = h w
 *     softmax(q' k / sqrt d + bias) (N nW,heads,P,P)     d = C / heads
 *       --times v--> (N nW,C,P) --windows back, roll back--> (N,C,H,W)
 *
 * Liu et al., "Swin Transformer", ICCV 2021, arXiv:2103.14030, eq. (4), with
 * its shifted windows.  Fused, as a framework's scaled_dot_product_attention
 * is, so that no map is copied and no score stored.  Channels of qkv are q, k,
 * v, each heads of d, as a checkpoint's projection has them.
 */
#include <math.h>

#include "kernels/ops/fused.h"
#include "kernels/ops/ops.h"

enum { QKV = 3 };

static Tensor *compose(Graph *g, Tensor *const *src, const void *attr)
{
    const WindowAttentionAttr *p = attr;
    const WindowAttr *a = &p->window;
    const int heads = p->heads, area = a->h * a->w;
    Tensor *qkv = src[0], *table = src[1], *part[QKV], *s, *y;
    int N, C, windows;

    if (qkv->rank != 4 || heads < 1 || qkv->dim[1] % (QKV * heads))
        return graph_fail(g,
                          "wants q, k and v of heads=%d as a map, got %d "
                          "channels",
                          heads, qkv->rank > 1 ? qkv->dim[1] : 0);
    if (table->rank != 2 || table->dim[1] != heads)
        return graph_fail(g, "the bias table has %d heads, wants %d",
                          table->rank > 1 ? table->dim[1] : 0, heads);
    N = qkv->dim[0];
    C = qkv->dim[1] / QKV;
    for (int i = 0; i < QKV; i++) {
        part[i] = op_slice(g, qkv, 1, i * C, C);
        part[i] = op_window_partition(g, part[i], a);
    }
    s = op_matmul(g, part[0], part[1],
                  &(MatmulAttr){ .groups = heads,
                                 .trans_a = true,
                                 .scale = 1 / sqrt((double)C / heads) });
    if (!s)
        return NULL;
    windows = s->dim[0];
    if (window_shifted(a)) /* the mask differs from window to window */
        s = op_view(g, s, DIMS(N, windows / N * heads, area, area));
    s = op_add(g, s, op_window_bias(g, table, a));
    s = op_softmax(g, s, 3);
    if (window_shifted(a))
        s = op_view(g, s, DIMS(windows, heads, area, area));
    y = op_matmul(
        g, part[2], s,
        &(MatmulAttr){ .groups = heads, .trans_b = true, .strip = true });
    y = op_view(g, y, DIMS(windows, C, a->h, a->w));
    return op_window_reverse(g, y, a);
}

static void clip(Extent *span, int n)
{
    span->first = span->first > 0 ? span->first : 0;
    span->last = span->last < n - 1 ? span->last : n - 1;
}

/* Widens positions, of a map of n, to the windows that they are in, which lie
 * on the map. */
static void widen(Extent *span, int size, int shift, int n)
{
    clip(span, n);
    if (span->last < span->first)
        return;
    span->first -= (span->first - shift + size) % size;
    span->last += size - 1 - (span->last - shift + size) % size;
    clip(span, n);
}

/* Attention reads the windows that the positions are in; those that a shift
 * alone has made neighbours are masked, so that a window ends at the map's
 * edge. */
static bool reach(const Tensor *out, int k, Extent *rows, Extent *columns)
{
    const WindowAttr *a = &((const WindowAttentionAttr *)out->attr)->window;

    if (k != 0)
        return false;
    widen(rows, a->h, a->shift_h, a->map_h);
    widen(columns, a->w, a->shift_w, a->map_w);
    return true;
}

const Op window_attention_def = {
    .name = "window_attention",
    .sources = 2,
    .attr_size = sizeof(WindowAttentionAttr),
    .shape = fused_shape,
    .cost = fused_cost,
    .ref = fused_ref,
    .compose = compose,
    .reach = reach,
    .tol_f32 = 3e-6,
};

Tensor *op_window_attention(Graph *g, Tensor *qkv, Tensor *table,
                            const WindowAttentionAttr *attr)
{
    return graph_apply(g, &window_attention_def, attr,
                       (Tensor *[]){ qkv, table });
}
