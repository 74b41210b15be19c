/*
 * device.h - a device of the backend "cuda", or of "simt", which stands in for
 * it; for the files of these two folders.
 */
#ifndef CUDA_DEVICE_H
#define CUDA_DEVICE_H

#include "kernels/core/backend.h"

typedef struct CudaDevice {
    Device base;
    void *stream; /* cudaStream_t: everything is launched on it */

    /* What a kernel may count on. */
    int sms;                   /* multiprocessors                         */
    int arch;                  /* 90: compute capability 9.0              */
    size_t block_shared_bytes; /* dynamic shared memory of one block      */
    int max_cluster;           /* blocks in a cluster; 1: has no clusters */

    /* Only with cuDNN and cuBLASLt (library.h). */
    struct CudaLibraries *libraries;
    const Notes *notes; /* as the device was opened with               */
    void *workspace;    /* of whichever kernel runs; NULL: none needed */
} CudaDevice;

/* Makes dev->workspace at least that large, aligned to 256 bytes.  It may move,
 * but what it was stays valid, because recordings refer to it. */
int cuda_workspace(CudaDevice *dev, size_t bytes);

static inline CudaDevice *cuda_device(Device *dev)
{
    return (CudaDevice *)dev;
}

#endif
