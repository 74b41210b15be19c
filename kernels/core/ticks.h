/*
 * ticks.h - a clock for work of a few microseconds.
 *
 * clock_gettime() takes 25 ns where what it reads is in the caches.  Behind a
 * convolution that has filled them, and the tables of pages, it takes 0.7 us,
 * as long as a short step itself.  Ticks are read from a register of the CPU
 * if the kernel keeps time by it, too; where it does not, they are nanoseconds.
 */
#ifndef CORE_TICKS_H
#define CORE_TICKS_H

#include <stdbool.h>
#include <stdint.h>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

#include "kernels/core/host.h"

#ifdef __cplusplus
extern "C" {
#endif

/* On the stack of who takes ticks: so reading it costs nothing either. */
typedef struct TickClock {
    bool of_cpu;
    double ns; /* of one */
} TickClock;

/* The first call in a process takes some milliseconds where ticks are the
 * CPU's, whose rate is then found. */
TickClock ticks_find(void);

/* Now, for differences.  All that came before has been done. */
static inline uint64_t ticks_now(const TickClock *t)
{
#if defined(__x86_64__)
    if (t->of_cpu) {
        _mm_lfence();
        return __rdtsc();
    }
#endif
    (void)t;
    return (uint64_t)host_now_ns();
}

#ifdef __cplusplus
}
#endif

#endif
