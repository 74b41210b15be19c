/*
 * copy.cu - what a copy in device memory takes: the floor of all that must read
 * a map and write one.
 *
 * Prints CSV: bytes of the copied buffer, state, median microseconds, GB/s of
 * bytes read and written.  hot: the same buffers again; cold: others each time,
 * of a set that is three times as large as the L2 (rotation.h).  Buffers are
 * those of the maps at ResNet-50's stages (2 and 4 bytes a number, 8 and 32
 * images), and one of 1 GiB.
 */
#include <cuda_runtime.h>
#include <stdio.h>
#include <stdlib.h>

#include "rotation.h"

static void must(cudaError_t err, const char *what)
{
    if (err == cudaSuccess)
        return;
    fprintf(stderr, "copy: %s: %s\n", what, cudaGetErrorString(err));
    exit(1);
}

/* 16 bytes a thread: what the driver's own copy may beat, or not. */
static __global__ void copy_packs(uint4 *dst, const uint4 *src, size_t n)
{
    const size_t step = (size_t)gridDim.x * blockDim.x;

    for (size_t i = blockIdx.x * (size_t)blockDim.x + threadIdx.x; i < n;
         i += step)
        dst[i] = src[i];
}

/* Keeps the stream busy while what is timed is queued. */
static __global__ void hold(long long cycles)
{
    const long long start = clock64();

    while (clock64() - start < cycles)
        ;
}

struct Bench {
    cudaStream_t stream;
    cudaEvent_t start, stop;
    char *src, *dst;
    size_t room, l2_bytes;
    int blocks;
};

static int by_size(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

/* The card is held for as long as it takes to queue all runs of a sample; many
 * runs, because between two events there are microseconds with no copy. */
enum { SAMPLES = 31, RUNS = 200, LARGE_RUNS = 5, HOLD_CYCLES = 2000000 };
static const size_t LARGE = (size_t)64 << 20;

/* The i-th of the copies that rotate through that many pairs. */
static void copy(const Bench *b, size_t bytes, bool ours, size_t i,
                 size_t pairs)
{
    char *dst = b->dst + i % pairs * bytes;
    const char *src = b->src + i % pairs * bytes;

    if (ours)
        copy_packs<<<b->blocks, 256, 0, b->stream>>>(
            (uint4 *)dst, (const uint4 *)src, bytes / sizeof(uint4));
    else
        must(cudaMemcpyAsync(dst, src, bytes, cudaMemcpyDeviceToDevice,
                             b->stream),
             "cudaMemcpyAsync");
}

/* Microseconds of one copy, the median. */
static float median_us(const Bench *b, size_t bytes, bool ours, bool cold)
{
    const size_t pairs = cold ? rotation_pairs(b->l2_bytes, bytes, b->room) : 1;
    const int runs = bytes < LARGE ? RUNS : LARGE_RUNS;
    float us[SAMPLES];
    size_t at = 0;

    for (int i = 0; i < SAMPLES; i++) {
        float ms;

        for (size_t k = 0; k < rotation_fill(pairs); k++)
            copy(b, bytes, ours, at++, pairs);
        hold<<<1, 1, 0, b->stream>>>(HOLD_CYCLES);
        must(cudaEventRecord(b->start, b->stream), "cudaEventRecord");
        for (int k = 0; k < runs; k++)
            copy(b, bytes, ours, at++, pairs);
        must(cudaEventRecord(b->stop, b->stream), "cudaEventRecord");
        must(cudaEventSynchronize(b->stop), "cudaEventSynchronize");
        must(cudaEventElapsedTime(&ms, b->start, b->stop), "elapsed");
        us[i] = ms * 1e3f / (float)runs;
    }
    qsort(us, SAMPLES, sizeof(*us), by_size);
    return us[SAMPLES / 2];
}

/* The better of the driver's copy and ours. */
static void measure(const Bench *b, size_t bytes)
{
    for (int cold = 0; cold < 2; cold++) {
        const float driver = median_us(b, bytes, false, cold != 0);
        const float ours = median_us(b, bytes, true, cold != 0);
        const float us = ours < driver ? ours : driver;

        printf("%zu,%s,%.3f,%.1f,%s\n", bytes, cold ? "cold" : "hot", us,
               2e-3 * (double)bytes / us, ours < driver ? "kernel" : "driver");
    }
}

int main(void)
{
    /* Each stage's map is twice the next one's. */
    const size_t least = 2 * 8 * 512 * 7 * 7, largest = 4 * 32 * 64 * 56 * 56;
    const size_t most = (size_t)1 << 30;
    int l2 = 0, sms = 0;
    Bench b;

    must(cudaDeviceGetAttribute(&l2, cudaDevAttrL2CacheSize, 0), "attribute");
    must(cudaDeviceGetAttribute(&sms, cudaDevAttrMultiProcessorCount, 0),
         "attribute");
    b.l2_bytes = (size_t)l2;
    b.room = most;
    b.blocks = 8 * sms;
    must(cudaStreamCreate(&b.stream), "cudaStreamCreate");
    must(cudaEventCreate(&b.start), "cudaEventCreate");
    must(cudaEventCreate(&b.stop), "cudaEventCreate");
    must(cudaMalloc(&b.src, most), "cudaMalloc");
    must(cudaMalloc(&b.dst, most), "cudaMalloc");
    must(cudaMemset(b.src, 0x3c, most), "cudaMemset");
    must(cudaMemset(b.dst, 0, most), "cudaMemset");
    for (int i = 0; i < 20; i++) /* the clock rises */
        copy(&b, most, i % 2, 0, 1);
    must(cudaDeviceSynchronize(), "cudaDeviceSynchronize");

    printf("bytes,state,us,gb_per_s,by\n");
    measure(&b, most);
    for (size_t bytes = largest; bytes >= least; bytes /= 2)
        measure(&b, bytes);
    must(cudaGetLastError(), "copy");
    return 0;
}
