/*
 * libraries.c - a cuDNN and a cuBLASLt that only open, each a library of its
 *               own for the fake plugin to find.
 *
 * Environment: FAKE_CUDNN and FAKE_CUBLASLT are their versions, "990501" (none:
 * 0, which nobody wants); FAKE_CUDNN_MIXED its sub-libraries are of several;
 * FAKE_CUDNN_BROKEN it does not open.
 */
#include <stdlib.h>

#include "cublasLt.h"
#include "cudnn.h"

static size_t version(const char *name)
{
    const char *text = getenv(name);

    return text ? (size_t)atol(text) : 0;
}

#ifdef FAKE_CUDNN
static struct cudnnContext {
    int opened;
} context;

size_t cudnnGetVersion(void)
{
    return version("FAKE_CUDNN");
}

cudnnStatus_t cudnnGraphVersionCheck(void)
{
    return getenv("FAKE_CUDNN_MIXED") ? 1006 : 0;
}

cudnnStatus_t cudnnCreate(cudnnHandle_t *handle)
{
    *handle = &context;
    return getenv("FAKE_CUDNN_BROKEN") ? 1001 : 0;
}

cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, void *stream)
{
    (void)stream;
    return handle == &context ? 0 : 2000;
}

cudnnStatus_t cudnnDestroy(cudnnHandle_t handle)
{
    return handle == &context ? 0 : 2000;
}

const char *cudnnGetErrorString(cudnnStatus_t status)
{
    return status == 1006 ? "MIXED" : "BROKEN";
}
#else
static struct cublasLtContext {
    int opened;
} context;

size_t cublasLtGetVersion(void)
{
    return version("FAKE_CUBLASLT");
}

cublasStatus_t cublasLtCreate(cublasLtHandle_t *handle)
{
    *handle = &context;
    return 0;
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle)
{
    return handle == &context ? 0 : 7;
}

const char *cublasLtGetStatusString(cublasStatus_t status)
{
    return status ? "BROKEN" : "FINE";
}
#endif
