/*
 * softmax_grad.c - dx = y (dy - sum of y dy), along the dim of y = softmax(x)
 *
 * Bound by bytes: what the sum has read is still in the cache.  Seen as in
 * softmax.c, with the dim in the middle of three:
 *
 *   rows      the numbers of a softmax are neighbours.
 *   columns   as many softmaxes side by side as fill BLOCK numbers.
 */
#include "kernels/cpu/simd/rows.h"

enum {
    BLOCK = 256,       /* columns: 1 KiB per row, and 1 KiB of sums  */
    SHORT = 2 * LANES, /* a row of fewer numbers leaves vectors empty */
};

typedef struct Softmax {
    size_t outer, length, step;
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

/* A call of dot_row takes as long as a short row does number by number. */
static float sum_of(const float *y, const float *dy, size_t n)
{
    float sum = 0;

    if (n >= SHORT)
        return dot_row(y, dy, n);
    for (size_t i = 0; i < n; i++)
        sum += y[i] * dy[i];
    return sum;
}

static void row_range(const Tensor *out, const void *state, size_t begin,
                      size_t end)
{
    const size_t n = ((const Softmax *)state)->length;

    for (size_t at = begin * n; at < end * n; at += n) {
        const float *y = (const float *)out->src[0]->data + at;
        const float *dy = (const float *)out->src[1]->data + at;
        const float sum = sum_of(y, dy, n);
        float *dx = (float *)out->data + at;

#pragma omp simd
        for (size_t i = 0; i < n; i++)
            dx[i] = y[i] * (dy[i] - sum);
    }
}

static void column_range(const Tensor *out, const void *state, size_t begin,
                         size_t end)
{
    const Softmax *s = state;
    const size_t blocks = ceil_div(s->step, BLOCK);

    for (size_t u = begin; u < end; u++) {
        const size_t first = u % blocks * BLOCK;
        const size_t at = u / blocks * s->length * s->step + first;
        const size_t n = min_size(BLOCK, s->step - first);
        const float *y = (const float *)out->src[0]->data + at;
        const float *dy = (const float *)out->src[1]->data + at;
        float *dx = (float *)out->data + at;
        float sum[BLOCK] = { 0 };

        add_row_products(sum, y, dy, s->length, s->step, n);
        for (size_t i = 0; i < s->length * s->step; i += s->step)
#pragma omp simd
            for (size_t k = 0; k < n; k++)
                dx[i + k] = y[i + k] * (dy[i + k] - sum[k]);
    }
}

static int run(Device *dev, const Tensor *out, void *state)
{
    const Softmax *s = state;
    const double work = 4.0 * (double)tensor_count(out);

    if (s->step == 1)
        return split(dev, out, s, (Split){ row_range, s->outer, work });
    return split(
        dev, out, s,
        (Split){ column_range, s->outer * ceil_div(s->step, BLOCK), work });
}

const Kernel SIMD(softmax_grad) = {
    .op = &softmax_grad_def,
    .name = "rows_or_columns",
    .plan = plan,
    .run = run,
    .inplace = 1 << 0 | 1 << 1,
};
