/*
 * notebook.c - finds and keeps notes in the store.
 */
#include "harness/measure/notebook.h"

#include "kernels/core/err.h"

static bool find(void *arg, const char *key, char *value, size_t size)
{
    const Notebook *n = arg;
    bool found;

    return store_note_find(n->store, n->sweep_id, key, value, size, &found) ==
               OK &&
           found;
}

static void keep(void *arg, const char *key, const char *value)
{
    const Notebook *n = arg;

    store_note_keep(n->store, n->sweep_id, key, value);
}

void notebook_init(Notebook *n, Store *store, int64_t sweep_id)
{
    *n = (Notebook){
        .notes = { n, find, keep },
        .store = store,
        .sweep_id = sweep_id,
    };
}
