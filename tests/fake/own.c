/*
 * own.c - our own kernels on the fake GPU: the host computes them when they are
 *         launched, and again when a graph of them is.
 *
 * They run in a capture, too, which a GPU would not do: so that whatever they
 * call there meets the fake's rules.
 */
#include "tests/fake/own.h"

#include <dlfcn.h>

#include "kernels/core/err.h"
#include "kernels/cuda/backend/cuda.h"
#include "kernels/cuda/backend/device.h"

enum {
#define X(id) OWN_##id,
    CUDA_CLUSTER_KERNELS(X) NCLUSTER,
    BEFORE_OTHERS = NCLUSTER - 1,
    CUDA_KERNELS(X) NOWN
#undef X
};

static const char *const symbols[NOWN] = {
#define X(id) "cuda_" #id,
    CUDA_CLUSTER_KERNELS(X) CUDA_KERNELS(X)
#undef X
};
static const Kernel *real[NOWN];
static Kernel own[NOWN];

static int run(int i, Device *dev, const Tensor *out, void *state)
{
    const FakeLaunch launch = { real[i]->run, dev, out, state };

    TRY(cuda_check(fake_launch(&launch), "cudaLaunchKernel"));
    return real[i]->run(dev, out, state);
}

#define X(id)                                                        \
    static int run_##id(Device *dev, const Tensor *out, void *state) \
    {                                                                \
        return run(OWN_##id, dev, out, state);                       \
    }
CUDA_CLUSTER_KERNELS(X)
CUDA_KERNELS(X)
#undef X

static int (*const runs[NOWN])(Device *, const Tensor *, void *) = {
#define X(id) run_##id,
    CUDA_CLUSTER_KERNELS(X) CUDA_KERNELS(X)
#undef X
};

const Kernel *fake_own_kernel_at(bool clusters, int i)
{
    i += clusters ? 0 : NCLUSTER;
    if (i >= NOWN)
        return NULL;
    real[i] = dlsym(RTLD_DEFAULT, symbols[i]);
    if (!real[i])
        return NULL;
    own[i] = *real[i];
    own[i].run = runs[i];
    return &own[i];
}
