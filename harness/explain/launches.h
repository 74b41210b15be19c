/*
 * launches.h - the kernels that a GPU ran, over all steps of a profile.
 */
#ifndef HARNESS_LAUNCHES_H
#define HARNESS_LAUNCHES_H

#include <stdio.h>

#include "results/profile.h"

/* All launches of the kernels of one name. */
typedef struct Launched {
    const char *kernel; /* of the profile's rows */
    double launches, ns;
} Launched;

/* Into out, which has room for p->nquantities, slowest first; returns how many
 * there are, 0 where no launches were recorded. */
int launches_by_kernel(Launched *out, const StoredProfile *p);

/* Writes a table of the slowest few, and the sum of all; nothing where there
 * are none. */
void launches_write(FILE *to, const StoredProfile *p, int top);

#endif
