/*
 * model.cpp - the simulated device as a counter of what kernels ask of memory.
 */
#include "kernels/simt/model.h"

#include <string.h>

#include "cuda_build.h"
#include "kernels/core/err.h"
#include "kernels/cuda/backend/device.h"

static int model_open(Device **out, int sms)
{
    TRY(simt_backend.open(out, NULL));
    cuda_device(*out)->sms = sms;
    simt_count_start(); /* also what a plan launches must not be judged */
    return OK;
}

static void model_close(Device *dev)
{
    simt_count_stop();
    simt_backend.close(dev);
}

static void model_begin(Device *dev, const void *p, size_t bytes)
{
    const CudaDevice *cuda = cuda_device(dev);

    simt_count_start();
    simt_count_images(p, bytes);
    simt_count_images(cuda->workspace, cuda->workspace_bytes);
}

const Model simt_model = {
    .open = model_open,
    .close = model_close,
    .begin = model_begin,
    .next = simt_count_next,
    .counted = simt_counted,
    .places = simt_counted_places,
};

extern "C" __attribute__((visibility("default"))) const Model *attnbench_model(
    const char *headers)
{
    return strcmp(headers, CUDA_BUILD_HEADERS) == 0 ? &simt_model : NULL;
}
