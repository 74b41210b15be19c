/*
 * dtype.h - what a tensor's numbers are stored and computed in.
 *
 * Everything is accumulated in f32 (the definitions: in double).  tf32 is
 * stored as f32; matrix products may round their operands to 10 bits of
 * mantissa, as tensor cores do, all else is computed as f32.
 */
#ifndef CORE_DTYPE_H
#define CORE_DTYPE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum Dtype { F32, TF32, F16, BF16, NDTYPES } Dtype;

/* One spelling for every place that has a dtype: "f32", "tf32", ... */
const char *dtype_name(Dtype dtype);
size_t dtype_size(Dtype dtype); /* bytes of one number in memory */

/* The neighbours of 1 are this far: 2^-23, 2^-10, 2^-10, 2^-7. */
double dtype_epsilon(Dtype dtype);

/* x rounded to the nearest number of the type, ties to even; beyond the
 * largest it is infinite.  NaN stays NaN. */
float dtype_round(Dtype dtype, float x);

/* Between floats and the type's storage, n numbers.  Storing rounds as
 * dtype_round does (tf32 is stored as it is). */
void dtype_store(Dtype dtype, void *dst, const float *src, size_t n);
void dtype_load(Dtype dtype, float *dst, const void *src, size_t n);

#ifdef __cplusplus
}
#endif

#endif
