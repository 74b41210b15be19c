/*
 * conditions.h - under which conditions a sweep was measured.
 */
#ifndef ANALYSIS_CONDITIONS_H
#define ANALYSIS_CONDITIONS_H

#include <stdbool.h>

#include "analysis/summary.h"

typedef struct Conditions {
    char cpu[128], gpu[128], os[128];
    int cores;
    double load, load_end; /* 1-minute averages, the highest of all starts; NAN
                              where none is known                           */
    char commit[16]; /* first digits; "+" at the end if files were changed */
    char compiler[128], libraries[256];
    char started_at[32]; /* UTC, ISO 8601 */
    char question[256];
} Conditions;

/* Reads those of a sweep; of several starts the first, and the highest load. */
int conditions_read(Conditions *out, Store *s, int64_t sweep_id);

/*
 * The settings that the runs of a slice have in common, as a line: "cpu, 2
 * threads, batch 8, 64x56x56, f32, composed, folded, forward, hot".  All
 * columns that tell cases apart are there, except those in which the runs
 * differ and usual values that need no words (source attnbench, form train,
 * seeded weights, no backbone, no module, copy 0).  Threads of 0 are those that
 * were used, or all that the machine of c has.
 */
enum { CONDITIONS_TEXT = 2048 };
char *conditions_settings(const Conditions *c, const RunList *list,
                          char text[CONDITIONS_TEXT]);

/* Machine, load and settings of a slice: "a cpu, 2 cores, load 0.5 at the start
 * and 2.1 at the end; cpu, 2 threads, ...".  A GPU is named if it was used. */
char *conditions_where(const Conditions *c, const RunList *list,
                       char text[CONDITIONS_TEXT]);

/* "medians of n = 30 with 95 % intervals", or what stands for the interval
 * where there are too few samples.  Returns text. */
enum { SAMPLES_TEXT = 160 };
char *conditions_samples(const RunList *list, char text[SAMPLES_TEXT]);

#endif
