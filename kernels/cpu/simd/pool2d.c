/*
 * pool2d.c - the mean or maximum of windows of a map: avg_pool2d, max_pool2d,
 * adaptive_avg_pool2d
 *
 * Bound by the bytes of x, each read once where windows do not overlap; where
 * they do, neighbours find it in the L1 and L2 caches.
 *
 *   windows   the mean: a unit is one position of the result; the rows of
 *             channels of its window are added in registers, first along the
 *             rows of the map.
 *   rows      the maximum: a unit is one row of the result.  The rows of the
 *             map that it covers are compared whole, then the columns: a
 *             comparison that keeps NaN takes 10 cycles, and whole rows have
 *             enough others to do meanwhile.
 */
#include <math.h>

#include "kernels/cpu/simd/rows.h"
#include "kernels/cpu/simd/spans.h"

enum { V = 4 }; /* vectors summed at once */

/* Where the result of unit u is, and which image and window it is of. */
typedef struct Place {
    const Elem *x;
    Elem *y;
    size_t i, j;
} Place;

static Place place(const Tensor *out, size_t u)
{
    const Tensor *x = out->src[0];
    const size_t C = (size_t)out->dim[1], H = (size_t)out->dim[2],
                 W = (size_t)out->dim[3];

    return (Place){
        (const Elem *)x->data + u / (H * W) * tensor_positions(x) * C,
        (Elem *)out->data + u * C,
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
        const Elem *x = at->x + (i * W + w.begin) * C + c;
        Vec row[V];

        for (size_t k = 0; k < v; k++)
            row[k] = splat(0);
        for (size_t j = w.begin; j < w.end; j++, x += C)
            for (size_t k = 0; k < v; k++)
                row[k] += load_elems(x + k * LANES);
        for (size_t k = 0; k < v; k++)
            sum[k] += row[k];
    }
    for (size_t k = 0; k < v; k++)
        store_elems(at->y + c + k * LANES, sum[k] * scale);
}

static void mean_of(const Tensor *out, const Place *at, Span h, Span w)
{
    const size_t C = (size_t)out->dim[1], W = (size_t)out->src[0]->dim[3];
    const float scale =
        (float)(1.0 / (double)((h.end - h.begin) * (w.end - w.begin)));
    float rest[LANES] = { 0 };
    size_t c = 0;

    for (; c + V * LANES <= C; c += V * LANES)
        mean_vectors(at, c, C, W, h, w, V);
    for (; c + LANES <= C; c += LANES)
        mean_vectors(at, c, C, W, h, w, 1);
    for (size_t i = h.begin; c < C && i < h.end; i++)
        add_rows(rest, at->x + (i * W + w.begin) * C + c, w.end - w.begin, C,
                 C - c);
    for (size_t k = 0; k < C - c; k++)
        at->y[c + k] = elem(rest[k] * scale);
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

/* State of the maximum: a row of x, W C numbers, for each thread. */
static int max_plan(Device *dev, const Tensor *out, void **state)
{
    const size_t row = (size_t)(out->src[0]->dim[3] * out->dim[1]);

    return state_new(state, (size_t)dev->threads * row * sizeof(Elem));
}

/* y[k] = the largest of x[k] of some rows; three are ResNet's. */
static void max_of_rows(Elem *y, const Elem *x, size_t rows, size_t stride,
                        size_t width)
{
    const Elem *b = x + stride, *c = b + stride;

    if (rows != 3) {
        memcpy(y, x, width * sizeof(*y));
        max_rows(y, b, rows - 1, stride, width);
        return;
    }
#pragma omp simd
    for (size_t k = 0; k < width; k++)
        y[k] = same_elem(
            max_nan(max_nan(number(x[k]), number(b[k])), number(c[k])));
}

/* Units are rows of the result. */
static void max_range(const Tensor *out, const void *state, size_t begin,
                      size_t end)
{
    const Tensor *x = out->src[0];
    const size_t C = (size_t)out->dim[1], W = (size_t)x->dim[3],
                 out_w = (size_t)out->dim[3];
    Elem *row = (Elem *)state + (size_t)omp_get_thread_num() * W * C;

    for (size_t u = begin; u < end; u++) {
        const Place at = place(out, u * out_w);
        const Span h = fixed_span(out->attr, at.i, x->dim[2]);

        max_of_rows(row, at.x + h.begin * W * C, h.end - h.begin, W * C, W * C);
        for (size_t j = 0; j < out_w; j++) {
            const Span w = fixed_span(out->attr, j, x->dim[3]);

            max_of_rows(at.y + j * C, row + w.begin * C, w.end - w.begin, C, C);
        }
    }
}

static int run(Device *dev, const Tensor *out, const void *state, Split s)
{
    s.work = (double)tensor_count(out->src[0]);
    return split(dev, out, state, s);
}

static int run_avg(Device *dev, const Tensor *out, void *state)
{
    return run(dev, out, state, (Split){ avg_range, tensor_rows(out) });
}

static int run_adaptive(Device *dev, const Tensor *out, void *state)
{
    return run(dev, out, state, (Split){ adaptive_range, tensor_rows(out) });
}

static int run_max(Device *dev, const Tensor *out, void *state)
{
    return run(dev, out, state,
               (Split){ max_range, (size_t)(out->dim[0] * out->dim[2]) });
}

const Kernel SIMD(avg_pool2d) = {
    .op = &avg_pool2d_def,
    .dtypes = SIMD_DTYPES,
    .name = "windows",
    .run = run_avg,
};

const Kernel SIMD(adaptive_avg_pool2d) = {
    .op = &adaptive_avg_pool2d_def,
    .dtypes = SIMD_DTYPES,
    .name = "windows",
    .run = run_adaptive,
};

const Kernel SIMD(max_pool2d) = {
    .op = &max_pool2d_def,
    .dtypes = SIMD_DTYPES,
    .name = "rows",
    .plan = max_plan,
    .run = run_max,
};
