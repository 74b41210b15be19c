/*
 * test_simt_peaks.c - the loops that a GPU's roofs are measured with, on the
 * host: they move every number as often as they say, and no other.
 */
#include <stdlib.h>
#include <string.h>

#include "kernels/cuda/kernels/peaks.h"
#include "tests/on_simt.h"

enum { STEPS = 5, NUMBERS = STEPS * PEAK_STEP, TIMES = 3 };

static float *numbers(Device *dev)
{
    const size_t bytes = (NUMBERS + PEAK_STEP) * sizeof(float);
    float *values = malloc(bytes);
    void *p = NULL;

    BUG_IF(!values || dev->backend->alloc(dev, &p, bytes));
    for (int i = 0; i < NUMBERS + PEAK_STEP; i++)
        values[i] = (float)(i % 1000);
    BUG_IF(dev->backend->upload(dev, p, values, bytes));
    free(values);
    return p;
}

TEST(simt_peaks, copy_and_write_reach_every_number)
{
    Device *dev = simt_device();
    float *x = numbers(dev), *y = numbers(dev);

    CHECK(cuda_peak_write(dev, y, NUMBERS, 1) == OK);
    CHECK(memcmp(x, y, NUMBERS * sizeof(float)) != 0);
    CHECK(cuda_peak_copy(dev, y, x, NUMBERS, 1) == OK);
    CHECK(memcmp(x, y, (NUMBERS + PEAK_STEP) * sizeof(float)) == 0);
    CHECK(cuda_peak_write(dev, y, NUMBERS, TIMES) == OK);
    for (int i = 0; i < NUMBERS; i += 4)
        CHECK(y[i] == 1 && y[i + 1] == 1 && y[i + 2] == 1 &&
              y[i + 3] == TIMES - 1);
    CHECK(memcmp(x + NUMBERS, y + NUMBERS, PEAK_STEP * sizeof(float)) == 0);
    dev->backend->release(dev, x);
    dev->backend->release(dev, y);
    simt_device_close(dev);
}

/* Every byte, as often as said: the checker counts. */
TEST(simt_peaks, bytes_are_those_that_are_counted)
{
    const double bytes = NUMBERS * sizeof(float);
    Device *dev = simt_device();
    float *x = numbers(dev), *y = numbers(dev);

    if (!simt_is_checked())
        SKIP("the plain build does not see accesses");
    simt_watch(0, x, (size_t)bytes);
    simt_watch(1, y, (size_t)bytes);
    CHECK(cuda_peak_read(dev, y, x, NUMBERS, TIMES) == OK);
    CHECK(simt_watched(0).read == TIMES * bytes);
    CHECK(simt_watched(0).written == 0);
    CHECK(simt_watched(1).written == 0);
    simt_watch(0, x, (size_t)bytes);
    simt_watch(1, y, (size_t)bytes);
    CHECK(cuda_peak_copy(dev, y, x, NUMBERS, TIMES) == OK);
    CHECK(simt_watched(0).read == TIMES * bytes);
    CHECK(simt_watched(1).written == TIMES * bytes);
    dev->backend->release(dev, x);
    dev->backend->release(dev, y);
    simt_device_close(dev);
}

TEST(simt_peaks, multiply_adds_are_counted_by_rounds)
{
    Device *dev = simt_device();
    float *sink = numbers(dev);
    double one, three;

    CHECK(cuda_peak_fma(dev, sink, 1, &one) == OK);
    CHECK(cuda_peak_fma(dev, sink, 3, &three) == OK);
    CHECK(one > 0 && three == 3 * one);
    dev->backend->release(dev, sink);
    simt_device_close(dev);
}
