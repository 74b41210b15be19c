/*
 * table_ratios.c - one time over another, case by case: ours over that of
 * other programs, fused over composed.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/slice.h"
#include "harness/report/table_page.h"
#include "kernels/core/err.h"

/* A peer's case is ours except for these; a fused case's composed one, too. */
static const char *const by_another[] = { "source", "backend", NULL };
static const char *const composed[] = { "impl", NULL };

/* Time of r over that of the case in theirs that differs in those columns
 * alone; false if there is none. */
static bool ratio_to(const Shown *what, const Run *r, Ratio *out)
{
    if (r->c.copy || !run_is_ok(r))
        return false;
    for (int i = 0; i < what->theirs->n; i++) {
        const Run *p = &what->theirs->at[i];

        if (p->c.copy || !run_is_ok(p) || !slice_same(r, p, what->may_differ))
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
               "' was not interleaved: the ratio is that of the medians, the "
               "interval the widest they allow.");
}

/* "attnbench takes 0.54 of the time of pytorch (...): faster in 40, ..." */
static void sum_up(const char *we, const RunList *ours, const char *they,
                   const Shown *what, const TableOptions *o)
{
    int n = 0, verdict[VERDICTS] = { 0 }, unpaired = 0;
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
               we, exp(sum / n), they, n, verdict[FASTER], verdict[SLOWER],
               verdict[NOT_RESOLVED]);
}

static bool any_common(const RunList *ours, const Shown *what)
{
    Ratio q;

    for (int i = 0; i < ours->n; i++)
        if (ratio_to(what, &ours->at[i], &q))
            return true;
    return false;
}

/* A page of ours against one of theirs, of the same state. */
static int against(const RunList *ours, const Shown *what, const RunList *all,
                   const TableOptions *o)
{
    const char *we = ours->at[0].source, *they = what->theirs->at[0].source;
    char label[PAGE_TEXT];

    if (!any_common(ours, what))
        return OK;
    table_page_label(ours, all, label);
    table_line(o->format, o->out,
               "Time by %s over time by %s%s%s, with 95 %% intervals "
               "(C x H x W)",
               we, they, *label ? ", " : "", label);
    if (o->format == TABLE_TEXT)
        fputc('\n', o->out);
    TRY(table_page_print(ours, what, o));
    sum_up(we, ours, they, what, o);
    fputc('\n', o->out);
    return OK;
}

static bool is_ours(const RunList *page)
{
    return strcmp(page->at[0].source, "attnbench") == 0;
}

int table_peers(RunList *runs, const TableOptions *o)
{
    RunList *page;
    int n, err = OK;

    if (o->format == TABLE_CSV)
        return OK;
    TRY(table_pages(&page, &n, runs));
    for (int i = 0; i < n * n && !err; i++) {
        const RunList *ours = &page[i / n], *theirs = &page[i % n];
        const Shown ratios = { ratio_cell, theirs, by_another };

        if (is_ours(ours) && !is_ours(theirs))
            err = against(ours, &ratios, runs, o);
    }
    free(page);
    return err;
}

int table_fused(const RunList *page, const RunList *all, const TableOptions *o)
{
    const Shown ratios = { ratio_cell, page, composed };
    RunList fused = { malloc((size_t)(page->n + 1) * sizeof(Run)), 0 };
    char label[PAGE_TEXT];
    int err = OK;

    if (!fused.at)
        return fail(ERR_MEMORY, "no memory for %d runs", page->n);
    for (int i = 0; i < page->n; i++)
        if (run_is_fused(&page->at[i]))
            fused.at[fused.n++] = page->at[i];
    if (any_common(&fused, &ratios)) {
        table_page_label(page, all, label);
        table_line(o->format, o->out,
                   "Time fused over time composed%s%s, with 95 %% intervals "
                   "(C x H x W)",
                   *label ? ", " : "", label);
        if (o->format == TABLE_TEXT)
            fputc('\n', o->out);
        err = table_page_print(&fused, &ratios, o);
        if (!err)
            sum_up("fused", &fused, "composed", &ratios, o);
        fputc('\n', o->out);
    }
    free(fused.at);
    return err;
}
