/*
 * winograd.c - conv2d 3x3 of stride 1, and its gradient with respect to x, with
 * 16 multiplications where the definition has 36
 *
 *     Y = A' [ sum over c of (G g G') . (B' d B) ] A
 *
 * makes a tile of 2x2 results of d, a 4x4 window of x, and g, a 3x3 filter; the
 * dot multiplies element by element (Lavin and Gray, "Fast Algorithms for
 * Convolutional Neural Networks", CVPR 2016: F(2x2,3x3)).  For each of the 16
 * elements that is a product of matrices (tiles x C) (C x O), bound by FLOPs.
 * A and B hold 0 and +-1 only, so the error is about that of the plain sum;
 * larger tiles would save more work and lose digits.
 *
 *   winograd   G g G' is computed at plan time, in double.  A thread takes a
 *              block of tiles, whose windows B' d B stay in its second-level
 *              cache, and goes through the panels of O with it.  Starves where
 *              C and O are small, so that the transforms weigh more, and where
 *              tiles are few, because it reads 16/9 of the filter's weights.
 *
 * By the op's FLOPs, which are those of the definition, it may seem faster
 * than the processor can be.  A NaN or an infinity in x makes a NaN of every
 * result of the tiles that see it.
 */
#include "kernels/cpu/simd/conv.h"
#include "kernels/cpu/simd/winograd.h"

enum {
    BLOCK_BYTES = 512 << 10, /* of windows: half a second-level cache */
    MIN_BLOCK = 8 * ROWS,    /* tiles: fewer would wait for weights   */
};

/* Followed by what the pointers point to. */
typedef struct State {
    size_t panels, block;        /* of outputs; tiles in a block        */
    size_t windows, products;    /* floats from one element to the next */
    float *bias, *zeros, *panel; /* O, C; [panel][element](C, PANEL)    */
    float *work;                 /* of each thread: windows, products   */
    size_t work_floats;
} State;

/* Arguments of one run. */
typedef struct Job {
    const State *s;
    Map x;
    float *y, *windows, *products;
    size_t C, O, out_h, out_w;
    Epilogue end;
} Job;

/* ---- plan ------------------------------------------------------------- */

/* u = G g G' for a filter g, with G = [1 0 0; .5 .5 .5; .5 -.5 .5; 0 0 1]. */
static void transform_filter(const float *g, int step, double u[ELEMENTS])
{
    double t[SIDE][KERNEL];

    for (int j = 0; j < KERNEL; j++) {
        const double a = g[j * step], b = g[(KERNEL + j) * step],
                     c = g[(2 * KERNEL + j) * step];

        t[0][j] = a;
        t[1][j] = (a + b + c) / 2;
        t[2][j] = (a - b + c) / 2;
        t[3][j] = c;
    }
    for (int i = 0; i < SIDE; i++) {
        u[i * SIDE] = t[i][0];
        u[i * SIDE + 1] = (t[i][0] + t[i][1] + t[i][2]) / 2;
        u[i * SIDE + 2] = (t[i][0] - t[i][1] + t[i][2]) / 2;
        u[i * SIDE + 3] = t[i][2];
    }
}

/* One panel of the weights, zeros where there is no output. */
static void pack_panel(float *to, const Tensor *out, size_t first)
{
    const float *w = weight_host(out->src[1]);
    const size_t C = (size_t)out->src[0]->dim[1], O = (size_t)out->dim[1];
    double u[ELEMENTS] = { 0 };

    for (size_t c = 0; c < C; c++)
        for (size_t k = 0; k < PANEL; k++) {
            const size_t o = first + k;
            const Filter g = filter_of(out, o, c);

            memset(u, 0, sizeof(u));
            if (o < O)
                transform_filter(w + g.first, g.step, u);
            for (size_t e = 0; e < ELEMENTS; e++)
                to[(e * C + c) * PANEL + k] = (float)u[e];
        }
}

/* Tiles in a block: as many as fit, and all blocks of a thread alike. */
static size_t block_of(const Tensor *out, size_t C, size_t threads)
{
    const size_t each = ceil_div(tiles_of(out), threads);
    size_t most = BLOCK_BYTES / (ELEMENTS * C * sizeof(float));

    most = most < MIN_BLOCK ? MIN_BLOCK : most;
    return ceil_div(ceil_div(each, ceil_div(each, most)), ROWS) * ROWS;
}

static int plan(Device *dev, const Tensor *out, void **state)
{
    const float *b = bias_of(out);
    const size_t C = (size_t)out->src[0]->dim[1], O = (size_t)out->dim[1];
    const size_t threads = (size_t)dev->threads;
    State s = { .panels = ceil_div(O, PANEL),
                .block = block_of(out, C, threads) };
    const size_t head = ceil_div(sizeof(s), 64) * 64 / sizeof(float);
    const size_t panel = ELEMENTS * C * PANEL, padded = s.panels * PANEL;

    s.windows = s.block * C + APART;
    s.products = s.block * PANEL + APART;
    s.work_floats = ELEMENTS * (s.windows + s.products);
    TRY(state_new(state, (head + padded + C + s.panels * panel +
                          threads * s.work_floats) *
                             sizeof(float)));
    s.bias = (float *)*state + head;
    s.zeros = s.bias + padded;
    s.panel = s.zeros + C;
    s.work = s.panel + s.panels * panel;
    memset(s.bias, 0, (padded + C) * sizeof(float));
    if (b)
        memcpy(s.bias, b, O * sizeof(float));
#pragma omp parallel for num_threads(dev->threads)
    for (size_t p = 0; p < s.panels; p++)
        pack_panel(s.panel + p * panel, out, p * PANEL);
    memcpy(*state, &s, sizeof(s));
    return OK;
}

/* ---- the three steps of a block --------------------------------------- */

/* B' d B of tile i of the block, for all channels. */
static void window_of(const Job *j, size_t tile, size_t i)
{
    const float *pixel[ELEMENTS];
    float *to = j->windows + i * j->C;

    find_pixels(&j->x, tile, SIDE, pixel);
    for (size_t c = 0; c < j->C; c += LANES) {
        Vec v[ELEMENTS];

        transform_pixels(v, pixel, c);
        UNROLL
        for (size_t e = 0; e < ELEMENTS; e++)
            store(to + e * j->s->windows + c, v[e]);
    }
}

INLINE void multiply_rows(const Job *j, const float *w, size_t element,
                          size_t first, const size_t rows, const size_t nv)
{
    const float *x[ROWS];
    float *to = j->products + element * j->s->products + first * PANEL;
    Vec sum[ROWS * NV];

    UNROLL
    for (size_t i = 0; i < rows; i++)
        x[i] = j->windows + element * j->s->windows + (first + i) * j->C;
    clear_sums(sum, rows, nv);
    add_products(sum, x, w, 0, j->C, rows, nv);
    UNROLL
    for (size_t k = 0; k < rows * nv; k++)
        store(to + k / nv * PANEL + k % nv * LANES, sum[k]);
}

/* One panel of the products of n tiles. */
INLINE void multiply(const Job *j, size_t panel, size_t n, const size_t nv)
{
    const float *w = j->s->panel + panel * ELEMENTS * j->C * PANEL;

    for (size_t e = 0; e < ELEMENTS; e++, w += j->C * PANEL) {
        size_t i = 0;

        for (; i + ROWS <= n; i += ROWS)
            multiply_rows(j, w, e, i, ROWS, nv);
        for (; i < n; i++)
            multiply_rows(j, w, e, i, 1, nv);
    }
}

/* A' m A of one vector of tile i: its four results. */
INLINE void finish(const Job *j, Place at, size_t i, size_t panel, size_t v)
{
    const float *m = j->products + i * PANEL + v;
    const size_t plane = j->s->products, o = panel * PANEL + v;
    const Vec bias = load(j->s->bias + o);
    Vec t[TILE * SIDE];

    UNROLL
    for (size_t k = 0; k < SIDE; k++) {
        const Vec a = load(m + k * plane), b = load(m + (SIDE + k) * plane),
                  c = load(m + (2 * SIDE + k) * plane),
                  d = load(m + (3 * SIDE + k) * plane);

        t[k] = a + b + c;
        t[SIDE + k] = b - c - d;
    }
    for (size_t h = 0; h < TILE && at.row + h < j->out_h; h++) {
        const Vec *r = t + h * SIDE;
        const Vec y[TILE] = { r[0] + r[1] + r[2] + bias,
                              r[1] - r[2] - r[3] + bias };

        for (size_t w = 0; w < TILE && at.column + w < j->out_w; w++) {
            const size_t to = ((at.image * j->out_h + at.row + h) * j->out_w +
                               at.column + w) *
                                  j->O +
                              o;

            store(j->y + to, finish_sums(&j->end, y[w], to));
        }
    }
}

static void do_block(const Job *j, size_t first, size_t n)
{
    for (size_t i = 0; i < n; i++)
        window_of(j, first + i, i);
    for (size_t p = 0; p < j->s->panels; p++) {
        const size_t nv = min_size(NV, (j->O - p * PANEL) / LANES);

        switch (nv) {
        case 1:
            multiply(j, p, n, 1);
            break;
        case 2:
            multiply(j, p, n, 2);
            break;
        case 3:
            multiply(j, p, n, 3 < NV ? 3 : NV);
            break;
        default:
            multiply(j, p, n, NV);
        }
        for (size_t i = 0; i < n; i++)
            for (size_t v = 0; v < nv; v++)
                finish(j, place_of(&j->x, first + i), i, p, v * LANES);
    }
}

typedef struct Pads {
    int h, w;
} Pads;

/* The turned kernel hangs over as far as the other one did not. */
static Pads pads_of(const Tensor *out)
{
    if (out->op == &conv2d_grad_x_def) {
        const Conv2dGradAttr *a = out->attr;

        return (Pads){ KERNEL - 1 - a->conv.pad_h, KERNEL - 1 - a->conv.pad_w };
    } else {
        const Conv2dAttr *a = out->attr;

        return (Pads){ a->pad_h, a->pad_w };
    }
}

/* Units are tiles. */
static void range(const Tensor *out, const void *state, size_t begin,
                  size_t end)
{
    const State *s = state;
    const Tensor *x = out->src[0];
    float *work = s->work + (size_t)omp_get_thread_num() * s->work_floats;
    const Pads pads = pads_of(out);
    Job j = {
        .s = s,
        .x = map_of(x, out, s->zeros),
        .y = out->data,
        .windows = work,
        .products = work + ELEMENTS * s->windows,
        .C = (size_t)x->dim[1],
        .O = (size_t)out->dim[1],
        .out_h = (size_t)out->dim[2],
        .out_w = (size_t)out->dim[3],
        .end = epilogue_of(out),
    };

    j.x.pad_h = pads.h;
    j.x.pad_w = pads.w;
    for (size_t i = begin; i < end; i += s->block)
        do_block(&j, i, min_size(s->block, end - i));
}

static int run(Device *dev, const Tensor *out, void *state)
{
    const double macs = (double)tensor_count(out) * out->src[0]->dim[1];

    return split(dev, out, state, (Split){ range, tiles_of(out), macs });
}

static bool fits(const Tensor *out)
{
    const Tensor *w = out->src[1];
    const int C = out->src[0]->dim[1], O = out->dim[1];

    return w->dim[2] == KERNEL && w->dim[3] == KERNEL && C % LANES == 0 &&
           O % LANES == 0 && C >= MIN_CHANNELS && O >= MIN_CHANNELS;
}

static bool supports(const Tensor *out)
{
    const Conv2dAttr *a = out->attr;

    return weights_known(out) && a->stride == 1 && a->groups == 1 && fits(out);
}

static bool supports_grad(const Tensor *out)
{
    return supports_turned(out) && fits(out);
}

const Kernel SIMD(conv2d_winograd) = {
    .op = &conv2d_def,
    .dtypes = SIMD_DTYPES,
    .name = "winograd",
    .supports = supports,
    .plan = plan,
    .run = run,
    .inplace = 1 << 3,
    .packs = 1 << 1 | 1 << 2,
};

const Kernel SIMD(conv2d_grad_x_winograd) = {
    .op = &conv2d_grad_x_def,
    .name = "winograd",
    .supports = supports_grad,
    .plan = plan,
    .run = run,
    .inplace = 1 << 2 | 1 << 3,
    .packs = 1 << 1,
};
