/*
 * cudnn.h - as much of cuDNN's header of that name as opens it, for the fake
 * plugin.  No cuDNN has this major version: only the fake is found.
 */
#ifndef FAKE_CUDNN_H
#define FAKE_CUDNN_H

#include <stddef.h>

#define CUDNN_MAJOR      99
#define CUDNN_MINOR      5
#define CUDNN_PATCHLEVEL 1

typedef struct cudnnContext *cudnnHandle_t;
typedef int cudnnStatus_t;

/* Other names, for the tests may be linked with the real library. */
#define cudnnGetVersion        fake_cudnnGetVersion
#define cudnnGraphVersionCheck fake_cudnnGraphVersionCheck
#define cudnnCreate            fake_cudnnCreate
#define cudnnSetStream         fake_cudnnSetStream
#define cudnnDestroy           fake_cudnnDestroy
#define cudnnGetErrorString    fake_cudnnGetErrorString

size_t cudnnGetVersion(void);
cudnnStatus_t cudnnGraphVersionCheck(void);
cudnnStatus_t cudnnCreate(cudnnHandle_t *handle);
cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, void *stream);
cudnnStatus_t cudnnDestroy(cudnnHandle_t handle);
const char *cudnnGetErrorString(cudnnStatus_t status);

#endif
