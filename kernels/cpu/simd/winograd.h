/*
 * winograd.h - what winograd.c and winograd_grad.c share: tiles of 2x2 results
 * of a 3x3 filter, and the 4x4 windows that these are made of.
 */
#ifndef SIMD_WINOGRAD_H
#define SIMD_WINOGRAD_H

#include "kernels/cpu/simd/simd.h"

enum {
    KERNEL = 3,
    TILE = 2,
    SIDE = 4, /* of a window: TILE + KERNEL - 1 */
    ELEMENTS = SIDE * SIDE,
    APART = 16, /* floats between planes, so that they do not all meet in one
                 * set of the first-level cache */
    MIN_CHANNELS = 32,
};

/* A map, of which tiles are made or from which windows are taken: these begin
 * so far outside. */
typedef struct Map {
    const float *data, *zeros;    /* zeros: C of them, for what is outside */
    size_t C, H, W, across, down; /* tiles in a map of results             */
    int pad_h, pad_w;
} Map;

static inline size_t tiles_of(const Tensor *results)
{
    return (size_t)results->dim[0] * ceil_div((size_t)results->dim[2], TILE) *
           ceil_div((size_t)results->dim[3], TILE);
}

/* Without padding. */
static inline Map map_of(const Tensor *t, const Tensor *results,
                         const float *zeros)
{
    return (Map){
        .data = t->data,
        .zeros = zeros,
        .C = (size_t)t->dim[1],
        .H = (size_t)t->dim[2],
        .W = (size_t)t->dim[3],
        .across = ceil_div((size_t)results->dim[3], TILE),
        .down = ceil_div((size_t)results->dim[2], TILE),
    };
}

typedef struct Place {
    size_t image, row, column; /* of the tile's first result */
} Place;

static inline Place place_of(const Map *m, size_t tile)
{
    return (Place){ tile / (m->across * m->down),
                    tile / m->across % m->down * TILE,
                    tile % m->across * TILE };
}

/* About where a tile's window begins. */
static inline const float *tile_at(const Map *m, size_t tile)
{
    const Place at = place_of(m, tile);
    const size_t row = min_size(at.row, m->H),
                 column = min_size(at.column, m->W);

    return m->data + ((at.image * m->H + row) * m->W + column) * m->C;
}

/* The side x side pixels that begin where a tile's window does; those outside
 * the map are zeros. */
INLINE void find_pixels(const Map *m, size_t tile, const int side,
                        const float **pixel)
{
    const Place at = place_of(m, tile);

    for (int e = 0; e < side * side; e++) {
        const long h = (long)at.row - m->pad_h + e / side;
        const long w = (long)at.column - m->pad_w + e % side;
        const bool inside =
            h >= 0 && h < (long)m->H && w >= 0 && w < (long)m->W;

        pixel[e] =
            inside
                ? m->data +
                      ((at.image * m->H + (size_t)h) * m->W + (size_t)w) * m->C
                : m->zeros;
    }
}

/* (B' d)' for one row or column d of a window. */
INLINE void transform_window(Vec *to, size_t step, Vec a, Vec b, Vec c, Vec d)
{
    to[0] = a - c;
    to[step] = b + c;
    to[2 * step] = c - b;
    to[3 * step] = b - d;
}

/* B' d B of the LANES channels of a window from c on. */
INLINE void transform_pixels(Vec v[ELEMENTS], const float *const *pixel,
                             size_t c)
{
    Vec t[ELEMENTS];

    UNROLL
    for (int k = 0; k < SIDE; k++)
        transform_window(
            t + k, SIDE, load(pixel[k] + c), load(pixel[SIDE + k] + c),
            load(pixel[2 * SIDE + k] + c), load(pixel[3 * SIDE + k] + c));
    UNROLL
    for (int k = 0; k < ELEMENTS; k += SIDE)
        transform_window(v + k, 1, t[k], t[k + 1], t[k + 2], t[k + 3]);
}

#endif
