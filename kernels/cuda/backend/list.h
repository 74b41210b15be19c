/*
 * list.h - the kernels of the backend "cuda", one by one.
 */
#ifndef CUDA_LIST_H
#define CUDA_LIST_H

#include "kernels/core/backend.h"

/* The i-th, best first, NULL past the end; with or without those that need
 * thread-block clusters. */
const Kernel *cuda_kernel_at(bool clusters, int i);

#endif
