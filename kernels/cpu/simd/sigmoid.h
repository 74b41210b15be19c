/*
 * sigmoid.h - the sigmoid of many numbers
 *
 * Bound by arithmetic: a gate for each number of half a map takes as long as
 * copying it.  With AVX-512 16 numbers are 17 instructions, where sigmoid_of is
 * 22 and a division: exp by a polynomial of degree 5 (error 1.1e-7, exact at 0,
 * fitted by reweighted least squares), whose power of two is one instruction;
 * the reciprocal by an estimate of 14 bits and a step of Newton's.
 */
#ifndef SIMD_SIGMOID_H
#define SIMD_SIGMOID_H

#include "kernels/cpu/simd/math.h"
#include "kernels/cpu/simd/simd.h"

#if LANES == 16
#include <immintrin.h>

/* NaN passes through the comparisons, which return their second operand for
 * it.  Below -88 the result, which would be denormal, is 0. */
static inline Vec sigmoid_vec(Vec v)
{
    static const float c[] = { 0.6931470037f, 0.2402224243f, 0.0555073358f,
                               0.0096715130f, 0.0013264727f };
    const __m512 low = _mm512_set1_ps(-88), high = _mm512_set1_ps(88);
    const __m512 x = _mm512_min_ps(high, _mm512_max_ps(low, (__m512)v));
    const __m512 minus = _mm512_set1_ps(-1.44269504f);
    const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, minus), 0);
    const __m512 r = _mm512_fmsub_ps(x, minus, n);
    const __mmask16 some = _mm512_cmp_ps_mask((__m512)v, low, _CMP_NLT_UQ);
    __m512 p = _mm512_set1_ps(c[4]), d, y;

    UNROLL
    for (int k = 3; k >= 0; k--)
        p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(c[k]));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1));
    d = _mm512_add_ps(_mm512_scalef_ps(p, n), _mm512_set1_ps(1));
    y = _mm512_rcp14_ps(d);
    return (Vec)_mm512_maskz_mul_ps(some, y,
                                    _mm512_fnmadd_ps(d, y, _mm512_set1_ps(2)));
}
#endif

/* x[k] = 1 / (1 + exp(-x[k])).  A number's result does not depend on where in
 * x it stands. */
static inline void sigmoid_all(float *x, size_t n)
{
#if LANES == 16
    size_t k = 0;

    for (; k + LANES <= n; k += LANES)
        store(x + k, sigmoid_vec(load(x + k)));
    if (k < n)
        store_part(x + k, sigmoid_vec(load_part(x + k, n - k)), n - k);
#else
#pragma omp simd
    for (size_t k = 0; k < n; k++)
        x[k] = sigmoid_of(x[k]);
#endif
}

#endif
