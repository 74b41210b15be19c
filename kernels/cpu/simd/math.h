/*
 * math.h - exp, sigmoid and gelu as straight-line code that vectorises.
 *
 * exp is right to 2 ulp from -inf to inf, denormal results included (unless
 * the processor flushes them); the others to a few ulp.  NaN gives NaN.
 * tests/test_simd_math.c goes through the whole range.
 */
#ifndef SIMD_MATH_H
#define SIMD_MATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

static inline uint32_t bits_of(float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof(bits));
    return bits;
}

static inline float float_of(uint32_t bits)
{
    float x;

    memcpy(&x, &bits, sizeof(x));
    return x;
}

/* 2^n for -126 <= n <= 127. */
static inline float power_of_two(int32_t n)
{
    return float_of((uint32_t)(n + 127) << 23);
}

/*
 * exp(hi + lo), -170 < hi + lo < 170, lo being a correction or a small part:
 * with n = round((hi + lo) / ln 2) and r = hi - n ln 2 + lo in [-0.35, 0.35],
 * 2^n times a polynomial in r (Moshier, Cephes, expf.c).  2^n is multiplied in
 * two steps, so that results may be denormal or infinite.
 */
static inline float exp_sum(float hi, float lo)
{
    const float round = 0x1.8p23f; /* added, its last bit is worth 1 */
    const float shifted = (hi + lo) * 0x1.715476p0f + round;
    const float n = shifted - round;
    const float r = hi - n * 0.693359375f - n * -2.12194440e-4f + lo;
    const int32_t e = (int32_t)(bits_of(shifted) - bits_of(round));
    float p = 1.9875691500e-4f;

    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1;
    return p * power_of_two(e >> 1) * power_of_two(e - (e >> 1));
}

/* Beyond the limits the result is 0 or infinite. */
static inline float exp_of(float x)
{
    const float low = x < -104 ? -104 : x;

    return exp_sum(low > 89 ? 89 : low, 0);
}

/* 1 / (1 + exp(-x)), by exp(-|x|) so that small results keep their digits. */
static inline float sigmoid_of(float x)
{
    const float e = exp_of(-fabsf(x));

    return (x < 0 ? e : 1) / (1 + e);
}

/*
 * The normal distribution function at -a, for a >= 0: erfc(a / sqrt 2) / 2 =
 * exp(-a^2/2 + P(t)) t / 2 with t = 1 / (1 + a / sqrt 8).  P was fitted
 * (Chebyshev, degree 10, error 1.2e-8) for a up to 15, where this is 0 in
 * float.  a^2 is split so that its rounding does not reach the result.
 */
static inline float normal_tail(float a)
{
    const float s = a > 15 ? 15 : a;
    const float head = float_of(bits_of(s) & 0xfffff000u);
    const float t = 1 / (1 + s * 0.35355339059f);
    float p = -0.1463328559f;

    p = p * t + 0.9968986452f;
    p = p * t - 2.849098538f;
    p = p * t + 4.324869775f;
    p = p * t - 3.630957982f;
    p = p * t + 1.715105219f;
    p = p * t - 0.7311127197f;
    p = p * t + 0.2307156652f;
    p = p * t + 0.3537375893f;
    p = p * t + 1.001749656f;
    p = p * t - 1.265574454f;
    return exp_sum(-head * head / 2, p - (s - head) * (s + head) / 2) * t / 2;
}

/* x (1 + erf(x / sqrt 2)) / 2, accurate for x << 0 too. */
static inline float gelu_of(float x)
{
    const float tail = normal_tail(fabsf(x));

    return x * (x > 0 ? 1 - tail : tail);
}

#endif
