/*
 * host.h - runs the CUDA kernels on the host: the backend "simt", for tests.
 *
 * It has our own kernels (kernels/cuda/cuda.h), not cuDNN's or cuBLAS's, and
 * it is slow: every CUDA thread is a fiber.  Linked with the checked runtime
 * it also judges every access to memory.
 */
#ifndef SIMT_HOST_H
#define SIMT_HOST_H

#include "kernels/core/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

extern const Backend simt_backend;

/* The order in which threads run: 0 forward, 1 reverse, 2 random by seed. */
enum { SIMT_FORWARD, SIMT_REVERSE, SIMT_RANDOM, SIMT_ORDERS };
void simt_set_order(int order, uint64_t seed);

/* Whether this is the checked build. */
bool simt_is_checked(void);

/* What was reported since the last call, and the kinds, "race,misaligned". */
int simt_take_errors(char *kinds, size_t size);

/* Bytes that kernels read and wrote of [p, p + bytes) of device memory since
 * simt_watch, counting every access; checked build only.  One at a time. */
typedef struct SimtTraffic {
    double read, written;
} SimtTraffic;
enum { SIMT_WATCHES = 8 };
void simt_watch(int slot, const void *p, size_t bytes);
SimtTraffic simt_watched(int slot);

#ifdef __cplusplus
}
#endif

#endif
