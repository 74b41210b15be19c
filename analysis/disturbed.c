/*
 * disturbed.c - marks samples during which the machine ran something else.
 */
#include "analysis/disturbed.h"

#include <math.h>
#include <stdlib.h>

#include "kernels/core/err.h"

bool sample_disturbed(const Telemetry *t, double whole_ns)
{
    const double most = DISTURBED_SHARE * whole_ns;
    const int switches = t->switches > 0 ? t->switches : 0;

    if (isnan(t->run_delay_ns) && switches) /* who knows for how long */
        return true;
    return t->run_delay_ns + switches * DISTURBED_SWITCH_NS > most ||
           t->steal_ns > most;
}

static int compare_start(const void *a, const void *b)
{
    return run_compare_start(*(const Run *const *)a, *(const Run *const *)b);
}

static int compare_number(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Ends of the disturbed samples of runs, in order; how many.  ends: NULL only
 * to count them. */
static int find_ends(double *ends, Run *const *run, int runs)
{
    int n = 0;

    for (int r = 0; r < runs; r++)
        for (int i = 0; run[r]->started_ns && i < run[r]->time.n; i++) {
            const double at = run[r]->started_ns[i];

            if (!run[r]->disturbed[i] || isnan(at))
                continue;
            if (ends)
                ends[n] = at + run[r]->ns[i] * run[r]->o.reps;
            n++;
        }
    if (ends)
        qsort(ends, (size_t)n, sizeof(*ends), compare_number);
    return n;
}

/* True if one of n ends is at most DISTURBED_AFTER_NS before at. */
static bool is_soon_after(double at, const double *ends, int n)
{
    int lo = 0, hi = n; /* ends before lo are at or before it */

    while (lo < hi) {
        const int mid = (lo + hi) / 2;

        if (ends[mid] <= at)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo > 0 && at - ends[lo - 1] <= DISTURBED_AFTER_NS;
}

/* Marks samples of the runs of one start. */
static int spread(Run *const *run, int runs)
{
    const int n = find_ends(NULL, run, runs);
    double *ends;

    if (!n)
        return OK;
    ends = malloc((size_t)n * sizeof(*ends));
    if (!ends)
        return fail(ERR_MEMORY, "no memory for %d disturbed samples", n);
    find_ends(ends, run, runs);
    for (int r = 0; r < runs; r++)
        for (int i = 0; run[r]->started_ns && i < run[r]->time.n; i++)
            run[r]->disturbed[i] |=
                is_soon_after(run[r]->started_ns[i], ends, n);
    free(ends);
    return OK;
}

int disturbed_spread(const RunList *list)
{
    Run **run = malloc((size_t)(list->n + 1) * sizeof(*run));
    int n = 0, err = OK;

    if (!run)
        return fail(ERR_MEMORY, "no memory for %d runs", list->n);
    for (int i = 0; i < list->n; i++)
        if (list->at[i].started_ns)
            run[n++] = &list->at[i];
    qsort(run, (size_t)n, sizeof(*run), compare_start);
    for (int i = 0, end; i < n && !err; i = end) {
        for (end = i + 1; end < n && !run_compare_start(run[i], run[end]);)
            end++;
        err = spread(run + i, end - i);
    }
    free(run);
    return err;
}
