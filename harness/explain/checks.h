/*
 * checks.h - whether a profile's counters can be trusted (analysis/counted.h),
 * in words.
 */
#ifndef HARNESS_CHECKS_H
#define HARNESS_CHECKS_H

#include <stdio.h>

#include "results/profile.h"

/* Writes the factors that known work was counted with; the disagreements; and,
 * of a run that was to be cold, whether it was.  Nothing where nothing was
 * counted and nothing was to be cold. */
void checks_write(FILE *to, const StoredProfile *p, bool cold);

#endif
