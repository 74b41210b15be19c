/*
 * lanes.h - numbers across the lanes of one vector.
 *
 * Why not `omp simd reduction`: gcc 12 adds its lanes up one after another,
 * 50 cycles at the end of every row of channels.
 */
#ifndef SIMD_LANES_H
#define SIMD_LANES_H

#include "kernels/cpu/simd/simd.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

/* Lane l gets lane l ^ d.  d must be a constant after inlining. */
INLINE Vec exchange(Vec v, size_t d)
{
#if LANES == 16
#define EXCHANGE(d)                                                       \
    case d:                                                               \
        return __builtin_shufflevector(                                   \
            v, v, 0 ^ d, 1 ^ d, 2 ^ d, 3 ^ d, 4 ^ d, 5 ^ d, 6 ^ d, 7 ^ d, \
            8 ^ d, 9 ^ d, 10 ^ d, 11 ^ d, 12 ^ d, 13 ^ d, 14 ^ d, 15 ^ d);
#elif LANES == 8
#define EXCHANGE(d)                                                      \
    case d:                                                              \
        return __builtin_shufflevector(v, v, 0 ^ d, 1 ^ d, 2 ^ d, 3 ^ d, \
                                       4 ^ d, 5 ^ d, 6 ^ d, 7 ^ d);
#else
#define EXCHANGE(d) \
    case d:         \
        return __builtin_shufflevector(v, v, 0 ^ d, 1 ^ d, 2 ^ d, 3 ^ d);
#endif
    switch (d) {
        EXCHANGE(1)
        EXCHANGE(2)
        EXCHANGE(3)
#if LANES >= 8
        EXCHANGE(4)
        EXCHANGE(5)
        EXCHANGE(6)
        EXCHANGE(7)
#endif
#if LANES >= 16
        EXCHANGE(8)
        EXCHANGE(9)
        EXCHANGE(10)
        EXCHANGE(11)
        EXCHANGE(12)
        EXCHANGE(13)
        EXCHANGE(14)
        EXCHANGE(15)
#endif
    }
    return v;
#undef EXCHANGE
}

/* One vector: all of it, or the first lanes, zeros beyond. */
INLINE Vec load_lanes(const Elem *x, size_t lanes)
{
    return lanes == LANES ? load_elems(x) : load_elems_part(x, lanes);
}

/* The larger in every lane, NaN if either is: max_nan of vectors.  Comparing
 * gives -1 or 0 in each lane. */
INLINE Vec max_vec(Vec a, Vec b)
{
    const VecInt second = (b > a) | (b != b);

    return (Vec)((second & (VecInt)b) | (~second & (VecInt)a));
}

/* The larger in every lane, or a's where either is NaN: one instruction, where
 * there is one. */
INLINE Vec larger(Vec a, Vec b)
{
#if LANES == 16
    return (Vec)_mm512_max_ps((__m512)b, (__m512)a);
#elif LANES == 8
    return (Vec)_mm256_max_ps((__m256)b, (__m256)a);
#else
    const VecInt second = b > a;

    return (Vec)((second & (VecInt)b) | (~second & (VecInt)a));
#endif
}

/* The largest of all lanes, NaN if any is. */
INLINE float max_lane(Vec v)
{
#if LANES >= 16
    v = max_vec(v, exchange(v, 8));
#endif
#if LANES >= 8
    v = max_vec(v, exchange(v, 4));
#endif
    v = max_vec(v, exchange(v, 2));
    return max_nan(v[0], v[1]);
}

/* The sum of all lanes, in pairs. */
INLINE float sum_lanes(Vec v)
{
#if LANES >= 16
    v += exchange(v, 8);
#endif
#if LANES >= 8
    v += exchange(v, 4);
#endif
    v += exchange(v, 2);
    return v[0] + v[1];
}

/* Lanes of a, and, counted on, of b. */
INLINE Vec shuffle(Vec a, Vec b, VecInt from)
{
#ifdef __clang__
    Vec y;

    UNROLL
    for (size_t l = 0; l < LANES; l++)
        y[l] = (size_t)from[l] < LANES ? a[from[l]] : b[from[l] - LANES];
    return y;
#else
    return __builtin_shuffle(a, b, from);
#endif
}

/* Blocks of 2 w lanes: the sums, or the maxima as larger() has them, of a's
 * halves, then those of b's.  w and sums are constants. */
INLINE Vec fold_lanes(Vec a, Vec b, const size_t w, const bool sums)
{
    VecInt near, far;
    Vec first, second;

    UNROLL
    for (size_t l = 0; l < LANES; l++) {
        near[l] = (int32_t)(l % (2 * w) < w ? l : l - w + LANES);
        far[l] = (int32_t)(near[l] + (int32_t)w);
    }
    first = shuffle(a, b, near);
    second = shuffle(a, b, far);
    return sums ? first + second : larger(first, second);
}

/* Lane r: the sum of all lanes of m[r], or the largest. */
INLINE Vec join_lanes(Vec m[LANES], const bool sums)
{
#if LANES >= 16
    UNROLL
    for (size_t i = 0; i < 8; i++)
        m[i] = fold_lanes(m[i], m[i + 8], 8, sums);
#endif
#if LANES >= 8
    UNROLL
    for (size_t i = 0; i < 4; i++)
        m[i] = fold_lanes(m[i], m[i + 4], 4, sums);
#endif
    m[0] = fold_lanes(m[0], m[2], 2, sums);
    m[1] = fold_lanes(m[1], m[3], 2, sums);
    return fold_lanes(m[0], m[1], 1, sums);
}

#endif
