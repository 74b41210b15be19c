/*
 * matmul.c - y[n,g] = scale * a[n,g] b[n,g] where one of the matrices is but a
 * row or a column, or where sums are long
 *
 * Bound by bytes: SCSA at 7x7 makes 512 x 512 numbers from 512 and 512, and
 * 512 from 512 x 512.  A library takes these for matrices and packs them.
 *
 *   outer       K = 1 (AFGCA; SCSA's q k^T at 7x7): rows of b times a number.
 *   group_dot   a has one row: (1 x n)(n x P) for each of many groups (EMA).
 *               b is a map, so that a position of it is the groups' operands
 *               one after another: multiply by a, add n neighbours.
 *   vector      b has one column (SCSA's a v at 7x7): one dot product per row.
 *   in_double   channels by channels, summed over many positions (SCSA's
 *               q k^T on large maps), in double: softmax multiplies an error
 *               of its scores, which are in the tens there, and the module
 *               would miss its limit.  Two to three times slower than oneDNN
 *               in float, so for long sums only.
 */
#include "kernels/cpu/simd/lanes.h"

enum {
    RUN_MAX = 16,   /* neighbours that group_dot adds */
    LONG_SUM = 128, /* from here on in double          */
};

/* The matrices of an operand as a and b see them, strides in numbers. */
typedef struct Matrices {
    size_t image, group, row, column, rows, columns;
} Matrices;

static Matrices transposed(Matrices m)
{
    return (Matrices){ m.image, m.group, m.column, m.row, m.columns, m.rows };
}

/* A stack of matrices is row-major; else channels are rows. */
static Matrices matrices(const Tensor *t, int groups)
{
    const size_t C = (size_t)tensor_channels(t), P = tensor_positions(t),
                 G = (size_t)groups;

    if (t->rank == 4 && t->layout == ROW_MAJOR) {
        const size_t M = (size_t)t->dim[2], K = (size_t)t->dim[3];

        return (Matrices){ C * M * K, M * K, K, 1, M, K };
    }
    return (Matrices){ P * C, C / G, 1, C, C / G, P };
}

typedef struct Product {
    Matrices a, b, y;
    size_t groups;
    float scale;
} Product;

static Product product(const Tensor *out)
{
    const MatmulAttr *attr = out->attr;
    const Matrices a = matrices(out->src[0], attr->groups);
    const Matrices b = matrices(out->src[1], attr->groups);

    return (Product){
        .a = attr->trans_a ? transposed(a) : a,
        .b = attr->trans_b ? transposed(b) : b,
        .y = matrices(out, attr->groups),
        .groups = (size_t)attr->groups,
        .scale = (float)attr->scale,
    };
}

/* ---- outer ------------------------------------------------------------ */

static bool outer_supports(const Tensor *out)
{
    const Product p = product(out);

    return p.a.columns == 1 && p.b.column == 1 && p.y.column == 1;
}

/* Units are rows of y, of all images and groups. */
static void outer_range(const Tensor *out, const void *state, size_t begin,
                        size_t end)
{
    const Product p = product(out);
    const Elem *a = out->src[0]->data, *b = out->src[1]->data;

    (void)state;
    for (size_t u = begin; u < end; u++) {
        const size_t i = u % p.a.rows, g = u / p.a.rows % p.groups,
                     n = u / p.a.rows / p.groups;
        const float factor =
            p.scale * number(a[n * p.a.image + g * p.a.group + i * p.a.row]);
        const Elem *row = b + n * p.b.image + g * p.b.group;
        Elem *y = (Elem *)out->data + u * p.b.columns;

#pragma omp simd
        for (size_t j = 0; j < p.b.columns; j++)
            y[j] = elem(factor * number(row[j]));
    }
}

static int outer_run(Device *dev, const Tensor *out, void *state)
{
    const size_t columns = (size_t)out->dim[3];

    return split(dev, out, state,
                 (Split){ outer_range, tensor_count(out) / columns,
                          (double)tensor_count(out) });
}

/* ---- group_dot -------------------------------------------------------- */

/* b's columns are positions of a map, a is one row per group. */
static bool group_dot_supports(const Tensor *out)
{
    const Product p = product(out);
    const size_t n = p.a.columns;

    return p.a.rows == 1 && p.b.row == 1 && p.b.column == p.groups * n &&
           p.a.group == n && (n == 1 || p.a.column == 1) && n <= RUN_MAX &&
           (n & (n - 1)) == 0;
}

/* y[g * step] = scale * the sum of n neighbours of x * a; n is a constant. */
INLINE void add_neighbours(const Product *p, Elem *y, size_t step,
                           const Elem *x, const Elem *a, size_t n)
{
#pragma omp simd
    for (size_t g = 0; g < p->groups; g++) {
        float sum = 0;

        for (size_t i = 0; i < n; i++)
            sum += number(x[g * n + i]) * number(a[g * n + i]);
        y[g * step] = elem(p->scale * sum);
    }
}

static void group_dot_position(const Product *p, Elem *y, const Elem *x,
                               const Elem *a)
{
    const size_t step = p->y.group, n = p->a.columns;

#define CASE(k)                                  \
    if (n == k) {                                \
        if (step == 1)                           \
            add_neighbours(p, y, 1, x, a, k);    \
        else                                     \
            add_neighbours(p, y, step, x, a, k); \
    }
    CASE(1)
    CASE(2)
    CASE(4)
    CASE(8)
    CASE(16)
#undef CASE
}

/* Units are positions of all images. */
static void group_dot_range(const Tensor *out, const void *state, size_t begin,
                            size_t end)
{
    const Product p = product(out);
    const Elem *a = out->src[0]->data, *b = out->src[1]->data;
    Elem *y = out->data;

    (void)state;
    for (size_t u = begin; u < end; u++) {
        const size_t n = u / p.b.columns, j = u % p.b.columns;

        group_dot_position(&p, y + n * p.y.image + j * p.y.column,
                           b + u * p.b.column, a + n * p.a.image);
    }
}

static int group_dot_run(Device *dev, const Tensor *out, void *state)
{
    return split(dev, out, state,
                 (Split){ group_dot_range, tensor_rows(out->src[1]),
                          (double)tensor_count(out->src[1]) });
}

/* ---- vector ----------------------------------------------------------- */

static bool vector_supports(const Tensor *out)
{
    const Product p = product(out);

    return p.b.columns == 1 && p.a.column == 1 &&
           (p.b.row == 1 || p.b.rows == 1);
}

static float dot(const Elem *a, const Elem *b, size_t n)
{
    Vec low = splat(0), high = low;
    float sum;

    for (; n >= 2 * LANES; n -= 2 * LANES, a += 2 * LANES, b += 2 * LANES) {
        low += load_elems(a) * load_elems(b);
        high += load_elems(a + LANES) * load_elems(b + LANES);
    }
    sum = sum_lanes(low + high);
    for (; n; n--, a++, b++)
        sum += number(*a) * number(*b);
    return sum;
}

/* Units are rows of a, of all images and groups. */
static void vector_range(const Tensor *out, const void *state, size_t begin,
                         size_t end)
{
    const Product p = product(out);
    Elem *y = out->data;

    (void)state;
    for (size_t u = begin; u < end; u++) {
        const size_t i = u % p.a.rows, g = u / p.a.rows % p.groups,
                     n = u / p.a.rows / p.groups;
        const Elem *a = (const Elem *)out->src[0]->data + n * p.a.image +
                        g * p.a.group + i * p.a.row;
        const Elem *b =
            (const Elem *)out->src[1]->data + n * p.b.image + g * p.b.group;

        y[n * p.y.image + g * p.y.group + i * p.y.row] =
            elem(p.scale * dot(a, b, p.a.columns));
    }
}

static int vector_run(Device *dev, const Tensor *out, void *state)
{
    return split(dev, out, state,
                 (Split){ vector_range, tensor_count(out),
                          (double)tensor_count(out->src[0]) });
}

/* ---- in_double -------------------------------------------------------- */

#ifndef SIMD_BF16 /* which has not the digits for it */

enum { HALF = LANES / 2, ROWS = LANES == 16 ? 8 : 4 };

typedef double Doubles __attribute__((vector_size(LANES * 4)));
typedef float HalfVec
    __attribute__((vector_size(LANES * 2), aligned(4), may_alias));

static inline Doubles widen(const float *p)
{
    return __builtin_convertvector(*(const HalfVec *)p, Doubles);
}

static inline void narrow(float *p, Doubles v)
{
    *(HalfVec *)p = __builtin_convertvector(v, HalfVec);
}

/* Positions are far apart and channels are neighbours, in a, b and y alike. */
static bool in_double_supports(const Tensor *out)
{
    const Product p = product(out);

    return p.a.columns >= LONG_SUM && p.a.row == 1 && p.b.column == 1 &&
           p.y.column == 1 && p.a.rows % ROWS == 0 && p.b.columns % LANES == 0;
}

/* ROWS rows and LANES columns of y. */
static void sum_in_double(const Product *p, float *y, const float *a,
                          const float *b, double scale)
{
    Doubles sum[2 * ROWS] = { 0 };

    for (size_t k = 0; k < p->a.columns; k++) {
        const Doubles low = widen(b), high = widen(b + HALF);

        for (size_t r = 0; r < ROWS; r++) {
            sum[2 * r] += a[r] * low;
            sum[2 * r + 1] += a[r] * high;
        }
        a += p->a.column;
        b += p->b.row;
    }
    for (size_t r = 0; r < ROWS; r++, y += p->y.row) {
        narrow(y, scale * sum[2 * r]);
        narrow(y + HALF, scale * sum[2 * r + 1]);
    }
}

/* Units are ROWS rows of y, of all images and groups. */
static void in_double_range(const Tensor *out, const void *state, size_t begin,
                            size_t end)
{
    const MatmulAttr *attr = out->attr;
    const Product p = product(out);
    const size_t blocks = p.a.rows / ROWS;

    (void)state;
    for (size_t u = begin; u < end; u++) {
        const size_t i = u % blocks * ROWS, g = u / blocks % p.groups,
                     n = u / blocks / p.groups;
        const float *a = (const float *)out->src[0]->data + n * p.a.image +
                         g * p.a.group + i;
        const float *b =
            (const float *)out->src[1]->data + n * p.b.image + g * p.b.group;
        float *y =
            (float *)out->data + n * p.y.image + g * p.y.group + i * p.y.row;

        for (size_t j = 0; j < p.b.columns; j += LANES)
            sum_in_double(&p, y + j, a, b + j, attr->scale);
    }
}

static int in_double_run(Device *dev, const Tensor *out, void *state)
{
    const Product p = product(out);
    const double n = (double)tensor_count(out);

    return split(dev, out, state,
                 (Split){ in_double_range,
                          tensor_count(out) / p.b.columns / ROWS,
                          n * (double)p.a.columns / 2 });
}

const Kernel SIMD(matmul_in_double) = {
    .op = &matmul_def,
    .dtypes = SIMD_DTYPES,
    .name = "in_double",
    .supports = in_double_supports,
    .run = in_double_run,
};

#endif

const Kernel SIMD(matmul_outer) = {
    .op = &matmul_def,
    .dtypes = SIMD_DTYPES,
    .name = "outer",
    .supports = outer_supports,
    .run = outer_run,
};

const Kernel SIMD(matmul_group_dot) = {
    .op = &matmul_def,
    .dtypes = SIMD_DTYPES,
    .name = "group_dot",
    .supports = group_dot_supports,
    .run = group_dot_run,
};

const Kernel SIMD(matmul_vector) = {
    .op = &matmul_def,
    .dtypes = SIMD_DTYPES,
    .name = "vector",
    .supports = vector_supports,
    .run = vector_run,
};
