/*
 * pool2d_grad.c - gradients of windows of a map: avg_pool2d_grad,
 * adaptive_avg_pool2d_grad, max_pool2d_grad
 *
 * Bound by bytes: dx written, dy and, of a maximum, x read once from memory.
 *
 *   gather    the mean: a unit is a row of dx, each position of which is the
 *             sum of what comes to it from the windows that hold it: mostly
 *             one.
 *   scatter   the maximum: each window's first maximum is sought again, LANES
 *             channels at once, and dy is added to dx there.  A thread has a
 *             run of rows of dx; windows over its edges are also the
 *             neighbour's, and each adds to its own rows alone.
 */
#include <math.h>

#include "kernels/cpu/simd/rows.h"
#include "kernels/cpu/simd/spans.h"

/* ---- the mean ------------------------------------------------------------ */

/* Along one dim: the windows that hold each position; 1 / size of each. */
typedef struct Axis {
    Span *holds;
    float *scale;
} Axis;

typedef struct Gather {
    Axis h, w;
} Gather;

/* Windows are in order: those that hold a position follow each other, unless
 * none does. */
static void add_span(const Axis *a, size_t window, Span s)
{
    a->scale[window] = 1 / (float)(s.end - s.begin);
    for (size_t i = s.begin; i < s.end; i++) {
        if (a->holds[i].end == 0)
            a->holds[i].begin = window;
        a->holds[i].end = window + 1;
    }
}

/* pool: NULL, adaptive. */
static int gather_plan(void **state, const Tensor *out, const PoolAttr *pool)
{
    const Tensor *dy = out->src[0];
    const size_t positions = (size_t)(out->dim[2] + out->dim[3]);
    const size_t windows = (size_t)(dy->dim[2] + dy->dim[3]);
    Gather *g;

    TRY(state_new(state, sizeof(*g) + positions * sizeof(Span) +
                             windows * sizeof(float)));
    g = *state;
    g->h.holds = (Span *)(g + 1);
    g->w.holds = g->h.holds + out->dim[2];
    g->h.scale = (float *)(g->w.holds + out->dim[3]);
    g->w.scale = g->h.scale + dy->dim[2];
    memset(g->h.holds, 0, positions * sizeof(Span));
    for (int d = 2; d < 4; d++)
        for (size_t i = 0; i < (size_t)dy->dim[d]; i++)
            add_span(d == 2 ? &g->h : &g->w, i,
                     pool ? fixed_span(pool, i, out->dim[d])
                          : adaptive_span(i, out->dim[d], dy->dim[d]));
    return OK;
}

static int avg_plan(Device *dev, const Tensor *out, void **state)
{
    const PoolGradAttr *a = out->attr;

    (void)dev;
    return gather_plan(state, out, &a->pool);
}

static int adaptive_plan(Device *dev, const Tensor *out, void **state)
{
    (void)dev;
    return gather_plan(state, out, NULL);
}

/* One position: dy is at the first number of its image. */
static void gather(float *dx, const float *dy, const Tensor *out,
                   const Gather *g, size_t h, size_t w)
{
    const size_t C = (size_t)out->dim[1], W = (size_t)out->src[0]->dim[3];
    const Span over = g->h.holds[h], along = g->w.holds[w];
    bool any = false;

    for (size_t i = over.begin; i < over.end; i++)
        for (size_t j = along.begin; j < along.end; j++) {
            const float scale = g->h.scale[i] * g->w.scale[j];
            const float *from = dy + (i * W + j) * C;

            if (any)
#pragma omp simd
                for (size_t k = 0; k < C; k++)
                    dx[k] += from[k] * scale;
            else
#pragma omp simd
                for (size_t k = 0; k < C; k++)
                    dx[k] = from[k] * scale;
            any = true;
        }
    if (!any)
        memset(dx, 0, C * sizeof(*dx));
}

static void gather_range(const Tensor *out, const void *state, size_t begin,
                         size_t end)
{
    const Tensor *dy = out->src[0];
    const size_t C = (size_t)out->dim[1], H = (size_t)out->dim[2],
                 W = (size_t)out->dim[3], image = tensor_positions(dy) * C;
    float *dx = (float *)out->data + begin * W * C;

    for (size_t u = begin; u < end; u++)
        for (size_t w = 0; w < W; w++, dx += C)
            gather(dx, (const float *)dy->data + u / H * image, out, state,
                   u % H, w);
}

static int gather_run(Device *dev, const Tensor *out, void *state)
{
    return split(dev, out, state,
                 (Split){ gather_range, (size_t)(out->dim[0] * out->dim[2]),
                          2.0 * (double)tensor_count(out) });
}

/* ---- the maximum --------------------------------------------------------- */

/* A window: its first row and column in the map, and which of its rows are the
 * thread's. */
typedef struct Window {
    Span h, w, own;
} Window;

/* Every bit of a lane: whether a is to be the maximum in place of b. */
INLINE VecInt more(Vec a, Vec b)
{
    return ~(a <= b) & (b == b);
}

/* The place of the first maximum, counted row by row; x is at channel c of the
 * window's first position. */
INLINE VecInt first_of(const float *x, const Window *v, size_t row, size_t C,
                       size_t part)
{
    Vec most = splat(-INFINITY);
    VecInt at = { 0 };
    int32_t place = 0;

    for (size_t i = v->h.begin; i < v->h.end; i++, x += row)
        for (size_t j = 0; j < v->w.end - v->w.begin; j++, place++) {
            const Vec t = part ? load_part(x + j * C, part) : load(x + j * C);
            const VecInt is = more(t, most);

            most = (Vec)((is & (VecInt)t) | (~is & (VecInt)most));
            at = (is & place) | (~is & at);
        }
    return at;
}

/* part: of a vector; 0: whole; a constant. */
INLINE void scatter(float *dx, const float *x, const float *dy, const Window *v,
                    size_t row, size_t C, size_t part)
{
    const VecInt at = first_of(x, v, row, C, part);
    const VecInt d = (VecInt)(part ? load_part(dy, part) : load(dy));
    const size_t width = v->w.end - v->w.begin;

    for (size_t i = v->own.begin; i < v->own.end; i++)
        for (size_t j = 0; j < width; j++) {
            const int32_t place = (int32_t)((i - v->h.begin) * width + j);
            float *to = dx + (i - v->h.begin) * row + j * C;
            const Vec sum = (Vec)((at == place) & d);

            if (part)
                store_part(to, load_part(to, part) + sum, part);
            else
                store(to, load(to) + sum);
        }
}

/* Fetches x that only the next window has: its rows of channels lie apart,
 * so that no hardware prefetcher follows them. */
INLINE void prefetch_next(const float *x, const Window *v, size_t row, size_t C,
                          size_t stride)
{
    const size_t width = v->w.end - v->w.begin;

    for (size_t i = 0; i < v->h.end - v->h.begin; i++)
        for (size_t j = width; j < width + stride; j++)
            __builtin_prefetch(x + i * row + j * C);
}

/* All windows of row i of dy of image n, those of its rows that are own. */
static void scatter_row(const Tensor *out, size_t n, size_t i, Span own)
{
    const PoolAttr *pool = out->attr;
    const Tensor *dy = out->src[1];
    const size_t C = (size_t)out->dim[1], W = (size_t)out->dim[3],
                 H = (size_t)out->dim[2], dy_w = (size_t)dy->dim[3],
                 stride = (size_t)pool->stride;
    const float *d =
        (const float *)dy->data + (n * (size_t)dy->dim[2] + i) * dy_w * C;
    const float *x = out->src[0]->data;
    float *dx = out->data;
    Window v = { .h = fixed_span(pool, i, out->dim[2]), .own = own };

    for (size_t j = 0; j < dy_w; j++, d += C) {
        size_t at, c = 0;

        v.w = fixed_span(pool, j, out->dim[3]);
        at = ((n * H + v.h.begin) * W + v.w.begin) * C;
        for (; c + LANES <= C; c += LANES) {
            prefetch_next(x + at + c, &v, W * C, C, stride);
            scatter(dx + at + c, x + at + c, d + c, &v, W * C, C, 0);
        }
        if (c < C)
            scatter(dx + at + c, x + at + c, d + c, &v, W * C, C, C - c);
    }
}

/* Rows of image n; each is zeroed just before the first window that adds. */
static void scatter_rows(const Tensor *out, size_t n, Span rows)
{
    const size_t row = (size_t)(out->dim[1] * out->dim[3]);
    float *image = (float *)out->data + n * (size_t)out->dim[2] * row;
    size_t zeroed = rows.begin;

    for (size_t i = 0; i < (size_t)out->src[1]->dim[2]; i++) {
        const Span h = fixed_span(out->attr, i, out->dim[2]);
        const Span own = { h.begin > rows.begin ? h.begin : rows.begin,
                           min_size(h.end, rows.end) };

        if (own.begin >= own.end)
            continue;
        if (own.end > zeroed) {
            memset(image + zeroed * row, 0,
                   (own.end - zeroed) * row * sizeof(*image));
            zeroed = own.end;
        }
        scatter_row(out, n, i, own);
    }
    memset(image + zeroed * row, 0, (rows.end - zeroed) * row * sizeof(*image));
}

/* Units are rows of dx. */
static void scatter_range(const Tensor *out, const void *state, size_t begin,
                          size_t end)
{
    const size_t H = (size_t)out->dim[2];

    (void)state;
    while (begin < end) {
        const size_t n = begin / H, from = begin % H;
        const size_t to = min_size(H, from + end - begin);

        scatter_rows(out, n, (Span){ from, to });
        begin += to - from;
    }
}

static int scatter_run(Device *dev, const Tensor *out, void *state)
{
    return split(dev, out, state,
                 (Split){ scatter_range, (size_t)(out->dim[0] * out->dim[2]),
                          4.0 * (double)tensor_count(out) });
}

const Kernel SIMD(avg_pool2d_grad) = {
    .op = &avg_pool2d_grad_def,
    .name = "gather",
    .plan = avg_plan,
    .run = gather_run,
};

const Kernel SIMD(adaptive_avg_pool2d_grad) = {
    .op = &adaptive_avg_pool2d_grad_def,
    .name = "gather",
    .plan = adaptive_plan,
    .run = gather_run,
};

const Kernel SIMD(max_pool2d_grad) = {
    .op = &max_pool2d_grad_def,
    .name = "scatter",
    .run = scatter_run,
};
