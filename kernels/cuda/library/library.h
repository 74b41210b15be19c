/*
 * library.h - the kernels made of cuDNN and cuBLASLt, in the plugin only.
 *
 * conv2d and its gradients are cuDNN's (cudnn.c), linear and matmul are
 * cuBLASLt's (cublas.c).
 * Tensors that they refuse are for our own kernels (cuda.h).
 */
#ifndef CUDA_LIBRARY_H
#define CUDA_LIBRARY_H

#include "kernels/cuda/backend/device.h"

/* Best first; NULL ends the list. */
extern const Kernel *const cuda_library_kernels[];

/* Opens both libraries on cuda->stream, into cuda->libraries; cuda->notes are
 * used later on.  ERR_DEVICE where a library is of another version than the
 * one that this was built with. */
int cuda_libraries_open(CudaDevice *cuda);
void cuda_libraries_close(CudaDevice *cuda); /* also where open failed */

/* For the files of these kernels. */
typedef struct CudaLibraries {
    struct cudnnContext *cudnn;   /* cudnnHandle_t                    */
    void *described;              /* in tests: a card, and no cudnn   */
    struct cublasLtContext *blas; /* cublasLtHandle_t                 */
} CudaLibraries;

#define CUDNN_KERNELS(X)  X(conv2d) X(conv2d_grad_x) X(conv2d_grad_w)
#define CUBLAS_KERNELS(X) X(linear) X(matmul)

#define X(id)             extern const Kernel cudnn_##id;
CUDNN_KERNELS(X)
#undef X
#define X(id) extern const Kernel cublas_##id;
CUBLAS_KERNELS(X)
#undef X

#endif
