/*
 * versus.c - pairs each module's run with the plain backbone's.
 */
#include "analysis/versus.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"

static const Ratio unknown = { 0, NAN, NAN, NAN };

Throughput throughput_of(const Run *r)
{
    const Outcome *o = &r->o;
    const double images = 1e9 * r->c.batch;

    return isnan(o->steps_ns)
               ? (Throughput){ images / r->time.median, images / r->time.hi,
                               images / r->time.lo }
               : (Throughput){ images / o->steps_ns, images / o->steps_hi_ns,
                               images / o->steps_lo_ns };
}

static bool has_time(const Run *r)
{
    return r && run_is_ok(r);
}

/* Ratio of throughputs, run's over base's: base's time over run's.  Through the
 * plain network if that has more rounds with each of them than they have with
 * each other. */
static Ratio ratio_to(const Versus *v, const Run *base, const Run *run,
                      bool *through)
{
    Ratio r, mine, bases, over;

    *through = false;
    if (!has_time(base) || !has_time(run))
        return unknown;
    r = summary_cost(base, run).paired.ratio;
    if (base == v->plain || !has_time(v->plain) || r.n >= STATS_LEAST)
        return r;
    mine = summary_cost(v->plain, run).paired.ratio;
    bases = summary_cost(v->plain, base).paired.ratio;
    over = ratio_over(&mine, &bases);
    *through = over.n > r.n;
    return *through ? over : r;
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
    v->at[v->n++] =
        (VersusRow){ .run = r, .paper = paper_find(&v->paper, r->o.repeat) };
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

/* The run that ratios are to. */
static const Run *base_of(const Versus *v, const char *base)
{
    const Run *found = NULL;

    if (strcmp(base, "none") == 0)
        return v->plain;
    for (int i = 0; i < v->n; i++) {
        const Run *r = v->at[i].run;

        if (strcmp(r->c.module.text, base) == 0 &&
            (!found || (run_is_fused(found) && !run_is_fused(r))))
            found = r;
    }
    return found;
}

static double paper_ratio(const PaperRow *row, const PaperRow *base)
{
    return row && base && row != base ? row->throughput / base->throughput
                                      : NAN;
}

/* True if the plain network of a paper's row has something in the module's
 * place: that is a part of the difference, and no cost of the module. */
static bool replaces(const Versus *v)
{
    return v->paper_plain && strcmp(v->paper_plain->type, "-");
}

static void compare(const Versus *v, VersusRow *row)
{
    const Run *r = row->run;
    const PaperRow *base =
        v->base ? paper_find(&v->paper, v->base->o.repeat) : NULL;
    bool through;

    row->cost =
        (ModuleCost){ { unknown, unknown, 0, 0, NAN }, unknown, unknown };
    row->ratio = row->fused = unknown;
    row->paper_ratio = NAN;
    if (!r)
        return;
    if (v->base == v->plain)
        base = v->paper_plain;
    row->paper_ratio = paper_ratio(row->paper, base);
    if (has_time(r) && r != v->plain)
        row->cost = summary_cost(has_time(v->plain) ? v->plain : NULL, r);
    if (replaces(v))
        row->cost.indirect = unknown;
    if (r != v->base)
        row->ratio = ratio_to(v, v->base, r, &row->through);
    row->fused = ratio_to(v, composed_of(v, r), r, &through);
}

static int sort_runs(Versus *out, const RunList *list)
{
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
    return OK;
}

int versus_make(Versus *out, const RunList *list, const char *base)
{
    *out = (Versus){ .n = 0 };
    TRY(paper_read(&out->paper, PAPER_TABLE2));
    for (int i = 0; i < list->n && !out->paper_plain; i++)
        out->paper_plain = plain_in_paper(&out->paper, &list->at[i]);
    TRY(sort_runs(out, list));
    out->base = base_of(out, base);
    out->of_plain = (VersusRow){ .run = out->plain, .paper = out->paper_plain };
    out->of_again = (VersusRow){ .run = out->again };
    compare(out, &out->of_plain);
    compare(out, &out->of_again);
    for (int i = 0; i < out->n; i++)
        compare(out, &out->at[i]);
    out->noise = out->of_again.cost.paired.ratio;
    return OK;
}

bool versus_differs(const Versus *v, const VersusRow *row)
{
    const Ratio *q = &row->ratio;
    const double lo = fmin(1, v->noise.lo), hi = fmax(1, v->noise.hi);

    if (isnan(q->ratio) || row->run->time.n < STATS_LEAST ||
        v->base->time.n < STATS_LEAST || (q->n && q->n < STATS_LEAST))
        return false;
    return q->hi < lo || q->lo > hi; /* fmin and fmax pass over a NAN */
}

bool versus_has_direct(const VersusRow *row)
{
    return row->cost.direct.n >= STATS_LEAST;
}

bool versus_direct_is_bound(const VersusRow *row)
{
    const Paired *p = &row->cost.paired;

    return row->cost.direct.n && row->run->o.threads_used != 1 &&
           2 * p->disturbed > p->all.n;
}

bool versus_is_mixed(const VersusRow *row)
{
    return !row->cost.direct.n && !isnan(row->run->o.steps_ns);
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
    return sign(throughput_of(row->run).images /
                throughput_of(v->base).images) *
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
