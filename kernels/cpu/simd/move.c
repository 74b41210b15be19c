/*
 * move.c - numbers to other places: concat, slice, channel_shuffle
 *
 * No arithmetic, bound by bytes.  In storage order all three copy runs of
 * neighbours: a source of concat, or a slice, is `rows` runs of `run` numbers.
 *
 *   runs         memcpy of long runs; runs of 1, 2, 4, 8 or 16 numbers (the
 *                groups of SA, the two maps of CBAM) in loops of that constant
 *                length.
 *   pairs        concat of two sources of such runs, written in turn.
 *   interleave   channel_shuffle, with 2, 4 or 8 groups as a constant.  Other
 *                shuffles go number by number.
 */
#include "kernels/cpu/simd/runs.h"

/* n runs from rows x_step apart to rows y_step apart. */
typedef struct Runs {
    Elem *y;
    const Elem *x;
    size_t run, y_step, x_step;
} Runs;

/* run is a constant; so are the steps where one side is twice the other. */
INLINE void copy_constant(Runs r, size_t run, size_t n)
{
    if (r.y_step == run && r.x_step == 2 * run) {
        for (size_t i = 0; i < n; i++)
            for (size_t k = 0; k < run; k++)
                r.y[i * run + k] = r.x[2 * i * run + k];
        return;
    }
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < run; k++)
            r.y[i * r.y_step + k] = r.x[i * r.x_step + k];
}

static void copy_runs(Runs r, size_t begin, size_t end)
{
    const size_t n = end - begin;

    r.y += begin * r.y_step;
    r.x += begin * r.x_step;
    switch (r.run) {
    case 1:
        copy_constant(r, 1, n);
        return;
    case 2:
        copy_constant(r, 2, n);
        return;
    case 4:
        copy_constant(r, 4, n);
        return;
    case 8:
        copy_constant(r, 8, n);
        return;
    case 16:
        copy_constant(r, 16, n);
        return;
    }
    for (size_t i = 0; i < n; i++)
        copy(r.y + i * r.y_step, r.x + i * r.x_step, r.run);
}

/* Runs of a and of b in turn; run is a constant. */
INLINE void pair_constant(Elem *y, const Elem *a, const Elem *b, size_t n,
                          size_t run)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < run; k++) {
            y[2 * i * run + k] = a[i * run + k];
            y[(2 * i + 1) * run + k] = b[i * run + k];
        }
}

/* True if out, of two sources of such runs, was written by pair_constant. */
static bool concat_pair(const Tensor *out, size_t run, size_t begin, size_t end)
{
    const Elem *a = (const Elem *)out->src[0]->data + begin * run;
    const Elem *b = (const Elem *)out->src[1]->data + begin * run;
    Elem *y = (Elem *)out->data + begin * 2 * run;

    switch (run) {
    case 1:
        pair_constant(y, a, b, end - begin, 1);
        return true;
    case 2:
        pair_constant(y, a, b, end - begin, 2);
        return true;
    case 4:
        pair_constant(y, a, b, end - begin, 4);
        return true;
    case 8:
        pair_constant(y, a, b, end - begin, 8);
        return true;
    }
    return false;
}

static void concat_range(const Tensor *out, const void *state, size_t begin,
                         size_t end)
{
    const DimAttr *attr = out->attr;
    const size_t step = step_along(out, attr->dim);
    const size_t row = (size_t)out->dim[attr->dim] * step;
    const size_t first = (size_t)out->src[0]->dim[attr->dim] * step;
    Elem *y = out->data;

    (void)state;
    if (!out->src[2] && 2 * first == row && concat_pair(out, first, begin, end))
        return;
    for (int s = 0; s < CONCAT_MAX && out->src[s]; s++) {
        const size_t run = (size_t)out->src[s]->dim[attr->dim] * step;

        copy_runs((Runs){ y, out->src[s]->data, run, row, run }, begin, end);
        y += run;
    }
}

static int concat_run(Device *dev, const Tensor *out, void *state)
{
    const DimAttr *attr = out->attr;
    const size_t row = (size_t)out->dim[attr->dim] * step_along(out, attr->dim);

    return split(dev, out, state,
                 (Split){ concat_range, tensor_count(out) / row,
                          2.0 * (double)tensor_count(out) });
}

static void slice_range(const Tensor *out, const void *state, size_t begin,
                        size_t end)
{
    const SliceAttr *a = out->attr;
    const Tensor *x = out->src[0];
    const size_t step = step_along(x, a->dim), run = (size_t)a->count * step;

    (void)state;
    copy_runs((Runs){ out->data,
                      (const Elem *)x->data + (size_t)a->begin * step, run, run,
                      (size_t)x->dim[a->dim] * step },
              begin, end);
}

static int slice_run(Device *dev, const Tensor *out, void *state)
{
    const SliceAttr *a = out->attr;
    const size_t run = (size_t)a->count * step_along(out->src[0], a->dim);

    return split(dev, out, state,
                 (Split){ slice_range, tensor_count(out) / run,
                          2.0 * (double)tensor_count(out) });
}

/* One row: number i of each of G pieces in turn; G is best a constant. */
INLINE void shuffle_row(Elem *y, const Elem *x, size_t n, size_t G)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        for (size_t g = 0; g < G; g++)
            y[i * G + g] = x[g * n + i];
}

static void shuffle_range(const Tensor *out, const void *state, size_t begin,
                          size_t end)
{
    const ShuffleAttr *attr = out->attr;
    const size_t C = (size_t)out->dim[1], G = (size_t)attr->groups, n = C / G;
    const Elem *x = (const Elem *)out->src[0]->data + begin * C;
    Elem *y = (Elem *)out->data + begin * C;

    (void)state;
    for (size_t r = begin; r < end; r++, x += C, y += C)
        switch (G) {
        case 2:
            shuffle_row(y, x, n, 2);
            break;
        case 4:
            shuffle_row(y, x, n, 4);
            break;
        case 8:
            shuffle_row(y, x, n, 8);
            break;
        default:
            for (size_t i = 0; i < n; i++)
                for (size_t g = 0; g < G; g++)
                    y[i * G + g] = x[g * n + i];
        }
}

static int shuffle_run(Device *dev, const Tensor *out, void *state)
{
    return split(dev, out, state,
                 (Split){ shuffle_range, tensor_rows(out),
                          2.0 * (double)tensor_count(out) });
}

const Kernel SIMD(concat) = {
    .op = &concat_def,
    .dtypes = SIMD_DTYPES,
    .name = "runs",
    .run = concat_run,
};

const Kernel SIMD(slice) = {
    .op = &slice_def,
    .dtypes = SIMD_DTYPES,
    .name = "runs",
    .run = slice_run,
};

const Kernel SIMD(channel_shuffle) = {
    .op = &channel_shuffle_def,
    .dtypes = SIMD_DTYPES,
    .name = "interleave",
    .run = shuffle_run,
};
