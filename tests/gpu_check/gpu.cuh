/*
 * gpu.cuh - events, medians and lines of CSV, for the programs of this folder
 */
#ifndef GPU_CHECK_GPU_H
#define GPU_CHECK_GPU_H

#include <cuda_runtime.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES = 15 };

struct Gpu {
    cudaStream_t stream;
    cudaEvent_t start, stop;
    int sms, l2_bytes, major; /* of its compute capability */
    int shared_sm, shared_block;
};

static void must(cudaError_t err, const char *what)
{
    if (err == cudaSuccess)
        return;
    fflush(stdout);
    fprintf(stderr, "probe: %s: %s\n", what, cudaGetErrorString(err));
    exit(1);
}

static void say(const char *key, double value)
{
    printf("%s,%.10g\n", key, value);
    fflush(stdout); /* what follows may fail */
}

static int by_size(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

/* Of SAMPLES numbers, which it sorts. */
static double median(float *x)
{
    qsort(x, SAMPLES, sizeof(*x), by_size);
    return x[SAMPLES / 2];
}

static __device__ unsigned long long now_ns()
{
    unsigned long long ns;

    asm volatile("mov.u64 %0, %globaltimer;" : "=l"(ns));
    return ns;
}

static __global__ void hold(unsigned long long ns)
{
    const unsigned long long start = now_ns();

    while (now_ns() - start < ns)
        ;
}

/* Begins an interval once the stream has been busy for as long as it takes to
 * queue what is timed. */
static void gpu_start(const Gpu *g, unsigned long long hold_ns)
{
    hold<<<1, 1, 0, g->stream>>>(hold_ns);
    must(cudaEventRecord(g->start, g->stream), "cudaEventRecord");
}

static float gpu_stop_ns(const Gpu *g)
{
    float ms;

    must(cudaGetLastError(), "launch");
    must(cudaEventRecord(g->stop, g->stream), "cudaEventRecord");
    must(cudaEventSynchronize(g->stop), "cudaEventSynchronize");
    must(cudaEventElapsedTime(&ms, g->start, g->stop), "elapsed");
    return ms * 1e6f;
}

static int attribute(cudaDeviceAttr which)
{
    int value = 0;

    must(cudaDeviceGetAttribute(&value, which, 0), "cudaDeviceGetAttribute");
    return value;
}

static void gpu_open(Gpu *g)
{
    g->sms = attribute(cudaDevAttrMultiProcessorCount);
    g->l2_bytes = attribute(cudaDevAttrL2CacheSize);
    g->major = attribute(cudaDevAttrComputeCapabilityMajor);
    g->shared_sm = attribute(cudaDevAttrMaxSharedMemoryPerMultiprocessor);
    g->shared_block = attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin);
    must(cudaStreamCreateWithFlags(&g->stream, cudaStreamNonBlocking),
         "cudaStreamCreate");
    must(cudaEventCreate(&g->start), "cudaEventCreate");
    must(cudaEventCreate(&g->stop), "cudaEventCreate");
}

#endif
