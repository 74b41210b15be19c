/*
 * softmax.c - y = exp(x - m) / sum of exp(x - m) along one dim, m the largest
 *
 * An exp per number, about 25 operations: bound by arithmetic in cache.  Seen
 * as x[o,r,k] with r the dim, in storage order:
 *
 *   rows      k = 1: the numbers of a softmax are neighbours.  Three passes
 *             over one, which stays in the L1 cache.  Short rows (the groups of
 *             EMA) are done TILE numbers at a time, so that exp has full
 *             vectors; their maxima and sums go number by number.
 *   columns   k > 1: as many softmaxes side by side as fill BLOCK numbers.
 */
#include <math.h>

#include "kernels/cpu/simd/math.h"
#include "kernels/cpu/simd/rows.h"

enum {
    BLOCK = 64,        /* columns: four lines of the cache a row        */
    SHORT = 2 * LANES, /* a row of fewer numbers leaves vectors empty   */
    TILE = 512,        /* numbers of short rows done together: 2 KiB    */
};

typedef struct Softmax {
    size_t outer, length, step; /* r and k of the heading */
    float *scratch;             /* exponentials, some for each thread */
    size_t scratch_size;
} Softmax;

/* Where exponentials wait for their sum: in y, where that is float, and so
 * that nothing is rounded twice elsewhere. */
static float *waiting(const Softmax *s, Elem *y)
{
#ifdef SIMD_BF16
    (void)y;
    return s->scratch + (size_t)omp_get_thread_num() * s->scratch_size;
#else
    (void)s;
    return y;
#endif
}

/* How far apart they are there. */
static size_t waiting_step(const Softmax *s)
{
#ifdef SIMD_BF16
    return min_size(BLOCK, s->step);
#else
    return s->step;
#endif
}

static int plan(Device *dev, const Tensor *out, void **state)
{
    const DimAttr *attr = out->attr;
    const bool floats = sizeof(Elem) == sizeof(float);
    size_t stride[MAX_RANK];
    Softmax s;

    tensor_strides(out, stride);
    s.length = (size_t)out->dim[attr->dim];
    s.step = stride[attr->dim];
    s.outer = tensor_count(out) / (s.length * s.step);
    s.scratch_size = floats ? 0 : s.length * waiting_step(&s);
    TRY(state_new(state, sizeof(s) + (size_t)dev->threads * s.scratch_size *
                                         sizeof(float)));
    s.scratch = (float *)((Softmax *)*state + 1);
    memcpy(*state, &s, sizeof(s));
    return OK;
}

/* e: n numbers, which may be those of y. */
static void row(Elem *y, const Elem *x, float *e, size_t n)
{
    const float most = max_row(x, n);
    float scale;

#pragma omp simd
    for (size_t i = 0; i < n; i++)
        e[i] = exp_of(number(x[i]) - most);
    scale = 1 / sum_floats(e, n);
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        y[i] = elem(e[i] * scale);
}

/* n rows of `length` numbers, n * length <= TILE: exp of all in one loop. */
static void short_rows(Elem *y, const Elem *x, size_t n, size_t length)
{
    float e[TILE];

    for (size_t r = 0; r < n * length; r += length) {
        float most = -INFINITY;

        for (size_t i = r; i < r + length; i++)
            most = max_nan(most, number(x[i]));
        for (size_t i = r; i < r + length; i++)
            e[i] = number(x[i]) - most;
    }
#pragma omp simd
    for (size_t i = 0; i < n * length; i++)
        e[i] = exp_of(e[i]);
    for (size_t r = 0; r < n * length; r += length) {
        float sum = 0;

        for (size_t i = r; i < r + length; i++)
            sum += e[i];
        for (size_t i = r; i < r + length; i++)
            y[i] = elem(e[i] / sum);
    }
}

static void row_range(const Tensor *out, const void *state, size_t begin,
                      size_t end)
{
    const Softmax *s = state;
    const Elem *x = out->src[0]->data;
    Elem *y = out->data;

    if (s->length < SHORT) {
        const size_t n = TILE / s->length;

        for (size_t r = begin; r < end; r += n)
            short_rows(y + r * s->length, x + r * s->length,
                       min_size(n, end - r), s->length);
        return;
    }
    for (size_t r = begin * s->length; r < end * s->length; r += s->length)
        row(y + r, x + r, waiting(s, y + r), s->length);
}

/* n <= BLOCK softmaxes of s->length numbers, s->step apart. */
static void columns(Elem *y, const Elem *x, const Softmax *s, size_t n)
{
    float most[BLOCK], sum[BLOCK], *e = waiting(s, y);
    const size_t step = waiting_step(s);

    for (size_t k = 0; k < n; k++) {
        most[k] = -INFINITY;
        sum[k] = 0;
    }
    for (size_t i = 0; i < s->length; i++)
#pragma omp simd
        for (size_t k = 0; k < n; k++)
            most[k] = max_nan(most[k], number(x[i * s->step + k]));
    for (size_t i = 0; i < s->length; i++)
#pragma omp simd
        for (size_t k = 0; k < n; k++) {
            const float new = exp_of(number(x[i * s->step + k]) - most[k]);

            e[i * step + k] = new;
            sum[k] += new;
        }
    for (size_t k = 0; k < n; k++)
        sum[k] = 1 / sum[k];
    for (size_t i = 0; i < s->length; i++)
#pragma omp simd
        for (size_t k = 0; k < n; k++)
            y[i * s->step + k] = elem(e[i * step + k] * sum[k]);
}

static void column_range(const Tensor *out, const void *state, size_t begin,
                         size_t end)
{
    const Softmax *s = state;
    const size_t blocks = ceil_div(s->step, BLOCK);

    for (size_t u = begin; u < end; u++) {
        const size_t k = u % blocks * BLOCK;
        const size_t at = u / blocks * s->length * s->step + k;

        columns((Elem *)out->data + at, (const Elem *)out->src[0]->data + at, s,
                min_size(BLOCK, s->step - k));
    }
}

static int run(Device *dev, const Tensor *out, void *state)
{
    const Softmax *s = state;
    const double work = 8.0 * (double)tensor_count(out);

    if (s->step == 1)
        return split(dev, out, s, (Split){ row_range, s->outer, work });
    return split(
        dev, out, s,
        (Split){ column_range, s->outer * ceil_div(s->step, BLOCK), work });
}

const Kernel SIMD(softmax) = {
    .op = &softmax_def,
    .dtypes = SIMD_DTYPES,
    .name = "rows_or_columns",
    .plan = plan,
    .run = run,
    .inplace = 1,
};
