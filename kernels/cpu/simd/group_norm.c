/*
 * group_norm.c - y = (x - mean) / sqrt(var + eps) * weight + bias, the mean and
 * variance being those of a group of channels over all positions of an image
 *
 * Bound by bytes: x is read twice, y written once; a unit that fits the cache
 * of its core is read from memory once.
 *
 *   columns   a unit is some whole groups of one image, at least UNIT
 *             channels.  One pass takes the sums of d = x - x[first row] and
 *             of d^2 for each channel: in float over PARTIAL rows, then in
 *             double.  As x[first row] is within a few deviations of the
 *             mean, squares cancel little, whatever the mean.  The sums are
 *             joined by group, and a second pass writes y.  Starves on one
 *             image with one group: a single unit.
 */
#include <math.h>

#include "kernels/cpu/simd/rows.h"

enum {
    UNIT = 64,    /* channels: rows of four cache lines                  */
    BLOCK = 256,  /* channels at a time in the sums, which are on stack  */
    PARTIAL = 64, /* rows summed in float                                */
};

typedef struct GroupNorm {
    size_t C, P, group, unit, units; /* channels, positions; ch. of a group,
                                        ch. of a unit, units of an image */
    float *weight, *bias;            /* C each                           */
    float *mean, *scale, *shift;     /* N C each: scratch                */
    double *sum, *squares;           /* N C each: scratch                */
} GroupNorm;

static int plan(Device *dev, const Tensor *out, void **state)
{
    const NormAttr *attr = out->attr;
    const float *weight = weight_host(out->src[1]);
    const float *bias = weight_host(out->src[2]);
    const size_t N = (size_t)out->dim[0], C = (size_t)out->dim[1];
    const size_t period = (size_t)out->src[1]->dim[0];
    GroupNorm *s;

    (void)dev;
    TRY(state_new(state, sizeof(*s) + 2 * N * C * sizeof(double) +
                             (2 + 3 * N) * C * sizeof(float)));
    s = *state;
    s->C = C;
    s->P = tensor_positions(out);
    s->group = C / (size_t)attr->groups;
    s->unit = min_size(ceil_div(UNIT, s->group) * s->group, C);
    s->units = ceil_div(C, s->unit);
    s->sum = (double *)(s + 1);
    s->squares = s->sum + N * C;
    s->mean = (float *)(s->squares + N * C);
    s->scale = s->mean + N * C;
    s->shift = s->scale + N * C;
    s->weight = s->shift + N * C;
    s->bias = s->weight + C;
    for (size_t c = 0; c < C; c++) {
        s->weight[c] = weight[c % period];
        s->bias[c] = bias[c % period];
    }
    return OK;
}

/* Adds to s1 and s2 the sums of d and d^2 of rows of up to BLOCK columns. */
static void add_moments(float *s1, float *s2, const Elem *first, const Elem *x,
                        size_t rows, size_t stride, size_t width)
{
    for (; rows >= 4; rows -= 4, x += 4 * stride) {
        const Elem *b = x + stride, *c = b + stride, *d = c + stride;
#pragma omp simd
        for (size_t k = 0; k < width; k++) {
            const float from = number(first[k]);
            const float dx = number(x[k]) - from, db = number(b[k]) - from,
                        dc = number(c[k]) - from, dd = number(d[k]) - from;

            s1[k] += (dx + db) + (dc + dd);
            s2[k] += (dx * dx + db * db) + (dc * dc + dd * dd);
        }
    }
    for (; rows; rows--, x += stride)
#pragma omp simd
        for (size_t k = 0; k < width; k++) {
            const float dx = number(x[k]) - number(first[k]);

            s1[k] += dx;
            s2[k] += dx * dx;
        }
}

/* sum and squares of `width` columns of x (P,C), about its first row. */
static void moments(const GroupNorm *s, double *sum, double *squares,
                    const Elem *x, size_t width)
{
    float s1[BLOCK], s2[BLOCK];

    for (size_t from = 0; from < width; from += BLOCK) {
        const size_t n = min_size(BLOCK, width - from);

        memset(sum + from, 0, n * sizeof(*sum));
        memset(squares + from, 0, n * sizeof(*squares));
        for (size_t p = 0; p < s->P; p += PARTIAL) {
            memset(s1, 0, n * sizeof(*s1));
            memset(s2, 0, n * sizeof(*s2));
            add_moments(s1, s2, x + from, x + p * s->C + from,
                        min_size(PARTIAL, s->P - p), s->C, n);
#pragma omp simd
            for (size_t k = 0; k < n; k++) {
                sum[from + k] += (double)s1[k];
                squares[from + k] += (double)s2[k];
            }
        }
    }
}

/* What takes a number of channel c to the result. */
static inline void set_affine(const GroupNorm *s, size_t at, size_t c,
                              double mean, double scale)
{
    const float near = (float)mean, a = (float)(scale * s->weight[c]);

    s->mean[at] = near;
    s->scale[at] = a;
    s->shift[at] = (float)(s->bias[c] - (mean - near) * a);
}

/* Joins the channels of one group; `at` is its first in the scratch, `c` in
 * the image, x its first number. */
static void join(const GroupNorm *s, size_t at, size_t c, const Elem *x,
                 double eps)
{
    const double part = 1 / (double)s->P, n = (double)s->group;
    const double *sums = s->sum + at, *squares = s->squares + at;
    double mean = 0, var = 0, scale;

#pragma omp simd reduction(+ : mean)
    for (size_t k = 0; k < s->group; k++)
        mean += number(x[k]) + sums[k] * part;
    mean /= n;
    /* Each channel's own variance, and its mean's distance from the group's. */
#pragma omp simd reduction(+ : var)
    for (size_t k = 0; k < s->group; k++) {
        const double d = sums[k] * part, apart = number(x[k]) + d - mean;

        var += squares[k] * part - d * d + apart * apart;
    }
    scale = 1 / sqrt((var < 0 ? 0 : var / n) + eps);
#pragma omp simd
    for (size_t k = 0; k < s->group; k++)
        set_affine(s, at + k, c + k, mean, scale);
}

/* The same for `width` groups of one channel, side by side in vectors. */
static void join_single(const GroupNorm *s, size_t at, size_t c, const Elem *x,
                        size_t width, double eps)
{
    const double part = 1 / (double)s->P;

#pragma omp simd
    for (size_t k = 0; k < width; k++) {
        const double d = s->sum[at + k] * part;
        const double var = s->squares[at + k] * part - d * d;
        const double least = var < 0 ? 0 : var; /* by rounding; NaN stays */

        set_affine(s, at + k, c + k, number(x[k]) + d, 1 / sqrt(least + eps));
    }
}

static void range(const Tensor *out, const void *state, size_t begin,
                  size_t end)
{
    const GroupNorm *s = state;
    const NormAttr *attr = out->attr;

    for (size_t u = begin; u < end; u++) {
        const size_t n = u / s->units, c = u % s->units * s->unit;
        const size_t width = min_size(s->unit, s->C - c), at = n * s->C + c;
        const Elem *x = (const Elem *)out->src[0]->data + n * s->P * s->C + c;
        Elem *y = (Elem *)out->data + n * s->P * s->C + c;

        moments(s, s->sum + at, s->squares + at, x, width);
        if (s->group == 1)
            join_single(s, at, c, x, width, attr->eps);
        for (size_t k = 0; s->group > 1 && k < width; k += s->group)
            join(s, at + k, c + k, x + k, attr->eps);
        normalise_rows(y, x, s->P, s->C, width,
                       (Affine){ s->mean + at, s->scale + at, s->shift + at });
    }
}

static int run(Device *dev, const Tensor *out, void *state)
{
    const GroupNorm *s = state;

    return split(dev, out, s,
                 (Split){ range, (size_t)out->dim[0] * s->units,
                          3.0 * (double)tensor_count(out) });
}

const Kernel SIMD(group_norm) = {
    .op = &group_norm_def,
    .dtypes = SIMD_DTYPES,
    .name = "columns",
    .supports = weights_known,
    .plan = plan,
    .run = run,
    .inplace = 1,
    .packs = 1 << 1 | 1 << 2,
};
