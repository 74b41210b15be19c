/*
 * global_pool.c - sums and maxima down the columns of a matrix:
 * global_avg_pool, global_max_pool, mean_h, mean_w, sum_rows
 *
 *   y[o,k] = scale * sum over r of x[o,r,k]      (or the maximum)
 *
 *                    o        r      k
 *   global pools     N        H W    C
 *   mean_w           N H      W      C
 *   mean_h           N        H      W C
 *   sum_rows         N G      M      K
 *
 * Bound by the bytes of x, each read once.
 *
 *   columns   a unit is one o and a block of k small enough that its
 *             accumulators stay in the L1 cache; rows are read in order.
 *             Sums are taken in float over at most 256 rows and then added,
 *             so that on large maps fewer roundings meet in one sum.  Maxima
 *             are taken by comparisons that may lose a NaN, next to sums that
 *             cannot: where one is NaN, it is done again.  Starves
 *             where o and k are both small (one image of few channels): then
 *             there is one unit for all threads.
 */
#include <math.h>

#include "kernels/cpu/simd/rows.h"

enum {
    BLOCK = 1024,  /* columns: two accumulators of 4 KiB, next to 8 rows   */
    PARTIAL = 256, /* rows summed in float before the sum is set aside     */
    NARROW = 16,   /* columns of the smallest block: one line of the cache */
};

typedef struct Columns {
    size_t outer, rows, width;
    size_t block, blocks; /* columns in a unit, units for one o */
    float scale;
} Columns;

static int plan_columns(Device *dev, void **state, Columns c)
{
    const size_t share = ceil_div((size_t)dev->threads, c.outer);
    const size_t even = ceil_div(ceil_div(c.width, share), NARROW) * NARROW;

    TRY(state_new(state, sizeof(c)));
    c.block = min_size(min_size(even, BLOCK), c.width);
    c.blocks = ceil_div(c.width, c.block);
    *(Columns *)*state = c;
    return OK;
}

/* Where unit u reads and writes, and how many columns it has. */
typedef struct Piece {
    const Elem *x;
    Elem *y;
    size_t width;
} Piece;

static Piece piece(const Tensor *out, const Columns *c, size_t u)
{
    const size_t o = u / c->blocks, k = u % c->blocks * c->block;

    return (Piece){
        (const Elem *)out->src[0]->data + o * c->rows * c->width + k,
        (Elem *)out->data + o * c->width + k,
        min_size(c->block, c->width - k),
    };
}

static void sum_range(const Tensor *out, const void *state, size_t begin,
                      size_t end)
{
    const Columns *c = state;
    float acc[BLOCK], total[BLOCK];

    for (size_t u = begin; u < end; u++) {
        const Piece p = piece(out, c, u);

        memset(total, 0, p.width * sizeof(*total));
        for (size_t r = 0; r < c->rows; r += PARTIAL) {
            memset(acc, 0, p.width * sizeof(*acc));
            add_rows(acc, p.x + r * c->width, min_size(PARTIAL, c->rows - r),
                     c->width, p.width);
#pragma omp simd
            for (size_t k = 0; k < p.width; k++)
                total[k] += acc[k];
        }
#pragma omp simd
        for (size_t k = 0; k < p.width; k++)
            p.y[k] = elem(total[k] * c->scale);
    }
}

/* The larger, or b where either is NaN: one instruction. */
static inline float larger_of(float a, float b)
{
    return a > b ? a : b;
}

/* most[k] = the largest x[k] of the rows; if one was NaN, sum[k] is NaN. */
static void max_and_sum(float *most, float *sum, const Elem *x, size_t rows,
                        size_t stride, size_t width)
{
    for (; rows >= 4; rows -= 4, x += 4 * stride) {
        const Elem *b = x + stride, *c = b + stride, *d = c + stride;
#pragma omp simd
        for (size_t k = 0; k < width; k++) {
            const float p = number(x[k]), q = number(b[k]), r = number(c[k]),
                        s = number(d[k]);

            most[k] =
                larger_of(larger_of(p, q), larger_of(larger_of(r, s), most[k]));
            sum[k] += (p + q) + (r + s);
        }
    }
    for (; rows; rows--, x += stride)
#pragma omp simd
        for (size_t k = 0; k < width; k++) {
            most[k] = larger_of(number(x[k]), most[k]);
            sum[k] += number(x[k]);
        }
}

static bool any_nan(const float *x, size_t n)
{
    int found = 0;

#pragma omp simd reduction(| : found)
    for (size_t k = 0; k < n; k++)
        found |= x[k] != x[k];
    return found;
}

static void max_range(const Tensor *out, const void *state, size_t begin,
                      size_t end)
{
    const Columns *c = state;
    float most[BLOCK], sum[BLOCK];

    for (size_t u = begin; u < end; u++) {
        const Piece p = piece(out, c, u);

        for (size_t k = 0; k < p.width; k++) {
            most[k] = -INFINITY;
            sum[k] = 0;
        }
        max_and_sum(most, sum, p.x, c->rows, c->width, p.width);
        for (size_t k = 0; k < p.width; k++)
            p.y[k] = elem(most[k]);
        if (any_nan(sum, p.width))
            max_rows(p.y, p.x, c->rows, c->width, p.width);
    }
}

static int run(Device *dev, const Tensor *out, const Columns *c, Range *range)
{
    return split(dev, out, c,
                 (Split){ range, c->outer * c->blocks,
                          (double)tensor_count(out->src[0]) });
}

static int run_sum(Device *dev, const Tensor *out, void *state)
{
    return run(dev, out, state, sum_range);
}

static int run_max(Device *dev, const Tensor *out, void *state)
{
    return run(dev, out, state, max_range);
}

static int plan_global(Device *dev, const Tensor *out, void **state)
{
    const size_t P = tensor_positions(out->src[0]);

    return plan_columns(dev, state,
                        (Columns){ .outer = (size_t)out->dim[0],
                                   .rows = P,
                                   .width = (size_t)out->dim[1],
                                   .scale = (float)(1.0 / (double)P) });
}

static int plan_mean_w(Device *dev, const Tensor *out, void **state)
{
    const Tensor *x = out->src[0];

    return plan_columns(dev, state,
                        (Columns){ .outer = (size_t)(x->dim[0] * x->dim[2]),
                                   .rows = (size_t)x->dim[3],
                                   .width = (size_t)x->dim[1],
                                   .scale = (float)(1.0 / x->dim[3]) });
}

static int plan_mean_h(Device *dev, const Tensor *out, void **state)
{
    const Tensor *x = out->src[0];

    return plan_columns(dev, state,
                        (Columns){ .outer = (size_t)x->dim[0],
                                   .rows = (size_t)x->dim[2],
                                   .width = (size_t)(x->dim[3] * x->dim[1]),
                                   .scale = (float)(1.0 / x->dim[2]) });
}

static int plan_sum_rows(Device *dev, const Tensor *out, void **state)
{
    const Tensor *x = out->src[0];

    return plan_columns(dev, state,
                        (Columns){ .outer = (size_t)(x->dim[0] * x->dim[1]),
                                   .rows = (size_t)x->dim[2],
                                   .width = (size_t)x->dim[3],
                                   .scale = 1 });
}

#define COLUMNS(id, plan_id, run_id) \
    const Kernel SIMD(id) = {        \
        .op = &id##_def,             \
        .dtypes = SIMD_DTYPES,       \
        .name = "columns",           \
        .plan = plan_id,             \
        .run = run_id,               \
    };
COLUMNS(global_avg_pool, plan_global, run_sum)
COLUMNS(global_max_pool, plan_global, run_max)
COLUMNS(mean_w, plan_mean_w, run_sum)
COLUMNS(mean_h, plan_mean_h, run_sum)
COLUMNS(sum_rows, plan_sum_rows, run_sum)
