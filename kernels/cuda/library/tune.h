/*
 * tune.h - the fastest of several ways to do the same, by trying them; and the
 * notes of what was chosen, so that the next process need not try again
 */
#ifndef CUDA_TUNE_H
#define CUDA_TUNE_H

#include "kernels/cuda/backend/device.h"

/* Ways to do one thing; run() launches the i-th on the device's stream. */
typedef struct Ways {
    int n;
    int (*run)(CudaDevice *cuda, void *arg, int i);
    void *arg;
} Ways;

/* Runs each several times, interleaved, and finds the fastest.  One that fails
 * is out; if all do, that is the error. */
int tune(CudaDevice *cuda, const Ways *ways, int *best);

/* Reads the note of a choice: on this device, for a key that says all that the
 * choice depends on, versions of libraries included. */
enum { TUNE_KEY = 256 };
bool tune_recall(const CudaDevice *cuda, const char *key, char *value,
                 size_t size);
void tune_note(const CudaDevice *cuda, const char *key, const char *value);

#endif
