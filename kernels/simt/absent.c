/*
 * absent.c - what stands for host.h where CUDA kernels cannot run on the host:
 * switches of stacks are written for x86-64, and a C++ compiler is needed.
 */
#include "kernels/core/err.h"
#include "kernels/cuda/kernels/calibrate.h"
#include "kernels/cuda/kernels/peaks.h"
#include "kernels/simt/host.h"
#include "kernels/simt/model.h"

static int absent_open(Device **out, const DeviceSettings *settings)
{
    (void)out, (void)settings;
    return fail(ERR_UNSUPPORTED,
                "CUDA kernels run on the host only on x86-64, built by a C++ "
                "compiler");
}

static const Kernel *absent_kernel(int i)
{
    (void)i;
    return NULL;
}

const Backend simt_backend = {
    .name = "simt",
    .title = "the CUDA kernels on the host, which this machine cannot run",
    .kernel_at = absent_kernel,
    .open = absent_open,
};

void simt_set_order(int order, uint64_t seed)
{
    (void)order, (void)seed;
}

bool simt_is_checked(void)
{
    return false;
}

int simt_take_errors(char *text, size_t size)
{
    if (size)
        text[0] = 0;
    return 0;
}

void simt_watch(int slot, const void *p, size_t bytes)
{
    (void)slot, (void)p, (void)bytes;
}

SimtTraffic simt_watched(int slot)
{
    (void)slot;
    return (SimtTraffic){ 0, 0 };
}

void simt_count_start(void)
{
}

void simt_count_stop(void)
{
}

void simt_count_next(void)
{
}

void simt_count_images(const void *p, size_t bytes)
{
    (void)p, (void)bytes;
}

const SimtCounts *simt_counted(int i)
{
    (void)i;
    return NULL;
}

int simt_counted_places(SimtPlace *out, int n)
{
    (void)out, (void)n;
    return 0;
}

/* Stubs of calibrate.h and peaks.h of kernels/cuda: there is no device to call
 * them with. */
int cuda_calibrate_f32(Device *dev, float *y, const float *x, size_t n, float a,
                       float b)
{
    (void)dev, (void)y, (void)x, (void)n, (void)a, (void)b;
    return ERR_UNSUPPORTED;
}

int cuda_calibrate_f16(Device *dev, void *y, const void *x, size_t n, float a,
                       float b)
{
    (void)dev, (void)y, (void)x, (void)n, (void)a, (void)b;
    return ERR_UNSUPPORTED;
}

int cuda_peak_read(Device *dev, float *sink, const float *x, size_t n,
                   int times)
{
    (void)dev, (void)sink, (void)x, (void)n, (void)times;
    return ERR_UNSUPPORTED;
}

int cuda_peak_write(Device *dev, float *y, size_t n, int times)
{
    (void)dev, (void)y, (void)n, (void)times;
    return ERR_UNSUPPORTED;
}

int cuda_peak_copy(Device *dev, float *y, const float *x, size_t n, int times)
{
    (void)dev, (void)y, (void)x, (void)n, (void)times;
    return ERR_UNSUPPORTED;
}

int cuda_peak_fma(Device *dev, float *sink, int rounds, double *flops)
{
    (void)dev, (void)sink, (void)rounds, (void)flops;
    return ERR_UNSUPPORTED;
}

const Model simt_model = { 0 };
