/*
 * versus.c - pairs each module's run with the plain backbone's.
 */
#include "analysis/versus.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"

Throughput throughput_of(const Run *r)
{
    return (Throughput){ 1e9 * r->c.batch / r->time.median,
                         1e9 * r->c.batch / r->time.hi,
                         1e9 * r->c.batch / r->time.lo };
}

/* Ratio of throughputs, run's over plain's: plain's time over run's. */
static Ratio ratio_of(const Run *plain, const Run *run)
{
    if (!plain || !run || !run_is_ok(plain) || !run_is_ok(run))
        return (Ratio){ 0, NAN, NAN, NAN };
    return summary_ratio(plain, run);
}

static int by_paper(const void *a, const void *b)
{
    const VersusRow *r = a, *q = b;

    if (!r->paper != !q->paper)
        return !r->paper - !q->paper;
    if (r->paper != q->paper)
        return r->paper < q->paper ? -1 : 1;
    return (r->run->id > q->run->id) - (r->run->id < q->run->id);
}

static void add_row(Versus *v, const Run *r)
{
    VersusRow *row = &v->at[v->n++];

    row->run = r;
    row->paper = paper_find(&v->paper, r->o.repeat);
    row->paper_ratio = row->paper && v->paper_plain
                           ? row->paper->throughput / v->paper_plain->throughput
                           : NAN;
}

/* The run that differs from a fused one in impl alone, or NULL. */
static const Run *composed_of(const Versus *v, const Run *r)
{
    static const char *const impl[] = { "impl", NULL };

    for (int i = 0; run_is_fused(r) && i < v->n; i++)
        if (v->at[i].run != r && slice_same(v->at[i].run, r, impl))
            return v->at[i].run;
    return NULL;
}

/* The paper's row of the plain network that a run has a module in. */
static const PaperRow *plain_in_paper(const Paper *paper, const Run *r)
{
    const PaperRow *row = paper_find(paper, r->o.repeat);

    return row ? paper_base(paper, row) : NULL;
}

int versus_make(Versus *out, const RunList *list)
{
    *out = (Versus){ .n = 0 };
    TRY(paper_read(&out->paper, PAPER_TABLE2));
    for (int i = 0; i < list->n && !out->paper_plain; i++)
        out->paper_plain = plain_in_paper(&out->paper, &list->at[i]);
    for (int i = 0; i < list->n; i++) {
        const Run *r = &list->at[i];

        if (strcmp(r->c.module.text, "none") == 0 && r->c.copy == 0)
            out->plain = r;
        else if (strcmp(r->c.module.text, "none") == 0)
            out->again = r;
        else if (r->c.copy == 0 && out->n == VERSUS_MAX)
            return fail(ERR_INPUT,
                        "experiment '%s' has more than %d modules to compare; "
                        "choose with --module=",
                        r->experiment, VERSUS_MAX);
        else if (r->c.copy == 0)
            add_row(out, r);
    }
    qsort(out->at, (size_t)out->n, sizeof(out->at[0]), by_paper);
    for (int i = 0; i < out->n; i++) {
        out->at[i].ratio = ratio_of(out->plain, out->at[i].run);
        out->at[i].fused =
            ratio_of(composed_of(out, out->at[i].run), out->at[i].run);
    }
    out->noise = ratio_of(out->plain, out->again);
    return OK;
}

bool versus_differs(const Versus *v, const VersusRow *row)
{
    const Ratio *q = &row->ratio;
    const double lo = fmin(1, v->noise.lo), hi = fmax(1, v->noise.hi);

    if (isnan(q->ratio) || row->run->time.n < STATS_LEAST ||
        v->plain->time.n < STATS_LEAST || (q->n && q->n < STATS_LEAST))
        return false;
    return q->hi < lo || q->lo > hi; /* fmin and fmax pass over a NAN */
}

/* -1, 0, 1: below, at, above 1 as it is printed. */
static int sign(double ratio)
{
    return fabs(ratio - 1) < 0.0005 ? 0 : ratio > 1 ? 1 : -1;
}

bool versus_signs_differ(const Versus *v, const VersusRow *row)
{
    if (isnan(row->ratio.ratio) || !row->ratio.n)
        return false;
    return sign(v->plain->time.median / row->run->time.median) *
               sign(row->ratio.ratio) <
           0;
}

const char *versus_backbone(const Versus *v)
{
    if (v->paper_plain)
        return v->paper_plain->backbone;
    return v->plain ? v->plain->c.backbone.text
           : v->n   ? v->at[0].run->c.backbone.text
                    : "";
}
