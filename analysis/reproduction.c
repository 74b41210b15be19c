/*
 * reproduction.c - joins runs with the rows of a paper's table, and judges.
 */
#include "analysis/reproduction.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"

/* mmengine prints three decimals; the paper then rounded those. */
enum { FIRST_DECIMALS = 3 };

/* ---- verdicts -------------------------------------------------------- */

/* Half up, as by hand; v is far from where a double has no halves. */
static double rounded(double v, int decimals)
{
    const double scale = pow(10, decimals);

    return floor(v * scale + 0.5 + 1e-9) / scale;
}

static int decimals_of(const char *printed)
{
    const char *point = strchr(printed, '.');

    return point ? (int)strlen(point + 1) : 0;
}

CountVerdict count_verdict(double count, double unit, const char *printed)
{
    const int decimals = decimals_of(printed);
    const double want = strtod(printed, NULL), v = count / unit;
    const double near = pow(10, -decimals) / 1e3;

    if (isnan(count) || !*printed)
        return COUNT_UNKNOWN;
    if (fabs(rounded(v, decimals) - want) < near)
        return COUNT_EXACT;
    if (fabs(rounded(rounded(v, FIRST_DECIMALS), decimals) - want) < near)
        return COUNT_ROUNDING;
    return COUNT_DIFFERS;
}

const char *count_verdict_name(CountVerdict v)
{
    static const char *const names[] = {
        [COUNT_UNKNOWN] = "",
        [COUNT_EXACT] = "exact",
        [COUNT_ROUNDING] = "rounding",
        [COUNT_DIFFERS] = "differs",
    };

    return names[v];
}

RatioAgreement ratio_agreement(const Ratio *ours, double papers)
{
    if (isnan(ours->ratio) || isnan(papers))
        return RATIO_UNKNOWN;
    if (ours->n && ours->n < STATS_LEAST)
        return RATIO_CANNOT_TELL;
    if (papers < ours->lo * (1 - RATIO_SLACK))
        return RATIO_FASTER;
    if (papers > ours->hi * (1 + RATIO_SLACK))
        return RATIO_SLOWER;
    return ours->hi - ours->lo > 2 * RATIO_WIDE * ours->ratio
               ? RATIO_CANNOT_TELL
               : RATIO_AGREES;
}

const char *ratio_agreement_name(RatioAgreement a)
{
    static const char *const names[] = {
        [RATIO_UNKNOWN] = "",
        [RATIO_AGREES] = "agrees",
        [RATIO_FASTER] = "faster",
        [RATIO_SLOWER] = "slower",
        [RATIO_CANNOT_TELL] = "cannot tell",
    };

    return names[a];
}

/* ---- rows ------------------------------------------------------------ */

/* The latest run of a row with that arm: of its repeat line, except for the
 * arm, a sweep has one. */
static const Run *find_run(const Paper *paper, const PaperRow *row, int arm,
                           const RunList *runs)
{
    const Run *found = NULL;

    for (int i = 0; i < runs->n; i++)
        if (runs->at[i].c.copy == arm &&
            paper_find(paper, runs->at[i].o.repeat) == row)
            found = &runs->at[i];
    return found;
}

static bool has_time(const ReproRow *row)
{
    return row->run && run_is_ok(row->run);
}

static double mean_images(const Run *r)
{
    double sum = 0;

    for (int i = 0; i < r->time.n; i++)
        sum += r->ns[i];
    return 1e9 * r->c.batch * r->time.n / sum;
}

/* Fills in what a row has on its own; costs are of the whole batch. */
static void fill_row(ReproRow *row)
{
    const PaperRow *p = row->paper;
    const Run *r = row->run;

    row->mean = has_time(row) ? mean_images(r) : NAN;
    row->median =
        has_time(row) ? throughput_of(r) : (Throughput){ NAN, NAN, NAN };
    row->params = count_verdict(r ? r->o.params : NAN, 1e6, p->params_text);
    row->flops = count_verdict(r ? r->o.paper_flops / r->c.batch : NAN, 1e9,
                               p->flops_text);
}

/* Ratios of throughputs; with a base that has a module of its own, too, the
 * rest of the ratio is not what a row's module costs beyond its steps. */
static ModuleCost cost_to(const ReproRow *base, const Run *run)
{
    static const Ratio unknown = { 0, NAN, NAN, NAN };
    ModuleCost c = { { unknown, unknown, 0, 0, NAN }, unknown, unknown };

    if (run && run_is_ok(run))
        c = summary_cost(has_time(base) ? base->run : NULL, run);
    if (strcmp(base->paper->type, "-"))
        c.indirect = unknown;
    return c;
}

/* ---- agreement of the order ------------------------------------------ */

/* True if two runs were sampled in the same rounds, until one had enough. */
static bool share_rounds(const Run *a, const Run *b)
{
    const int n = a->time.n < b->time.n ? a->time.n : b->time.n;

    return a->sweep_id == b->sweep_id && a->start == b->start &&
           !memcmp(a->round, b->round, (size_t)n * sizeof(*a->round));
}

/* Keeps only the rounds that all share. */
static void cut_to_shortest(int *count, int n)
{
    int least = n ? count[0] : 0;

    for (int i = 1; i < n; i++)
        least = count[i] < least ? count[i] : least;
    for (int i = 0; i < n; i++)
        count[i] = least;
}

/* Samples of the rows that have a time, to be ranked. */
typedef struct Ranking {
    double *value[PAPER_ROWS_MAX]; /* times, or ratios to the base's; owned */
    double known[PAPER_ROWS_MAX];
    int count[PAPER_ROWS_MAX], n;
} Ranking;

static void add_row(Ranking *r, const ReproRow *row)
{
    r->value[r->n] =
        malloc((size_t)(row->run->time.n + RANK_LEAST) * sizeof(double));
    BUG_IF(!r->value[r->n]);
    r->known[r->n++] = 1 / row->paper->throughput;
}

/* Each row's time over the base's, quad by quad, so that what hits a quad hits
 * both; the base's own is 1.  False where one has too few quads with it. */
static bool take_ratios(Ranking *r, const ReproGroup *g, const ReproRow *rows)
{
    const ReproRow *base = &rows[g->first];
    Series b;

    if (!has_time(base))
        return false;
    b = run_series(base->run);
    for (int i = g->first; i < g->first + g->n; i++) {
        Series s;

        if (!has_time(&rows[i]))
            continue;
        add_row(r, &rows[i]);
        s = run_series(rows[i].run);
        r->count[r->n - 1] = RANK_LEAST;
        if (&rows[i] != base)
            r->count[r->n - 1] = rows[i].cost.paired.all.n
                                     ? paired_ratios(r->value[r->n - 1], &s, &b)
                                     : 0;
        else
            for (int k = 0; k < RANK_LEAST; k++)
                r->value[r->n - 1][k] = 1;
        if (r->count[r->n - 1] < RANK_LEAST)
            return false;
    }
    return true;
}

/* Their times; true if all were taken in the same rounds. */
static bool take_times(Ranking *r, const ReproGroup *g, const ReproRow *rows)
{
    const Run *first = NULL;
    bool paired = true;

    for (int i = g->first; i < g->first + g->n; i++) {
        const Run *run = rows[i].run;

        if (!has_time(&rows[i]))
            continue;
        add_row(r, &rows[i]);
        first = first ? first : run;
        paired &= share_rounds(first, run);
        r->count[r->n - 1] = run->time.n;
        memcpy(r->value[r->n - 1], run->ns,
               (size_t)run->time.n * sizeof(*run->ns));
    }
    if (paired)
        cut_to_shortest(r->count, r->n);
    return paired;
}

static void drop_rows(Ranking *r)
{
    for (int i = 0; i < r->n; i++)
        free(r->value[i]);
    r->n = 0;
}

/* Times are ranked against the paper's, which are the inverse of throughput;
 * the seed is fixed, so that a report can be printed again. */
static void rank_group(ReproGroup *g, const ReproRow *rows)
{
    Ranking r = { .n = 0 };
    bool in_rounds = false;

    g->rank_paired = take_ratios(&r, g, rows);
    if (!g->rank_paired) {
        drop_rows(&r);
        g->rank_paired = in_rounds = take_times(&r, g, rows);
    }
    g->rank =
        rank_agreement(&(RankSamples){ r.n, (const double *const *)r.value,
                                       r.count, in_rounds },
                       r.known, 1);
    drop_rows(&r);
}

static void judge_group(Reproduction *out, ReproGroup *g, const RunList *runs)
{
    ReproRow *base = &out->at[g->first];

    for (int i = g->first; i < g->first + g->n; i++) {
        ReproRow *row = &out->at[i];

        row->is_base = row == base;
        row->cost = cost_to(base, row->is_base ? NULL : row->run);
        row->ratio = row->cost.paired.ratio;
        row->paper_ratio = NAN;
        if (!row->is_base)
            row->paper_ratio = row->paper->throughput / base->paper->throughput;
        row->agreement = ratio_agreement(&row->ratio, row->paper_ratio);
    }
    g->noise =
        cost_to(base, find_run(&out->paper, base->paper, 1, runs)).paired.ratio;
    rank_group(g, out->at);
}

int reproduction_make(Reproduction *out, PaperTable table, const RunList *runs)
{
    *out = (Reproduction){ .n = 0 };
    TRY(paper_read(&out->paper, table));
    for (int i = 0; i < out->paper.n; i++) {
        const PaperRow *p = &out->paper.at[i];
        ReproRow *row = &out->at[out->n++];

        row->paper = p;
        row->run = find_run(&out->paper, p, 0, runs);
        fill_row(row);
        if (paper_base(&out->paper, p) == p)
            out->group[out->groups++] = (ReproGroup){ .first = i };
        out->group[out->groups - 1].n++;
    }
    for (int i = 0; i < out->groups; i++)
        judge_group(out, &out->group[i], runs);
    return OK;
}
