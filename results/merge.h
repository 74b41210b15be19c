/*
 * merge.h - adds the contents of another database.
 */
#ifndef RESULTS_MERGE_H
#define RESULTS_MERGE_H

#include "results/store.h"

/* Counts of what was added, and of sweeps that were already there. */
typedef struct Added {
    int sweeps, runs, samples, profiles, roofs, erfs, there;
} Added;

/*
 * Adds machines, builds, sweeps with all that belongs to them, roofs and
 * receptive fields of the database at path, in one transaction.  Notes of
 * devices are not added, nor is the table of processes that measure.
 * A sweep that is there already (store_has_sweep) gets the runs that it lacks;
 * so merging twice adds nothing.  Refuses files as store_open does, and a sweep
 * that was resumed in both databases.
 */
int store_merge(Store *s, const char *path, Added *added);

#endif
