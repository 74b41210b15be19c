/*
 * perf_events.h - which of the processor's events make up which quantity.
 */
#ifndef CPU_PERF_EVENTS_H
#define CPU_PERF_EVENTS_H

#include <stdint.h>

#include "kernels/core/dtype.h"

typedef enum PerfQuantity {
    PERF_CYCLES,
    PERF_INSTRUCTIONS,
    PERF_CACHE_MISSES,
    PERF_FLOPS,
    PERF_CLOCK_MHZ, /* of the cycles and their time: it has no event */
    PERF_QUANTITIES
} PerfQuantity;
const char *perf_quantity_name(PerfQuantity q); /* "cache_misses" */

typedef struct PerfEvent {
    PerfQuantity quantity;
    uint32_t type; /* as perf_event_open() has them */
    uint64_t config;
    double factor; /* what one of it adds to the quantity */
} PerfEvent;

/* As the processor names itself (CPUID): "AuthenticAMD", 25, 17. */
typedef struct Processor {
    char vendor[13];
    int family, model;
} Processor;

/* The one that this runs on; "" where it has no such names. */
Processor perf_processor(void);

/* The events that are counted together, in the i-th run of a network in dtype;
 * returns how many, 0 past the last run.  A quantity without an event has no
 * events that are known here and count all of it. */
enum { PERF_GROUP = 3 };
int perf_group(PerfEvent out[PERF_GROUP], const Processor *p, Dtype dtype,
               int i);

#endif
