/*
 * library.h - the kernels made of cuDNN and cuBLASLt, in the plugin only.
 *
 * conv2d and its gradients are cuDNN's (cudnn.c), linear and matmul are
 * cuBLASLt's (cublas.c).
 * Tensors that they refuse are for our own kernels (cuda.h); so is everything
 * where a library is not here, or is one that this cannot use.
 */
#ifndef CUDA_LIBRARY_H
#define CUDA_LIBRARY_H

#include "kernels/cuda/backend/device.h"

/* cuDNN makes its products with cuBLASLt, which therefore comes first. */
typedef enum LibraryKind { CUBLASLT, CUDNN, NLIBRARIES } LibraryKind;

/* A library as it was found. */
enum { LIBRARY_REASON = 320 };
typedef struct FoundLibrary {
    const char *name;            /* "cuDNN"                             */
    char version[24], built[24]; /* "9.17.1"; "": it is not here        */
    char reason[LIBRARY_REASON]; /* why it cannot be used; "": it can be */
} FoundLibrary;

/* Loads it, if it has not been, and looks at it. */
void cuda_library_find(FoundLibrary *out, LibraryKind kind);

/* The handles, for the files of these kernels. */
typedef struct CudaLibraries {
    struct cublasLtContext *blas;   /* cublasLtHandle_t                 */
    struct cudnnContext *cudnn;     /* cudnnHandle_t                    */
    void *described;                /* in tests: a card, and no cudnn   */
    FoundLibrary found[NLIBRARIES]; /* without a handle: with its reason */
} CudaLibraries;

/* Opens those that can be used on cuda->stream, into cuda->libraries;
 * cuda->notes are used later on.  ERR_MEMORY. */
int cuda_libraries_open(CudaDevice *cuda);
void cuda_libraries_close(CudaDevice *cuda); /* also where open failed */

/* The *i-th kernel, best first, of the libraries that are open; NULL: of all.
 * Past the end NULL, and *i is less by how many there are. */
const Kernel *cuda_library_kernel_at(const CudaLibraries *libraries, int *i);

#define CUDNN_KERNELS(X)  X(conv2d) X(conv2d_grad_x) X(conv2d_grad_w)
#define CUBLAS_KERNELS(X) X(linear) X(matmul)

#define X(id)             extern const Kernel cudnn_##id;
CUDNN_KERNELS(X)
#undef X
#define X(id) extern const Kernel cublas_##id;
CUBLAS_KERNELS(X)
#undef X

#endif
