/*
 * workspace.c - scratch memory that all kernels of a device share
 */
#include <stdlib.h>

#include "kernels/core/err.h"
#include "kernels/cuda/backend/device.h"

/* One that has been made, the latest first. */
struct CudaWorkspace {
    struct CudaWorkspace *older;
    void *memory;
};

/* At least doubled, so that all that is outgrown is less than what is used. */
int cuda_workspace(CudaDevice *cuda, size_t bytes)
{
    Device *dev = &cuda->base;
    struct CudaWorkspace *made;
    void *memory;

    if (bytes <= cuda->workspace_bytes)
        return OK;
    if (bytes < 2 * cuda->workspace_bytes)
        bytes = 2 * cuda->workspace_bytes;
    made = malloc(sizeof(*made));
    if (!made)
        return fail(ERR_MEMORY, "no memory for a workspace");
    if (dev->backend->alloc(dev, &memory, bytes)) {
        free(made);
        return fail_within(ERR_MEMORY, "workspace");
    }
    *made = (struct CudaWorkspace){ cuda->workspaces, memory };
    cuda->workspaces = made;
    cuda->workspace = memory;
    cuda->workspace_bytes = bytes;
    return OK;
}

void cuda_workspace_free(CudaDevice *cuda)
{
    while (cuda->workspaces) {
        struct CudaWorkspace *w = cuda->workspaces;

        cuda->base.backend->release(&cuda->base, w->memory);
        cuda->workspaces = w->older;
        free(w);
    }
}
