/*
 * notebook.h - the notes of a device (DeviceSettings), kept in the store.
 */
#ifndef HARNESS_NOTEBOOK_H
#define HARNESS_NOTEBOOK_H

#include "kernels/core/backend.h"
#include "results/store.h"

typedef struct Notebook {
    Notes notes; /* for a device that is closed before the notebook goes */
    Store *store;
    int64_t sweep_id;
} Notebook;

/* Notes about the machine of a sweep.  Notes that the store refuses are not
 * kept: they save time and change no result. */
void notebook_init(Notebook *n, Store *store, int64_t sweep_id);

#endif
