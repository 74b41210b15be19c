/*
 * cupti_host.h - CUPTI's host side: whether a chip has a metric, how many
 * passes some take together, and their values.  It works without a GPU.
 */
#ifndef CUDA_CUPTI_HOST_H
#define CUDA_CUPTI_HOST_H

#include <stdbool.h>

#include "kernels/cupti/cupti.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Some metrics of a chip, to be counted together. */
typedef struct CuptiHost {
    const Cupti *cupti;
    void *host;
    const char *const *metrics; /* borrowed */
    int n;
    uint8_t *image; /* what the device is told of them */
    size_t image_bytes;
    int passes; /* each step has to run so often */
} CuptiHost;

/* available is what this device can count, or NULL.  ERR_INPUT names the metric
 * that the chip does not have.  Close it in any case. */
int cupti_host_open(CuptiHost *out, const Cupti *cupti, const char *chip,
                    const uint8_t *available, const char *const *metrics,
                    int n);
void cupti_host_close(CuptiHost *h);

/* True if the chip has the metric. */
bool cupti_host_has(const Cupti *cupti, const char *chip,
                    const uint8_t *available, const char *metric);

/* The values of all metrics in one range of what the device wrote. */
int cupti_host_values(const CuptiHost *h, const uint8_t *data, size_t bytes,
                      size_t range, double *values);

/* Calls take for all metrics of a chip, without the endings that a metric
 * needs: counters (.sum, .avg, ...), ratios, throughputs. */
int cupti_host_list(const Cupti *cupti, const char *chip,
                    void (*take)(void *arg, const char *metric), void *arg);

#ifdef __cplusplus
}
#endif

#endif
