/*
 * scsa.h - what the parts of the fused SCSA share: its plan and its scratch
 *
 * All scratch is rows of channels, C rounded up to whole lines of the cache,
 * so that threads that have lines of their own never write to one line, and
 * loops over vectors have no rest.  What is beyond C is 0 or never used.
 */
#ifndef SIMD_SCSA_H
#define SIMD_SCSA_H

#include "kernels/cpu/simd/simd.h"
#include "kernels/cpu/simd/strips.h"

enum {
    LINE = 16, /* floats of a line of the cache */
    QUARTERS = 4,
};

typedef struct Scsa {
    _Alignas(64) size_t C, H, W;
    size_t row;                /* C rounded up to lines                     */
    size_t window_h, window_w; /* of the pooled map                         */
    size_t down, across;       /* windows; what they leave over is not read */
    size_t heads, width;       /* width: channels of a head                 */
    size_t taps, halo;         /* the longest filter; half of it            */
    double eps;

    /* Filters of all quarters, centred among zeros (taps,row); how many of
     * their taps matter to vector v: span[v]. */
    float *filter, *filter_bias;
    size_t *span;
    NormWeights norm_h, norm_w, norm;
    float *q, *k, *v; /* q has 1 / sqrt(width) in it */

    float *scratch; /* a Work for each thread */
    size_t scratch_rows;
} Scsa;

/* One axis of SMSA. */
typedef struct Strip {
    size_t L;
    float *sums; /* (halo + L + halo,row): of the map; zeros in the halos */
    float *gate; /* (L,row): filtered; then attn_h or attn_w              */
    Moments moments;
} Strip;

typedef struct Work {
    Strip h, w;
    float *pooled; /* (windows,row): x_p, then k */
    float *q;      /* (windows,row)              */
    Moments moments;
    float *mean, *scale, *shift;         /* of the norm at hand           */
    float *mean_v, *squares, *attention; /* v's means, |x_p|^2, the result */
    float *scores; /* of one vector of channels with those of a head */
} Work;

static inline size_t windows_of(const Scsa *s)
{
    return s->down * s->across;
}

/* Rows of scratch that work_at lays out, and one into which vectors that
 * start at any channel may reach. */
static inline size_t work_rows(const Scsa *s)
{
    return 2 * (s->H + s->W + 2 * s->halo + windows_of(s)) + 15 + LANES + 1;
}

/* The next floats of what is shared out. */
static inline float *take(float **at, size_t floats)
{
    *at += floats;
    return *at - floats;
}

static inline Work work_at(const Scsa *s, size_t thread)
{
    float *at = s->scratch + thread * s->scratch_rows * s->row;
    Work w;

#define TAKE(rows) take(&at, (rows)*s->row)
    w.h = (Strip){ .L = s->H, .sums = TAKE(s->H + 2 * s->halo) };
    w.w = (Strip){ .L = s->W, .sums = TAKE(s->W + 2 * s->halo) };
    w.h.gate = TAKE(s->H);
    w.w.gate = TAKE(s->W);
    w.h.moments = (Moments){ TAKE(1), TAKE(1), TAKE(1) };
    w.w.moments = (Moments){ TAKE(1), TAKE(1), TAKE(1) };
    w.moments = (Moments){ TAKE(1), TAKE(1), TAKE(1) };
    w.mean = TAKE(1);
    w.scale = TAKE(1);
    w.shift = TAKE(1);
    w.mean_v = TAKE(1);
    w.squares = TAKE(1);
    w.attention = TAKE(1);
    w.pooled = TAKE(windows_of(s));
    w.q = TAKE(windows_of(s));
    w.scores = TAKE(LANES);
#undef TAKE
    return w;
}

#endif
