/*
 * groups.h - sums within groups of n neighbouring channels, for EMA
 *
 * Where vectors hold whole groups, channel c meets channel c ^ d of its group
 * in step d.
 */
#ifndef SIMD_GROUPS_H
#define SIMD_GROUPS_H

#include "kernels/cpu/simd/lanes.h"

/* True if vectors hold whole groups. */
static inline bool in_lanes(size_t n)
{
    return n <= LANES && LANES % n == 0;
}

/* Floats of a mixture of n channels. */
static inline size_t mix_floats(size_t n)
{
    return n * (in_lanes(n) ? LANES : n);
}

/* w (n,n), numbers of a row `step` apart: where vectors hold groups, row d is
 * of the channel that is d further, by exclusive or. */
static inline void pack_mix(float *to, const float *w, size_t n, size_t step)
{
    for (size_t d = 0; d < n; d++)
        for (size_t l = 0; l < (in_lanes(n) ? LANES : n); l++) {
            const size_t c = l % n;

            if (in_lanes(n))
                to[d * LANES + l] = w[(c * n + (c ^ d)) * step];
            else
                to[l * n + d] = w[(c * n + d) * step];
        }
}

/* n is a constant. */
INLINE void mix_lanes(float *to, const float *from, const float *w, size_t row,
                      const size_t n)
{
    for (size_t c = 0; c < row; c += LANES) {
        const Vec in = load(from + c);
        Vec sum = load(to + c);

        UNROLL
        for (size_t d = 0; d < n; d++)
            sum += exchange(in, d) * load(w + d * LANES);
        store(to + c, sum);
    }
}

/* to[c] += the sum over channels i of its group of w[c,i] from[i], for a row of
 * channels; w as pack_mix has it. */
static inline void mix_groups(size_t row, size_t n, float *to,
                              const float *from, const float *w)
{
    switch (in_lanes(n) ? n : 0) {
#define CASE(n)                         \
    case n:                             \
        mix_lanes(to, from, w, row, n); \
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
    for (size_t c = 0; c + n <= row; c += n)
        for (size_t k = 0; k < n; k++)
            for (size_t i = 0; i < n; i++)
                to[c + k] += w[k * n + i] * from[c + i];
}

/* Sums of neighbours, of a and then of b; and back. */
INLINE Vec add_neighbours(Vec a, Vec b)
{
    VecInt even;

    UNROLL
    for (size_t l = 0; l < LANES; l++)
        even[l] = (int32_t)(2 * l);
    return shuffle(a, b, even) + shuffle(a, b, even + 1);
}

INLINE Vec twice(Vec a, const size_t half)
{
    VecInt from;

    UNROLL
    for (size_t l = 0; l < LANES; l++)
        from[l] = (int32_t)(l / 2 + half * LANES / 2);
    return shuffle(a, a, from);
}

/* `left` vectors, a constant, to half as many sums. */
INLINE void halve(Vec *v, const size_t left)
{
    UNROLL
    for (size_t k = 0; k < left / 2; k++)
        v[k] = add_neighbours(v[2 * k], v[2 * k + 1]);
}

/* LANES groups of n channels, a constant: their sums. */
INLINE Vec sum_groups(const float *x, const size_t n)
{
    Vec v[LANES];

    UNROLL
    for (size_t k = 0; k < n; k++)
        v[k] = load(x + k * LANES);
    if (n >= 16)
        halve(v, 16);
    if (n >= 8)
        halve(v, 8);
    if (n >= 4)
        halve(v, 4);
    if (n >= 2)
        halve(v, 2);
    return v[0];
}

/* `have` vectors, a constant, to as many again: every number twice. */
INLINE void unfold(Vec *v, const size_t have)
{
    UNROLL
    for (size_t k = have; k-- > 0;) {
        const Vec from = v[k];

        v[2 * k] = twice(from, 0);
        v[2 * k + 1] = twice(from, 1);
    }
}

/* y = x times the gates of LANES groups. */
INLINE void scale_groups(Elem *y, const Elem *x, Vec gates, const size_t n)
{
    Vec v[LANES];

    v[0] = gates;
    if (n >= 2)
        unfold(v, 1);
    if (n >= 4)
        unfold(v, 2);
    if (n >= 8)
        unfold(v, 4);
    if (n >= 16)
        unfold(v, 8);
    UNROLL
    for (size_t k = 0; k < n; k++)
        store_elems(y + k * LANES, load_elems(x + k * LANES) * v[k]);
}

#endif
