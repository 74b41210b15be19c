/*
 * library.c - the handles of cuDNN and cuBLASLt, and the list of kernels made
 * of them
 *
 * cuDNN is several libraries that load each other at first use, and those that
 * are found need not be those that were meant: hence all the asking for
 * versions.  Built with WITHOUT_CUDNN it is left out, where its headers were
 * not found.
 */
#include "kernels/cuda/library/library.h"

#include <cublasLt.h>
#ifndef WITHOUT_CUDNN
#include <cudnn.h>
#endif
#include <stdlib.h>

#include "kernels/core/err.h"

const Kernel *const cuda_library_kernels[] = {
#ifndef WITHOUT_CUDNN
#define X(id) &cudnn_##id,
    CUDNN_KERNELS(X)
#undef X
#endif
#define X(id) &cublas_##id,
        CUBLAS_KERNELS(X)
#undef X
            NULL,
};

#ifndef WITHOUT_CUDNN
static int open_cudnn(CudaDevice *cuda)
{
    CudaLibraries *l = cuda->libraries;
    const size_t found = cudnnGetVersion();
    cudnnStatus_t status;

    if (found / 10000 != CUDNN_MAJOR || found < CUDNN_VERSION / 100 * 100)
        return fail(ERR_DEVICE,
                    "cuDNN: version %zu was loaded, this was built for %d; "
                    "set LD_LIBRARY_PATH to where that is",
                    found, CUDNN_VERSION);
    status = cudnnGraphVersionCheck();
    if (status)
        return fail(ERR_DEVICE,
                    "cuDNN: its libraries are of several versions (%s); set "
                    "LD_LIBRARY_PATH to where those of one version are",
                    cudnnGetErrorString(status));
    status = cudnnCreate(&l->cudnn);
    if (!status)
        status = cudnnSetStream(l->cudnn, cuda->stream);
    return status ? fail(ERR_DEVICE, "cuDNN: %s", cudnnGetErrorString(status))
                  : OK;
}
#endif

static int open_cublas(CudaDevice *cuda)
{
    const size_t found = cublasLtGetVersion();
    cublasStatus_t status;

    if (found / 10000 != CUBLAS_VER_MAJOR)
        return fail(ERR_DEVICE,
                    "cuBLASLt: version %zu was loaded, this was built for %d",
                    found, CUBLAS_VERSION);
    status = cublasLtCreate(&cuda->libraries->blas);
    return status ? fail(ERR_DEVICE, "cuBLASLt: %s",
                         cublasLtGetStatusString(status))
                  : OK;
}

int cuda_libraries_open(CudaDevice *cuda)
{
    cuda->libraries = calloc(1, sizeof(CudaLibraries));
    if (!cuda->libraries)
        return fail(ERR_MEMORY, "no memory for the libraries' handles");
#ifndef WITHOUT_CUDNN
    TRY(open_cudnn(cuda));
#endif
    return open_cublas(cuda);
}

void cuda_libraries_close(CudaDevice *cuda)
{
    CudaLibraries *l = cuda->libraries;

    if (!l)
        return;
#ifndef WITHOUT_CUDNN
    if (l->cudnn)
        cudnnDestroy(l->cudnn);
#endif
    if (l->blas)
        cublasLtDestroy(l->blas);
    free(l);
    cuda->libraries = NULL;
}
