/*
 * group_norm_grad.c - gradients of a norm of its own statistics:
 * group_norm_grad_x, group_norm_grad_w
 *
 *   dw = sum of dy x^               x^ = (x - mean) r, r = 1 / sqrt(var + eps)
 *   dx = r (g - mean of g - x^ mean of g x^),  g = dy weight, means by group
 *
 * Bound by bytes: dx reads x and dy twice, unless an image fits the cache of a
 * core; dw reads them once.
 *
 *   columns   four sums of each channel of an image (norm_grad.h) are joined
 *             by group into three numbers per channel, which make dx of x and
 *             dy.  A unit is an image.  Where images are too few for all
 *             threads (the batch norm of a batch is one image), each is cut
 *             into parts of its rows.
 *   rows      images of one position, that is layer norms: a group is a run of
 *             neighbours, which stays in the L1 cache for its three passes.
 *             Starves on groups of less than a few vectors.
 */
#include <math.h>

#include "kernels/cpu/simd/moments.h"
#include "kernels/cpu/simd/norm_grad.h"

typedef struct NormGrad {
    size_t N, P, C, group; /* images, positions, channels, those of a group */
    size_t parts;          /* of the rows of an image                       */
    size_t threads;
    double eps;
    double *sums;   /* (images parts, or threads; SUMS, C)                  */
    double *dw;     /* of the weight: (threads, C)                          */
    float *partial; /* the same of rows, before they are added to dw        */
    float *weight;  /* of x: C                                              */
    float *affine;  /* of x: (images or threads; mean, of_dy, of_x, rest; C) */
} NormGrad;

enum { MEAN, OF_DY, OF_X, REST, AFFINE };

/* groups, eps: of the op. */
static int plan(Device *dev, void **state, const Tensor *x, int groups,
                double eps)
{
    const size_t threads = (size_t)dev->threads, N = (size_t)x->dim[0],
                 C = (size_t)x->dim[1];
    const bool whole = N >= 4 * threads || N % threads == 0;
    const size_t parts = whole ? 1 : threads;
    const size_t slots = whole ? threads : N * parts;
    const size_t doubles = (SUMS * slots + threads) * C;
    const size_t floats = (threads + 1 + AFFINE * (whole ? threads : N)) * C;
    NormGrad *s;

    TRY(state_new(state, sizeof(*s) + doubles * sizeof(double) +
                             floats * sizeof(float)));
    s = *state;
    *s = (NormGrad){
        N, tensor_positions(x), C, C / (size_t)groups, parts, threads, eps
    };
    s->sums = (double *)(s + 1);
    s->dw = s->sums + SUMS * slots * C;
    s->partial = (float *)(s->dw + threads * C);
    s->weight = s->partial + threads * C;
    s->affine = s->weight + C;
    return OK;
}

static size_t thread(void)
{
    return (size_t)omp_get_thread_num();
}

/* ---- sums of an image, joined by group ---------------------------------- */

/* Sums of one image, and its first row, which they are about. */
typedef struct Image {
    const double *sums;
    const float *near;
} Image;

static void sum_part(const NormGrad *s, double *sums, const Tensor *x,
                     const Tensor *dy, size_t n, size_t part)
{
    const size_t from = s->P * part / s->parts;
    const size_t to = s->P * (part + 1) / s->parts, C = s->C;
    const float *image = (const float *)x->data + n * s->P * C;

    norm_sums(sums,
              (Columns){ .near = image,
                         .x = image + from * C,
                         .dy = (const float *)dy->data + (n * s->P + from) * C,
                         .rows = to - from,
                         .C = C },
              true);
}

/* Adds the sums of an image's other parts to those of its first. */
static void add_parts(const NormGrad *s, size_t n)
{
    double *first = s->sums + n * s->parts * SUMS * s->C;

    for (size_t p = 1; p < s->parts; p++) {
        const double *other = first + p * SUMS * s->C;
#pragma omp simd
        for (size_t k = 0; k < SUMS * s->C; k++)
            first[k] += other[k];
    }
}

/* Mean and 1 / deviation of the group of channels from c. */
static void group_moments(const NormGrad *s, Image i, size_t c, double *mean,
                          double *scale)
{
    const double part = 1 / (double)s->P, n = (double)s->group;
    const double *sum = i.sums + SUM_D * s->C, *squares = sum + s->C;
    double m = 0, var = 0;

    for (size_t k = c; k < c + s->group; k++)
        m += i.near[k] + sum[k] * part;
    m /= n;
    /* Each channel's own variance, and its mean's distance from the group's. */
    for (size_t k = c; k < c + s->group; k++) {
        const double d = sum[k] * part, apart = i.near[k] + d - m;

        var += squares[k] * part - d * d + apart * apart;
    }
    *mean = m;
    *scale = 1 / sqrt((var < 0 ? 0 : var / n) + s->eps);
}

/* The sum of dy (x - mean) of channel k. */
static inline double with_x(const NormGrad *s, Image i, size_t k, double mean)
{
    return i.sums[SUM_DY_D * s->C + k] -
           (mean - i.near[k]) * i.sums[SUM_DY * s->C + k];
}

/* ---- of x ---------------------------------------------------------------- */

/* Sets dx of the group of channels from c: dy of_dy + (x - mean) of_x +
 * rest; the mean is rounded, and rest makes up for it. */
static void join(const NormGrad *s, Image i, float *affine, size_t c)
{
    const double count = (double)(s->P * s->group);
    double mean, r, sum = 0, product = 0, of_x;

    group_moments(s, i, c, &mean, &r);
    for (size_t k = c; k < c + s->group; k++) {
        sum += s->weight[k] * i.sums[SUM_DY * s->C + k];
        product += s->weight[k] * with_x(s, i, k, mean);
    }
    of_x = -r * r * r * product / count;
    for (size_t k = c; k < c + s->group; k++) {
        affine[MEAN * s->C + k] = (float)mean;
        affine[OF_DY * s->C + k] = (float)(r * s->weight[k]);
        affine[OF_X * s->C + k] = (float)of_x;
        affine[REST * s->C + k] =
            (float)(-r * sum / count - (mean - (float)mean) * of_x);
    }
}

/* The same for groups of one channel, side by side in vectors. */
static void join_single(const NormGrad *s, Image i, float *affine)
{
    const size_t C = s->C;
    const double part = 1 / (double)s->P;
    const double *dy = i.sums + SUM_DY * C, *dy_d = i.sums + SUM_DY_D * C,
                 *sum = i.sums + SUM_D * C, *squares = i.sums + SUM_D2 * C;
    float *mean = affine + MEAN * C, *of_dy = affine + OF_DY * C,
          *of_x = affine + OF_X * C, *rest = affine + REST * C;

#pragma omp simd
    for (size_t k = 0; k < C; k++) {
        const double d = sum[k] * part, m = i.near[k] + d;
        const double var = squares[k] * part - d * d;
        const double least = var < 0 ? 0 : var; /* by rounding; NaN stays */
        const double r = 1 / sqrt(least + s->eps), a = r * s->weight[k];
        const double b = -r * r * a * (dy_d[k] - d * dy[k]) * part;

        mean[k] = (float)m;
        of_dy[k] = (float)a;
        of_x[k] = (float)b;
        rest[k] = (float)(-a * dy[k] * part - (m - (float)m) * b);
    }
}

static void join_image(const NormGrad *s, Image i, float *affine)
{
    if (s->group == 1)
        join_single(s, i, affine);
    for (size_t c = 0; s->group > 1 && c < s->C; c += s->group)
        join(s, i, affine, c);
}

/* Rows from `from` to `to` of image n. */
static void write_rows(const Tensor *out, const NormGrad *s,
                       const float *affine, size_t n, size_t from, size_t to)
{
    const size_t C = s->C, at = (n * s->P + from) * C;
    const float *mean = affine + MEAN * C, *of_dy = affine + OF_DY * C,
                *of_x = affine + OF_X * C, *rest = affine + REST * C;
    const float *x = (const float *)out->src[0]->data + at,
                *dy = (const float *)out->src[1]->data + at;
    float *dx = (float *)out->data + at;

    for (size_t r = from; r < to; r++, x += C, dy += C, dx += C)
#pragma omp simd
        for (size_t k = 0; k < C; k++)
            dx[k] = dy[k] * of_dy[k] + (x[k] - mean[k]) * of_x[k] + rest[k];
}

static Image image_at(const NormGrad *s, const double *sums, const Tensor *x,
                      size_t n)
{
    return (Image){ sums, (const float *)x->data + n * s->P * s->C };
}

/* Units are images. */
static void x_images(const Tensor *out, const void *state, size_t begin,
                     size_t end)
{
    const NormGrad *s = state;
    double *sums = s->sums + thread() * SUMS * s->C;
    float *affine = s->affine + thread() * AFFINE * s->C;

    for (size_t n = begin; n < end; n++) {
        sum_part(s, sums, out->src[0], out->src[1], n, 0);
        join_image(s, image_at(s, sums, out->src[0], n), affine);
        write_rows(out, s, affine, n, 0, s->P);
    }
}

/* Units are parts of images. */
static void sum_parts(const Tensor *out, const void *state, size_t begin,
                      size_t end)
{
    const NormGrad *s = state;

    for (size_t u = begin; u < end; u++)
        sum_part(s, s->sums + u * SUMS * s->C, out->src[0], out->src[1],
                 u / s->parts, u % s->parts);
}

static void x_parts(const Tensor *out, const void *state, size_t begin,
                    size_t end)
{
    const NormGrad *s = state;

    for (size_t u = begin; u < end; u++) {
        const size_t n = u / s->parts, part = u % s->parts;

        write_rows(out, s, s->affine + n * AFFINE * s->C, n,
                   s->P * part / s->parts, s->P * (part + 1) / s->parts);
    }
}

/* One group of neighbours. */
static void x_row(float *dx, const float *x, const float *dy, const float *w,
                  const NormGrad *s)
{
    const size_t n = s->group;
    const RowMoments m = row_moments(x, n, (float)s->eps);
    float sum = 0, product = 0, of_x;
    Vec sums = splat(0), products = sums;
    size_t k = 0;

    for (; k + LANES <= n; k += LANES) {
        const Vec g = load(dy + k) * load(w + k);

        sums += g;
        products += g * ((load(x + k) - m.mean) - m.rest);
    }
    sum = sum_lanes(sums);
    product = sum_lanes(products);
    for (; k < n; k++) {
        sum += dy[k] * w[k];
        product += dy[k] * w[k] * (x[k] - m.mean - m.rest);
    }
    sum /= (float)n;
    of_x = m.scale * m.scale * product / (float)n;
#pragma omp simd
    for (k = 0; k < n; k++)
        dx[k] =
            m.scale * (dy[k] * w[k] - sum - (x[k] - m.mean - m.rest) * of_x);
}

/* Units are images of one position. */
static void x_rows(const Tensor *out, const void *state, size_t begin,
                   size_t end)
{
    const NormGrad *s = state;
    const float *x = out->src[0]->data, *dy = out->src[1]->data;
    float *dx = out->data;

    for (size_t n = begin; n < end; n++)
        for (size_t c = 0; c < s->C; c += s->group)
            x_row(dx + n * s->C + c, x + n * s->C + c, dy + n * s->C + c,
                  s->weight + c, s);
}

static int x_plan(Device *dev, const Tensor *out, void **state)
{
    const NormAttr *attr = out->attr;

    return plan(dev, state, out, attr->groups, attr->eps);
}

static int x_run(Device *dev, const Tensor *out, void *state)
{
    const NormGrad *s = state;
    const double work = 5.0 * (double)tensor_count(out);
    const size_t period = (size_t)out->src[2]->dim[0];
    const float *weight = out->src[2]->data;

    for (size_t c = 0; c < s->C; c += period)
        memcpy(s->weight + c, weight, period * sizeof(*weight));
    if (s->P == 1 || s->parts == 1)
        return split(dev, out, s,
                     (Split){ s->P == 1 ? x_rows : x_images, s->N, work });
    TRY(split(dev, out, s, (Split){ sum_parts, s->N * s->parts, work }));
    for (size_t n = 0; n < s->N; n++) {
        add_parts(s, n);
        join_image(
            s,
            image_at(s, s->sums + n * s->parts * SUMS * s->C, out->src[0], n),
            s->affine + n * AFFINE * s->C);
    }
    return split(dev, out, s, (Split){ x_parts, s->N * s->parts, work });
}

/* ---- of the weight ------------------------------------------------------- */

static void add_image(const NormGrad *s, double *dw, Image i)
{
    for (size_t c = 0; c < s->C; c += s->group) {
        double mean, scale;

        group_moments(s, i, c, &mean, &scale);
        for (size_t k = c; k < c + s->group; k++)
            dw[k] += with_x(s, i, k, mean) * scale;
    }
}

static void w_images(const Tensor *out, const void *state, size_t begin,
                     size_t end)
{
    const NormGrad *s = state;
    double *sums = s->sums + thread() * SUMS * s->C;

    for (size_t n = begin; n < end; n++) {
        sum_part(s, sums, out->src[0], out->src[1], n, 0);
        add_image(s, s->dw + thread() * s->C,
                  image_at(s, sums, out->src[0], n));
    }
}

static void add_row(float *dw, const float *x, const float *dy,
                    const NormGrad *s)
{
    for (size_t c = 0; c < s->C; c += s->group) {
        const RowMoments m = row_moments(x + c, s->group, (float)s->eps);
#pragma omp simd
        for (size_t k = c; k < c + s->group; k++)
            dw[k] += dy[k] * ((x[k] - m.mean - m.rest) * m.scale);
    }
}

/* Units are images of one position. */
static void w_rows(const Tensor *out, const void *state, size_t begin,
                   size_t end)
{
    const NormGrad *s = state;
    const float *x = out->src[0]->data, *dy = out->src[1]->data;
    float *partial = s->partial + thread() * s->C;
    double *dw = s->dw + thread() * s->C;

    while (begin < end) {
        const size_t to = min_size(begin + PARTIAL, end);

        memset(partial, 0, s->C * sizeof(*partial));
        for (; begin < to; begin++)
            add_row(partial, x + begin * s->C, dy + begin * s->C, s);
#pragma omp simd
        for (size_t k = 0; k < s->C; k++)
            dw[k] += (double)partial[k];
    }
}

/* dw of all threads and channels that share a number. */
static void write_weight(const Tensor *out, const NormGrad *s)
{
    const size_t period = (size_t)out->dim[0];
    float *dw = out->data;

    for (size_t c = 0; c < period; c++) {
        double sum = 0;

        for (size_t k = c; k < s->threads * s->C; k += period)
            sum += s->dw[k];
        dw[c] = (float)sum;
    }
}

static int w_plan(Device *dev, const Tensor *out, void **state)
{
    const NormGradAttr *attr = out->attr;

    return plan(dev, state, out->src[0], attr->groups, attr->eps);
}

static int w_run(Device *dev, const Tensor *out, void *state)
{
    const NormGrad *s = state;
    const Tensor *x = out->src[0];
    const double work = 4.0 * (double)tensor_count(x);

    memset(s->dw, 0, s->threads * s->C * sizeof(*s->dw));
    if (s->P == 1 || s->parts == 1) {
        TRY(split(dev, out, s,
                  (Split){ s->P == 1 ? w_rows : w_images, s->N, work }));
    } else {
        TRY(split(dev, out, s, (Split){ sum_parts, s->N * s->parts, work }));
        for (size_t n = 0; n < s->N; n++) {
            add_parts(s, n);
            add_image(s, s->dw,
                      image_at(s, s->sums + n * s->parts * SUMS * s->C, x, n));
        }
    }
    write_weight(out, s);
    return OK;
}

const Kernel SIMD(group_norm_grad_x) = {
    .op = &group_norm_grad_x_def,
    .name = "columns_or_rows",
    .plan = x_plan,
    .run = x_run,
    .inplace = 1 << 0 | 1 << 1,
};

const Kernel SIMD(group_norm_grad_w) = {
    .op = &group_norm_grad_w_def,
    .name = "columns_or_rows",
    .plan = w_plan,
    .run = w_run,
};
