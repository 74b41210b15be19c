/*
 * linear.c - y[r,o] = sum over i of x[r,i] w[o,i] + b[o], for few rows r:
 * linear, and conv2d 1x1 on maps of few positions
 *
 * The bottlenecks of SE, CBAM and CPCA, the full layer of AFGCA: N rows after
 * a global pool.  Bound by the bytes of w, which are used N times.
 *
 *   panels   w is packed in panels of PANEL outputs, (I, PANEL) each; a unit
 *            is one panel and up to ROWS rows, whose sums stay in registers.
 *            No primitive, no reordering: a call costs what it computes.  From
 *            some dozens of rows the tiles of pointwise.c and oneDNN win.
 *            Starves where O is far from a multiple of PANEL.
 */
#include "kernels/cpu/simd/panels.h"

enum {
    PANEL = 2 * LANES,
    ROWS = 4,
    FEW = 32, /* rows: beyond, the tiles of pointwise.c or oneDNN are better */
};

static bool few_rows(const Tensor *out)
{
    return weights_known(out) && tensor_rows(out) <= FEW;
}

static bool pointwise_few_rows(const Tensor *out)
{
    const Conv2dAttr *a = out->attr;
    const Tensor *w = out->src[1];

    return few_rows(out) && a->groups == 1 && w->dim[2] == 1 &&
           w->dim[3] == 1 && a->stride == 1 && !a->pad_h && !a->pad_w;
}

static int plan(Device *dev, const Tensor *out, void **state)
{
    (void)dev;
    return panels_new(state, out, PANEL);
}

/* Up to PANEL outputs of one row, after its shortcut and activation. */
static void finish(const Tensor *out, size_t at, const float *sum, size_t n)
{
    const bool conv = out->op == &conv2d_def;
    const Conv2dAttr *a = out->attr;
    const Elem *z = conv && out->src[3] ? out->src[3]->data : NULL;
    Elem *y = (Elem *)out->data + at;

    if (!conv || (!z && a->act == ACT_NONE)) {
        for (size_t k = 0; k < n; k++)
            y[k] = elem(sum[k]);
        return;
    }
    for (size_t k = 0; k < n; k++)
        y[k] = elem(act_of(a->act, z ? sum[k] + number(z[at + k]) : sum[k]));
}

/* n rows (a constant) of one panel. */
INLINE void tile(const Tensor *out, const float *w, const float *b, size_t r,
                 size_t o, size_t n)
{
    const size_t I = (size_t)out->src[1]->dim[1], O = (size_t)out->dim[1];
    const Elem *x = (const Elem *)out->src[0]->data + r * I;
    Vec sum[2 * ROWS];
    float row[PANEL];

    for (size_t k = 0; k < n; k++) {
        sum[2 * k] = load(b);
        sum[2 * k + 1] = load(b + LANES);
    }
    for (size_t i = 0; i < I; i++, w += PANEL) {
        const Vec w0 = load(w), w1 = load(w + LANES);

        for (size_t k = 0; k < n; k++) {
            sum[2 * k] += number(x[k * I + i]) * w0;
            sum[2 * k + 1] += number(x[k * I + i]) * w1;
        }
    }
    for (size_t k = 0; k < n; k++) {
        store(row, sum[2 * k]);
        store(row + LANES, sum[2 * k + 1]);
        finish(out, (r + k) * O + o, row, min_size(PANEL, O - o));
    }
}

static void range(const Tensor *out, const void *state, size_t begin,
                  size_t end)
{
    const size_t I = (size_t)out->src[1]->dim[1], rows = tensor_rows(out);
    const size_t blocks = ceil_div(rows, ROWS), panels = panels_of(out, PANEL);
    const float *bias = state, *packed = bias + panels * PANEL;

    for (size_t u = begin; u < end; u++) {
        const size_t panel = u / blocks, r = u % blocks * ROWS;
        const float *w = packed + panel * PANEL * I, *b = bias + panel * PANEL;

        switch (min_size(ROWS, rows - r)) {
#define CASE(n)                              \
    case n:                                  \
        tile(out, w, b, r, panel *PANEL, n); \
        break;
            CASE(1)
            CASE(2)
            CASE(3)
            CASE(4)
#undef CASE
        }
    }
}

static int run(Device *dev, const Tensor *out, void *state)
{
    const size_t blocks = ceil_div(tensor_rows(out), ROWS);
    const double macs = (double)tensor_count(out) * out->src[1]->dim[1];

    return split(dev, out, state,
                 (Split){ range, panels_of(out, PANEL) * blocks, macs / 8 });
}

const Kernel SIMD(linear) = {
    .op = &linear_def,
    .dtypes = SIMD_DTYPES,
    .name = "panels",
    .supports = few_rows,
    .plan = plan,
    .run = run,
    .packs = 1 << 1 | 1 << 2,
};

const Kernel SIMD(conv2d_few_rows) = {
    .op = &conv2d_def,
    .dtypes = SIMD_DTYPES,
    .name = "panels",
    .supports = pointwise_few_rows,
    .plan = plan,
    .run = run,
    .packs = 1 << 1 | 1 << 2,
};
