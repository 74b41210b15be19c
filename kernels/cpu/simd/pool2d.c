/*
 * pool2d.c - the mean or maximum of windows of a map: avg_pool2d, max_pool2d,
 * adaptive_avg_pool2d
 *
 * Bound by the bytes of x, each read once where windows do not overlap; where
 * they do, neighbours find it in the L1 and L2 caches.
 *
 *   rows   a unit is one position of the result: the rows of channels of its
 *          window, clipped to the map, are added in registers, first along
 *          the row, or compared (rows.h).
 */
#include <math.h>

#include "kernels/cpu/simd/rows.h"

enum { V = 4 }; /* vectors summed at once */

/* What a window covers along one dim. */
typedef struct Span {
    size_t begin, end;
} Span;

static Span fixed_span(const PoolAttr *a, size_t i, int size)
{
    const int from = (int)i * a->stride - a->pad, to = from + a->k;

    return (Span){ from > 0 ? (size_t)from : 0,
                   (size_t)(to < size ? to : size) };
}

static Span adaptive_span(size_t i, int size, int windows)
{
    const size_t n = (size_t)size, w = (size_t)windows;

    return (Span){ i * n / w, ceil_div((i + 1) * n, w) };
}

/* Where the result of unit u is, and which image and window it is of. */
typedef struct Place {
    const float *x;
    float *y;
    size_t i, j;
} Place;

static Place place(const Tensor *out, size_t u)
{
    const Tensor *x = out->src[0];
    const size_t C = (size_t)out->dim[1], H = (size_t)out->dim[2],
                 W = (size_t)out->dim[3];

    return (Place){
        (const float *)x->data + u / (H * W) * tensor_positions(x) * C,
        (float *)out->data + u * C,
        u / W % H,
        u % W,
    };
}

/* The mean of channels c to c + v LANES - 1; v is a constant, at most V. */
INLINE void mean_vectors(const Place *at, size_t c, size_t C, size_t W, Span h,
                         Span w, size_t v)
{
    const float scale =
        (float)(1.0 / (double)((h.end - h.begin) * (w.end - w.begin)));
    Vec sum[V];

    for (size_t k = 0; k < v; k++)
        sum[k] = splat(0);
    for (size_t i = h.begin; i < h.end; i++) {
        const float *x = at->x + (i * W + w.begin) * C + c;
        Vec row[V];

        for (size_t k = 0; k < v; k++)
            row[k] = splat(0);
        for (size_t j = w.begin; j < w.end; j++, x += C)
            for (size_t k = 0; k < v; k++)
                row[k] += load(x + k * LANES);
        for (size_t k = 0; k < v; k++)
            sum[k] += row[k];
    }
    for (size_t k = 0; k < v; k++)
        store(at->y + c + k * LANES, sum[k] * scale);
}

static void mean_of(const Tensor *out, const Place *at, Span h, Span w)
{
    const size_t C = (size_t)out->dim[1], W = (size_t)out->src[0]->dim[3];
    const float scale =
        (float)(1.0 / (double)((h.end - h.begin) * (w.end - w.begin)));
    size_t c = 0;

    for (; c + V * LANES <= C; c += V * LANES)
        mean_vectors(at, c, C, W, h, w, V);
    for (; c + LANES <= C; c += LANES)
        mean_vectors(at, c, C, W, h, w, 1);
    for (size_t k = c; k < C; k++)
        at->y[k] = 0;
    for (size_t i = h.begin; c < C && i < h.end; i++)
        add_rows(at->y + c, at->x + (i * W + w.begin) * C + c, w.end - w.begin,
                 C, C - c);
    for (size_t k = c; k < C; k++)
        at->y[k] *= scale;
}

static void avg_range(const Tensor *out, const void *state, size_t begin,
                      size_t end)
{
    const Tensor *x = out->src[0];

    (void)state;
    for (size_t u = begin; u < end; u++) {
        const Place at = place(out, u);

        mean_of(out, &at, fixed_span(out->attr, at.i, x->dim[2]),
                fixed_span(out->attr, at.j, x->dim[3]));
    }
}

static void adaptive_range(const Tensor *out, const void *state, size_t begin,
                           size_t end)
{
    const Tensor *x = out->src[0];

    (void)state;
    for (size_t u = begin; u < end; u++) {
        const Place at = place(out, u);

        mean_of(out, &at, adaptive_span(at.i, x->dim[2], out->dim[2]),
                adaptive_span(at.j, x->dim[3], out->dim[3]));
    }
}

static void max_range(const Tensor *out, const void *state, size_t begin,
                      size_t end)
{
    const Tensor *x = out->src[0];
    const size_t C = (size_t)out->dim[1], W = (size_t)x->dim[3];

    (void)state;
    for (size_t u = begin; u < end; u++) {
        const Place at = place(out, u);
        const Span h = fixed_span(out->attr, at.i, x->dim[2]);
        const Span w = fixed_span(out->attr, at.j, x->dim[3]);

        for (size_t c = 0; c < C; c++)
            at.y[c] = -INFINITY;
        for (size_t i = h.begin; i < h.end; i++)
            max_rows(at.y, at.x + (i * W + w.begin) * C, w.end - w.begin, C, C);
    }
}

static int run(Device *dev, const Tensor *out, Range *range)
{
    return split(
        dev, out, NULL,
        (Split){ range, tensor_rows(out), (double)tensor_count(out->src[0]) });
}

static int run_avg(Device *dev, const Tensor *out, void *state)
{
    (void)state;
    return run(dev, out, avg_range);
}

static int run_adaptive(Device *dev, const Tensor *out, void *state)
{
    (void)state;
    return run(dev, out, adaptive_range);
}

static int run_max(Device *dev, const Tensor *out, void *state)
{
    (void)state;
    return run(dev, out, max_range);
}

#define POOL(id, run_id) \
    const Kernel SIMD(id) = { .op = &id##_def, .name = "rows", .run = run_id };
POOL(avg_pool2d, run_avg)
POOL(adaptive_avg_pool2d, run_adaptive)
POOL(max_pool2d, run_max)
