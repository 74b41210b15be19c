/*
 * describe.c - what doctor shows of the plugin, and of a GPU.
 *
 * The versions are those of the libraries that were loaded; whether they go
 * with the ones that this was built for is for library.c to say.
 */
#include <cublasLt.h>
#include <cuda_runtime_api.h>
#ifndef WITHOUT_CUDNN
#include <cudnn.h>
#endif
#include <stdio.h>

#include "cuda_build.h"
#include "kernels/cuda/backend/card.h"

static void tell_plugin(Say *say, void *arg)
{
    const size_t blas = cublasLtGetVersion();
    char text[128];
    int runtime = 0;

    cudaRuntimeGetVersion(&runtime);
    snprintf(text, sizeof(text), "CUDA %d.%d, code for sm_%s", runtime / 1000,
             runtime % 1000 / 10, CUDA_BUILD_ARCHS);
    say(arg, "built with", text);
    snprintf(text, sizeof(text), "%zu.%zu.%zu", blas / 10000,
             blas % 10000 / 100, blas % 100);
    say(arg, "cuBLASLt", text);
#ifndef WITHOUT_CUDNN
    snprintf(text, sizeof(text), "%zu.%zu.%zu, built for %d.%d.%d",
             cudnnGetVersion() / 10000, cudnnGetVersion() % 10000 / 100,
             cudnnGetVersion() % 100, CUDNN_MAJOR, CUDNN_MINOR,
             CUDNN_PATCHLEVEL);
    say(arg, "cuDNN", text);
#else
    say(arg, "cuDNN",
        "left out: its headers were not found; install cuDNN 9 (pip install "
        "nvidia-cudnn-cu13) and run make again");
#endif
}

static double attribute(enum cudaDeviceAttr which)
{
    int value = 0;

    return cudaDeviceGetAttribute(&value, which, 0) ? 0 : value;
}

static void tell_card(const Card *c, Say *say, void *arg)
{
    const double gib = 1 << 30,
                 bits = attribute(cudaDevAttrGlobalMemoryBusWidth);
    const double mhz = attribute(cudaDevAttrMemoryClockRate) / 1e3;
    size_t unused = 0, all = 0;
    char text[128];

    cudaMemGetInfo(&unused, &all);
    snprintf(text, sizeof(text), "%.1f GiB, %.1f GiB of it free; L2 %.0f MiB",
             (double)all / gib, (double)unused / gib,
             (double)c->l2_bytes / (1 << 20));
    say(arg, "gpu memory", text);
    snprintf(text, sizeof(text),
             "%.0f MHz at most; memory %.0f MHz, %.0f bits wide (%.0f GB/s on "
             "paper)",
             attribute(cudaDevAttrClockRate) / 1e3, mhz, bits,
             2 * mhz * 1e6 * bits / 8 / 1e9);
    say(arg, "gpu clock", text);
}

void cuda_tell(Device *dev, Say *say, void *arg)
{
    if (dev)
        tell_card((const Card *)dev, say, arg);
    else
        tell_plugin(say, arg);
}
