/*
 * matmul.c - y[n,g] = scale * a[n,g] b[n,g] for small matrices
 *
 * In the zoo one side is long and the others short, so that all but the
 * widest are bound by bytes (SCSA at 7x7: q k^T makes 512 x 512 numbers from
 * 512 and 512) or by the cost of a call, of which a library pays one a matrix.
 *
 *   outer        K = 1 (AFGCA, SCSA at 7x7): rows of b times a number.
 *   group_dot    a has one row: (1 x n)(n x P) for each of many groups (EMA).
 *                b is a map, so that a position of it is the groups' operands
 *                one after another: multiply by a, add n neighbours.
 *   panels       else: b in panels (K, PANEL), packed unless its columns are
 *                neighbours; sums of ROWS x PANEL stay in registers.
 *   dots         a few columns, K along storage in both (SCSA's a v): vectors
 *                along K, summed at the end.
 */
#include "kernels/cpu/simd/simd.h"

#define INLINE static inline __attribute__((always_inline))

enum {
    PANEL = 2 * LANES,
    ROWS = 4,
    FEW_COLUMNS = 8, /* a panel would be mostly empty */
    RUN_MAX = 16,    /* neighbours that group_dot adds */
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
    size_t groups, panels;
    float scale;
    float *packed; /* K PANEL numbers a thread, if b is packed */
} Product;

static Product product(const Tensor *out)
{
    const MatmulAttr *attr = out->attr;
    const Matrices a = matrices(out->src[0], attr->groups);
    const Matrices b = matrices(out->src[1], attr->groups);
    Product p = {
        .a = attr->trans_a ? transposed(a) : a,
        .b = attr->trans_b ? transposed(b) : b,
        .y = matrices(out, attr->groups),
        .groups = (size_t)attr->groups,
        .scale = (float)attr->scale,
    };

    p.panels = ceil_div(p.b.columns, PANEL);
    return p;
}

static double work(const Tensor *out, const Product *p)
{
    return (double)tensor_count(out) * (double)(p->a.columns + 3) / 4;
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
    const float *a = out->src[0]->data, *b = out->src[1]->data;

    (void)state;
    for (size_t u = begin; u < end; u++) {
        const size_t i = u % p.a.rows, g = u / p.a.rows % p.groups,
                     n = u / p.a.rows / p.groups;
        const float factor =
            p.scale * a[n * p.a.image + g * p.a.group + i * p.a.row];
        const float *row = b + n * p.b.image + g * p.b.group;
        float *y = (float *)out->data + u * p.b.columns;

#pragma omp simd
        for (size_t j = 0; j < p.b.columns; j++)
            y[j] = factor * row[j];
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

/* b's columns are positions of a map, a is one row a group. */
static bool group_dot_supports(const Tensor *out)
{
    const Product p = product(out);
    const size_t n = p.a.columns;

    return p.a.rows == 1 && p.b.row == 1 && p.b.column == p.groups * n &&
           p.a.group == n && (n == 1 || p.a.column == 1) && n <= RUN_MAX &&
           (n & (n - 1)) == 0;
}

/* y[g * step] = the sum of n neighbours of x * a; n is a constant. */
INLINE void add_neighbours(float *y, size_t step, const float *x,
                           const float *a, size_t groups, size_t n)
{
#pragma omp simd
    for (size_t g = 0; g < groups; g++) {
        float sum = 0;

        for (size_t i = 0; i < n; i++)
            sum += x[g * n + i] * a[g * n + i];
        y[g * step] = sum;
    }
}

static void group_dot_position(const Product *p, float *y, const float *x,
                               const float *a)
{
    const size_t step = p->y.group, n = p->a.columns;

#define CASE(k)                                          \
    if (n == k) {                                        \
        if (step == 1)                                   \
            add_neighbours(y, 1, x, a, p->groups, k);    \
        else                                             \
            add_neighbours(y, step, x, a, p->groups, k); \
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
    const float *a = out->src[0]->data, *b = out->src[1]->data;
    float *y = out->data;

    (void)state;
    for (size_t u = begin; u < end; u++) {
        const size_t n = u / p.b.columns, j = u % p.b.columns;

        group_dot_position(&p, y + n * p.y.image + j * p.y.column,
                           b + u * p.b.column, a + n * p.a.image);
    }
    if (p.scale != 1)
        for (size_t u = begin; u < end; u++)
            for (size_t g = 0; g < p.groups; g++)
                y[u / p.b.columns * p.y.image + u % p.b.columns * p.y.column +
                  g * p.y.group] *= p.scale;
}

static int group_dot_run(Device *dev, const Tensor *out, void *state)
{
    return split(dev, out, state,
                 (Split){ group_dot_range, tensor_rows(out->src[1]),
                          (double)tensor_count(out->src[1]) });
}

/* ---- panels and dots -------------------------------------------------- */

static bool by_dots(const Product *p)
{
    return p->b.columns <= FEW_COLUMNS && p->a.column == 1 && p->b.row == 1 &&
           p->a.columns >= LANES;
}

static bool by_packing(const Product *p)
{
    return p->b.column != 1 || p->b.columns % PANEL;
}

static int plan(Device *dev, const Tensor *out, void **state)
{
    Product p = product(out);
    const size_t threads = (size_t)dev->threads;
    const bool packs = !by_dots(&p) && by_packing(&p);
    const size_t packed = packs ? threads * p.b.rows * PANEL : 0;

    TRY(state_new(state, sizeof(p) + packed * sizeof(float)));
    p.packed = packs ? (float *)((Product *)*state + 1) : NULL;
    memcpy(*state, &p, sizeof(p));
    return OK;
}

/* b (K,n) with n <= PANEL columns as (K,PANEL), the rest zeros. */
static void pack(const Product *p, float *to, const float *b, size_t n)
{
    if (n < PANEL)
        memset(to, 0, p->b.rows * PANEL * sizeof(*to));
    if (p->b.row == 1) {
        for (size_t j = 0; j < n; j++)
            for (size_t k = 0; k < p->b.rows; k++)
                to[k * PANEL + j] = b[j * p->b.column + k];
        return;
    }
    for (size_t k = 0; k < p->b.rows; k++)
        for (size_t j = 0; j < n; j++)
            to[k * PANEL + j] = b[k * p->b.row + j * p->b.column];
}

static void put(const Product *p, float *y, Vec low, Vec high, size_t n)
{
    float row[PANEL];

    low *= p->scale;
    high *= p->scale;
    if (p->y.column == 1 && n == PANEL) {
        store(y, low);
        store(y + LANES, high);
        return;
    }
    store(row, low);
    store(row + LANES, high);
    for (size_t j = 0; j < n; j++)
        y[j * p->y.column] = row[j];
}

/* rows (a constant) of a times a panel whose rows are `step` apart. */
INLINE void tile(const Product *p, float *y, const float *a, const float *b,
                 size_t step, size_t n, size_t rows)
{
    Vec sum[2 * ROWS];

    for (size_t i = 0; i < 2 * rows; i++)
        sum[i] = splat(0);
    for (size_t k = 0; k < p->b.rows; k++) {
        const Vec low = load(b + k * step), high = load(b + k * step + LANES);

        for (size_t i = 0; i < rows; i++) {
            const float factor = a[i * p->a.row + k * p->a.column];

            sum[2 * i] += factor * low;
            sum[2 * i + 1] += factor * high;
        }
    }
    for (size_t i = 0; i < rows; i++)
        put(p, y + i * p->y.row, sum[2 * i], sum[2 * i + 1], n);
}

static void panel(const Product *p, float *y, const float *a, const float *b,
                  size_t n)
{
    const size_t thread = p->packed ? (size_t)omp_get_thread_num() : 0;
    float *packed = p->packed + thread * p->b.rows * PANEL;
    size_t step = p->b.row, i = 0;

    if (p->packed) {
        pack(p, packed, b, n);
        b = packed;
        step = PANEL;
    }
    for (; i + ROWS <= p->a.rows; i += ROWS)
        tile(p, y + i * p->y.row, a + i * p->a.row, b, step, n, ROWS);
    for (; i < p->a.rows; i++)
        tile(p, y + i * p->y.row, a + i * p->a.row, b, step, n, 1);
}

static float dot(const float *a, const float *b, size_t n)
{
    float sum = 0;

#pragma omp simd reduction(+ : sum)
    for (size_t k = 0; k < n; k++)
        sum += a[k] * b[k];
    return sum;
}

static void dots(const Product *p, float *y, const float *a, const float *b)
{
    for (size_t i = 0; i < p->a.rows; i++)
        for (size_t j = 0; j < p->b.columns; j++)
            y[i * p->y.row + j * p->y.column] =
                p->scale *
                dot(a + i * p->a.row, b + j * p->b.column, p->a.columns);
}

/* Units are panels of all images and groups. */
static void range(const Tensor *out, const void *state, size_t begin,
                  size_t end)
{
    const Product *p = state;

    for (size_t u = begin; u < end; u++) {
        const size_t j = u % p->panels * PANEL, g = u / p->panels % p->groups,
                     n = u / p->panels / p->groups;
        const float *a =
            (const float *)out->src[0]->data + n * p->a.image + g * p->a.group;
        const float *b = (const float *)out->src[1]->data + n * p->b.image +
                         g * p->b.group + j * p->b.column;
        float *y = (float *)out->data + n * p->y.image + g * p->y.group +
                   j * p->y.column;

        if (by_dots(p))
            dots(p, y, a, b);
        else
            panel(p, y, a, b, min_size(PANEL, p->b.columns - j));
    }
}

static int run(Device *dev, const Tensor *out, void *state)
{
    const Product *p = state;

    return split(dev, out, state,
                 (Split){ range, (size_t)out->dim[0] * p->groups * p->panels,
                          work(out, p) });
}

const Kernel SIMD(matmul_outer) = {
    .op = &matmul_def,
    .name = "outer",
    .supports = outer_supports,
    .run = outer_run,
};

const Kernel SIMD(matmul_group_dot) = {
    .op = &matmul_def,
    .name = "group_dot",
    .supports = group_dot_supports,
    .run = group_dot_run,
};

const Kernel SIMD(matmul) = {
    .op = &matmul_def,
    .name = "panels_or_dots",
    .plan = plan,
    .run = run,
};
