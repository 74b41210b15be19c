/*
 * traffic.cu - how many bytes the checked build counts.
 */
#include "tests/simt/planted.h"

#ifdef __SANITIZE_THREAD__ /* the checked build */

static __global__ void one_by_one(Planted m)
{
    m.y[threadIdx.x] = m.x[threadIdx.x];
}

static __global__ void by_packs(Planted m)
{
    uint4 *y = (uint4 *)m.y;
    const uint4 *x = (const uint4 *)m.x;

    y[threadIdx.x] = x[threadIdx.x];
}

static __global__ void by_atomics(Planted m)
{
    atomicAdd(&m.x[threadIdx.x % 4], 1.0f);
    m.y[threadIdx.x] = 1;
}

static __global__ void twice(Planted m)
{
    volatile float *x = m.x;

    m.y[threadIdx.x] = x[threadIdx.x] + x[threadIdx.x];
}

/* Bytes read and written of x, and of y. */
static void counts(PlantedKernel *kernel, double x_read, double x_written,
                   double y_read, double y_written)
{
    static float ones[COUNT];
    Planted m = {};
    SimtTraffic x, y;

    BUG_IF(cudaMalloc(&m.x, sizeof(ones)) || cudaMalloc(&m.y, sizeof(ones)));
    cudaMemcpy(m.x, ones, sizeof(ones), cudaMemcpyHostToDevice);
    simt_watch(0, m.x, sizeof(ones));
    simt_watch(1, m.y, sizeof(ones));
    CHECK(simt_launch(kernel, dim3(1), dim3(64), 0, NULL, 1, m) == cudaSuccess);
    x = simt_watched(0);
    y = simt_watched(1);
    CHECK_MSG(x.read == x_read && x.written == x_written && y.read == y_read &&
                  y.written == y_written,
              "counted %g, %g of x and %g, %g of y", x.read, x.written, y.read,
              y.written);
}

TEST(simt_traffic, every_access_is_counted_by_its_bytes)
{
    counts(one_by_one, 64 * 4, 0, 0, 64 * 4);
    counts(by_packs, 64 * 16, 0, 0, 64 * 16);
    counts(by_atomics, 64 * 4, 64 * 4, 0, 64 * 4);
    counts(twice, 2 * 64 * 4, 0, 0, 64 * 4);
}

TEST(simt_traffic, only_the_part_in_the_range_is_counted)
{
    Planted m = {};
    SimtTraffic x;

    BUG_IF(cudaMalloc(&m.x, 4096) || cudaMalloc(&m.y, 4096));
    cudaMemset(m.x, 0, 4096);
    simt_watch(0, (char *)m.x + 8, 16); /* half of two packs */
    CHECK(simt_launch(by_packs, dim3(1), dim3(32), 0, NULL, 1, m) ==
          cudaSuccess);
    x = simt_watched(0);
    CHECK(x.read == 16 && x.written == 0);
    CHECK(simt_launch(by_packs, dim3(1), dim3(32), 0, NULL, 1, m) ==
          cudaSuccess);
    CHECK(simt_watched(0).read == 32);
    simt_watch(0, m.x, 16);
    CHECK(simt_watched(0).read == 0);
}
#endif
