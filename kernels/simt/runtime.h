/*
 * runtime.h - the CUDA runtime's functions for a host compiler: memory, and
 * launches with the limits of a card of compute capability 9.0.
 *
 * Everything is done when the call returns: a missing synchronisation of
 * streams goes unseen.
 */
#ifndef SIMT_RUNTIME_H
#define SIMT_RUNTIME_H

#include "kernels/simt/on_host.h"

typedef struct SimtStream *cudaStream_t;

enum cudaError_t {
    cudaSuccess = 0,
    cudaErrorInvalidValue = 1,
    cudaErrorMemoryAllocation = 2,
    cudaErrorInvalidConfiguration = 9,
    cudaErrorLaunchFailure = 719
};

enum cudaMemcpyKind {
    cudaMemcpyHostToHost,
    cudaMemcpyHostToDevice,
    cudaMemcpyDeviceToHost,
    cudaMemcpyDeviceToDevice
};

enum cudaFuncAttribute {
    cudaFuncAttributeMaxDynamicSharedMemorySize = 8,
    cudaFuncAttributePreferredSharedMemoryCarveout = 9,
    cudaFuncAttributeNonPortableClusterSizeAllowed = 10
};

enum { SIMT_STATIC_SHARED = 48 << 10 }; /* bytes that any launch may have */

const char *cudaGetErrorString(cudaError_t err);
cudaError_t simt_malloc(void **p, size_t bytes);
cudaError_t cudaFree(void *p);
cudaError_t cudaMemcpy(void *dst, const void *src, size_t bytes,
                       cudaMemcpyKind kind);
cudaError_t cudaMemset(void *dst, int byte, size_t bytes);

/* How much dynamic shared memory a kernel has been allowed. */
cudaError_t simt_allow_shared(const void *kernel, int bytes);
size_t simt_allowed_shared(const void *kernel);

/* Runs call(context) in every thread.  cudaErrorLaunchFailure if anything was
 * reported. */
cudaError_t simt_run(void (*call)(void *), void *context, dim3 grid, dim3 block,
                     size_t shared_bytes, unsigned cluster);

/* Clusters that a card of that many multiprocessors runs at once. */
int simt_clusters(dim3 block, size_t shared_bytes, unsigned cluster, int sms);

template <typename T> static inline cudaError_t cudaMalloc(T **p, size_t bytes)
{
    return simt_malloc((void **)p, bytes);
}

template <typename... P>
static inline cudaError_t cudaFuncSetAttribute(void (*kernel)(P...),
                                               cudaFuncAttribute attribute,
                                               int value)
{
    if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize)
        return cudaSuccess;
    return simt_allow_shared((const void *)kernel, value);
}

static inline cudaError_t cudaMemcpyAsync(void *dst, const void *src,
                                          size_t bytes, cudaMemcpyKind kind,
                                          cudaStream_t)
{
    return cudaMemcpy(dst, src, bytes, kind);
}

static inline cudaError_t cudaMemsetAsync(void *dst, int byte, size_t bytes,
                                          cudaStream_t)
{
    return cudaMemset(dst, byte, bytes);
}

static inline cudaError_t cudaStreamSynchronize(cudaStream_t)
{
    return cudaSuccess;
}

static inline cudaError_t cudaDeviceSynchronize(void)
{
    return cudaSuccess;
}

static inline cudaError_t cudaGetLastError(void)
{
    return cudaSuccess;
}

template <typename F> struct SimtCall {
    F f;

    static void go(void *call)
    {
        static_cast<SimtCall *>(call)->f();
    }
};

template <typename... P, typename... A>
static inline cudaError_t simt_launch(void (*kernel)(P...), dim3 grid,
                                      dim3 block, size_t shared_bytes,
                                      cudaStream_t, unsigned cluster, A... args)
{
    auto f = [=]() { kernel(static_cast<P>(args)...); };
    SimtCall<decltype(f)> call = { f };

    if (shared_bytes > simt_allowed_shared((const void *)kernel))
        return cudaErrorInvalidValue;
    return simt_run(call.go, &call, grid, block, shared_bytes, cluster);
}

template <typename... P>
static inline int simt_active_clusters(void (*)(P...), dim3 block,
                                       size_t shared_bytes, unsigned cluster,
                                       int sms)
{
    return simt_clusters(block, shared_bytes, cluster, sms);
}

#endif
