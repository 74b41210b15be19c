/*
 * calibrate.h - work of which every byte and operation is known: what counters
 * are checked against (known_work.c).
 *
 * Buffers are of n floats, or of n pairs of halves, aligned to 16 bytes: 4 n
 * bytes; n is a multiple of CALIBRATE_STEP.  Each launch reads x once and
 * writes y once, and of each number computes, in this order,
 *     f32   4 times  v a + b,  v + b,  v a + b,  v a
 *     f16   16 times v a + b
 * and nothing else.
 */
#ifndef CUDA_CALIBRATE_H
#define CUDA_CALIBRATE_H

#include "kernels/core/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    CALIBRATE_STEP = 1024,
    CALIBRATE_F32_FLOPS = 24, /* of a number */
    CALIBRATE_F16_FLOPS = 64, /* of a pair   */
};

int cuda_calibrate_f32(Device *dev, float *y, const float *x, size_t n, float a,
                       float b);
int cuda_calibrate_f16(Device *dev, void *y, const void *x, size_t n, float a,
                       float b);

#ifdef __cplusplus
}
#endif

#endif
