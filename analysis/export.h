/*
 * export.h - stored runs as text for other programs: CSV and JSON.
 */
#ifndef ANALYSIS_EXPORT_H
#define ANALYSIS_EXPORT_H

#include <stdio.h>

#include "analysis/summary.h"

/* A row per run with its statistics. */
void export_csv(FILE *out, const RunList *list);

/* A row per sample; id is the run's. */
int export_samples(FILE *out, const RunList *list, Store *s);

/*
 * All that is known of the sweeps that a filter lets through, for attnbench
 * import: {"sweeps": [...], "roofs": [...]}.  Roofs are those of the sweeps'
 * machines; without a filter, all of them.  *any is false, and nothing is
 * written, where there is none of these.
 */
int export_json(FILE *out, Store *s, const RunFilter *filter, bool *any);

/* The statistics of a run: their names, NULL at the end, and values. */
const char *export_stat(int i);
double export_stat_value(const Stats *s, int i);

#endif
