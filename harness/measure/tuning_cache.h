/*
 * tuning_cache.h - the notes of a device (DeviceSettings), kept in the store.
 */
#ifndef HARNESS_TUNING_CACHE_H
#define HARNESS_TUNING_CACHE_H

#include "kernels/core/backend.h"
#include "results/store.h"

typedef struct TuningCache {
    Notes notes; /* for a device that is closed before the tuning_cache goes */
    Store *store;
    int64_t sweep_id;
} TuningCache;

/* Notes about the machine of a sweep.  Notes that the store refuses are not
 * kept: they save time and change no result. */
void tuning_cache_init(TuningCache *n, Store *store, int64_t sweep_id);

#endif
