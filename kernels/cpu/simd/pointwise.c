/*
 * pointwise.c - y[r,o] = act(sum over c of x[r,c] w[o,c] + b[o] + z[r,o]) for
 * many rows r: conv2d 1x1 of any stride, its gradient with respect to x where
 * the stride is 1, and linear
 *
 * Half the work of ResNet-50, and nearly all of a transformer.  Bound by
 * FLOPs from C = 64 on, if nothing is waited for: x and z come from memory in
 * lines that no hardware prefetcher foresees, because a tile takes a few
 * numbers of each of several rows.
 *
 *   tiles    w is packed in panels of PANEL outputs, (C, PANEL) each.  A tile
 *            is ROWS rows of one panel: its sums fill the registers, and each
 *            step of c costs NV loads of w, ROWS broadcasts of x and ROWS NV
 *            multiply-adds.  Meanwhile the next tile's lines of x and z are
 *            prefetched, a few at a time: all at once would fill the queue
 *            that loads of w wait in.  Tiles go down a block of rows that
 *            stays in cache together with the panel.  Few rows starve it:
 *            linear.c has a kernel for those.  In bf16 it needs C to be even.
 *
 * The scheme is that of Goto and van de Geijn, "Anatomy of high-performance
 * matrix multiplication", ACM TOMS 34(3), 2008, less their packing of x, which
 * channels last spares.
 */
#include "kernels/cpu/simd/conv.h"
#include "kernels/cpu/simd/panels.h"

enum {
    BLOCK_BYTES = 96 << 10,   /* of x: in a second-level cache with a panel */
    LINE = 64 / sizeof(Elem), /* numbers in a line of the cache */
};

/* State: b, then the panels, zeros where there is no output. */
static int plan(Device *dev, const Tensor *out, void **state)
{
    const float *w = weight_host(out->src[1]), *b = bias_of(out);
    const size_t C = (size_t)out->src[0]->dim[1], O = (size_t)out->dim[1];
    const size_t padded = panels_of(out, PANEL) * PANEL;
    float *bias;
    Elem *to;

    (void)dev;
    TRY(state_new(state, padded * sizeof(float) + padded * C * sizeof(Elem)));
    bias = *state;
    to = (Elem *)(bias + padded);
    for (size_t o = 0; o < padded; o++)
        bias[o] = b && o < O ? b[o] : 0;
    for (size_t first = 0; first < padded; first += PANEL)
        for (size_t c = 0; c < C; c += PAIR)
            for (size_t o = first; o < first + PANEL; o++)
                for (size_t i = c; i < c + PAIR; i++)
                    *to++ = elem(o < O ? w[filter_of(out, o, i).first] : 0);
    return OK;
}

/* Arguments of one run; a linear is a convolution with nothing added. */
typedef struct Job {
    const Elem *x, *panels;
    const float *bias;
    Elem *y;
    size_t rows, C, O;
    size_t H, W, out_h, out_w; /* of a map that is strided over */
    size_t stride;
    Epilogue end;
} Job;

static Job job_of(const Tensor *out, const void *state)
{
    const Tensor *x = out->src[0];
    Job j = {
        .x = x->data,
        .bias = state,
        .panels = (const Elem *)((const float *)state +
                                 panels_of(out, PANEL) * PANEL),
        .y = out->data,
        .rows = tensor_rows(out),
        .C = (size_t)x->dim[1],
        .O = (size_t)out->dim[1],
        .stride = 1,
        .end = epilogue_of(out),
    };

    if (out->op == &conv2d_def) {
        const Conv2dAttr *a = out->attr;

        j.stride = (size_t)a->stride;
        j.H = (size_t)x->dim[2];
        j.W = (size_t)x->dim[3];
        j.out_h = (size_t)out->dim[2];
        j.out_w = (size_t)out->dim[3];
    }
    return j;
}

/* The row of x that row r of the result is made of. */
INLINE const Elem *source(const Job *j, size_t r)
{
    size_t image, at;

    if (j->stride == 1)
        return j->x + r * j->C;
    image = r / (j->out_h * j->out_w);
    at = r % (j->out_h * j->out_w);
    return j->x + ((image * j->H + at / j->out_w * j->stride) * j->W +
                   at % j->out_w * j->stride) *
                      j->C;
}

/* Lines of the next tile: rows of them, stride numbers apart. */
INLINE void prefetch(const Elem *p, size_t stride, const size_t rows)
{
    UNROLL
    for (size_t i = 0; i < rows; i++)
        __builtin_prefetch(p + i * stride);
}

INLINE void tile(const Job *j, const Elem *w, size_t r, size_t o,
                 const size_t rows, const size_t nv)
{
    const size_t C = j->C, O = j->O, next = rows * j->stride * C;
    const Elem *x[ROWS];
    Vec sum[ROWS * NV];

    UNROLL
    for (size_t i = 0; i < rows; i++)
        x[i] = source(j, r + i);
    clear_sums(sum, rows, nv);
    for (size_t c = 0; c < C; c += LINE) {
        if (o == 0)
            prefetch(x[0] + next + c, j->stride * C, rows);
        if (j->end.z && c < nv * LANES)
            prefetch(j->end.z + (r + rows) * O + o + c, O, rows);
        if (j->end.x && c < nv * LANES)
            prefetch(j->end.x + (r + rows) * O + o + c, O, rows);
        add_products(sum, x, w, c, min_size(c + LINE, C), rows, nv);
    }
    UNROLL
    for (size_t k = 0; k < rows * nv; k++) {
        const size_t lane = o + k % nv * LANES, at = (r + k / nv) * O + lane;

        store_elems(j->y + at,
                    finish_sums(&j->end, sum[k] + load(j->bias + lane), at));
    }
}

/* One panel, rows begin to end - 1. */
INLINE void column(const Job *j, size_t panel, size_t begin, size_t end,
                   const size_t nv)
{
    const Elem *w = j->panels + panel * PANEL * j->C;
    size_t r = begin;

    for (; r + ROWS <= end; r += ROWS)
        tile(j, w, r, panel * PANEL, ROWS, nv);
    for (; r < end; r++)
        tile(j, w, r, panel * PANEL, 1, nv);
}

static void columns(const Job *j, size_t panel, size_t begin, size_t end)
{
    switch (min_size(NV, (j->O - panel * PANEL) / LANES)) {
    case 1:
        column(j, panel, begin, end, 1);
        break;
    case 2:
        column(j, panel, begin, end, 2);
        break;
    case 3:
        column(j, panel, begin, end, 3 < NV ? 3 : NV);
        break;
    default:
        column(j, panel, begin, end, NV);
    }
}

static void blocks(const Job *j, size_t begin, size_t end, size_t panel,
                   size_t last)
{
    const size_t fit = BLOCK_BYTES / sizeof(Elem) / j->C / ROWS;
    const size_t block = (fit < 4 ? 4 : fit) * ROWS;

    for (size_t r = begin; r < end; r += block)
        for (size_t p = panel; p < last; p++)
            columns(j, p, r, min_size(r + block, end));
}

static void by_rows(const Tensor *out, const void *state, size_t begin,
                    size_t end)
{
    const Job j = job_of(out, state);

    blocks(&j, begin * ROWS, min_size(end * ROWS, j.rows), 0,
           panels_of(out, PANEL));
}

static void by_panels(const Tensor *out, const void *state, size_t begin,
                      size_t end)
{
    const Job j = job_of(out, state);

    blocks(&j, 0, j.rows, begin, end);
}

/* Threads share out whichever there is more of. */
static int run(Device *dev, const Tensor *out, void *state)
{
    const size_t rows = ceil_div(tensor_rows(out), ROWS);
    const size_t panels = panels_of(out, PANEL);
    const double macs = (double)tensor_count(out) * out->src[0]->dim[1];

    return split(dev, out, state,
                 rows >= panels ? (Split){ by_rows, rows, macs / 8 }
                                : (Split){ by_panels, panels, macs / 8 });
}

static bool fits(const Tensor *out)
{
    return out->dim[1] % LANES == 0 && out->src[0]->dim[1] % PAIR == 0;
}

static bool supports_linear(const Tensor *out)
{
    return weights_known(out) && fits(out);
}

static bool supports_conv(const Tensor *out)
{
    const Conv2dAttr *a = out->attr;
    const Tensor *w = out->src[1];

    return supports_linear(out) && a->groups == 1 && w->dim[2] == 1 &&
           w->dim[3] == 1 && !a->pad_h && !a->pad_w;
}

const Kernel SIMD(linear_tiles) = {
    .op = &linear_def,
    .dtypes = SIMD_DTYPES,
    .name = "tiles",
    .supports = supports_linear,
    .plan = plan,
    .run = run,
    .packs = 1 << 1 | 1 << 2,
};

const Kernel SIMD(conv2d_tiles) = {
    .op = &conv2d_def,
    .dtypes = SIMD_DTYPES,
    .name = "tiles",
    .supports = supports_conv,
    .plan = plan,
    .run = run,
    .inplace = 1 << 3,
    .packs = 1 << 1 | 1 << 2,
};

#ifndef SIMD_BF16
static bool supports_grad(const Tensor *out)
{
    const Tensor *w = out->src[1];

    return supports_turned(out) && fits(out) && w->dim[2] == 1 &&
           w->dim[3] == 1;
}

const Kernel SIMD(conv2d_grad_x_tiles) = {
    .op = &conv2d_grad_x_def,
    .name = "tiles",
    .supports = supports_grad,
    .plan = plan,
    .run = run,
    .inplace = 1 << 2 | 1 << 3,
    .packs = 1 << 1,
};
#endif
