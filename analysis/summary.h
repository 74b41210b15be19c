/*
 * summary.h - stored runs with the statistics of their samples, in memory.
 */
#ifndef ANALYSIS_SUMMARY_H
#define ANALYSIS_SUMMARY_H

#include <stdint.h>

#include "analysis/cost.h"
#include "analysis/paired.h"
#include "analysis/stats.h"
#include "results/store.h"

/* One run. */
typedef struct Run {
    int64_t id, sweep_id;
    int start;    /* of the sweep: rounds are numbered within it       */
    int64_t seed; /* of that start                                        */
    char started_at[32];
    double load, load_end; /* of that start, 1-minute averages; or NAN */
    char experiment[64], source[64];
    char cpu[128], gpu[128], git_commit[64]; /* of the sweep */
    int cores, dirty;
    char program[32];

    Case c;
    Outcome o;

    /* From the samples; n = 0 if there are none. */
    Stats time; /* ns of one run               */
    double *ns; /* owned by the list           */
    int *round; /* parallel to ns, as are ...  */

    /* ... these, each NULL if nothing is known of any sample. */
    double *module_ns;  /* the part of ns in the module's steps; or NAN   */
    double *started_ns; /* since the start of the sweep began; or NAN     */
    int *process;       /* NULL: all are of the first                     */
    bool *disturbed;    /* analysis/disturbed.h                           */
} Run;

typedef struct RunList {
    Run *at;
    int n;
} RunList;

/* The i-th field of a Run that the database has, and, in *at, where in a Run
 * the struct stands that it is a field of; NULL past the end. */
const Param *run_field(int i, size_t *at);

/* The same by name; NULL if there is none. */
const Param *run_field_find(const char *name, size_t *at);

/* Which runs: NULL or "" means any.  sweep 0: of each experiment and source
 * the latest sweep that holds runs, finished or not; -1: all sweeps. */
typedef struct RunFilter {
    const char *experiment, *source;
    int64_t sweep;
} RunFilter;

/* The condition of SQL that a sweep is one of these, and what binds its three
 * parameters. */
#define SWEEP_FILTER                                                      \
    "(?1 IS NULL OR experiment = ?1) AND (?2 IS NULL OR source = ?2)"     \
    " AND (?3 = -1 OR sweep.id = ?3 OR ?3 = 0 AND sweep.id IN"            \
    "   (SELECT max(sweep_id) FROM run JOIN sweep ON sweep.id = sweep_id" \
    "    GROUP BY experiment, source, kind = 'erf'))"
struct sqlite3_stmt;
void filter_bind(struct sqlite3_stmt *stmt, const RunFilter *filter);

/* Reads runs and samples in one pass, ordered by id.  A million samples take
 * well under a second. */
int summary_read(RunList *out, Store *s, const RunFilter *filter);
void summary_free(RunList *list);

/* Frees the samples of one run, which is then dropped. */
void run_free_samples(Run *r);

/* Its samples; borrowed. */
Series run_series(const Run *r);

/* True if it succeeded, and so has a time. */
bool run_is_ok(const Run *r);

/* 0 if rounds and times of both runs are counted from the same start of an
 * experiment, by one program or by two that were interleaved; else an order. */
int run_compare_start(const Run *a, const Run *b);

/* Time of a over time of b.  Paired round by round if both were measured in
 * one start of an experiment (for two programs that were interleaved:
 * the same started_at and seed) and have rounds in common; else n is 0, the
 * ratio is that of the medians and the interval the widest that both their
 * intervals allow. */
Ratio summary_ratio(const Run *a, const Run *b);

/* Cost of the module in `with`, by the network without it, which may be NULL:
 * then the direct cost is all that is known.  Throughput is left, so the ratios
 * are the other way round than in summary_ratio, which its own are as where
 * both were measured apart; then there is no indirect cost. */
ModuleCost summary_cost(const Run *plain, const Run *with);

/*
 * Direct ratio from the stitched times of the steps, which bursts move far less
 * than they move a pass: what counts of a run that was mostly disturbed, of n
 * samples.  A sum of medians is not the median of a sum: its interval alone is
 * right too seldom (tests/test_delays_speed.c), so it also holds the centre
 * that single passes give.  n is 0 where it is not known.
 */
Ratio summary_direct_of_steps(const Outcome *o, int n, const Ratio *passes);

#endif
