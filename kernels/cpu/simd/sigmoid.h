/*
 * sigmoid.h - the sigmoid of a vector, and of many numbers
 *
 * Bound by arithmetic: a gate for each number of half a map takes longer than
 * copying it.  With AVX-512 a vector is 15 instructions, where sigmoid_of is 22
 * and a division: exp by a polynomial of degree 5 (error 1.1e-7, exact at 0,
 * fitted by reweighted least squares), whose power of two is one instruction;
 * the reciprocal by an estimate of 14 bits and a step of Newton's.
 */
#ifndef SIMD_SIGMOID_H
#define SIMD_SIGMOID_H

#include "kernels/cpu/simd/math.h"
#include "kernels/cpu/simd/simd.h"

#if LANES == 16
#include <immintrin.h>

/* NaN passes through both comparisons.  Below -88 the result, which would be
 * denormal, is 0, whatever is computed; above 88 it is 1, and exp of less would
 * be right except for infinity. */
INLINE Vec sigmoid_vec(Vec v)
{
    const __m512 low = _mm512_set1_ps(-88), high = _mm512_set1_ps(88);
    const __m512 x = _mm512_min_ps(high, (__m512)v);
    const __m512 minus = _mm512_set1_ps(-1.44269504f);
    const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, minus), 0);
    const __m512 r = _mm512_fmsub_ps(x, minus, n);
    const __mmask16 some = _mm512_cmp_ps_mask((__m512)v, low, _CMP_NLT_UQ);
    __m512 p = _mm512_set1_ps(0.0013264727f), d, y;

    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.0096715130f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.0555073358f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.2402224243f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(0.6931470037f));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1));
    d = _mm512_add_ps(_mm512_scalef_ps(p, n), _mm512_set1_ps(1));
    y = _mm512_rcp14_ps(d);
    return (Vec)_mm512_maskz_mul_ps(some, y,
                                    _mm512_fnmadd_ps(d, y, _mm512_set1_ps(2)));
}

#else

/* Lanes of a where mask is -1, of b where it is 0. */
INLINE Vec choose(VecInt mask, Vec a, Vec b)
{
    return (Vec)((mask & (VecInt)a) | (~mask & (VecInt)b));
}

/* sigmoid_of, whose comments are in math.h. */
INLINE Vec sigmoid_vec(Vec x)
{
    const Vec zero = splat(0), round = splat(0x1.8p23f), most = splat(104);
    const Vec a = (Vec)((VecInt)x & 0x7fffffff);
    const Vec t = -choose(a > most, most, a);
    const Vec shifted = t * 0x1.715476p0f + round, n = shifted - round;
    const Vec r = t - n * 0.693359375f - n * -2.12194440e-4f;
    const VecInt raised = (VecInt)shifted - (VecInt)round + 126 + 127;
    Vec p = splat(1.9875691500e-4f), e;

    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1;
    e = p * (Vec)(raised << 23) * 0x1p-126f;
    return choose(x < zero, e, splat(1)) / (1 + e);
}
#endif

/* x[k] = 1 / (1 + exp(-x[k])).  A number's result does not depend on where in
 * x it stands. */
static inline void sigmoid_all(float *x, size_t n)
{
    size_t k = 0;

    for (; k + LANES <= n; k += LANES)
        store(x + k, sigmoid_vec(load(x + k)));
    if (k < n)
        store_part(x + k, sigmoid_vec(load_part(x + k, n - k)), n - k);
}

#endif
