/*
 * known_work.h - work of which the counters' values are known beforehand.
 */
#ifndef CUDA_KNOWN_WORK_H
#define CUDA_KNOWN_WORK_H

#include "kernels/core/backend.h"
#include "kernels/cupti/metrics.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Amount that one launch of a set's work adds to a quantity. */
typedef struct Known {
    MetricSet set;
    const char *quantity;
    double amount;
} Known;

enum { MAX_KNOWN = 8 };

typedef struct Calibration {
    Known known[MAX_KNOWN];
    int n;
    int (*launch)(void *arg, MetricSet set); /* of a set that is in known */
    void *arg;
    char reason[256]; /* "", or why it cannot be launched */
} Calibration;

/* Where it is launched. */
typedef struct KnownWork {
    Device *dev;
    float *from, *to; /* of n floats each, several times what the L2 holds;  */
    size_t n;         /* a multiple of CALIBRATE_STEP                        */
    int (*product)(Device *dev); /* on tensor cores; NULL: none is to be had */
    double product_flops;
} KnownWork;

/* The calibration by kernels of ours (calibrate.h) and that product; work stays
 * alive as long as it. */
void known_work(Calibration *out, KnownWork *work);

#ifdef __cplusplus
}
#endif

#endif
