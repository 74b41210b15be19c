/*
 * reduce.c - the sum of x, or of x z, over all that is broadcast
 *
 * Bound by the bytes of x and z, each read once.  The dims of x in storage
 * order are merged as in mul (broadcast.h); the last two make a matrix of x,
 * of which one is summed:
 *
 *   columns   one sum per column: (N,C), (C), (N,C,H,1), (N,C,1,W).  Rows are
 *             read in order and added up in float, PARTIAL of them, then in
 *             double.  Of narrow matrices a few rows are taken as one.
 *   rows      one sum per row: (N,1,H,W), (N,G,H,W), one number in all.
 *
 * A unit is a block of sums of one such matrix, and of all that are added to
 * it.  Where there are too few of these for all threads (a gradient of a bias),
 * each thread makes all sums of its own part of x, and they are added at the
 * end: no thread reads x with gaps.
 */
#include "kernels/cpu/simd/broadcast.h"
#include "kernels/cpu/simd/rows.h"

enum {
    BLOCK = 1024, /* sums of a unit, which are on stack: 12 KiB        */
    PARTIAL = 32, /* rows summed in float before the sum is set aside  */
    NARROW = 64,  /* columns below which rows are taken together       */
    LONG = 256,   /* numbers of a row summed in float                  */
    MEMORY = 8,   /* x has this many times as many numbers as all parts */
};

/* Dims before the last two: those that the sums have, or those that are
 * summed. */
typedef struct Outer {
    size_t n, count; /* dims; product of len */
    size_t len[FORM_DIMS], x_step[FORM_DIMS], y_step[FORM_DIMS];
} Outer;

typedef struct Reduce {
    bool columns;       /* else rows are summed                          */
    size_t rows, width; /* of the matrix                                 */
    size_t sums, step;  /* of one matrix; between neighbours in out      */
    size_t block, blocks;
    Outer kept, summed;
    size_t parts; /* of what is summed; 1: sums go to out at once  */
    size_t total; /* numbers of out                                */
    double *part; /* (parts, total)                                */
} Reduce;

static void outer_push(Outer *o, size_t len, size_t x_step, size_t y_step)
{
    o->len[o->n] = len;
    o->x_step[o->n] = x_step;
    o->y_step[o->n++] = y_step;
    o->count *= len;
}

/* Where index i of some outer dims is in x and out.  The first dim pushed is
 * the innermost. */
static void outer_at(const Outer *o, size_t i, size_t *x, size_t *y)
{
    for (size_t d = 0; d < o->n; d++) {
        *x += i % o->len[d] * o->x_step[d];
        *y += i % o->len[d] * o->y_step[d];
        i /= o->len[d];
    }
}

/* The last dim and, if it is not of the same kind, the one before. */
static void take_matrix(Reduce *r, Form *f)
{
    r->columns = f->n == 0 || f->step[f->n - 1];
    r->rows = r->width = r->step = 1;
    if (f->n) {
        r->width = f->len[--f->n];
        r->step = f->step[f->n];
    }
    if (f->n && r->columns != (f->step[f->n - 1] != 0)) {
        r->rows = f->len[--f->n];
        r->step = r->columns ? r->step : f->step[f->n];
    }
    r->sums = r->columns ? r->width : r->rows;
}

static Reduce reduce_of(const Tensor *out)
{
    Reduce r = { .total = tensor_count(out),
                 .kept = { .count = 1 },
                 .summed = { .count = 1 } };
    size_t at;
    Form f;

    form_of(&f, out->src[0], out);
    take_matrix(&r, &f);
    at = r.rows * r.width;
    while (f.n--) {
        outer_push(f.step[f.n] ? &r.kept : &r.summed, f.len[f.n], at,
                   f.step[f.n]);
        at *= f.len[f.n];
    }
    r.block = min_size(BLOCK, r.sums);
    r.blocks = ceil_div(r.sums, r.block);
    return r;
}

/* How many a sum is of, in the direction that parts are cut along. */
static size_t depth(const Reduce *r)
{
    const size_t deep = r->columns ? r->rows : r->width;

    return r->summed.count > 1 ? r->summed.count : deep;
}

static int plan(Device *dev, const Tensor *out, void **state)
{
    const size_t threads = (size_t)dev->threads;
    Reduce r = reduce_of(out);

    r.parts = r.kept.count * r.blocks >= threads ||
                      tensor_count(out->src[0]) < MEMORY * threads * r.total ||
                      depth(&r) < threads
                  ? 1
                  : threads;
    TRY(state_new(state, sizeof(r) + (r.parts > 1 ? r.parts * r.total : 0) *
                                         sizeof(double)));
    r.part = (double *)((Reduce *)*state + 1);
    memcpy(*state, &r, sizeof(r));
    return OK;
}

/* ---- one matrix, some of its sums --------------------------------------- */

/* Adds to each of `sums` its numbers from begin to end - 1; x and z are at the
 * first of the sums. */
typedef struct Matrix {
    const float *x, *z;
    size_t begin, end, stride;
} Matrix;

/* acc[k] += the sum over rows of x[k], or of x[k] z[k]. */
static void add(float *acc, Matrix m, size_t rows, size_t width)
{
    if (m.z)
        add_row_products(acc, m.x, m.z, rows, m.stride, width);
    else
        add_rows(acc, m.x, rows, m.stride, width);
}

static void add_columns(double *total, Matrix m, size_t width)
{
    float acc[BLOCK];

    m.x += m.begin * m.stride;
    m.z = m.z ? m.z + m.begin * m.stride : NULL;
    for (size_t i = m.begin; i < m.end; i += PARTIAL) {
        memset(acc, 0, width * sizeof(*acc));
        add(acc, m, min_size(PARTIAL, m.end - i), width);
#pragma omp simd
        for (size_t k = 0; k < width; k++)
            total[k] += (double)acc[k];
        m.x += PARTIAL * m.stride;
        m.z = m.z ? m.z + PARTIAL * m.stride : NULL;
    }
}

/* The same for a whole matrix of few columns: `glue` rows are taken as one,
 * whose sums are then added up; what is left over goes row by row. */
static void add_narrow(double *total, Matrix m, size_t width)
{
    const size_t glue = NARROW / width, wide = glue * width;
    const size_t rows = (m.end - m.begin) / glue;
    double sums[NARROW] = { 0 };
    Matrix rest = m, glued = m;

    rest.begin = m.begin + rows * glue;
    glued.x += m.begin * width;
    glued.z = m.z ? m.z + m.begin * width : NULL;
    glued.begin = 0;
    glued.end = rows;
    glued.stride = wide;
    add_columns(sums, glued, wide);
    for (size_t i = 0; i < wide; i++)
        total[i % width] += sums[i];
    add_columns(total, rest, width);
}

/* One row of n numbers. */
static double row_sum(const float *x, const float *z, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i += LONG) {
        const size_t some = min_size(LONG, n - i);

        sum += z ? dot_row(x + i, z + i, some) : sum_row(x + i, some);
    }
    return sum;
}

/* Rows of `run` numbers, a constant. */
INLINE void add_runs(double *total, const float *x, const float *z, size_t rows,
                     size_t run)
{
    for (size_t i = 0; i < rows; i++) {
        float sum = 0;

        for (size_t k = 0; k < run; k++)
            sum += z ? x[i * run + k] * z[i * run + k] : x[i * run + k];
        total[i] += (double)sum;
    }
}

#define RUNS(n)                                  \
    case n:                                      \
        if (m.z)                                 \
            add_runs(total, m.x, m.z, rows, n);  \
        else                                     \
            add_runs(total, m.x, NULL, rows, n); \
        return;

static void add_row_sums(double *total, Matrix m, size_t rows)
{
    const size_t n = m.end - m.begin;

    if (n == m.stride)
        switch (n) {
            RUNS(2)
            RUNS(4)
            RUNS(8)
            RUNS(16)
        }
    for (size_t i = 0; i < rows; i++) {
        const size_t at = i * m.stride + m.begin;

        total[i] += row_sum(m.x + at, m.z ? m.z + at : NULL, n);
    }
}

/* ---- units --------------------------------------------------------------- */

/* Share of a part: matrices, and from each a range of every sum's numbers. */
typedef struct Cut {
    size_t first, last, begin, end;
} Cut;

/* Range of a part, which gets some of several matrices whole. */
static Cut cut(const Reduce *r, size_t part)
{
    const size_t n = depth(r), from = part * n / r->parts;
    const size_t to = (part + 1) * n / r->parts;
    const size_t deep = r->columns ? r->rows : r->width;

    return r->summed.count > 1 ? (Cut){ from, to, 0, deep }
                               : (Cut){ 0, 1, from, to };
}

static void add_matrix(double *total, const Reduce *r, Matrix m, size_t n)
{
    if (!r->columns)
        add_row_sums(total, m, n);
    else if (r->width <= NARROW / 2 && r->rows > 1)
        add_narrow(total, m, n);
    else
        add_columns(total, m, n);
}

static void unit(const Tensor *out, const Reduce *r, size_t u)
{
    const Tensor *z = out->src[1];
    const size_t part = u / (r->kept.count * r->blocks);
    const size_t first = u % r->blocks * r->block;
    const size_t n = min_size(r->block, r->sums - first);
    const Cut c = cut(r, part);
    size_t at = first * (r->columns ? 1 : r->width), to = first * r->step;
    double total[BLOCK];

    memset(total, 0, n * sizeof(*total));
    outer_at(&r->kept, u / r->blocks % r->kept.count, &at, &to);
    for (size_t i = c.first; i < c.last; i++) {
        Matrix m = { .begin = c.begin, .end = c.end, .stride = r->width };
        size_t from = at, none = 0;

        outer_at(&r->summed, i, &from, &none);
        m.x = (const float *)out->src[0]->data + from;
        m.z = z ? (const float *)z->data + from : NULL;
        add_matrix(total, r, m, n);
    }
    for (size_t k = 0; k < n; k++)
        if (r->parts > 1)
            r->part[part * r->total + to + k * r->step] = total[k];
        else
            ((float *)out->data)[to + k * r->step] = (float)total[k];
}

static void range(const Tensor *out, const void *state, size_t begin,
                  size_t end)
{
    for (size_t u = begin; u < end; u++)
        unit(out, state, u);
}

static int run(Device *dev, const Tensor *out, void *state)
{
    const Reduce *r = state;
    const double n = (double)tensor_count(out->src[0]);
    float *y = out->data;

    TRY(split(dev, out, r,
              (Split){ range, r->parts * r->kept.count * r->blocks,
                       out->src[1] ? 2 * n : n }));
    for (size_t i = 0; r->parts > 1 && i < r->total; i++) {
        double sum = 0;

        for (size_t p = 0; p < r->parts; p++)
            sum += r->part[p * r->total + i];
        y[i] = (float)sum;
    }
    return OK;
}

const Kernel SIMD(reduce) = {
    .op = &reduce_def,
    .name = "rows_or_columns",
    .plan = plan,
    .run = run,
};
