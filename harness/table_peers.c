/*
 * table_peers.c - our time over that of other programs, case by case.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/slice.h"
#include "harness/grid.h"
#include "kernels/core/err.h"

/* A peer's case is ours but for these. */
static const char *const may_differ[] = { "source", "backend", NULL };

/* Time of r over that of the same case in theirs; false if there is none. */
static bool ratio_to(const Shown *what, const Run *r, Ratio *out)
{
    if (r->arm || !run_is_ok(r))
        return false;
    for (int i = 0; i < what->theirs->n; i++) {
        const Run *p = &what->theirs->at[i];

        if (p->arm || !run_is_ok(p) || !slice_same(r, p, may_differ))
            continue;
        *out = summary_ratio(r, p);
        return true;
    }
    return false;
}

static char *ratio_cell(const Shown *what, const Run *r, char text[CELL_TEXT])
{
    Ratio q;

    text[0] = '\0';
    if (ratio_to(what, r, &q))
        snprintf(text, CELL_TEXT, "%s%.3f [%.3f, %.3f]", q.n ? "" : "'",
                 q.ratio, q.lo, q.hi);
    return text;
}

void table_unpaired(const TableOptions *o)
{
    table_line(o->format, o->out,
               "' was not measured turn by turn: the ratio is that of the "
               "medians, the interval the widest they allow.");
}

/* "attnbench takes 0.54 of the time of pytorch (...): faster in 40, ..." */
static void sum_up(const RunList *ours, const Shown *what,
                   const TableOptions *o)
{
    int n = 0, verdict[3] = { 0 }, unpaired = 0;
    double sum = 0;
    Ratio q;

    for (int i = 0; i < ours->n; i++)
        if (ratio_to(what, &ours->at[i], &q)) {
            n++;
            unpaired += q.n == 0;
            verdict[ratio_verdict(&q)]++;
            sum += log(q.ratio);
        }
    if (unpaired)
        table_unpaired(o);
    table_line(o->format, o->out,
               "%s takes %.2f of the time of %s (geometric mean of %d cases): "
               "faster in %d, slower in %d, not resolved in %d.",
               ours->at[0].source, exp(sum / n), what->theirs->at[0].source, n,
               verdict[FASTER], verdict[SLOWER], verdict[NOT_RESOLVED]);
}

static bool any_common(const RunList *ours, const Shown *what)
{
    Ratio q;

    for (int i = 0; i < ours->n; i++)
        if (ratio_to(what, &ours->at[i], &q))
            return true;
    return false;
}

static int against(const RunList *ours, const Shown *what,
                   const TableOptions *o)
{
    if (!any_common(ours, what))
        return OK;
    table_line(o->format, o->out,
               "Time by %s over time by %s, with 95 %% intervals (C x H x W)",
               ours->at[0].source, what->theirs->at[0].source);
    if (o->format == TABLE_TEXT)
        fputc('\n', o->out);
    TRY(grid_print(ours, what, o));
    sum_up(ours, what, o);
    fputc('\n', o->out);
    return OK;
}

int table_peers(RunList *runs, const TableOptions *o)
{
    RunList *by;
    int n, ours = -1, err = OK;

    if (o->format == TABLE_CSV)
        return OK;
    TRY(slice_split(&by, &n, runs, all_but_source));
    for (int i = 0; i < n; i++)
        if (strcmp(by[i].at[0].source, "attnbench") == 0)
            ours = i;
    for (int i = 0; i < n && ours >= 0 && !err; i++)
        if (i != ours)
            err = against(&by[ours], &(Shown){ ratio_cell, &by[i] }, o);
    free(by);
    return err;
}
