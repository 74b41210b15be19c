/*
 * cublasLt.h - as much of cuBLASLt's header of that name as opens it, for the
 * fake plugin.  No cuBLASLt has this major version: only the fake is found.
 */
#ifndef FAKE_CUBLASLT_H
#define FAKE_CUBLASLT_H

#include <stddef.h>

#define CUBLAS_VER_MAJOR 99
#define CUBLAS_VER_MINOR 5
#define CUBLAS_VER_PATCH 0

typedef struct cublasLtContext *cublasLtHandle_t;
typedef int cublasStatus_t;

/* Other names, for the tests may be linked with the real library. */
#define cublasLtGetVersion      fake_cublasLtGetVersion
#define cublasLtCreate          fake_cublasLtCreate
#define cublasLtDestroy         fake_cublasLtDestroy
#define cublasLtGetStatusString fake_cublasLtGetStatusString

size_t cublasLtGetVersion(void);
cublasStatus_t cublasLtCreate(cublasLtHandle_t *handle);
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle);
const char *cublasLtGetStatusString(cublasStatus_t status);

#endif
