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
 *             joined by group, and a second pass writes y.
 *
 * A unit that fits no cache is read twice from memory anyway.  Then, where
 * images are few (the batch norm of a batch is one image), whole rows are
 * summed up and written, which lie side by side, and threads share the rows.
 */
#include <math.h>

#include "kernels/cpu/simd/rows.h"

enum {
    UNIT = 64,    /* channels: rows of four cache lines                  */
    BLOCK = 256,  /* channels at a time in the sums, which are on stack  */
    PARTIAL = 64, /* rows summed in float                                */
    CACHE_BYTES = 512 << 10, /* half a second-level cache                */
};

typedef struct GroupNorm {
    size_t C, P, group, unit, units; /* channels, positions; ch. of a group,
                                        ch. of a unit, units of an image */
    size_t parts;                    /* of the rows of an image; 0: units */
    float *weight, *bias;            /* C each                           */
    float *mean, *scale, *shift;     /* N C each: scratch                */
    double *sum, *squares;           /* N C each, or of each part: scratch */
} GroupNorm;

/* How many parts of an image's rows are shared out, or 0. */
static size_t parts_of(const GroupNorm *s, size_t N, size_t threads)
{
    const bool fits = s->P * s->unit * sizeof(Elem) <= CACHE_BYTES;

    return fits || N >= 4 * threads ? 0 : threads;
}

static int plan(Device *dev, const Tensor *out, void **state)
{
    const NormAttr *attr = out->attr;
    const float *weight = weight_host(out->src[1]);
    const float *bias = weight_host(out->src[2]);
    const size_t N = (size_t)out->dim[0], C = (size_t)out->dim[1];
    const size_t period = (size_t)out->src[1]->dim[0];
    const size_t group = C / (size_t)attr->groups;
    const size_t unit = min_size(ceil_div(UNIT, group) * group, C);
    GroupNorm size = { .C = C,
                       .P = tensor_positions(out),
                       .group = group,
                       .unit = unit,
                       .units = ceil_div(C, unit) };
    GroupNorm *s;
    size_t sums;

    size.parts = parts_of(&size, N, (size_t)dev->threads);
    sums = N * C * (size.parts ? size.parts : 1);
    TRY(state_new(state, sizeof(*s) + 2 * sums * sizeof(double) +
                             (2 + 3 * N) * C * sizeof(float)));
    s = *state;
    *s = size;
    s->sum = (double *)(s + 1);
    s->squares = s->sum + sums;
    s->mean = (float *)(s->squares + sums);
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

        fetch_ahead(x, 4, stride, width);
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

/* `width` columns of `rows` rows, and the row that sums are about. */
typedef struct Columns {
    const Elem *first, *x;
    size_t rows, width;
} Columns;

/* Their sum and that of their squares. */
static void moments(const GroupNorm *s, double *sum, double *squares, Columns c)
{
    float s1[BLOCK], s2[BLOCK];

    memset(sum, 0, c.width * sizeof(*sum));
    memset(squares, 0, c.width * sizeof(*squares));
    for (size_t p = 0; p < c.rows; p += PARTIAL) {
        for (size_t from = 0; from < c.width; from += BLOCK) {
            const size_t n = min_size(BLOCK, c.width - from);

            memset(s1, 0, n * sizeof(*s1));
            memset(s2, 0, n * sizeof(*s2));
            add_moments(s1, s2, c.first + from, c.x + p * s->C + from,
                        min_size(PARTIAL, c.rows - p), s->C, n);
#pragma omp simd
            for (size_t k = 0; k < n; k++) {
                sum[from + k] += (double)s1[k];
                squares[from + k] += (double)s2[k];
            }
        }
    }
}

/* Sets the factor and offset that make a number of channel c the result. */
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

/* Sets all of `width` channels from c on, by the sums from `at`. */
static void join_all(const Tensor *out, const GroupNorm *s, size_t at, size_t c,
                     size_t width)
{
    const NormAttr *attr = out->attr;
    const Elem *x =
        (const Elem *)out->src[0]->data + at / s->C * s->P * s->C + c;

    if (s->group == 1)
        join_single(s, at, c, x, width, attr->eps);
    for (size_t k = 0; s->group > 1 && k < width; k += s->group)
        join(s, at + k, c + k, x + k, attr->eps);
}

static Affine affine_at(const GroupNorm *s, size_t at)
{
    return (Affine){ s->mean + at, s->scale + at, s->shift + at };
}

/* ---- units of columns ---------------------------------------------------- */

static void range(const Tensor *out, const void *state, size_t begin,
                  size_t end)
{
    const GroupNorm *s = state;

    for (size_t u = begin; u < end; u++) {
        const size_t n = u / s->units, c = u % s->units * s->unit;
        const size_t width = min_size(s->unit, s->C - c), at = n * s->C + c;
        const Elem *x = (const Elem *)out->src[0]->data + n * s->P * s->C + c;
        Elem *y = (Elem *)out->data + n * s->P * s->C + c;

        moments(s, s->sum + at, s->squares + at,
                (Columns){ x, x, s->P, width });
        join_all(out, s, at, c, width);
        normalise_rows(y, x, s->P, s->C, width, affine_at(s, at));
    }
}

/* ---- parts of rows ------------------------------------------------------- */

/* The rows of part u, from number `at` of the tensor on. */
typedef struct Part {
    size_t image, at, rows;
} Part;

static Part part_at(const GroupNorm *s, size_t u)
{
    const size_t n = u / s->parts, i = u % s->parts;
    const size_t from = s->P * i / s->parts, to = s->P * (i + 1) / s->parts;

    return (Part){ n, (n * s->P + from) * s->C, to - from };
}

static void sum_parts(const Tensor *out, const void *state, size_t begin,
                      size_t end)
{
    const GroupNorm *s = state;
    const Elem *x = out->src[0]->data;

    for (size_t u = begin; u < end; u++) {
        const Part p = part_at(s, u);

        moments(s, s->sum + u * s->C, s->squares + u * s->C,
                (Columns){ x + p.image * s->P * s->C, x + p.at, p.rows, s->C });
    }
}

/* The sums of all parts of an image, in place of its number. */
static void add_parts(const GroupNorm *s, size_t n)
{
    for (size_t k = 0; k < s->C; k++) {
        double sum = 0, squares = 0;

        for (size_t u = n * s->parts; u < (n + 1) * s->parts; u++) {
            sum += s->sum[u * s->C + k];
            squares += s->squares[u * s->C + k];
        }
        s->sum[n * s->C + k] = sum;
        s->squares[n * s->C + k] = squares;
    }
}

static void write_parts(const Tensor *out, const void *state, size_t begin,
                        size_t end)
{
    const GroupNorm *s = state;

    for (size_t u = begin; u < end; u++) {
        const Part p = part_at(s, u);

        normalise_rows((Elem *)out->data + p.at,
                       (const Elem *)out->src[0]->data + p.at, p.rows, s->C,
                       s->C, affine_at(s, p.image * s->C));
    }
}

static int run(Device *dev, const Tensor *out, void *state)
{
    const GroupNorm *s = state;
    const size_t N = (size_t)out->dim[0];
    const double work = 3.0 * (double)tensor_count(out);

    if (!s->parts)
        return split(dev, out, s, (Split){ range, N * s->units, work });
    TRY(split(dev, out, s, (Split){ sum_parts, N * s->parts, work }));
    for (size_t n = 0; n < N; n++) {
        add_parts(s, n);
        join_all(out, s, n * s->C, 0, s->C);
    }
    return split(dev, out, s, (Split){ write_parts, N * s->parts, work });
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
