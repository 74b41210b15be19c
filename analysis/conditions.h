/*
 * conditions.h - under which conditions a sweep was measured.
 */
#ifndef ANALYSIS_CONDITIONS_H
#define ANALYSIS_CONDITIONS_H

#include "analysis/summary.h"

typedef struct Conditions {
    char cpu[128], gpu[128], os[128];
    int cores;
    char commit[16]; /* first digits; "+" at the end if files were changed */
    char compiler[128], libraries[256];
    char started_at[32]; /* UTC, ISO 8601 */
    char question[256];
} Conditions;

/* Reads those of a sweep; of several starts the first. */
int conditions_read(Conditions *out, Store *s, int64_t sweep_id);

/* What the runs of a slice have in common, as a line: "2 threads, batch 8,
 * f32, composed, folded, hot".  Columns in which they differ are left out;
 * threads of 0 are those that were used, or all that the machine of c has. */
void conditions_settings(const Conditions *c, const RunList *list, char *text,
                         size_t size);

/* "n = 30", or "n = 30 to 64"; says so if that is too few for an interval. */
void conditions_samples(const RunList *list, char *text, size_t size);

#endif
