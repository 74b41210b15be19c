/*
 * scsa_map.h - the three passes of the fused SCSA over the map
 *
 * Bound by bytes: the first reads x from memory, the second from cache where
 * an image fits, the third again, and writes y.  Sums stay in registers: of
 * VECTORS vectors of channels, then of one; channels that fill no vector are
 * summed in memory.
 */
#ifndef SIMD_SCSA_MAP_H
#define SIMD_SCSA_MAP_H

#include "kernels/cpu/simd/scsa.h"

enum {
    VECTORS = LANES == 16 ? 4 : 2, /* of channels at once */
    AHEAD = 512, /* numbers: the first pass fetches so early what it reads */
    COMMON = 7,  /* the window of the paper                                */
};

/* Some channels of an image: everything at the first of them. */
typedef struct Piece {
    const Scsa *s;
    const Elem *x;
    float *h, *w; /* (H,row), (W,row): sums, or gates */
    float *to;    /* x_p                              */
} Piece;

static Piece moved(Piece p, size_t channels)
{
    return (Piece){ p.s, p.x + channels, p.h + channels, p.w + channels,
                    p.to + channels };
}

/* Calls f(piece, vectors) for `width` channels, vectors being a constant, and
 * rest(piece, channels) for what is left. */
#define FOR_CHANNELS(piece, width, f, rest)                        \
    do {                                                           \
        size_t left = (width);                                     \
        Piece at = (piece);                                        \
                                                                   \
        for (; left >= VECTORS * LANES; left -= VECTORS * LANES) { \
            f(at, VECTORS);                                        \
            at = moved(at, VECTORS * LANES);                       \
        }                                                          \
        for (; left >= LANES; left -= LANES) {                     \
            f(at, 1);                                              \
            at = moved(at, LANES);                                 \
        }                                                          \
        if (left)                                                  \
            rest(at, left);                                        \
    } while (0)

/* ---- sums of rows and columns ------------------------------------------ */

INLINE void sum_vectors(Piece p, const size_t nv)
{
    const size_t C = p.s->C, row = p.s->row, W = p.s->W;

    for (size_t j = 0; j < W; j++)
        memset(p.w + j * row, 0, nv * LANES * sizeof(float));
    for (size_t i = 0; i < p.s->H; i++) {
        const Elem *x = p.x + i * W * C;
        float *w = p.w;
        Vec sum[VECTORS];

        UNROLL
        for (size_t v = 0; v < nv; v++)
            sum[v] = splat(0);
        for (size_t j = W; j; j--, x += C, w += row)
            UNROLL
        for (size_t v = 0; v < nv; v++) {
            const Vec in = load_elems(x + v * LANES);

            __builtin_prefetch(x + v * LANES + AHEAD);
            sum[v] += in;
            store(w + v * LANES, load(w + v * LANES) + in);
        }
        UNROLL
        for (size_t v = 0; v < nv; v++)
            store(p.h + i * row + v * LANES, sum[v]);
    }
}

static void sum_rest(Piece p, size_t width)
{
    const size_t C = p.s->C, row = p.s->row, W = p.s->W;

    for (size_t j = 0; j < W; j++)
        memset(p.w + j * row, 0, width * sizeof(float));
    for (size_t i = 0; i < p.s->H; i++) {
        memset(p.h + i * row, 0, width * sizeof(float));
        for (size_t j = 0; j < W; j++)
#pragma omp simd
            for (size_t k = 0; k < width; k++) {
                const float in = number(p.x[(i * W + j) * C + k]);

                p.h[i * row + k] += in;
                p.w[j * row + k] += in;
            }
    }
}

/* x_h and x_w, as sums, of channels c to c + width - 1. */
static void sum_strips(const Scsa *s, const Work *w, const Elem *x, size_t c,
                       size_t width)
{
    const size_t halo = s->halo * s->row;
    const Piece p = { s, x, w->h.sums + halo, w->w.sums + halo, w->pooled };

    FOR_CHANNELS(moved(p, c), width, sum_vectors, sum_rest);
}

/* ---- sums of windows of x * attn_h * attn_w ------------------------------ */

/* A row of windows, from row i of the map on, `rows` high: each column first,
 * as attn_h then is loaded from the L1 cache and not a sum stored for it. */
INLINE void sum_across(Piece p, size_t i, const size_t rows, const size_t nv)
{
    const size_t C = p.s->C, row = p.s->row, down = p.s->W * C;
    const Elem *x = p.x + i * down;
    const float *h = p.h + i * row, *w = p.w;
    float *to = p.to + i / rows * p.s->across * row;

    for (size_t k = p.s->across; k; k--, to += row) {
        Vec sum[VECTORS];

        UNROLL
        for (size_t v = 0; v < nv; v++)
            sum[v] = splat(0);
        for (size_t j = p.s->window_w; j; j--, x += C, w += row)
            UNROLL
        for (size_t v = 0; v < nv * LANES; v += LANES) {
            Vec column = splat(0);

            for (size_t r = 0; r < rows; r++)
                column += load_elems(x + r * down + v) * load(h + r * row + v);
            sum[v / LANES] += column * load(w + v);
        }
        UNROLL
        for (size_t v = 0; v < nv; v++)
            store(to + v * LANES, sum[v]);
    }
}

/* The last windows first: the pass before has left them in the cache. */
INLINE void sum_windows_vectors(Piece p, const size_t nv)
{
    const size_t rows = p.s->window_h;

    for (size_t i = p.s->down; i-- > 0;)
        if (rows == COMMON)
            sum_across(p, i * COMMON, COMMON, nv);
        else
            sum_across(p, i * rows, rows, nv);
}

static void sum_windows_rest(Piece p, size_t width)
{
    const Scsa *s = p.s;

    for (size_t n = 0; n < windows_of(s); n++)
        memset(p.to + n * s->row, 0, width * sizeof(float));
    for (size_t i = 0; i < s->down * s->window_h; i++)
        for (size_t j = 0; j < s->across * s->window_w; j++) {
            float *to =
                p.to + (i / s->window_h * s->across + j / s->window_w) * s->row;
#pragma omp simd
            for (size_t k = 0; k < width; k++)
                to[k] += number(p.x[(i * s->W + j) * s->C + k]) *
                         (p.h[i * s->row + k] * p.w[j * s->row + k]);
        }
}

/* x_p, as sums, of channels c to c + width - 1. */
static void sum_windows(const Scsa *s, const Work *w, const Elem *x, size_t c,
                        size_t width)
{
    const Piece p = { s, x, w->h.gate, w->w.gate, w->pooled };

    FOR_CHANNELS(moved(p, c), width, sum_windows_vectors, sum_windows_rest);
}

/* ---- y = x * attn_h * attn_w * attention --------------------------------- */

/* nv vectors of one position; nv is a constant. */
INLINE void write_vectors(Elem *y, const Elem *x, const float *gate_h,
                          const float *gate_w, const size_t nv)
{
    UNROLL
    for (size_t v = 0; v < nv * LANES; v += LANES)
        store_elems(y + v,
                    load_elems(x + v) * (load(gate_h + v) * load(gate_w + v)));
}

/* A row, position by position: the order of memory is worth more than gates
 * in registers. */
static void write_row(Elem *y, const Elem *x, const float *gate_h,
                      const float *gate_w, size_t C, size_t W, size_t row)
{
    for (; W; W--, y += C, x += C, gate_w += row) {
        size_t k = 0;

        for (; k + VECTORS * LANES <= C; k += VECTORS * LANES)
            write_vectors(y + k, x + k, gate_h + k, gate_w + k, VECTORS);
        for (; k + LANES <= C; k += LANES)
            write_vectors(y + k, x + k, gate_h + k, gate_w + k, 1);
        for (; k < C; k++)
            y[k] = elem(number(x[k]) * (gate_h[k] * gate_w[k]));
    }
}

/* Rows begin to end - 1; their attn_h becomes attn_h * attention. */
static void write_rows(const Scsa *s, const Work *w, Elem *y, const Elem *x,
                       size_t begin, size_t end)
{
    for (size_t i = begin; i < end; i++) {
        const size_t first = i * s->W * s->C;
        float *gate_h = w->h.gate + i * s->row;

#pragma omp simd
        for (size_t k = 0; k < s->C; k++)
            gate_h[k] *= w->attention[k];
        write_row(y + first, x + first, gate_h, w->w.gate, s->C, s->W, s->row);
    }
}

#endif
