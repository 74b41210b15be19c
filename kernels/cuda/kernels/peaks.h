/*
 * peaks.h - what the roofs of a GPU are measured with (roofs.c): kernels that
 * do one thing and nothing else.
 *
 * Buffers are of floats, aligned to 16 bytes, whose number n is a multiple of
 * PEAK_STEP.  Each launch goes over them `times` times; from one time to the
 * next every block reads what another block had, so that nothing is found in a
 * multiprocessor's own cache.  (A copy that is made once is one; made several
 * times its steps are in another order.)
 */
#ifndef CUDA_PEAKS_H
#define CUDA_PEAKS_H

#include "kernels/core/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { PEAK_STEP = 4096 };

/* Where a result goes that must not be dropped: one float. */
int cuda_peak_read(Device *dev, float *sink, const float *x, size_t n,
                   int times);
int cuda_peak_write(Device *dev, float *y, size_t n, int times);
int cuda_peak_copy(Device *dev, float *y, const float *x, size_t n, int times);

/* Multiply-adds in registers, on all multiprocessors; *flops: how many
 * operations that is. */
int cuda_peak_fma(Device *dev, float *sink, int rounds, double *flops);

#ifdef __cplusplus
}
#endif

#endif
