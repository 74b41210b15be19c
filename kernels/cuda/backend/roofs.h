/*
 * roofs.h - what a GPU is at its best in: slots of the backend.
 */
#ifndef CUDA_ROOFS_H
#define CUDA_ROOFS_H

#include "kernels/core/backend.h"
#include "kernels/cuda/backend/known_work.h"

bool cuda_roof_at(Device *dev, int i, RoofKind *out);
int cuda_roof_run(Device *dev, int i, double *work);
size_t cuda_cache_bytes(Device *dev);
void cuda_roofs_release(Device *dev);

/* Work that calibrates counters, in the memory that roofs are measured in;
 * the product is of dtype, of tf32 for f32. */
int cuda_known_work(KnownWork *out, Device *dev, Dtype dtype);

#endif
