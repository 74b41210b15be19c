/*
 * cuda_runtime_api.h - as much of CUDA's header of that name as the backend
 * uses, for the fake runtime (cuda.c); found before the real one where the
 * fake plugin is compiled, so that it needs no toolkit.
 *
 * Names and numbers are those of CUDA 13.0; the plugin itself is built with
 * the real header, which would not agree with a wrong one.
 */
#ifndef FAKE_CUDA_RUNTIME_API_H
#define FAKE_CUDA_RUNTIME_API_H

#include <stddef.h>

typedef struct CUstream_st *cudaStream_t;
typedef struct CUevent_st *cudaEvent_t;
typedef struct CUgraph_st *cudaGraph_t;
typedef struct CUgraphExec_st *cudaGraphExec_t;

typedef enum cudaError {
    cudaSuccess = 0,
    cudaErrorInvalidValue = 1,
    cudaErrorMemoryAllocation = 2,
    cudaErrorInsufficientDriver = 35,
    cudaErrorNoDevice = 100,
    cudaErrorNoKernelImageForDevice = 209,
    cudaErrorNotReady = 600,
    cudaErrorIllegalAddress = 700,
    cudaErrorStreamCaptureUnsupported = 900,
    cudaErrorStreamCaptureInvalidated = 901,
} cudaError_t;

enum cudaDeviceAttr {
    cudaDevAttrMultiProcessorCount = 16,
    cudaDevAttrClockRate = 13,
    cudaDevAttrMemoryClockRate = 36,
    cudaDevAttrGlobalMemoryBusWidth = 37,
    cudaDevAttrL2CacheSize = 38,
    cudaDevAttrComputeCapabilityMajor = 75,
    cudaDevAttrComputeCapabilityMinor = 76,
    cudaDevAttrMaxSharedMemoryPerBlockOptin = 97,
    cudaDevAttrClusterLaunch = 120,
};

struct cudaDeviceProp {
    char name[256];
};

enum cudaMemcpyKind {
    cudaMemcpyHostToDevice = 1,
    cudaMemcpyDeviceToHost = 2,
};
enum cudaStreamCaptureMode { cudaStreamCaptureModeThreadLocal = 1 };
enum { cudaHostAllocMapped = 2, cudaStreamNonBlocking = 1 };

/* Calls that can be made to fail: all except frees and version queries. */
#define FAKE_CALLS(X)                                                        \
    X(cudaGetDeviceCount, (int *n))                                          \
    X(cudaSetDevice, (int device))                                           \
    X(cudaGetDeviceProperties, (struct cudaDeviceProp * p, int device))      \
    X(cudaDeviceGetPCIBusId, (char *id, int size, int device))               \
    X(cudaStreamCreateWithFlags, (cudaStream_t * stream, unsigned flags))    \
    X(cudaEventCreate, (cudaEvent_t * event))                                \
    X(cudaHostAlloc, (void **p, size_t bytes, unsigned flags))               \
    X(cudaHostGetDevicePointer, (void **out, void *p, unsigned flags))       \
    X(cudaMalloc, (void **p, size_t bytes))                                  \
    X(cudaMemcpyAsync, (void *to, const void *from, size_t bytes,            \
                        enum cudaMemcpyKind kind, cudaStream_t stream))      \
    X(cudaStreamSynchronize, (cudaStream_t stream))                          \
    X(cudaEventRecord, (cudaEvent_t event, cudaStream_t stream))             \
    X(cudaEventSynchronize, (cudaEvent_t event))                             \
    X(cudaEventElapsedTime, (float *ms, cudaEvent_t from, cudaEvent_t to))   \
    X(cudaStreamBeginCapture,                                                \
      (cudaStream_t stream, enum cudaStreamCaptureMode mode))                \
    X(cudaStreamEndCapture, (cudaStream_t stream, cudaGraph_t * graph))      \
    X(cudaGraphInstantiate,                                                  \
      (cudaGraphExec_t * exec, cudaGraph_t graph, unsigned long long flags)) \
    X(cudaGraphUpload, (cudaGraphExec_t exec, cudaStream_t stream))          \
    X(cudaGraphLaunch, (cudaGraphExec_t exec, cudaStream_t stream))

#define FAKE_OTHERS(X)                                     \
    X(cudaDeviceGetAttribute,                              \
      (int *value, enum cudaDeviceAttr which, int device)) \
    X(cudaDriverGetVersion, (int *version))                \
    X(cudaRuntimeGetVersion, (int *version))               \
    X(cudaMemGetInfo, (size_t * unused, size_t * all))     \
    X(cudaGetLastError, (void))                            \
    X(cudaDeviceReset, (void))                             \
    X(cudaFree, (void *p))                                 \
    X(cudaFreeHost, (void *p))                             \
    X(cudaStreamDestroy, (cudaStream_t stream))            \
    X(cudaEventDestroy, (cudaEvent_t event))               \
    X(cudaGraphDestroy, (cudaGraph_t graph))               \
    X(cudaGraphExecDestroy, (cudaGraphExec_t exec))

#define X(name, args) cudaError_t name args;
FAKE_CALLS(X)
FAKE_OTHERS(X)
#undef X
const char *cudaGetErrorString(cudaError_t err);

#endif
