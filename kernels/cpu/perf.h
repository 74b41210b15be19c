/*
 * perf.h - what a run makes the processor's hardware counters count, step by
 * step, through the kernel's perf events.
 *
 * Counts every thread of the device, in user space only, including waits for
 * each other.  Quantities: cycles, instructions, cache_misses, flops, clock_mhz
 * (perf_events.h); and counted_share, of a step whose counters were not on all
 * the time, because others have some, too: the rest was inferred from this
 * share of it.
 */
#ifndef CPU_PERF_H
#define CPU_PERF_H

#include <sys/types.h>

#include "kernels/core/backend.h"
#include "kernels/cpu/perf_events.h"

struct perf_event_attr;

/* Who counts: the calls of the kernel that are needed, which fail with -1 and
 * errno, and the processor. */
typedef struct PerfSystem {
    int (*open)(struct perf_event_attr *attr, int tid, int group);
    ssize_t (*read)(int fd, void *to, size_t bytes);
    int (*close)(int fd);
    Processor processor;
} PerfSystem;

/* Backend.count, of a device of the backend "cpu". */
int perf_count(Device *dev, const Counting *counting);

/* The same by another system. */
int perf_count_by(const PerfSystem *system, Device *dev,
                  const Counting *counting);

/* Tries whether this process may count.  ERR_UNSUPPORTED with the remedy;
 * NULL: asks the system that this is. */
int perf_may_count(const PerfSystem *system);

#endif
