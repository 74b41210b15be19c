/*
 * describe.c - what doctor shows of the plugin, and of a GPU.
 *
 * The versions are those of the libraries that were loaded; whether they go
 * with the ones that this was built for is for library.c to say.
 */
#include <cuda_runtime_api.h>
#include <stdio.h>

#include "cuda_build.h"
#include "kernels/cuda/backend/card.h"
#include "kernels/cuda/library/library.h"

static void tell_library(LibraryKind kind, Say *say, void *arg)
{
    char text[LIBRARY_REASON + 64];
    FoundLibrary l;

    cuda_library_find(&l, kind);
    if (l.reason[0])
        snprintf(text, sizeof(text), "left out: %s", l.reason);
    else
        snprintf(text, sizeof(text), "%s, built for %s", l.version, l.built);
    say(arg, l.name, text);
}

static void tell_plugin(Say *say, void *arg)
{
    char text[128];
    int runtime = 0;

    cudaRuntimeGetVersion(&runtime);
    snprintf(text, sizeof(text), "CUDA %d.%d, code for sm_%s", runtime / 1000,
             runtime % 1000 / 10, CUDA_BUILD_ARCHS);
    say(arg, "built with", text);
    for (LibraryKind k = 0; k < NLIBRARIES; k++)
        tell_library(k, say, arg);
}

/* A library that was found, but would not open on this card. */
static void tell_refusals(const CudaLibraries *open, Say *say, void *arg)
{
    char text[LIBRARY_REASON + 64];

    for (LibraryKind k = 0; k < NLIBRARIES; k++) {
        const FoundLibrary *l = &open->found[k];
        FoundLibrary alone; /* as tell_library has told of it */

        cuda_library_find(&alone, k);
        snprintf(text, sizeof(text), "left out: %s", l->reason);
        if (l->reason[0] && !alone.reason[0])
            say(arg, l->name, text);
    }
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

    tell_refusals(c->cuda.libraries, say, arg);
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
