/*
 * over_channels.c - y[n,h,w] = mean or maximum over c of x[n,c,h,w]: mean_c,
 * max_c
 *
 * Bound by the bytes of x, each read once.
 *
 *   rows   every row is one sum or maximum of LANES partial ones, joined at
 *          its end.  Joining costs as much as 64 channels do: starves on few.
 *          The maxima of LANES rows are joined at once, two halves of two rows
 *          at a time, by comparisons that may lose a NaN; the sum of all that
 *          was seen tells whether there can have been one, and then the rows
 *          are gone over again.
 */
#include "kernels/cpu/simd/rows.h"

static void mean_range(const Tensor *out, const void *state, size_t begin,
                       size_t end)
{
    const size_t C = (size_t)out->src[0]->dim[1];
    const Elem *x = (const Elem *)out->src[0]->data + begin * C;
    Elem *y = out->data;

    (void)state;
    for (size_t r = begin; r < end; r++, x += C)
        y[r] = elem(sum_row(x, C) / (float)C);
}

/* The maxima of LANES rows of C >= LANES channels; false if one of them may be
 * NaN.  What fills no vector is seen twice. */
INLINE bool max_rows_at_once(Vec *y, const Elem *x, size_t C)
{
    Vec m[LANES], sum = splat(0);

    UNROLL
    for (size_t r = 0; r < LANES; r++, x += C) {
        size_t k = LANES;

        m[r] = load_elems(x);
        sum += m[r];
        for (; k + LANES <= C; k += LANES) {
            const Vec v = load_elems(x + k);

            sum += v;
            m[r] = larger(m[r], v);
        }
        if (k < C) {
            const Vec v = load_elems(x + C - LANES);

            sum += v;
            m[r] = larger(m[r], v);
        }
    }
    *y = join_lanes(m, false);
    return !isnan(sum_lanes(sum));
}

static void max_range(const Tensor *out, const void *state, size_t begin,
                      size_t end)
{
    const size_t C = (size_t)out->src[0]->dim[1];
    const Elem *x = (const Elem *)out->src[0]->data + begin * C;
    Elem *y = (Elem *)out->data + begin;
    size_t rows = end - begin;
    Vec at_once;

    (void)state;
    for (; rows >= LANES && C >= LANES; rows -= LANES) {
        if (max_rows_at_once(&at_once, x, C))
            store_elems(y, at_once);
        else
            for (size_t r = 0; r < LANES; r++)
                y[r] = same_elem(max_row(x + r * C, C));
        x += LANES * C;
        y += LANES;
    }
    for (; rows; rows--, x += C)
        *y++ = same_elem(max_row(x, C));
}

static int run(Device *dev, const Tensor *out, Range *range)
{
    return split(
        dev, out, NULL,
        (Split){ range, tensor_count(out), (double)tensor_count(out->src[0]) });
}

static int run_mean(Device *dev, const Tensor *out, void *state)
{
    (void)state;
    return run(dev, out, mean_range);
}

static int run_max(Device *dev, const Tensor *out, void *state)
{
    (void)state;
    return run(dev, out, max_range);
}

const Kernel SIMD(mean_c) = {
    .op = &mean_c_def,
    .dtypes = SIMD_DTYPES,
    .name = "rows",
    .run = run_mean,
};

const Kernel SIMD(max_c) = {
    .op = &max_c_def,
    .dtypes = SIMD_DTYPES,
    .name = "rows",
    .run = run_max,
};
