/*
 * squeeze.h - one pass over an image for all that a gate wants to know of it
 *
 * Bound by bytes.  Sums of a row of the map stay in registers; they are added
 * up row by row, so that few roundings meet in one sum.
 */
#ifndef SIMD_SQUEEZE_H
#define SIMD_SQUEEZE_H

#include "kernels/cpu/simd/gate.h"
#include "kernels/cpu/simd/lanes.h"

/* Vectors of channels at once: as many as registers hold, so that memory
 * is read in order where a position is no longer than that; then fewer. */
enum {
    MANY = LANES == 16 ? 8 : 2,
    VECTORS = LANES == 16 ? 4 : 2,
};

/* Things to take, besides sums or instead of them. */
enum {
    TAKE_PRODUCTS = 1, /* of x along_h along_w, instead of x       */
    TAKE_MAXIMA = 2,   /* may lose a NaN, which the sums show      */
    TAKE_MOMENTS = 4,  /* of x - first, with squares, instead of x */
    TAKE_STRIPS = 8,   /* of rows and of columns, instead of all   */
    TAKE_GATED = 16,   /* of x ROWS COLUMNS; the last row first    */
};

/* Some channels of an image: everything at the first of them, or NULL. */
typedef struct Piece {
    const Gate *g;
    const Elem *x;
    float *sums, *maxima, *first, *squares, *h, *w;
    const float *along_h, *along_w, *gate_h, *gate_w;
} Piece;

/* Sums and the like so far, of some vectors of channels. */
typedef struct Seen {
    Vec sum[MANY], most[MANY], first[MANY], squares[MANY];
    Vec gate[MANY]; /* of the row of the map */
} Seen;

/* So that an infinite first position makes infinite sums, and no NaN. */
INLINE Vec finite_or_0(Vec v)
{
    return (Vec)((VecInt)v & (v - v == splat(0)));
}

/* Row i of the map; what and nv are constants. */
INLINE void take_row(const Piece *p, Seen *s, size_t i, const unsigned what,
                     const size_t nv, size_t lanes)
{
    const size_t C = p->g->C, row = p->g->row;
    const Elem *x = p->x + i * p->g->W * C;
    const float *along = p->along_w;
    const float *gate = p->gate_w;
    float *w = p->w;
    Vec sum[MANY], squares[MANY];

    UNROLL
    for (size_t v = 0; v < nv; v++) {
        sum[v] = squares[v] = splat(0);
        if (what & TAKE_GATED)
            s->gate[v] = load(p->gate_h + i * row + v * LANES);
    }
    for (size_t j = p->g->W; j; j--, x += C) {
        UNROLL
        for (size_t v = 0; v < nv; v++) {
            const Vec read = load_lanes(x + v * LANES, lanes);
            const Vec in = what & TAKE_GATED
                               ? read * (s->gate[v] * load(gate + v * LANES))
                               : read;
            const Vec d = what & TAKE_MOMENTS ? in - s->first[v] : in;

            if (what & TAKE_PRODUCTS)
                sum[v] += in * load(along + v * LANES);
            else
                sum[v] += d;
            if (what & TAKE_MOMENTS)
                squares[v] += d * d;
            if (what & TAKE_MAXIMA)
                s->most[v] = larger(s->most[v], in);
            if (what & TAKE_STRIPS)
                store(w + v * LANES, load(w + v * LANES) + in);
        }
        along += what & TAKE_PRODUCTS ? row : 0;
        w += what & TAKE_STRIPS ? row : 0;
        gate += what & TAKE_GATED ? row : 0;
    }
    UNROLL
    for (size_t v = 0; v < nv; v++) {
        if (what & TAKE_STRIPS)
            store(p->h + i * row + v * LANES, sum[v] * (1 / (float)p->g->W));
        if (what & TAKE_PRODUCTS)
            sum[v] *= load(p->along_h + i * row + v * LANES);
        s->sum[v] += sum[v];
        s->squares[v] += squares[v];
    }
}

/* Sums to where they belong, as means. */
INLINE void store_seen(const Piece *p, const Seen *s, const unsigned what,
                       const size_t nv)
{
    const size_t H = p->g->H, W = p->g->W, row = p->g->row;
    const float part = what & TAKE_PRODUCTS ? 1 : 1 / (float)(H * W);

    for (size_t j = 0; what & TAKE_STRIPS && j < W; j++)
        for (size_t k = 0; k < nv * LANES; k++)
            p->w[j * row + k] *= 1 / (float)H;
    for (size_t v = 0; v < nv; v++) {
        if (!(what & TAKE_STRIPS))
            store(p->sums + v * LANES, s->sum[v] * part);
        if (what & TAKE_MAXIMA)
            store(p->maxima + v * LANES, s->most[v]);
        if (what & TAKE_MOMENTS) {
            store(p->first + v * LANES, s->first[v]);
            store(p->squares + v * LANES, s->squares[v] * part);
        }
    }
}

INLINE void squeeze_vectors(const Piece *p, const unsigned what,
                            const size_t nv, size_t lanes)
{
    const size_t H = p->g->H;
    Seen s;

    UNROLL
    for (size_t v = 0; v < nv; v++) {
        s.sum[v] = s.squares[v] = splat(0);
        s.most[v] = s.first[v] = load_lanes(p->x + v * LANES, lanes);
        if (what & TAKE_GATED)
            s.first[v] *=
                load(p->gate_h + v * LANES) * load(p->gate_w + v * LANES);
        if (what & TAKE_MOMENTS)
            s.first[v] = finite_or_0(s.first[v]);
    }
    for (size_t j = 0; what & TAKE_STRIPS && j < p->g->W; j++)
        memset(p->w + j * p->g->row, 0, nv * LANES * sizeof(float));
    for (size_t i = 0; i < H; i++)
        take_row(p, &s, what & TAKE_GATED ? H - 1 - i : i, what, nv, lanes);
    store_seen(p, &s, what, nv);
}

/* All that is taken, from channel c on. */
INLINE Piece piece_at(const Images *m, size_t image, const unsigned what,
                      size_t c)
{
    const Gate *g = m->g;
    Piece p = { .g = g, .x = image_x(m, image) + c };

    if (what & TAKE_STRIPS) {
        p.h = strip_h(m, image) + c;
        p.w = strip_w(m, image) + c;
    } else {
        p.sums = part_at(m, image, SUMS) + c;
    }
    if (what & TAKE_PRODUCTS) {
        p.along_h = g->w[ALONG_H] + c;
        p.along_w = g->w[ALONG_W] + c;
    }
    if (what & TAKE_GATED) {
        p.gate_h = part_at(m, image, ROWS) + c;
        p.gate_w = part_at(m, image, COLUMNS) + c;
    }
    if (what & TAKE_MAXIMA)
        p.maxima = part_at(m, image, MAXIMA) + c;
    if (what & TAKE_MOMENTS) {
        p.first = part_at(m, image, FIRST) + c;
        p.squares = part_at(m, image, SQUARES) + c;
    }
    return p;
}

/* As many times nv vectors as there are, up to channel `to`, from c on: the
 * first that is left. */
INLINE size_t squeeze_some(const Images *m, size_t image, size_t c, size_t to,
                           const unsigned what, const size_t nv)
{
    for (; c + nv * LANES <= to; c += nv * LANES) {
        const Piece p = piece_at(m, image, what, c);

        squeeze_vectors(&p, what, nv, LANES);
    }
    return c;
}

/* Lines begin to end - 1 of the channels of all images; what is a constant. */
INLINE void squeeze(const Images *m, size_t begin, size_t end,
                    const unsigned what)
{
    const size_t to = min_size(end * LINE, m->g->C);

    for (size_t i = 0; i < m->n; i++) {
        size_t c = begin * LINE;

        if (!(what & TAKE_MOMENTS))
            c = squeeze_some(m, i, c, to, what, MANY);
        c = squeeze_some(m, i, c, to, what, VECTORS);
        c = squeeze_some(m, i, c, to, what, 1);
        if (c < to) {
            const Piece p = piece_at(m, i, what, c);

            squeeze_vectors(&p, what, 1, to - c);
        }
    }
}

#endif
