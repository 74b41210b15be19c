/*
 * softmax.c - y = exp(x - m) / sum of exp(x - m) along one dim, m the largest
 *
 * An exp a number, about 25 operations: bound by arithmetic in cache.  Seen as
 * x[o,r,k] with r the dim, in storage order:
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
} Softmax;

static int plan(Device *dev, const Tensor *out, void **state)
{
    const DimAttr *attr = out->attr;
    size_t stride[MAX_RANK];
    Softmax *s;

    (void)dev;
    TRY(state_new(state, sizeof(*s)));
    s = *state;
    tensor_strides(out, stride);
    s->length = (size_t)out->dim[attr->dim];
    s->step = stride[attr->dim];
    s->outer = tensor_count(out) / (s->length * s->step);
    return OK;
}

static void row(float *y, const float *x, size_t n)
{
    const float most = max_row(x, n);
    float scale;

#pragma omp simd
    for (size_t i = 0; i < n; i++)
        y[i] = exp_of(x[i] - most);
    scale = 1 / sum_row(y, n);
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        y[i] *= scale;
}

/* n rows of `length` numbers, n * length <= TILE: exp of all in one loop. */
static void short_rows(float *y, const float *x, size_t n, size_t length)
{
    for (size_t r = 0; r < n * length; r += length) {
        float most = -INFINITY;

        for (size_t i = r; i < r + length; i++)
            most = max_nan(most, x[i]);
        for (size_t i = r; i < r + length; i++)
            y[i] = x[i] - most;
    }
#pragma omp simd
    for (size_t i = 0; i < n * length; i++)
        y[i] = exp_of(y[i]);
    for (size_t r = 0; r < n * length; r += length) {
        float sum = 0;

        for (size_t i = r; i < r + length; i++)
            sum += y[i];
        for (size_t i = r; i < r + length; i++)
            y[i] /= sum;
    }
}

static void row_range(const Tensor *out, const void *state, size_t begin,
                      size_t end)
{
    const Softmax *s = state;
    const float *x = out->src[0]->data;
    float *y = out->data;

    if (s->length < SHORT) {
        const size_t n = TILE / s->length;

        for (size_t r = begin; r < end; r += n)
            short_rows(y + r * s->length, x + r * s->length,
                       min_size(n, end - r), s->length);
        return;
    }
    for (size_t r = begin; r < end; r++)
        row(y + r * s->length, x + r * s->length, s->length);
}

/* n <= BLOCK softmaxes of s->length numbers, s->step apart. */
static void columns(float *y, const float *x, const Softmax *s, size_t n)
{
    float most[BLOCK], sum[BLOCK];

    for (size_t k = 0; k < n; k++) {
        most[k] = -INFINITY;
        sum[k] = 0;
    }
    for (size_t i = 0; i < s->length; i++)
#pragma omp simd
        for (size_t k = 0; k < n; k++)
            most[k] = max_nan(most[k], x[i * s->step + k]);
    for (size_t i = 0; i < s->length; i++)
#pragma omp simd
        for (size_t k = 0; k < n; k++) {
            const float e = exp_of(x[i * s->step + k] - most[k]);

            y[i * s->step + k] = e;
            sum[k] += e;
        }
    for (size_t k = 0; k < n; k++)
        sum[k] = 1 / sum[k];
    for (size_t i = 0; i < s->length; i++)
#pragma omp simd
        for (size_t k = 0; k < n; k++)
            y[i * s->step + k] *= sum[k];
}

static void column_range(const Tensor *out, const void *state, size_t begin,
                         size_t end)
{
    const Softmax *s = state;
    const size_t blocks = ceil_div(s->step, BLOCK);

    for (size_t u = begin; u < end; u++) {
        const size_t k = u % blocks * BLOCK;
        const size_t at = u / blocks * s->length * s->step + k;

        columns((float *)out->data + at, (float *)out->src[0]->data + at, s,
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
    .name = "rows_or_columns",
    .plan = plan,
    .run = run,
    .inplace = 1,
};
