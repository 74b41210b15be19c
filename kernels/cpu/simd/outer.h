/*
 * outer.h - sums of outer products: what gradients of weights are made of
 *
 *     sum[r,c] = sum over positions p of a[p,r] b[p,c]
 *
 * Rows of a and of b lie as channels last has them, so nothing is transposed.
 * A tile of up to ROWS rows and NV vectors of columns is summed up in registers
 * over a block of positions: each costs NV loads of b, ROWS broadcasts of a and
 * ROWS NV multiply-adds, which bind.  Then it is added to the sums in memory.
 * Meanwhile what the next block reads is prefetched, a few lines at a time.
 *
 * Threads share positions, each with sums of its own, which are added up in
 * the end in the order of threads; or, where positions are few, columns.
 */
#ifndef SIMD_OUTER_H
#define SIMD_OUTER_H

#include "kernels/cpu/simd/tiles.h"

enum {
    LINE = 64 / sizeof(float), /* numbers in a line of the cache */
    CHUNK = 8,                 /* positions between prefetches   */
};

/* ---- sums --------------------------------------------------------------- */

/* Lines that the next block will read: `each` of them are fetched a CHUNK. */
typedef struct Ahead {
    const float *at, *end;
    size_t each;
} Ahead;

/* n positions of a, `rows` rows, with one panel of b.  The sums are set if
 * they are the first, else added to. */
typedef struct Outer {
    const float *a, *b;
    size_t a_step, b_step, n, rows;
    float *sum;
    size_t sum_step;
    bool first;
    Ahead *ahead; /* two of them */
} Outer;

INLINE void fetch(Ahead *ahead)
{
    for (size_t i = 0; i < ahead->each && ahead->at < ahead->end;
         i++, ahead->at += LINE)
        __builtin_prefetch(ahead->at, 0, 2);
}

INLINE void outer_tile(const Outer *p, size_t row, const size_t rows,
                       const size_t nv)
{
    const float *a = p->a + row, *b = p->b;
    float *to = p->sum + row * p->sum_step;
    Vec sum[ROWS * NV];

    UNROLL
    for (size_t k = 0; k < rows * nv; k++)
        __builtin_prefetch(to + k / nv * p->sum_step + k % nv * LANES, 1);
    clear_sums(sum, rows, nv);
    for (size_t i = 0; i < p->n; i += CHUNK) {
        const size_t m = min_size(CHUNK, p->n - i);

        fetch(p->ahead);
        fetch(p->ahead + 1);
        for (size_t k = 0; k < m; k++, a += p->a_step, b += p->b_step)
            UNROLL
        for (size_t t = 0; t < rows * nv; t++)
            sum[t] += a[t / nv] * load(b + t % nv * LANES);
    }
    UNROLL
    for (size_t k = 0; k < rows * nv; k++) {
        float *at = to + k / nv * p->sum_step + k % nv * LANES;

        store(at, p->first ? sum[k] : load(at) + sum[k]);
    }
}

INLINE void outer_rows(const Outer *p, const size_t nv)
{
    size_t row = 0;

    for (; row + ROWS <= p->rows; row += ROWS)
        outer_tile(p, row, ROWS, nv);
    if (row + 4 <= p->rows) {
        outer_tile(p, row, 4, nv);
        row += 4;
    }
    if (row + 2 <= p->rows) {
        outer_tile(p, row, 2, nv);
        row += 2;
    }
    if (row < p->rows)
        outer_tile(p, row, 1, nv);
}

/* Product for nv vectors. */
static void outer_product(const Outer *p, size_t nv)
{
    switch (nv) {
    case 1:
        outer_rows(p, 1);
        break;
    case 2:
        outer_rows(p, 2);
        break;
    case 3:
        outer_rows(p, 3 < NV ? 3 : NV);
        break;
    default:
        outer_rows(p, NV);
    }
}

/* ---- who sums what ------------------------------------------------------ */

/* Positions come in `parts`, each of which has sums of its own, and these in
 * blocks; columns in panels that are as alike as vectors allow.  Units of work
 * are panels of parts. */
typedef struct Shares {
    size_t parts, panels, width, columns, positions, block;
} Shares;

/* Shares of columns, in blocks of `most` positions at most. */
static inline Shares shares_of(const Device *dev, size_t positions,
                               size_t columns, size_t most)
{
    const size_t threads = (size_t)dev->threads;
    const size_t parts = positions / threads >= columns ? threads : 1;
    const size_t each = ceil_div(positions, parts);
    const size_t vectors = ceil_div(columns, LANES);
    const size_t nv = ceil_div(vectors, ceil_div(vectors, NV));

    return (Shares){
        .parts = parts,
        .panels = ceil_div(vectors, nv),
        .width = nv * LANES,
        .columns = columns,
        .positions = positions,
        .block = ceil_div(ceil_div(each, ceil_div(each, most)), CHUNK) * CHUNK,
    };
}

/* Positions begin to end of a part; up to `next` is the block after it. */
typedef struct Block {
    size_t part, begin, end, next;
    size_t panel, last; /* panels: those before last */
    bool first;         /* of its part */
} Block;

typedef void DoBlock(const void *job, const Block *b);

static inline void each_block(const Shares *s, size_t begin, size_t end,
                              DoBlock *todo, const void *job)
{
    while (begin < end) {
        const size_t part = begin / s->panels, panel = begin % s->panels;
        const size_t n = min_size(end - begin, s->panels - panel);
        const size_t from = s->positions * part / s->parts;
        const size_t to = s->positions * (part + 1) / s->parts;

        for (size_t at = from; at < to; at += s->block) {
            const Block b = { part,
                              at,
                              min_size(at + s->block, to),
                              min_size(at + 2 * s->block, to),
                              panel,
                              panel + n,
                              at == from };

            todo(job, &b);
        }
        begin += n;
    }
}

/* Plans fetches during `products` products of `rows` rows and n positions. */
static inline Ahead ahead_of(const float *from, const float *to,
                             size_t products, size_t rows, size_t n)
{
    const size_t chunks = products * ceil_div(rows, ROWS) * ceil_div(n, CHUNK);
    const size_t lines = ceil_div((size_t)(to - from), LINE);

    return (Ahead){ from, to, ceil_div(lines, chunks) };
}

#endif
