/*
 * max_grad.c - dy where the first of the largest is, zeros elsewhere:
 * global_max_pool_grad, max_c_grad
 *
 * Bound by bytes: x read, dx written.
 *
 *   columns   of positions: the largest so far of each channel, and its row, go
 *             along with the rows of x; then zeros are written, and dy among
 *             them.  A unit is an image and a block of channels.
 *   rows      of channels: the largest of a row, by comparisons that may lose a
 *             NaN, then where it first is; a row whose sum is NaN goes number
 *             by number.
 */
#include <math.h>

#include "kernels/cpu/simd/rows.h"

enum {
    BLOCK = 1024, /* channels of a unit, on stack: 8 KiB    */
    NARROW = 16,  /* of the smallest: one line of the cache */
};

/* True if a is to be the maximum in place of b: larger, or the first NaN. */
static inline bool is_more(float a, float b)
{
    return !(a <= b) & (b == b);
}

/* ---- over positions ------------------------------------------------------ */

static size_t block_of(const Tensor *out, int threads)
{
    const size_t N = (size_t)out->dim[0], C = (size_t)out->dim[1];
    const size_t share = ceil_div((size_t)threads, N);
    const size_t even = ceil_div(ceil_div(C, share), NARROW) * NARROW;

    return min_size(min_size(even, BLOCK), C);
}

/* Takes v, of some row, where it is to be the maximum in place of *most. */
INLINE void better(Vec *most, VecInt *row, Vec v, VecInt of)
{
    const VecInt more = ~(v <= *most) & (*most == *most);

    *most = (Vec)((more & (VecInt)v) | (~more & (VecInt)*most));
    *row = (more & of) | (~more & *row);
}

/* most[k] = the largest x[k] of P rows, row[k] = where it first is.  Two rows
 * meet before they meet the largest so far; what fills no vector goes number
 * by number. */
static void seek(float *most, int32_t *row, const float *x, size_t P, size_t C,
                 size_t width)
{
    for (size_t p = 0; p < P; p += 4)
        for (size_t k = 0; k + LANES <= width; k += LANES) {
            const float *at = x + p * C + k;
            const size_t n = min_size(4, P - p);
            Vec best = load(most + k), near = load(at), far;
            VecInt of = (VecInt)load((const float *)row + k),
                   near_of = (VecInt){ 0 } + (int32_t)p, far_of = near_of + 2;

            if (n > 1)
                better(&near, &near_of, load(at + C), near_of + 1);
            better(&best, &of, near, near_of);
            if (n > 2) {
                far = load(at + 2 * C);
                if (n > 3)
                    better(&far, &far_of, load(at + 3 * C), far_of + 1);
                better(&best, &of, far, far_of);
            }
            store(most + k, best);
            store((float *)row + k, (Vec)of);
        }
    for (size_t p = 0; p < P; p++)
        for (size_t k = width / LANES * LANES; k < width; k++)
            if (is_more(x[p * C + k], most[k])) {
                most[k] = x[p * C + k];
                row[k] = (int32_t)p;
            }
}

/* State: numbers in a block. */
static void columns_range(const Tensor *out, const void *state, size_t begin,
                          size_t end)
{
    const size_t C = (size_t)out->dim[1], P = tensor_positions(out);
    const size_t block = *(const size_t *)state, blocks = ceil_div(C, block);

    for (size_t u = begin; u < end; u++) {
        const size_t c = u % blocks * block, n = u / blocks;
        const size_t width = min_size(block, C - c);
        const float *x = (const float *)out->src[0]->data + n * P * C + c;
        const float *dy = (const float *)out->src[1]->data + n * C + c;
        float *dx = (float *)out->data + n * P * C + c, most[BLOCK];
        int32_t row[BLOCK] = { 0 };

        memcpy(most, x, width * sizeof(*most));
        seek(most, row, x, P, C, width);
        for (size_t p = 0; p < P; p++)
            memset(dx + p * C, 0, width * sizeof(*dx));
        for (size_t k = 0; k < width; k++)
            dx[(size_t)row[k] * C + k] = dy[k];
    }
}

static int columns_run(Device *dev, const Tensor *out, void *state)
{
    const size_t block = block_of(out, dev->threads);
    const size_t blocks = ceil_div((size_t)out->dim[1], block);

    (void)state;
    return split(dev, out, &block,
                 (Split){ columns_range, (size_t)out->dim[0] * blocks,
                          3.0 * (double)tensor_count(out) });
}

/* ---- over channels ------------------------------------------------------- */

/* Number by number. */
static size_t first_plain(const float *x, size_t n)
{
    size_t most = 0;

    for (size_t k = 1; k < n; k++)
        most = is_more(x[k], x[most]) ? k : most;
    return most;
}

static size_t first_largest(const float *x, size_t n)
{
    Vec most = splat(-INFINITY), sum = splat(0);
    int32_t first = INT32_MAX;
    size_t k = 0;
    float m;

    for (; k + LANES <= n; k += LANES) {
        most = larger(most, load(x + k));
        sum += load(x + k);
    }
    if (k < n) {
        const Vec v = load(x + n - LANES);

        most = larger(most, v);
        sum += v;
    }
    if (isnan(sum_lanes(sum)))
        return first_plain(x, n);
    m = max_lane(most);
#pragma omp simd reduction(min : first)
    for (k = 0; k < n; k++) {
        const int32_t at = x[k] == m ? (int32_t)k : INT32_MAX;

        first = at < first ? at : first;
    }
    return (size_t)first;
}

static void rows_range(const Tensor *out, const void *state, size_t begin,
                       size_t end)
{
    const size_t C = (size_t)out->dim[1];

    (void)state;
    for (size_t r = begin; r < end; r++) {
        const float *x = (const float *)out->src[0]->data + r * C;
        float *dx = (float *)out->data + r * C;
        const size_t at = C < LANES ? first_plain(x, C) : first_largest(x, C);

        memset(dx, 0, C * sizeof(*dx));
        dx[at] = ((const float *)out->src[1]->data)[r];
    }
}

static int rows_run(Device *dev, const Tensor *out, void *state)
{
    return split(dev, out, state,
                 (Split){ rows_range, tensor_rows(out),
                          3.0 * (double)tensor_count(out) });
}

const Kernel SIMD(global_max_pool_grad) = {
    .op = &global_max_pool_grad_def,
    .name = "columns",
    .run = columns_run,
    .inplace = 1,
};

const Kernel SIMD(max_c_grad) = {
    .op = &max_c_grad_def,
    .name = "rows",
    .run = rows_run,
    .inplace = 1,
};
