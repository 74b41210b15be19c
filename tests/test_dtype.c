/*
 * test_dtype.c - rounding to the short types, against facts about them.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "kernels/core/dtype.h"
#include "tests/test.h"

static float via_storage(Dtype dtype, float x)
{
    unsigned char stored[4];
    float back;

    dtype_store(dtype, stored, &x, 1);
    dtype_load(dtype, &back, stored, 1);
    return back;
}

TEST(dtype, every_f16_survives_the_way_through_float)
{
    for (uint32_t h = 0; h < 0x10000; h++) {
        const uint16_t in = (uint16_t)h;
        uint16_t out;
        float x;

        dtype_load(F16, &x, &in, 1);
        dtype_store(F16, &out, &x, 1);
        CHECK(isnan(x) ? (out & 0x7fff) > 0x7c00 : in == out);
    }
}

TEST(dtype, every_bf16_survives_the_way_through_float)
{
    for (uint32_t h = 0; h < 0x10000; h++) {
        const uint16_t in = (uint16_t)h;
        uint16_t out;
        float x;

        dtype_load(BF16, &x, &in, 1);
        dtype_store(BF16, &out, &x, 1);
        CHECK(isnan(x) ? (out & 0x7fff) > 0x7f80 : in == out);
    }
}

TEST(dtype, rounds_halves_to_even)
{
    CHECK(dtype_round(F16, 1 + 0x1p-11f) == 1);
    CHECK(dtype_round(F16, 1 + 3 * 0x1p-11f) == 1 + 2 * 0x1p-10f);
    CHECK(dtype_round(TF32, 1 + 0x1p-11f) == 1);
    CHECK(dtype_round(TF32, -(1 + 0x1.8p-11f)) == -(1 + 0x1p-10f));
    CHECK(dtype_round(BF16, 1 + 0x1p-8f) == 1);
    CHECK(dtype_round(BF16, 1 + 3 * 0x1p-8f) == 1 + 2 * 0x1p-7f);
    CHECK(dtype_round(F16, 0x1p-25f) == 0); /* half the smallest */
    CHECK(dtype_round(F16, 0x1.8p-24f) == 0x1p-23f);
}

TEST(dtype, overflows_where_the_type_ends)
{
    CHECK(dtype_round(F16, 65519) == 65504);
    CHECK(isinf(dtype_round(F16, 65520)) && isinf(dtype_round(F16, -1e30f)));
    CHECK(isinf(dtype_round(BF16, 0x1.fffffep127f)));
    CHECK(dtype_round(BF16, 0x1.fep127f) == 0x1.fep127f);
}

TEST(dtype, nan_stays_nan_and_the_sign_of_zero_stays)
{
    for (int d = 0; d < NDTYPES; d++) {
        CHECK(isnan(dtype_round((Dtype)d, NAN)));
        CHECK(isnan(via_storage((Dtype)d, NAN)));
        CHECK(signbit(via_storage((Dtype)d, -0.0f)));
        CHECK(isinf(via_storage((Dtype)d, INFINITY)));
    }
}

TEST(dtype, storing_rounds_as_round_does)
{
    for (uint32_t bits = 0; bits < 0xff000000; bits += 40503) {
        float x;

        memcpy(&x, &bits, sizeof(x));
        for (int d = F16; d < NDTYPES; d++) {
            const float a = dtype_round((Dtype)d, x);
            const float b = via_storage((Dtype)d, x);

            CHECK(a == b || (isnan(a) && isnan(b)));
        }
    }
}
