/*
 * race.h - which of several kernels for one step is the fastest here
 */
#ifndef CUDA_RACE_H
#define CUDA_RACE_H

#include "kernels/cuda/backend/device.h"

/* Backend.race: the first of the list, unless the step is one for which another
 * may be faster.  Then the one that was noted, or that takes the least time,
 * which is noted. */
int cuda_race(Device *dev, const Tensor *out, const Kernel *const *kernels,
              int n, int *first);

#endif
