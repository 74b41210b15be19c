/*
 * own.h - our own kernels on the fake GPU: run_tests has them for simt.
 */
#ifndef FAKE_OWN_H
#define FAKE_OWN_H

#include "kernels/core/backend.h"

/* One launch, as a graph keeps it; run NULL: it computes nothing. */
typedef struct FakeLaunch {
    int (*run)(Device *dev, const Tensor *out, void *state);
    Device *dev;
    const Tensor *out;
    void *state;
} FakeLaunch;

/* Puts one into the queue, or the capture: a cudaError_t. */
int fake_launch(const FakeLaunch *launch);

/* The i-th of them; NULL past the end, and where the program has none. */
const Kernel *fake_own_kernel_at(bool clusters, int i);

#endif
