/*
 * field.c - walks from a tap back to the input.
 *
 * Window by window: row i of a convolution of kernel k, stride s and padding p
 * reads rows s i - p to s i - p + k - 1.  Spans are united where ways meet.
 * Attention reads the windows that the rows are in; what a shift alone has made
 * neighbours is masked, so that a window ends at the map's edge.
 */
#include "harness/attribution/field.h"

#include <limits.h>
#include <stdlib.h>

#include "kernels/core/err.h"
#include "kernels/ops/ops.h"

static bool is_empty(Span s)
{
    return s.last < s.first;
}

static void unite(Span *s, Span other)
{
    if (is_empty(other))
        return;
    if (is_empty(*s)) {
        *s = other;
        return;
    }
    s->first = other.first < s->first ? other.first : s->first;
    s->last = other.last > s->last ? other.last : s->last;
}

/* The window with which an op reads source k: false if it has none. */
typedef struct Window {
    int k_h, k_w, stride, pad_h, pad_w;
} Window;

static bool is_pointwise(const Tensor *t)
{
    static const Op *const ops[] = {
        &linear_def, &batch_norm_def, &layer_norm_def,  &mean_c_def,
        &max_c_def,  &relu_def,       &relu6_def,       &sigmoid_def,
        &gelu_def,   &hard_swish_def, &scale_shift_def, &mul_def,
        &add_def,    &concat_def,     &slice_def,       &channel_shuffle_def,
        &view_def,
    };

    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
        if (t->op == ops[i])
            return true;
    return false;
}

static bool same_places(const Tensor *a, const Tensor *b)
{
    return a->rank == 4 && b->rank == 4 && a->dim[2] == b->dim[2] &&
           a->dim[3] == b->dim[3];
}

static bool find_window(Window *w, const Tensor *t, int k)
{
    *w = (Window){ 1, 1, 1, 0, 0 };
    if (t->op == &conv2d_def && k == 0) {
        const Conv2dAttr *a = t->attr;

        *w = (Window){ t->src[1]->dim[2], t->src[1]->dim[3],
                       a->stride ? a->stride : 1, a->pad_h, a->pad_w };
        return true;
    }
    if (t->op == &conv2d_def)
        return same_places(t, t->src[k]);
    if (t->op == &avg_pool2d_def || t->op == &max_pool2d_def) {
        const PoolAttr *a = t->attr;

        *w = (Window){ a->k, a->k, a->stride, a->pad, a->pad };
        return true;
    }
    if (t->op == &patch_merge_def) {
        *w = (Window){ 2, 2, 2, 0, 0 };
        return true;
    }
    return is_pointwise(t) && same_places(t, t->src[k]);
}

static Span read_by(Span out, int k, int stride, int pad)
{
    if (is_empty(out))
        return out;
    return (Span){ out.first * stride - pad, out.last * stride - pad + k - 1 };
}

/* The windows of `size` that hold a span, on a map of n. */
static Span windows_of(Span out, int size, int shift, int n)
{
    int first, last;

    if (is_empty(out))
        return out;
    first = out.first - (out.first - shift + size) % size;
    last = out.last - (out.last - shift + size) % size + size - 1;
    return (Span){ first > 0 ? first : 0, last < n - 1 ? last : n - 1 };
}

/* No unit of a map that is cut into windows lies outside of it. */
static Span on_map(Span s, int n)
{
    return (Span){ s.first > 0 ? s.first : 0, s.last < n - 1 ? s.last : n - 1 };
}

static void step_back_windows(Field *source, const Field *of,
                              const WindowAttr *a)
{
    source->whole |= of->whole;
    unite(&source->rows,
          windows_of(on_map(of->rows, a->map_h), a->h, a->shift_h, a->map_h));
    unite(&source->columns, windows_of(on_map(of->columns, a->map_w), a->w,
                                       a->shift_w, a->map_w));
}

static void step_back(Field *need, const Tensor *t, int k)
{
    const Field *of = &need[t->id];
    Field *source = &need[t->src[k]->id];
    Window w;
    const bool local = find_window(&w, t, k);

    if (t->op == &window_attention_def && k == 0) {
        step_back_windows(source, of,
                          &((const WindowAttentionAttr *)t->attr)->window);
        return;
    }
    source->whole |= of->whole || !local;
    /* What mixes positions may still pass its own on: a norm, a fused op. */
    if (!local && !same_places(t, t->src[k]))
        return;
    unite(&source->rows, read_by(of->rows, w.k_h, w.stride, w.pad_h));
    unite(&source->columns, read_by(of->columns, w.k_w, w.stride, w.pad_w));
}

void field_of(Field *out, const Graph *g, const Tensor *tap,
              const Tensor *input, const Field *units,
              bool (*through)(const Tensor *out, int k))
{
    static const Span empty = { 0, -1 };
    Field *need = malloc(((size_t)tap->id + 1) * sizeof(*need));

    BUG_IF(!need || input->id > tap->id);
    for (int i = 0; i < tap->id; i++)
        need[i] = (Field){ empty, empty, false };
    need[tap->id] = *units;
    for (int i = tap->id; i > input->id; i--) {
        const Tensor *t = graph_at(g, i);

        if (t->role != ROLE_NODE || (is_empty(need[i].rows) && !need[i].whole))
            continue;
        for (int k = 0; k < MAX_SRC; k++)
            if (t->src[k] && (!through || through(t, k)))
                step_back(need, t, k);
    }
    *out = need[input->id];
    free(need);
}

int field_within(const Field *f, bool vertical, int pixels)
{
    const Span s = vertical ? f->rows : f->columns;
    const int first = s.first > 0 ? s.first : 0;
    const int last = s.last < pixels - 1 ? s.last : pixels - 1;

    return f->whole ? pixels : last < first ? 0 : last - first + 1;
}
