/*
 * math.h - exp, sigmoid and gelu as straight-line code that vectorises.
 *
 * exp is right to 2 ulp for all x <= 0, denormal results included (unless the
 * processor flushes them); nothing here needs it above.  The others are right
 * to a few ulp.  NaN gives NaN.  tests/test_simd_math.c goes through the range.
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

/*
 * exp(hi - less) for -170 < hi - less <= 0: with n = round((hi - less) / ln 2)
 * and r = hi - n ln 2 - less in [-0.35, 0.35], 2^n times a polynomial in r
 * (Moshier, Cephes, expf.c).  2^n is 2^(n + 126) times 2^-126, so that small
 * results are denormal and not 0.
 */
static inline float exp_minus(float hi, float less)
{
    const float round = 0x1.8p23f; /* added, its last bit is worth 1 */
    const float shifted = (hi - less) * 0x1.715476p0f + round;
    const float n = shifted - round;
    const float r = hi - n * 0.693359375f - n * -2.12194440e-4f - less;
    const uint32_t raised = bits_of(shifted) - bits_of(round) + 126 + 127;
    float p = 1.9875691500e-4f;

    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1;
    return p * float_of(raised << 23) * 0x1p-126f;
}

/* exp(x) for x <= 0; below -104 it is 0. */
static inline float exp_of(float x)
{
    return exp_minus(x < -104 ? -104 : x, 0);
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
    return exp_minus(-head * head / 2, (s - head) * (s + head) / 2 - p) * t / 2;
}

/* x (1 + erf(x / sqrt 2)) / 2, accurate for x << 0 too. */
static inline float gelu_of(float x)
{
    const float tail = normal_tail(fabsf(x));

    return x * (x > 0 ? 1 - tail : tail);
}

#endif
