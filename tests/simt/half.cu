/*
 * half.cu - the shim's conversions of short numbers against kernels/core's.
 */
#include "kernels/core/dtype.h"
#include "tests/simt/planted.h"

static uint16_t stored(Dtype dtype, float x)
{
    uint16_t bits;

    dtype_store(dtype, &bits, &x, 1);
    return bits;
}

static float loaded(Dtype dtype, uint16_t bits)
{
    float x;

    dtype_load(dtype, &x, &bits, 1);
    return x;
}

static bool same(float a, float b)
{
    return (a != a && b != b) || __float_as_uint(a) == __float_as_uint(b);
}

TEST(simt_half, all_short_numbers_become_the_same_floats)
{
    int wrong = 0;

    for (unsigned bits = 0; bits < 65536; bits++) {
        const __half h = { (uint16_t)bits };
        const __nv_bfloat16 b = { (uint16_t)bits };

        wrong += !same(__half2float(h), loaded(F16, h.bits));
        wrong += !same(__bfloat162float(b), loaded(BF16, b.bits));
    }
    CHECK_MSG(wrong == 0, "%d differ", wrong);
}

static bool rounds_as_core(float x)
{
    const uint16_t h = __float2half(x).bits, b = __float2bfloat16(x).bits;

    if (x != x)
        return (h & 0x7fff) > 0x7c00 && (b & 0x7fff) > 0x7f80;
    return h == stored(F16, x) && b == stored(BF16, x);
}

/* Every 257th float: all exponents and signs, and every 8 or 16 low bits; and
 * all that lie around a tie of either type. */
TEST(simt_half, floats_are_rounded_as_core_rounds_them)
{
    int wrong = 0;

    for (uint64_t bits = 0; bits < (uint64_t)1 << 32; bits += 257)
        wrong += !rounds_as_core(__uint_as_float((unsigned)bits));
    for (unsigned top = 0; top < 65536; top++)
        for (unsigned k = 0; k < 3; k++) {
            const unsigned tie = top << 16 | 0x7fff;
            const float h = loaded(F16, (uint16_t)top);

            wrong += !rounds_as_core(__uint_as_float(tie + k));
            wrong += !rounds_as_core(
                __uint_as_float(__float_as_uint(h) + 0x0fff + k));
        }
    CHECK_MSG(wrong == 0, "%d differ", wrong);
}
