/*
 * backend.cpp - the backend "simt": our CUDA kernels, run on the host.
 */
#include <stdio.h>
#include <stdlib.h>

#include "kernels/core/err.h"
#include "kernels/core/host.h"
#include "kernels/cuda/backend/cuda.h"
#include "kernels/cuda/backend/device.h"
#include "kernels/simt/host.h"
#include "kernels/simt/state.h"

static const Kernel *const kernels[] = {
#define X(id) &cuda_##id,
    CUDA_CLUSTER_KERNELS(X) CUDA_KERNELS(X)
#undef X
        NULL,
};

static const Kernel *simt_kernel_at(int i)
{
    for (const Kernel *const *k = kernels; *k; k++)
        if (i-- == 0)
            return *k;
    return NULL;
}

/* The limits of an sm_90 card, so that every path can be taken. */
enum { SMS = 4, ARCH = 90, BLOCK_SHARED = 227 << 10, CLUSTER = 8 };

static int simt_open(Device **out, const DeviceSettings *settings)
{
    CudaDevice *cuda = (CudaDevice *)calloc(1, sizeof(*cuda));

    (void)settings;
    if (!cuda || !memory_init()) {
        free(cuda);
        return fail(ERR_MEMORY, "no %zu GiB of addresses for device memory",
                    DEVICE_BYTES >> 30);
    }
    cuda->base.backend = &simt_backend;
    cuda->base.kernels = kernels;
    cuda->base.threads = 1;
    snprintf(cuda->base.about, sizeof(cuda->base.about),
             "CUDA kernels on the host, one fiber a thread");
    cuda->sms = SMS;
    cuda->arch = ARCH;
    cuda->block_shared_bytes = BLOCK_SHARED;
    cuda->max_cluster = CLUSTER;
    *out = &cuda->base;
    return OK;
}

static void simt_close(Device *dev)
{
    if (dev)
        cuda_workspace_free(cuda_device(dev));
    free(dev);
}

static int simt_alloc(Device *dev, void **out, size_t bytes)
{
    (void)dev;
    if (cudaMalloc(out, bytes) != cudaSuccess)
        return fail(ERR_MEMORY, "no memory for %.1f MiB",
                    (double)bytes / (1 << 20));
    return OK;
}

static void simt_release(Device *dev, void *p)
{
    (void)dev;
    cudaFree(p);
}

static int simt_upload(Device *dev, void *dst, const void *src, size_t bytes)
{
    (void)dev;
    cudaMemcpy(dst, src, bytes, cudaMemcpyHostToDevice);
    return OK;
}

static int simt_download(Device *dev, void *dst, const void *src, size_t bytes)
{
    (void)dev;
    cudaMemcpy(dst, src, bytes, cudaMemcpyDeviceToHost);
    return OK;
}

static int simt_evict(Device *dev)
{
    (void)dev;
    return fail(ERR_UNSUPPORTED,
                "simt has no state=cold: it is not for timing");
}

extern "C" const Backend simt_backend = {
    .name = "simt",
    .title = "the CUDA kernels on the host, for checking",
    .host_memory = false,
    .kernel_at = simt_kernel_at,
    .open = simt_open,
    .close = simt_close,
    .alloc = simt_alloc,
    .release = simt_release,
    .upload = simt_upload,
    .download = simt_download,
    .clock_start = host_clock_start,
    .clock_stop = host_clock_stop,
    .evict = simt_evict,
};
