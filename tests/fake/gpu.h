/*
 * gpu.h - the fake GPU, loaded into a test.
 */
#ifndef FAKE_GPU_H
#define FAKE_GPU_H

#include <dlfcn.h>
#include <stdlib.h>

#include "harness/devices/backends.h"
#include "tests/fake/cuda.h"
#include "tests/test.h"

/* From now on the backend "cuda" is the fake's. */
static inline FakeCuda *fake_gpu(void)
{
    void *library;
    FakeCudaGet *get;

    setenv("ATTNBENCH_CUDA", test_beside("fake/attnbench_cuda.so"), 1);
    library =
        dlopen(test_beside("fake/attnbench_cuda.so"), RTLD_LAZY | RTLD_LOCAL);
    BUG_IF(!library);
    *(void **)&get = dlsym(library, FAKE_CUDA_SYMBOL);
    BUG_IF(!get);
    return get();
}

static inline Device *fake_gpu_opened(void)
{
    Device *dev;

    CHECK_MSG(backend_open(&dev, "cuda", NULL) == OK, "%s", err_message());
    return dev;
}

/* The same with our own kernels in its list. */
static inline FakeCuda *fake_gpu_with_kernels(void)
{
    FakeCuda *gpu = fake_gpu();
    Device *dev;

    gpu->own_kernels = true;
    dev = fake_gpu_opened();
    if (!dev->kernels[0])
        SKIP("the kernels were not built for the host");
    backend_close(dev);
    return gpu;
}

#endif
