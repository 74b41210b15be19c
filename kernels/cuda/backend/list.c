/*
 * list.c - the kernels of the backend "cuda", best first: those made of
 * libraries, those for clusters, all others.
 */
#include "kernels/cuda/backend/list.h"

#include "kernels/cuda/backend/cuda.h"
#include "kernels/cuda/library/library.h"

static const Kernel *const cluster_kernels[] = {
#define X(id) &cuda_##id,
    CUDA_CLUSTER_KERNELS(X)
#undef X
        NULL,
};

static const Kernel *const own_kernels[] = {
#define X(id) &cuda_##id,
    CUDA_KERNELS(X)
#undef X
        NULL,
};

static const Kernel *find(const Kernel *const *list, int *i)
{
    for (; *list; list++)
        if ((*i)-- == 0)
            return *list;
    return NULL;
}

const Kernel *cuda_kernel_at(const CudaDevice *cuda, int i)
{
    const Kernel *k = cuda_library_kernel_at(cuda ? cuda->libraries : NULL, &i);

    if (!k && (!cuda || cuda_has_clusters(cuda)))
        k = find(cluster_kernels, &i);
    return k ? k : find(own_kernels, &i);
}
