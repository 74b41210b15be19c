/*
 * test_simt_calibrate.c - the work that counters are calibrated by, on the
 * host: it computes what it says, of every number once, and moves no other.
 */
#include <stdlib.h>
#include <string.h>

#include "kernels/core/dtype.h"
#include "kernels/cuda/calibrate.h"
#include "tests/on_simt.h"

enum { STEPS = 3, NUMBERS = STEPS * CALIBRATE_STEP, BYTES = NUMBERS * 4 };
enum { GUARD = 64 };

/* Memory of the device with these bytes in it, and a guard of ones behind. */
static void *filled(Device *dev, const void *bytes)
{
    char *host = malloc(BYTES + GUARD);
    void *p = NULL;

    BUG_IF(!host || dev->backend->alloc(dev, &p, BYTES + GUARD));
    memset(host, 0xff, BYTES + GUARD);
    if (bytes)
        memcpy(host, bytes, BYTES);
    BUG_IF(dev->backend->upload(dev, p, host, BYTES + GUARD));
    free(host);
    return p;
}

static void check_guard(const void *y)
{
    for (int i = 0; i < GUARD; i++)
        CHECK(((const unsigned char *)y)[BYTES + i] == 0xff);
}

TEST(simt_calibrate, f32_is_four_rounds_of_two_fmas_an_add_and_a_mul)
{
    Device *dev = simt_device();
    float in[NUMBERS], *x, *y;

    for (int i = 0; i < NUMBERS; i++)
        in[i] = (float)(i % 1000);
    x = filled(dev, in);
    y = filled(dev, NULL);
    CHECK(cuda_calibrate_f32(dev, y, x, NUMBERS, -2, 3) == OK);
    for (int i = 0; i < NUMBERS; i++) {
        double v = in[i];

        for (int r = 0; r < 4; r++)
            v = -2 * (-2 * (-2 * v + 3 + 3) + 3);
        CHECK_MSG(y[i] == (float)v, "%d: %g, not %g", i, y[i], v);
    }
    CHECK(CALIBRATE_F32_FLOPS == 4 * (2 + 1 + 2 + 1));
    check_guard(y);
    dev->backend->release(dev, x);
    dev->backend->release(dev, y);
    simt_device_close(dev);
}

TEST(simt_calibrate, f16_is_sixteen_fmas_of_pairs)
{
    Device *dev = simt_device();
    float in[2 * NUMBERS], want[2 * NUMBERS], got[2 * NUMBERS];
    uint16_t half[2 * NUMBERS];
    void *x, *y;

    /* v = 2 v - 1: 1 stays, and the distance to it doubles sixteen times */
    for (int i = 0; i < 2 * NUMBERS; i++) {
        in[i] = i % 3 == 0 ? 1 : i % 3 == 1 ? 1 + 0x1p-10f : 1 - 0x1p-9f;
        want[i] = i % 3 == 0 ? 1 : i % 3 == 1 ? 65 : -127;
    }
    dtype_store(F16, half, in, 2 * NUMBERS);
    x = filled(dev, half);
    y = filled(dev, NULL);
    CHECK(cuda_calibrate_f16(dev, y, x, NUMBERS, 2, -1) == OK);
    dtype_load(F16, got, y, 2 * NUMBERS);
    for (int i = 0; i < 2 * NUMBERS; i++)
        CHECK_MSG(got[i] == want[i], "%d: %g, not %g", i, got[i], want[i]);
    CHECK(CALIBRATE_F16_FLOPS == 16 * 2 * 2);
    check_guard(y);
    dev->backend->release(dev, x);
    dev->backend->release(dev, y);
    simt_device_close(dev);
}

TEST(simt_calibrate, every_byte_is_read_once_and_written_once)
{
    Device *dev = simt_device();
    void *x = filled(dev, NULL), *y = filled(dev, NULL);

    if (!simt_is_checked())
        SKIP("the plain build does not see accesses");
    for (int f16 = 0; f16 < 2; f16++) {
        simt_watch(0, x, BYTES);
        simt_watch(1, y, BYTES);
        CHECK(f16 ? cuda_calibrate_f16(dev, y, x, NUMBERS, 1, 0) == OK
                  : cuda_calibrate_f32(dev, y, x, NUMBERS, 1, 0) == OK);
        CHECK(simt_watched(0).read == BYTES && simt_watched(0).written == 0);
        CHECK(simt_watched(1).read == 0 && simt_watched(1).written == BYTES);
    }
    dev->backend->release(dev, x);
    dev->backend->release(dev, y);
    simt_device_close(dev);
}
