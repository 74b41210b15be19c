/*
 * half.h - __half and __nv_bfloat16 for a host compiler: conversions, rounded
 * to nearest, ties to even, as the hardware's; bit for bit except the payload
 * of NaNs.
 */
#ifndef SIMT_HALF_H
#define SIMT_HALF_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "kernels/simt/on_host.h"

/* clang-format off */
struct alignas(2) __half { uint16_t bits; };
struct alignas(2) __nv_bfloat16 { uint16_t bits; };
struct alignas(4) __half2 { __half x, y; };
struct alignas(4) __nv_bfloat162 { __nv_bfloat16 x, y; };
/* clang-format on */

static inline float __int_as_float(int bits)
{
    float x;

    memcpy(&x, &bits, sizeof(x));
    return x;
}

static inline int __float_as_int(float x)
{
    int bits;

    memcpy(&bits, &x, sizeof(bits));
    return bits;
}

static inline float __uint_as_float(unsigned bits)
{
    return __int_as_float((int)bits);
}

static inline unsigned __float_as_uint(float x)
{
    return (unsigned)__float_as_int(x);
}

static inline float __bfloat162float(__nv_bfloat16 x)
{
    return __uint_as_float((uint32_t)x.bits << 16);
}

static inline __nv_bfloat16 __float2bfloat16(float x)
{
    const uint32_t bits = __float_as_uint(x);

    if (x != x)
        return { 0x7fff };
    return { (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16) };
}

static inline float __half2float(__half x)
{
    const uint32_t sign = (uint32_t)(x.bits & 0x8000) << 16;
    const uint32_t exponent = x.bits >> 10 & 31, fraction = x.bits & 0x3ff;
    const float tiny = (float)fraction * 0x1p-24f;

    if (exponent == 31)
        return __uint_as_float(sign | 0x7f800000 | fraction << 13);
    if (exponent)
        return __uint_as_float(sign | (exponent + 112) << 23 | fraction << 13);
    return sign ? -tiny : tiny;
}

static inline __half __float2half(float x)
{
    const uint32_t bits = __float_as_uint(x), sign = bits >> 16 & 0x8000;
    const uint32_t size = bits & 0x7fffffff;
    uint32_t h;

    if (x != x)
        return { 0x7fff };
    if (size >= 0x477ff000) /* rounds to 65536, or beyond */
        h = 0x7c00;
    else if (size >= 0x38800000) /* 2^-14: normal */
        h = (size + 0xfff + (size >> 13 & 1) - 0x38000000) >> 13;
    else /* the sum's last bit is 2^-24: it rounds */
        h = __float_as_uint(__uint_as_float(size) + 0.5f) - 0x3f000000;
    return { (uint16_t)(sign | h) };
}

static inline float2 __half22float2(__half2 x)
{
    return { __half2float(x.x), __half2float(x.y) };
}

static inline __half2 __floats2half2_rn(float x, float y)
{
    return { __float2half(x), __float2half(y) };
}

/* A product of halves is a float; so is its sum with another, but where the two
 * are further apart than a float is wide. */
static inline __half2 __hfma2(__half2 x, __half2 y, __half2 z)
{
    const float2 a = __half22float2(x), b = __half22float2(y);
    const float2 c = __half22float2(z);

    return __floats2half2_rn(fmaf(a.x, b.x, c.x), fmaf(a.y, b.y, c.y));
}

static inline float2 __bfloat1622float2(__nv_bfloat162 x)
{
    return { __bfloat162float(x.x), __bfloat162float(x.y) };
}

static inline __nv_bfloat162 __floats2bfloat162_rn(float x, float y)
{
    return { __float2bfloat16(x), __float2bfloat16(y) };
}

#endif
