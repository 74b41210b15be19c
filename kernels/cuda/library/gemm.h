/*
 * gemm.h - a product of matrices as BLAS sees it: column-major, with strides
 *
 * Arithmetic only, no library: what is where in linear and matmul, whose
 * operands are rows of channels, strips, maps and stacks.
 */
#ifndef CUDA_GEMM_H
#define CUDA_GEMM_H

#include <stdint.h>

#include "kernels/core/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Element (i,j) of matrix b of call c is at i + j ld + b batch + c call, in
 * elements; rows and columns are as stored, before any transposition. */
typedef struct GemmMatrix {
    int64_t rows, columns, ld, batch, call;
    bool transposed;
} GemmMatrix;

/*
 * d = a b, matrices of m by k and k by n once transposed, for a batch of them;
 * and all of that several times, where one stride does not reach them all.
 */
typedef struct Gemm {
    int a_source, b_source; /* which of the op's sources they are */
    GemmMatrix a, b, d;
    int64_t m, n, k;
    int batch, calls;
} Gemm;

/* Product of a linear, or a convolution that is one (1x1, stride 1, no padding,
 * one group), or a gradient of such a convolution; a bias has one number per
 * row of d. */
Gemm gemm_of_linear(const Tensor *out);

/* Product of a matmul, without its scale. */
Gemm gemm_of_matmul(const Tensor *out);

#ifdef __cplusplus
}
#endif

#endif
