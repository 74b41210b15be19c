/*
 * slice_grad.c - dy in its place, zeros around it
 *
 * Bound by the bytes of the result.  In storage order that is rows of which one
 * run is dy's.
 *
 *   runs     a unit is a number of the result, so that one long row is shared
 *            by all threads.
 *   halves   rows of twice 1, 2, 4 or 8 numbers (the groups of SA, the two maps
 *            of CBAM), in a loop of that constant length.
 */
#include "kernels/cpu/simd/runs.h"

/* Rows of `row` numbers, of which `run` from `at` are dy's. */
typedef struct Rows {
    size_t row, at, run;
} Rows;

static Rows rows_of(const Tensor *out)
{
    const SliceGradAttr *a = out->attr;
    const size_t step = step_along(out, a->dim);

    return (Rows){ (size_t)a->size * step, (size_t)a->begin * step,
                   (size_t)out->src[0]->dim[a->dim] * step };
}

static size_t clamp(size_t i, size_t lo, size_t hi)
{
    return i < lo ? lo : i > hi ? hi : i;
}

static void range(const Tensor *out, const void *state, size_t begin,
                  size_t end)
{
    const Rows *r = state;
    const float *dy = out->src[0]->data;
    float *dx = out->data;

    while (begin < end) {
        const size_t first = begin / r->row * r->row;
        const size_t stop = min_size(first + r->row, end);
        const size_t from = clamp(first + r->at, begin, stop);
        const size_t to = clamp(first + r->at + r->run, from, stop);

        memset(dx + begin, 0, (from - begin) * sizeof(*dx));
        copy(dx + from, dy + first / r->row * r->run + from - first - r->at,
             to - from);
        memset(dx + to, 0, (stop - to) * sizeof(*dx));
        begin = stop;
    }
}

/* run is a constant, at 0 or run. */
INLINE void halves(float *dx, const float *dy, size_t rows, size_t at,
                   size_t run)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t k = 0; k < run; k++) {
            dx[2 * i * run + k] = at ? 0 : dy[i * run + k];
            dx[(2 * i + 1) * run + k] = at ? dy[i * run + k] : 0;
        }
}

#define HALVES(run)                              \
    case run:                                    \
        if (r->at)                               \
            halves(dx, dy, end - begin, 1, run); \
        else                                     \
            halves(dx, dy, end - begin, 0, run); \
        return;

/* Units are rows. */
static void halves_range(const Tensor *out, const void *state, size_t begin,
                         size_t end)
{
    const Rows *r = state;
    const float *dy = (const float *)out->src[0]->data + begin * r->run;
    float *dx = (float *)out->data + begin * r->row;

    switch (r->run) {
        HALVES(1)
        HALVES(2)
        HALVES(4)
        HALVES(8)
    }
}

static bool is_halves(const Rows *r)
{
    return r->row == 2 * r->run && r->run <= 8 && !(r->run & (r->run - 1)) &&
           (r->at == 0 || r->at == r->run);
}

static int run(Device *dev, const Tensor *out, void *state)
{
    const Rows r = rows_of(out);
    const size_t n = tensor_count(out);

    (void)state;
    return split(dev, out, &r,
                 is_halves(&r)
                     ? (Split){ halves_range, n / r.row, 1.5 * (double)n }
                     : (Split){ range, n, 1.5 * (double)n });
}

const Kernel SIMD(slice_grad) = {
    .op = &slice_grad_def,
    .name = "runs",
    .run = run,
};
