/*
 * dtype.c - rounding to the short types, bit by bit, on any compiler.
 */
#include "kernels/core/dtype.h"

#include <stdint.h>
#include <string.h>

static const struct {
    const char *name;
    size_t size;
    int mantissa; /* bits, without the leading one */
} dtypes[NDTYPES] = {
    [F32] = { "f32", 4, 23 },
    [TF32] = { "tf32", 4, 10 },
    [F16] = { "f16", 2, 10 },
    [BF16] = { "bf16", 2, 7 },
};

const char *dtype_name(Dtype dtype)
{
    return dtypes[dtype].name;
}

size_t dtype_size(Dtype dtype)
{
    return dtypes[dtype].size;
}

double dtype_epsilon(Dtype dtype)
{
    return 1.0 / (double)(1 << dtypes[dtype].mantissa);
}

static uint32_t bits_of(float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof(bits));
    return bits;
}

static float float_of(uint32_t bits)
{
    float x;

    memcpy(&x, &bits, sizeof(x));
    return x;
}

enum { SIGN = 0x8000, F16_INFINITY = 0x7c00, F16_NAN = 0x7e00 };

static uint16_t to_f16(float x)
{
    const uint32_t bits = bits_of(x), magnitude = bits & 0x7fffffff;
    const uint16_t sign = (uint16_t)(bits >> 16 & SIGN);

    if (magnitude > 0x7f800000)
        return (uint16_t)(sign | F16_NAN);
    if (magnitude >= 0x477ff000) /* 65520: halfway past the largest */
        return (uint16_t)(sign | F16_INFINITY);
    if (magnitude < 0x38800000) { /* denormal: a multiple of 2^-24 */
        /* added to 1/2, whose last bit is worth 2^-24 */
        const float shifted = float_of(magnitude) + 0.5f;

        return (uint16_t)(sign | (bits_of(shifted) - bits_of(0.5f)));
    }
    return (uint16_t)(sign | ((magnitude - (112u << 23) + 0xfff +
                               (magnitude >> 13 & 1)) >>
                              13));
}

static float from_f16(uint16_t h)
{
    const uint32_t sign = (uint32_t)(h & SIGN) << 16;
    const uint32_t exponent = h >> 10 & 31, mantissa = h & 0x3ff;

    if (exponent == 31)
        return float_of(sign | 0x7f800000 | mantissa << 13);
    if (exponent == 0)
        return float_of(sign | bits_of((float)mantissa * 0x1p-24f));
    return float_of(sign | (exponent + 112) << 23 | mantissa << 13);
}

/* The nearest number whose last cut bits are 0; overflows to infinity. */
static uint32_t cut(uint32_t bits, int cut)
{
    const uint32_t half = (1u << (cut - 1)) - 1;

    if ((bits & 0x7fffffff) > 0x7f800000)
        return (bits | 1u << 22) >> cut << cut; /* NaN stays NaN */
    return (bits + half + (bits >> cut & 1)) >> cut << cut;
}

float dtype_round(Dtype dtype, float x)
{
    switch (dtype) {
    case TF32:
        return float_of(cut(bits_of(x), 13));
    case F16:
        return from_f16(to_f16(x));
    case BF16:
        return float_of(cut(bits_of(x), 16));
    default:
        return x;
    }
}

void dtype_store(Dtype dtype, void *dst, const float *src, size_t n)
{
    uint16_t *out = dst;

    if (dtype_size(dtype) == sizeof(float)) {
        memcpy(dst, src, n * sizeof(float));
        return;
    }
    for (size_t i = 0; i < n; i++)
        out[i] = dtype == F16 ? to_f16(src[i])
                              : (uint16_t)(cut(bits_of(src[i]), 16) >> 16);
}

void dtype_load(Dtype dtype, float *dst, const void *src, size_t n)
{
    const uint16_t *in = src;

    if (dtype_size(dtype) == sizeof(float)) {
        memcpy(dst, src, n * sizeof(float));
        return;
    }
    for (size_t i = 0; i < n; i++)
        dst[i] =
            dtype == F16 ? from_f16(in[i]) : float_of((uint32_t)in[i] << 16);
}
