/*
 * tuning_cache.c - finds and keeps notes in the store.
 */
#include "harness/measure/tuning_cache.h"

#include "kernels/core/err.h"

static bool find(void *arg, const char *key, char *value, size_t size)
{
    const TuningCache *n = arg;
    bool found;

    return store_note_find(n->store, n->sweep_id, key, value, size, &found) ==
               OK &&
           found;
}

static void keep(void *arg, const char *key, const char *value)
{
    const TuningCache *n = arg;

    store_note_keep(n->store, n->sweep_id, key, value);
}

void tuning_cache_init(TuningCache *n, Store *store, int64_t sweep_id)
{
    *n = (TuningCache){
        .notes = { n, find, keep },
        .store = store,
        .sweep_id = sweep_id,
    };
}
