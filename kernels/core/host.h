/*
 * host.h - memory, clock and processes of the host, for backends there.
 */
#ifndef CORE_HOST_H
#define CORE_HOST_H

#include "kernels/core/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Monotonic nanoseconds. */
double host_now_ns(void);

/* The slots of a Backend whose memory is the host's. */
int host_alloc(Device *dev, void **out, size_t bytes);
void host_release(Device *dev, void *p);
int host_copy(Device *dev, void *dst, const void *src, size_t bytes);
int host_clock_start(Device *dev);
int host_clock_stop(Device *dev, double *ns);

/* True if code runs to its end.  It is tried in a process of its own, which may
 * die of it; it must not use OpenMP. */
bool host_survives(void (*code)(void *arg), void *arg);

#ifdef __cplusplus
}
#endif

#endif
