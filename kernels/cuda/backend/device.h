/*
 * device.h - a device of the backend "cuda", or of "simt", which stands in for
 * it; for the files of these two folders.
 */
#ifndef CUDA_DEVICE_H
#define CUDA_DEVICE_H

#include "kernels/core/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct CudaDevice {
    Device base;
    void *stream; /* cudaStream_t: everything is launched on it */

    /* Facts that a kernel may rely on. */
    int sms;                   /* multiprocessors                         */
    int arch;                  /* 90: compute capability 9.0              */
    size_t block_shared_bytes; /* dynamic shared memory of one block      */
    int max_cluster;           /* blocks in a cluster; 1: has no clusters */

    /* Scratch memory that all kernels share: they run one after another, and
     * what one leaves there is lost to the next. */
    void *workspace; /* aligned to 256 bytes; NULL: nobody asked for any */
    size_t workspace_bytes;
    struct CudaWorkspace *workspaces; /* it, and what it was */

    struct CudaLibraries *libraries; /* handles; NULL: there are none */
    const Notes *notes;              /* as opened; NULL: choose again */
} CudaDevice;

static inline CudaDevice *cuda_device(Device *dev)
{
    return (CudaDevice *)dev;
}

/* OK, or ERR_DEVICE with what CUDA says of the call, whose arguments are left
 * out of the sentence; err is a cudaError_t. */
int cuda_check(int err, const char *call);

/* Makes the workspace at least so large; called by plan(), never by run().  It
 * may move, but what it was stays allocated as long as the device is open:
 * recordings hold its address. */
int cuda_workspace(CudaDevice *cuda, size_t bytes);

/* All of it, when the device is closed. */
void cuda_workspace_free(CudaDevice *cuda);

#ifdef __cplusplus
}
#endif

#endif
