/*
 * test_simt_calibrate.c - the work that counters are calibrated by, on the
 * host: it computes what it says, of every number once, and moves no other.
 */
#include <stdlib.h>
#include <string.h>

#include "kernels/core/dtype.h"
#include "kernels/cuda/backend/known_work.h"
#include "kernels/cuda/kernels/calibrate.h"
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

/* ---- as counters have it -------------------------------------------------- */

static int products;
static int one_product(Device *dev)
{
    (void)dev;
    products++;
    return OK;
}

TEST(simt_calibrate, is_launched_by_set_and_moves_the_bytes_stated)
{
    Device *dev = simt_device();
    KnownWork work = { .dev = dev,
                       .from = filled(dev, NULL),
                       .to = filled(dev, NULL),
                       .n = NUMBERS,
                       .product = one_product,
                       .product_flops = 77 };
    Calibration c;

    known_work(&c, &work);
    CHECK(c.n == 5 && !c.reason[0]);
    for (int i = 0; i < c.n; i++) {
        const Known *k = &c.known[i];

        simt_watch(0, work.from, BYTES);
        simt_watch(1, work.to, BYTES);
        CHECK(c.launch(c.arg, k->set) == OK);
        if (simt_is_checked() && !strcmp(k->quantity, "dram_read_bytes"))
            CHECK(simt_watched(0).read == k->amount);
        if (simt_is_checked() && !strcmp(k->quantity, "dram_write_bytes"))
            CHECK(simt_watched(1).written == k->amount);
    }
    CHECK(products == 1);
    CHECK(c.known[2].amount == 24. * NUMBERS &&
          c.known[3].amount == 64. * NUMBERS);
    CHECK(c.known[4].amount == 77);
    work.product = NULL;
    known_work(&c, &work);
    CHECK(c.n == 4);
    dev->backend->release(dev, work.from);
    dev->backend->release(dev, work.to);
    simt_device_close(dev);
}
