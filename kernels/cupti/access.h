/*
 * access.h - whether a GPU's counters can be read, as far as can be seen
 * without a try.
 */
#ifndef CUDA_ACCESS_H
#define CUDA_ACCESS_H

#include "kernels/cupti/nvml.h"

#ifdef __cplusplus
extern "C" {
#endif

/* OK where nothing forbids it that can be seen; else ERR_UNSUPPORTED with what
 * does, or may, and the remedy: no permission, a virtual GPU, a slice of one
 * (MIG), another profiler.  proc is "/proc"; nvml may be NULL, and then is not
 * asked. */
int forecast_counters(const char *proc, Nvml *nvml);

#ifdef __cplusplus
}
#endif

#endif
