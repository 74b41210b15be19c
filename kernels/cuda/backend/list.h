/*
 * list.h - the kernels of the backend "cuda", one by one.
 */
#ifndef CUDA_LIST_H
#define CUDA_LIST_H

#include "kernels/cuda/backend/device.h"

/* The i-th that this device can run, best first, NULL past the end; cuda NULL:
 * that some device can. */
const Kernel *cuda_kernel_at(const CudaDevice *cuda, int i);

/* True if it runs those that need thread-block clusters. */
bool cuda_has_clusters(const CudaDevice *cuda);

#endif
