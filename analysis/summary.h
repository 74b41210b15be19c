/*
 * summary.h - stored runs with the statistics of their samples, in memory.
 */
#ifndef ANALYSIS_SUMMARY_H
#define ANALYSIS_SUMMARY_H

#include <stdint.h>

#include "analysis/stats.h"
#include "results/store.h"

/* One run.  The first fields are columns of the table run, same names. */
typedef struct Run {
    int64_t id, sweep_id;
    char experiment[64], source[64];
    char backbone[64], module[64], impl[64], graph[64], backend[64], dtype[64];
    char pass[64], state[64];
    int batch, channels, height, width, threads, arm;
    char settings[512];
    char status[32], message[512], repeat[1024], verified_at[64];
    double rel_l2;
    int converged, reps;
    double params, macs, flops, paper_flops, transcendentals, bytes;
    double arena_bytes;

    /* From the samples; n = 0 if there are none. */
    Stats time;       /* ns of one run               */
    double *ns;       /* owned by the list           */
    int *round;       /* parallel to ns              */
} Run;

typedef struct RunList {
    Run *at;
    int n;
} RunList;

/* Which runs: NULL or "" means any.  sweep 0: the latest finished or
 * unfinished sweep of the experiment; -1: all sweeps. */
typedef struct RunFilter {
    const char *experiment, *source;
    int64_t sweep;
} RunFilter;

/* Reads runs and samples in one pass, ordered by id.  A million samples take
 * well under a second. */
int summary_read(RunList *out, Store *s, const RunFilter *filter);
void summary_free(RunList *list);

/* The paired ratio of two runs of one sweep: time of a over time of b. */
Ratio summary_ratio(const Run *a, const Run *b);

#endif
