/*
 * gate_ema.c - EMA as one op: in each group of n channels one gate a position
 *
 *   s_h, s_w = sigmoid(W strips + b),  z1 = GN(x s_h s_w),  z2 = conv 3x3 (x)
 *   y = x sigmoid(softmax(mean z1) . z2 + softmax(mean z2) . z1)
 *
 * Bound by multiply-adds, 11 a number, and exponentials, one for n numbers.
 * Neither z1 nor z2 exists:
 *   mean z1 is the norm's bias, so the first softmax, a1, is one of weights;
 *   a1 . z2 is one 3x3 filter with one result for each group, a1 . filters;
 *   mean z2 follows from sums of x: all of it, less the first or last row and
 *   column of it, for each tap;
 *   the second product is affine in x s_h s_w.
 *
 *   three_passes  means of rows and columns; moments of x s_h s_w; the result,
 *                 a row of the map at a time: the products of all channels to a
 *                 buffer in the L1 cache, their sums over groups, the sigmoids
 *                 of these, the result.  Not in place: a row's filter reads the
 *                 one before.
 */
#include <math.h>

#include "kernels/cpu/simd/gate.h"
#include "kernels/cpu/simd/groups.h"

enum { EMA_GN_W = 1, EMA_GN_B, EMA_W1, EMA_B1, EMA_W3, EMA_B3 };
enum { TAPS = 9 };
/* Gate.w.  Of mixtures: for each tap `n` rows, see groups.h. */
enum {
    STRIP_MIX,   /* of the 1x1 convolution                  */
    STRIP_BIAS,  /* (row)                                   */
    TAP_MIX,     /* of the 3x3, for means                   */
    MEAN_BIAS,   /* (row)                                   */
    FILTER,      /* (TAPS,row): a1 . filters                */
    NORM_WEIGHT, /* (row)                                   */
    NORM_BIAS,   /* (row); and the constant a1 . b3         */
    ZEROS,       /* a row of the map                        */
};
enum {
    TAP_SUMS = OWN, /* (TAPS,row)                                     */
    MEANS,          /* (row): of z2, then the softmax                 */
    FACTOR,         /* (row): of x s_h s_w in the second product      */
    CONSTANT,       /* (groups rounded up): the rest of both products */
};

static size_t width_of(const Gate *g)
{
    return g->C / (size_t)g->facts->groups;
}

/* ---- weights ------------------------------------------------------------- */

/* x (n) to its softmax. */
static void softmax(double *x, size_t n)
{
    double most = x[0], sum = 0;

    for (size_t k = 1; k < n; k++)
        most = x[k] > most ? x[k] : most;
    for (size_t k = 0; k < n; k++)
        sum += x[k] = exp(x[k] - most);
    for (size_t k = 0; k < n; k++)
        x[k] /= sum;
}

/* A weight (n), repeated. */
static int repeat(Gate *g, int k, const Tensor *from)
{
    TRY(SIMD(gate_floats)(g, &g->w[k], g->row + 1));
    for (size_t c = 0; c < g->C; c++)
        g->w[k][c] = weight_host(from)[c % width_of(g)];
    return OK;
}

/* FILTER, and the constant behind NORM_BIAS. */
static void pack_filter(Gate *g, const Tensor *out, double *a1)
{
    const size_t n = width_of(g);
    const float *bias = weight_host(out->src[EMA_GN_B]);
    const float *w3 = weight_host(out->src[EMA_W3]);
    const float *b3 = weight_host(out->src[EMA_B3]);
    double constant = 0;

    for (size_t k = 0; k < n; k++)
        a1[k] = bias[k];
    softmax(a1, n);
    for (size_t k = 0; k < n; k++)
        constant += a1[k] * b3[k];
    g->w[NORM_BIAS][g->row] = (float)constant;
    for (size_t t = 0; t < TAPS; t++)
        for (size_t c = 0; c < g->C; c++) {
            double sum = 0;

            for (size_t k = 0; k < n; k++)
                sum += a1[k] * w3[(k * n + c % n) * TAPS + t];
            g->w[FILTER][t * g->row + c] = (float)sum;
        }
}

static int ema_weights(Gate *g, const Tensor *out)
{
    const size_t n = width_of(g), row = g->row;
    double *a1;

    gate_part(g, STRIPS, strip_rows(g) * row, 0);
    gate_part(g, SUMS, row, 0);
    gate_part(g, FIRST, row, 0);
    gate_part(g, SQUARES, row, 0);
    gate_part(g, ROWS, g->H * row, 0);
    gate_part(g, COLUMNS, g->W * row, 0);
    gate_part(g, TAP_SUMS, TAPS * row, 0);
    gate_part(g, MEANS, row, 0);
    gate_part(g, FACTOR, row, 0);
    gate_part(g, CONSTANT, (size_t)g->facts->groups, 0);
    g->buffer = g->W * row;
    TRY(repeat(g, STRIP_BIAS, out->src[EMA_B1]));
    TRY(repeat(g, MEAN_BIAS, out->src[EMA_B3]));
    TRY(repeat(g, NORM_WEIGHT, out->src[EMA_GN_W]));
    TRY(repeat(g, NORM_BIAS, out->src[EMA_GN_B]));
    TRY(SIMD(gate_floats)(g, &g->w[STRIP_MIX], mix_floats(n)));
    TRY(SIMD(gate_floats)(g, &g->w[TAP_MIX], TAPS * mix_floats(n)));
    TRY(SIMD(gate_floats)(g, &g->w[FILTER], TAPS * row));
    TRY(SIMD(gate_floats)(g, &g->w[ZEROS], g->W * row));
    pack_mix(g->w[STRIP_MIX], weight_host(out->src[EMA_W1]), n, 1);
    for (size_t t = 0; t < TAPS; t++)
        pack_mix(g->w[TAP_MIX] + t * mix_floats(n),
                 weight_host(out->src[EMA_W3]) + t, n, TAPS);
    a1 = calloc(n, sizeof(*a1));
    if (!a1)
        return fail(ERR_MEMORY, "no memory for %zu channels of a group", n);
    pack_filter(g, out, a1);
    free(a1);
    return OK;
}

/* ---- gates of rows and columns ------------------------------------------- */

static void gate_strip(const Gate *g, float *to, const float *means, size_t L)
{
    const size_t row = g->row;

    for (size_t l = 0; l < L; l++) {
        memcpy(to + l * row, g->w[STRIP_BIAS], row * sizeof(float));
        mix_groups(row, width_of(g), to + l * row, means + l * row,
                   g->w[STRIP_MIX]);
    }
    sigmoid_all(to, L * row);
}

static void gate_strips(const Images *m, size_t begin, size_t end)
{
    const Gate *g = m->g;

    (void)begin;
    (void)end;
    for (size_t i = 0; i < m->n; i++) {
        gate_strip(g, part_at(m, i, ROWS), strip_h(m, i), g->H);
        gate_strip(g, part_at(m, i, COLUMNS), strip_w(m, i), g->W);
    }
}

/* ---- the two products ---------------------------------------------------- */

/* For each tap the sums of what it reads of x. */
static void sum_taps(const Images *m, size_t image)
{
    const Gate *g = m->g;
    const size_t row = g->row, H = g->H, W = g->W;
    const float *means_h = strip_h(m, image), *means_w = strip_w(m, image);
    const Elem *x = image_x(m, image);
    float *sums = part_at(m, image, TAP_SUMS);

    memset(sums, 0, TAPS * row * sizeof(float));
    for (size_t i = 0; i < H; i++)
#pragma omp simd
        for (size_t c = 0; c < g->C; c++)
            sums[c] += means_h[i * row + c] * (float)W;
    /* The last first: that of all of x stands where tap 0 does. */
    for (size_t t = TAPS; t-- > 0;) {
        const size_t a = t / 3, b = t % 3;
        const size_t i = a == 0 ? H - 1 : 0, j = b == 0 ? W - 1 : 0;
        const float rows = a == 1 ? 0 : (float)W,
                    columns = b == 1 ? 0 : (float)H;
        const float *out_h = means_h + i * row, *out_w = means_w + j * row;
        const Elem *corner = x + (i * W + j) * g->C;
        const float both = a != 1 && b != 1;

#pragma omp simd
        for (size_t c = 0; c < g->C; c++)
            sums[t * row + c] = sums[c] - out_h[c] * rows - out_w[c] * columns +
                                number(corner[c]) * both;
    }
}

/* Means of z2 to their softmax, in each group. */
static void softmax_groups(const Gate *g, float *z)
{
    const size_t n = width_of(g), C = g->C;

    for (size_t k = 0; k < C; k += n) {
        float most = z[k];

        for (size_t c = k; c < k + n; c++)
            most = z[c] > most ? z[c] : most;
        for (size_t c = k; c < k + n; c++)
            z[c] -= most;
    }
#pragma omp simd
    for (size_t c = 0; c < C; c++)
        z[c] = exp_of(z[c]);
    for (size_t k = 0; k < C; k += n) {
        float sum = 0;

        for (size_t c = k; c < k + n; c++)
            sum += z[c];
        for (size_t c = k; c < k + n; c++)
            z[c] /= sum;
    }
}

/* FACTOR and CONSTANT, where z is the second softmax. */
static void join_products(const Images *m, size_t image, const float *z)
{
    const Gate *g = m->g;
    const size_t n = width_of(g);
    const float *first = part_at(m, image, FIRST);
    const float *sums = part_at(m, image, SUMS);
    const float *squares = part_at(m, image, SQUARES);
    const float *weight = g->w[NORM_WEIGHT], *bias = g->w[NORM_BIAS];
    float *factor = part_at(m, image, FACTOR), *rest = own_buffer(g);
    const double eps = g->facts->eps;

#pragma omp simd
    for (size_t c = 0; c < g->C; c++) {
        const double d = sums[c], var = squares[c] - d * d;
        const double f = z[c] * weight[c] / sqrt((var < 0 ? 0 : var) + eps);

        factor[c] = (float)f;
        rest[c] = (float)(z[c] * bias[c] - f * (first[c] + d));
    }
    for (size_t k = 0; k < g->C / n; k++) {
        float sum = bias[g->row];

        for (size_t c = k * n; c < k * n + n; c++)
            sum += rest[c];
        part_at(m, image, CONSTANT)[k] = sum;
    }
}

static void weigh_branches(const Images *m, size_t begin, size_t end)
{
    const Gate *g = m->g;
    const size_t n = width_of(g);
    const float area = 1 / (float)(g->H * g->W), *bias = g->w[MEAN_BIAS];

    (void)begin;
    (void)end;
    for (size_t i = 0; i < m->n; i++) {
        float *means = part_at(m, i, MEANS);

        sum_taps(m, i);
        memset(means, 0, g->row * sizeof(float));
        for (size_t t = 0; t < TAPS; t++)
            mix_groups(g->row, n, means, part_at(m, i, TAP_SUMS) + t * g->row,
                       g->w[TAP_MIX] + t * mix_floats(n));
#pragma omp simd
        for (size_t c = 0; c < g->C; c++)
            means[c] = means[c] * area + bias[c];
        softmax_groups(g, means);
        join_products(m, i, means);
    }
}

/* ---- the result ---------------------------------------------------------- */

/* A row of the map: those of x before, here and after, and gates. */
typedef struct Around {
    const Elem *x[3];
    const float *factor, *gate_h, *gate_w;
} Around;

/* Products that channels add to their group's gate, for a vector of them from c
 * on: to (W,row).  A column of x adds to three columns. */
INLINE void add_up_vector(const Gate *g, float *to, const Around *a, size_t c,
                          size_t lanes)
{
    const size_t row = g->row, C = g->C;
    const float *filter = g->w[FILTER] + c, *gate_w = a->gate_w + c;
    const Vec gain = load(a->factor + c) * load(a->gate_h + c);
    Vec k[TAPS], before = splat(0), here = splat(0);

    UNROLL
    for (size_t i = 0; i < TAPS; i++)
        k[i] = load(filter + i * row);
    for (size_t w = 0; w < g->W; w++, gate_w += row) {
        const Vec x0 = load_lanes(a->x[0] + w * C + c, lanes);
        const Vec x1 = load_lanes(a->x[1] + w * C + c, lanes);
        const Vec x2 = load_lanes(a->x[2] + w * C + c, lanes);

        before += x0 * k[2] + x1 * k[5] + x2 * k[8];
        if (w)
            store(to + (w - 1) * row + c, before);
        before =
            here + (x0 * k[1] + x1 * (k[4] + gain * load(gate_w))) + x2 * k[7];
        here = x0 * k[0] + x1 * k[3] + x2 * k[6];
    }
    store(to + (g->W - 1) * row + c, before);
}

/* A row whose products are given; groups fill vectors of sums.  n is a
 * constant. */
INLINE void write_lanes(const Gate *g, Elem *y, const Elem *x,
                        const float *products, const float *constant,
                        const size_t n)
{
    for (size_t w = g->W; w; w--, products += g->row)
        for (size_t c = 0; c < g->C; c += n * LANES, x += n * LANES) {
            const Vec sum = sum_groups(products + c, n);

            scale_groups(y, x, sigmoid_vec(sum + load(constant + c / n)), n);
            y += n * LANES;
        }
}

/* The same for any groups. */
static void write_numbers(const Gate *g, Elem *y, const Elem *x,
                          const float *products, const float *constant)
{
    const size_t n = width_of(g), groups = g->C / n;

    for (size_t w = g->W; w; w--, products += g->row)
        for (size_t k = 0; k < groups; k++) {
            float sum = constant[k];

            for (size_t c = 0; c < n; c++)
                sum += products[k * n + c];
            sum = sigmoid_of(sum);
            for (size_t c = 0; c < n; c++, x++, y++)
                *y = elem(number(*x) * sum);
        }
}

static void write_row(const Gate *g, Elem *y, const Around *a,
                      const float *constant)
{
    const size_t n = width_of(g);
    const Elem *x = a->x[1];
    float *products = own_buffer(g);
    size_t c = 0;

    for (; c + LANES <= g->C; c += LANES)
        add_up_vector(g, products, a, c, LANES);
    if (c < g->C)
        add_up_vector(g, products, a, c, g->C - c);
    switch (in_lanes(n) && g->C / n % LANES == 0 ? n : 0) {
#define CASE(n)                                      \
    case n:                                          \
        write_lanes(g, y, x, products, constant, n); \
        return;
        CASE(1)
        CASE(2)
        CASE(4)
#if LANES >= 8
        CASE(8)
#endif
#if LANES >= 16
        CASE(16)
#endif
#undef CASE
    }
    write_numbers(g, y, x, products, constant);
}

/* The first rows first, after a pass backwards. */
static void write_rows(const Images *m, size_t begin, size_t end)
{
    const Gate *g = m->g;
    const size_t step = g->W * g->C;
    const Elem *zeros = (const Elem *)g->w[ZEROS];

    for (size_t i = 0; i < m->n; i++)
        for (size_t h = begin; h < end; h++) {
            const Elem *x = image_x(m, i) + h * step;
            const Around a = { { h ? x - step : zeros, x,
                                 h + 1 < g->H ? x + step : zeros },
                               part_at(m, i, FACTOR),
                               part_at(m, i, ROWS) + h * g->row,
                               part_at(m, i, COLUMNS) };

            write_row(g, image_y(m, i) + h * step, &a, part_at(m, i, CONSTANT));
        }
}

static const GateModule ema_gate = {
    .plan = ema_weights,
    .steps = { { SIMD(squeeze_strips), UNIT_LINES, NULL },
               { gate_strips, UNIT_ALL, NULL },
               { SIMD(squeeze_gated), UNIT_LINES, NULL },
               { weigh_branches, UNIT_ALL, NULL },
               { write_rows, UNIT_ROWS, NULL } },
};
GATE_KERNEL(ema, "three_passes", 0);
