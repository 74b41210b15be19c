/*
 * scsa_map.h - the three passes of the fused SCSA over the map
 *
 * Bound by bytes: the first reads x from memory, the second from cache where
 * an image fits, the third again, and writes y.  They take some positions at
 * once, so that the loop over channels has enough to do.
 */
#ifndef SIMD_SCSA_MAP_H
#define SIMD_SCSA_MAP_H

#include "kernels/cpu/simd/scsa.h"

enum {
    ROWS = 4,      /* of the map at once, in the first pass */
    POSITIONS = 4, /* of a row at once                      */
};

/* Calls f with `n` constant at POSITIONS while there are so many of `count`
 * left, then with what is left.  `at` is the first position. */
#define FOR_POSITIONS(at, count, f)                        \
    do {                                                   \
        size_t at = 0;                                     \
                                                           \
        for (; at + POSITIONS <= (count); at += POSITIONS) \
            f(POSITIONS);                                  \
        if ((count)-at == 3)                               \
            f(3);                                          \
        else if ((count)-at == 2)                          \
            f(2);                                          \
        else if ((count)-at == 1)                          \
            f(1);                                          \
    } while (0)

/* ---- sums of rows and columns ------------------------------------------ */

/* Adds n positions of some rows of x to the rows' sums h and the columns' w;
 * rows and n are constants. */
INLINE void add_block(const Scsa *s, float *h, float *w, const float *x,
                      size_t width, const size_t rows, const size_t n)
{
    const size_t C = s->C, down = s->W * C, row = s->row;

#pragma omp simd
    for (size_t k = 0; k < width; k++) {
        float across[ROWS] = { 0 };

        for (size_t i = 0; i < n; i++) {
            float column = 0;

            for (size_t r = 0; r < rows; r++) {
                across[r] += x[r * down + i * C + k];
                column += x[r * down + i * C + k];
            }
            w[i * row + k] += column;
        }
        for (size_t r = 0; r < rows; r++)
            h[r * row + k] += across[r];
    }
}

INLINE void add_map_rows(const Scsa *s, float *h, float *w, const float *x,
                         size_t width, const size_t rows)
{
#define ADD(n) add_block(s, h, w + j * s->row, x + j * s->C, width, rows, n)
    FOR_POSITIONS(j, s->W, ADD);
#undef ADD
}

/* x_h and x_w of channels c to c + width - 1, as sums. */
static void sum_strips(const Scsa *s, const Work *w, const float *x, size_t c,
                       size_t width)
{
    float *h = w->h.sums + s->halo * s->row + c;
    float *v = w->w.sums + s->halo * s->row + c;
    size_t i = 0;

    for (size_t l = 0; l < s->H; l++)
        memset(h + l * s->row, 0, width * sizeof(*h));
    for (size_t l = 0; l < s->W; l++)
        memset(v + l * s->row, 0, width * sizeof(*v));
    for (; i + ROWS <= s->H; i += ROWS)
        add_map_rows(s, h + i * s->row, v, x + i * s->W * s->C + c, width,
                     ROWS);
    for (; i < s->H; i++)
        add_map_rows(s, h + i * s->row, v, x + i * s->W * s->C + c, width, 1);
}

/* ---- means of windows of x * attn_h * attn_w ----------------------------- */

/* Adds n positions of a row to the sum of their window; n is a constant. */
INLINE void add_gated(const Scsa *s, float *sum, const float *x,
                      const float *gate_h, const float *gate_w, size_t width,
                      const size_t n)
{
#pragma omp simd
    for (size_t k = 0; k < width; k++) {
        float part = 0;

        for (size_t i = 0; i < n; i++)
            part += x[i * s->C + k] * gate_w[i * s->row + k];
        sum[k] += part * gate_h[k];
    }
}

/* Sums over the windows of channels c to c + width - 1.  The last rows first:
 * they are what the pass before has left in the cache. */
static void sum_windows(const Scsa *s, const Work *w, const float *x, size_t c,
                        size_t width)
{
    for (size_t p = 0; p < windows_of(s); p++)
        memset(w->pooled + p * s->row + c, 0, width * sizeof(*w->pooled));
    for (size_t i = s->down * s->window_h; i-- > 0;) {
        const float *gate_h = w->h.gate + i * s->row + c;
        const float *from = x + i * s->W * s->C + c;
        float *sum = w->pooled + i / s->window_h * s->across * s->row + c;

        for (size_t p = 0; p < s->across; p++, sum += s->row) {
            const size_t first = p * s->window_w;

#define ADD(n)                                           \
    add_gated(s, sum, from + (first + j) * s->C, gate_h, \
              w->w.gate + (first + j) * s->row + c, width, n)
            if (s->window_w == 7) {
                const size_t j = 0;

                ADD(7);
            } else {
                FOR_POSITIONS(j, s->window_w, ADD);
            }
#undef ADD
        }
    }
}

/* ---- y = x * attn_h * attn_w * attention --------------------------------- */

/* n positions of a row; n is a constant. */
INLINE void write_gated(const Scsa *s, float *y, const float *x,
                        const float *gate_h, const float *gate_w,
                        const size_t n)
{
#pragma omp simd
    for (size_t k = 0; k < s->C; k++) {
        const float gate = gate_h[k];

        for (size_t i = 0; i < n; i++)
            y[i * s->C + k] = x[i * s->C + k] * (gate * gate_w[i * s->row + k]);
    }
}

/* Rows begin to end - 1; their attn_h becomes attn_h * attention. */
static void write_rows(const Scsa *s, const Work *w, float *y, const float *x,
                       size_t begin, size_t end)
{
    for (size_t i = begin; i < end; i++) {
        const size_t at = i * s->W * s->C;
        float *gate_h = w->h.gate + i * s->row;

#pragma omp simd
        for (size_t k = 0; k < s->C; k++)
            gate_h[k] *= w->attention[k];
#define WRITE(n)                                                 \
    write_gated(s, y + at + j * s->C, x + at + j * s->C, gate_h, \
                w->w.gate + j * s->row, n)
        FOR_POSITIONS(j, s->W, WRITE);
#undef WRITE
    }
}

#endif
