/*
 * cluster.h - clusters of thread blocks, which read each other's shared memory
 *
 * A chip without them compiles these and never runs them.
 */
#ifndef CUDA_CLUSTER_H
#define CUDA_CLUSTER_H

#include "kernels/cuda/kernels/kernel.h"

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 900
static __device__ int cluster_rank()
{
    return 0;
}

static __device__ void cluster_sync()
{
}

template <typename T> static __device__ const T *of_block(const T *p, int)
{
    return p;
}
#else
namespace cg = cooperative_groups;

static __device__ __forceinline__ int cluster_rank()
{
    return (int)cg::this_cluster().block_rank();
}

/* A barrier for all blocks; what they wrote to shared memory is seen. */
static __device__ __forceinline__ void cluster_sync()
{
    cg::this_cluster().sync();
}

/* Where p, of this block's shared memory, is in that of another block. */
template <typename T>
static __device__ __forceinline__ const T *of_block(const T *p, int rank)
{
    return cg::this_cluster().map_shared_rank(const_cast<T *>(p),
                                              (unsigned)rank);
}
#endif

#endif
