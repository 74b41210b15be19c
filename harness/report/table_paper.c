/*
 * table_paper.c - a table of the paper next to its reproduction, as a report.
 */
#include <math.h>
#include <string.h>

#include "analysis/conditions.h"
#include "analysis/slice.h"
#include "harness/report/reproduce.h"
#include "harness/report/tables.h"
#include "kernels/core/err.h"

/* clang-format off */
static const TableColumn columns[] = {
    { "backbone",       "",         "",  "",          true,  FOR_PROGRAMS },
    { "method",         "",         "",  "",          true,  FOR_PROGRAMS },
    { "type",           "",         "",  "",          true,  FOR_PROGRAMS },
    { "repeat",         "",         "",  "",          true,  FOR_PROGRAMS },
    { "status",         "",         "",  "",          true,  FOR_PROGRAMS },
    { "converged",      "",         "",  "",          true,  FOR_PROGRAMS },
    { "samples",        "",         "",  "",          true,  FOR_PROGRAMS },
    { "cpu",            "",         "",  "",          true,  FOR_PROGRAMS },
    { "gpu",            "",         "",  "",          true,  FOR_PROGRAMS },
    { "cores",          "",         "",  "",          true,  FOR_PROGRAMS },
    { "git_commit",     "",         "",  "",          true,  FOR_PROGRAMS },
    { "dirty",          "",         "",  "",          true,  FOR_PROGRAMS },
    { "started_at",     "",         "",  "",          true,  FOR_PROGRAMS },
    { "network",        "network",  "",  "",          true,  FOR_PEOPLE },
    { "params_millions", "here",     "",  "params, M", false, FOR_ALL },
    { "paper_params_millions", "paper",    "",  "params, M", false, FOR_ALL },
    { "params_verdict", "verdict",  "",  "params, M", true,  FOR_ALL },
    { "gflops_per_image", "here",     "",  "FLOPs, G",  false, FOR_ALL },
    { "paper_gflops_per_image", "paper",    "",  "FLOPs, G",  false, FOR_ALL },
    { "flops_verdict",  "verdict",  "",  "FLOPs, G",  true,  FOR_ALL },
    { "mean_images_per_s", "mean",  "",  "images/s",  false, FOR_ALL, true },
    { "images_per_s",   "median",   "",  "images/s",  false, FOR_ALL },
    { "images_per_s_lo", "",        "",  "",          false, FOR_PROGRAMS },
    { "images_per_s_hi", "",        "",  "",          false, FOR_PROGRAMS },
    { "paper_images_per_s", "paper", "", "images/s",  false, FOR_ALL },
    { "ratio",          "here",     "",  "ratio",     false, FOR_ALL },
    { "ratio_lo",       "",         "",  "",          false, FOR_PROGRAMS },
    { "ratio_hi",       "",         "",  "",          false, FOR_PROGRAMS },
    { "paper_ratio",    "paper",    "",  "ratio",     false, FOR_ALL },
    { "ratio_verdict",  "verdict",  "",  "ratio",     true,  FOR_ALL },
    { "direct_percent", "direct",   "",  "cost, %",   false, FOR_ALL },
    { "direct_percent_lo", "",      "",  "",          false, FOR_PROGRAMS },
    { "direct_percent_hi", "",      "",  "",          false, FOR_PROGRAMS },
    { "indirect_percent", "indirect", "", "cost, %",  false, FOR_ALL },
    { "indirect_percent_lo", "",    "",  "",          false, FOR_PROGRAMS },
    { "indirect_percent_hi", "",    "",  "",          false, FOR_PROGRAMS },
};
/* clang-format on */
enum { NCOLUMNS = sizeof(columns) / sizeof(columns[0]) };

/* "ResNet-50", "  SCSA" under it; a base that has a module says so. */
static void put_names(Table *t, int row, const ReproRow *r)
{
    const PaperRow *p = r->paper;
    const bool grouped = p->backbone[0];

    table_set(t, row, "backbone", "%s", p->backbone);
    table_set(t, row, "method", "%s", p->method);
    table_set(t, row, "type", "%s", p->type);
    if (!r->is_base || !grouped)
        table_set(t, row, "network", "%s%s", grouped ? "  " : "", p->method);
    else if (strcmp(p->type, "-"))
        table_set(t, row, "network", "%s with %s", p->backbone, p->method);
    else
        table_set(t, row, "network", "%s", p->backbone);
}

/* True if the paper does. */
static bool prints_counts(const ReproRow *r)
{
    return r->paper->params_text[0];
}

static void put_counts(Table *t, int row, const ReproRow *r, bool exact)
{
    const Run *run = r->run;

    if (run) {
        table_number(t, row, "params_millions", exact ? "%.6f" : "%.3f",
                     run->o.params / 1e6);
        table_number(t, row, "gflops_per_image", exact ? "%.9f" : "%.3f",
                     run->o.paper_flops / run->c.batch / 1e9);
    }
    if (!prints_counts(r))
        return;
    table_set(t, row, "paper_params_millions", "%s", r->paper->params_text);
    table_set(t, row, "paper_gflops_per_image", "%s", r->paper->flops_text);
    table_set(t, row, "params_verdict", "%s", count_verdict_name(r->params));
    table_set(t, row, "flops_verdict", "%s", count_verdict_name(r->flops));
}

static void put_throughput(Table *t, int row, const ReproRow *r, bool exact)
{
    const Throughput *m = &r->median;
    char mean[32], median[32], lo[32], hi[32];

    table_number(t, row, "paper_images_per_s", "%.0f", r->paper->throughput);
    if (exact) {
        table_number(t, row, "mean_images_per_s", "%.8g", r->mean);
        table_number(t, row, "images_per_s", "%.8g", m->images);
        table_number(t, row, "images_per_s_lo", "%.8g", m->lo);
        table_number(t, row, "images_per_s_hi", "%.8g", m->hi);
    } else if (!isnan(m->images)) {
        table_set(t, row, "mean_images_per_s", "%s",
                  digits_like(r->mean, m->images, mean));
        table_set(t, row, "images_per_s", "%s%s [%s, %s]",
                  r->run->o.converged ? "" : "~",
                  three_digits(m->images, median),
                  digits_like(m->lo, m->images, lo),
                  digits_like(m->hi, m->images, hi));
    } else if (r->run) {
        table_set(t, row, "images_per_s", "%s", status_name(r->run->o.status));
    } else {
        table_set(t, row, "images_per_s", "missing");
    }
}

static void put_ratio(Table *t, int row, const ReproRow *r, bool exact)
{
    const Ratio *q = &r->ratio;

    table_number(t, row, "paper_ratio", "%.3f", r->paper_ratio);
    table_set(t, row, "ratio_verdict", "%s",
              ratio_agreement_name(r->agreement));
    if (exact) {
        table_number(t, row, "ratio", "%.6g", q->ratio);
        table_number(t, row, "ratio_lo", "%.6g", q->lo);
        table_number(t, row, "ratio_hi", "%.6g", q->hi);
    } else if (!isnan(q->ratio)) {
        table_set(t, row, "ratio", "%s%.3f [%.3f, %.3f]", q->n ? "" : "'",
                  q->ratio, q->lo, q->hi);
    }
}

/* A column that has no group any more. */
static void name_alone(TableColumn *c, const char *name, const char *unit)
{
    c->name = name;
    c->unit = unit;
    c->group = "";
}

/* Without the columns of counts that a paper does not print. */
static void begin_table(Table *t, bool counts)
{
    static const char *const printed[] = { "paper_params_millions",
                                           "params_verdict",
                                           "paper_gflops_per_image",
                                           "flops_verdict" };
    int n = 0;

    table_init(t, columns, NCOLUMNS);
    for (int i = 0; i < NCOLUMNS; i++) {
        bool skip = false;

        for (int k = 0; k < 4 && !counts; k++)
            skip |= strcmp(columns[i].key, printed[k]) == 0;
        if (!skip)
            t->column[n++] = columns[i];
        if (!counts && !skip && strcmp(columns[i].key, "params_millions") == 0)
            name_alone(&t->column[n - 1], "params", "M");
        if (!counts && !skip && strcmp(columns[i].key, "gflops_per_image") == 0)
            name_alone(&t->column[n - 1], "FLOPs", "G");
    }
    t->ncolumns = n;
}

static void put_row(Table *t, const ReproRow *r, bool exact)
{
    const int row = table_row(t);

    put_names(t, row, r);
    if (r->run) {
        table_set(t, row, "repeat", "%s", r->run->o.repeat);
        table_set(t, row, "status", "%s", status_name(r->run->o.status));
        table_set(t, row, "converged", "%d", r->run->o.converged);
        table_set(t, row, "samples", "%d", r->run->time.n);
        table_where(t, row, r->run);
    } else {
        table_set(t, row, "status", "missing");
    }
    put_counts(t, row, r, exact);
    put_throughput(t, row, r, exact);
    put_ratio(t, row, r, exact);
    table_cost(t, row, &r->cost, exact);
}

/* People see a column of cost if a row has one. */
static void show_cost(Table *t, const ReproReport *report,
                      const Reproduction *r)
{
    bool direct = false, indirect = false;

    for (int i = 0; i < r->n; i++)
        if (report->wanted[i]) {
            direct |= r->at[i].cost.direct.n > 0;
            indirect |= r->at[i].cost.indirect.n > 0;
        }
    table_show_cost(t, direct, indirect);
}

/* ---- what stands under the table ------------------------------------- */

/* "ResNet-50 with SCSA", "GN->BN". */
static const char *row_name(const ReproRow *r, char text[96])
{
    const PaperRow *p = r->paper;

    if (!p->backbone[0])
        snprintf(text, 96, "%s", p->method);
    else if (!strcmp(p->type, "-"))
        snprintf(text, 96, "%s", p->backbone);
    else
        snprintf(text, 96, "%s with %s", p->backbone, p->method);
    return text;
}

static void say_conditions(const ReproReport *report, const Conditions *c,
                           const RunList *runs)
{
    char where[CONDITIONS_TEXT], samples[SAMPLES_TEXT];

    table_line(report->format, report->out, "here: %s; %s; %.10s, commit %s.",
               conditions_where(c, runs, where),
               conditions_samples(runs, samples), c->started_at, c->commit);
    table_line(
        report->format, report->out,
        "paper: Table %d of Si et al. 2025: RTX 4090, PyTorch, batch 32, "
        "f32, the mean of 100 runs. Compare ratios, not images/s.",
        report->table == PAPER_TABLE1 ? 1 : 2);
}

/* How the paper measured, by column, and how it is said that this is not so
 * here.  What a row of its table fixes is not among them. */
static const struct {
    const char *column, *papers, *fmt;
} papers_way[] = {
    { "source", "attnbench", "measured by %s" },
    { "batch", "32", "batch %s" },
    { "dtype", "f32", "%s" },
    { "graph", "as_written",
      "batch norms, activations and shortcuts folded into convolutions" },
    { "weights", "seeded", "weights %s" },
    { "pass", "forward", "pass %s" },
    { "state", "hot", "%s" },
};

/* The values of a column that are not the paper's, each once. */
static void other_values(const RunList *runs, const char *column,
                         const char *papers, char text[SLICE_TEXT])
{
    char value[SLICE_TEXT], other[SLICE_TEXT];

    text[0] = '\0';
    for (int i = 0; i < runs->n; i++) {
        const size_t used = strlen(text);
        bool seen;

        slice_value(&runs->at[i], column, value);
        seen = strcmp(value, papers) == 0;
        for (int k = 0; k < i && !seen; k++)
            seen = !strcmp(value, slice_value(&runs->at[k], column, other));
        if (!seen)
            snprintf(text + used, SLICE_TEXT - used, "%s%.240s",
                     used ? " and " : "", value);
    }
}

/* Says what is chosen otherwise than in the paper; the device always is.  A
 * table has both forms: those its rows do not ask for are no difference. */
static void say_differences(const ReproReport *report, const RunList *runs)
{
    enum { N = sizeof(papers_way) / sizeof(papers_way[0]) };
    char text[1024] = "", values[SLICE_TEXT];
    size_t n = 0;

    for (int k = 0; k < N && n < sizeof(text); k++) {
        other_values(runs, papers_way[k].column, papers_way[k].papers, values);
        if (!values[0])
            continue;
        n += (size_t)snprintf(text + n, sizeof(text) - n, "; ");
        if (n < sizeof(text))
            n += (size_t)snprintf(text + n, sizeof(text) - n, papers_way[k].fmt,
                                  values);
    }
    other_values(runs, "backend", "", values);
    table_line(report->format, report->out,
               "differs from the paper's: the device (backend %s); "
               "attnbench's kernels instead of PyTorch's%s.",
               values, text);
}

static void say_verdicts(const ReproReport *report)
{
    if (report->table == PAPER_TABLE2)
        table_line(report->format, report->out,
                   "params, FLOPs (a multiply-add is 1, the classifier is left "
                   "out): exact; rounding: equal when rounded to three "
                   "decimals first, as the paper did; differs.");
    table_line(report->format, report->out,
               "ratio: of images/s, to %s, with its 95 %% interval. It agrees "
               "if the paper's lies in the interval widened by %.0f %%; else "
               "the network is faster or slower here than the paper's ratio "
               "says. With fewer than %d rounds, or an interval wider than "
               "plus or minus %.0f %%, the verdict is 'cannot tell'.",
               report->table == PAPER_TABLE2
                   ? "the first network of the same backbone"
                   : "the first row",
               100 * RATIO_SLACK, STATS_LEAST, 100 * RATIO_WIDE);
}

/* Says why a count differs, for each where that is known. */
static void say_reasons(const ReproReport *report, const Reproduction *r)
{
    for (int i = 0; i < r->n; i++) {
        const ReproRow *row = &r->at[i];
        const struct {
            CountVerdict verdict;
            const char *what, *note;
        } counts[] = {
            { row->params, "params", row->paper->params_note },
            { row->flops, "FLOPs", row->paper->flops_note },
        };
        char name[96];

        for (int k = 0; k < 2 && report->wanted[i]; k++)
            if (counts[k].verdict == COUNT_DIFFERS)
                table_line(report->format, report->out, "differs: %s, %s: %s.",
                           row_name(row, name), counts[k].what,
                           counts[k].note[0] ? counts[k].note
                                             : "no reason is known");
    }
}

static void say_readings(const ReproReport *report, const Reproduction *r)
{
    char name[96];

    for (int i = 0; i < r->n; i++)
        if (report->wanted[i] && r->at[i].paper->note[0])
            table_line(report->format, report->out, "read as: %s: %s.",
                       row_name(&r->at[i], name), r->at[i].paper->note);
}

/* ---- the backbones as a table ---------------------------------------- */

static const TableColumn group_columns[] = {
    { "base", "base", "", "", true, FOR_PEOPLE },
    { "networks", "networks", "", "", false, FOR_PEOPLE },
    { "tau", "tau-b with the paper's order", "", "", false, FOR_PEOPLE },
    { "noise", "second one over the first", "", "", false, FOR_PEOPLE },
};

static void put_group(Table *t, const ReproGroup *g, const ReproRow *base)
{
    const int row = table_row(t);
    const Rank *k = &g->rank;
    char name[96];

    table_set(t, row, "base", "%s", row_name(base, name));
    table_set(t, row, "networks", "%d", k->n);
    if (isnan(k->lo) && !isnan(k->tau))
        table_set(t, row, "tau", "%.2f", k->tau);
    else if (!isnan(k->tau))
        table_set(t, row, "tau", "%s%.2f [%.2f, %.2f]",
                  g->rank_paired ? "" : "'", k->tau, k->lo, k->hi);
    if (!isnan(g->noise.ratio))
        table_set(t, row, "noise", "%s%.3f [%.3f, %.3f]", g->noise.n ? "" : "'",
                  g->noise.ratio, g->noise.lo, g->noise.hi);
}

/* For each backbone: how far the order of its networks is the paper's, and how
 * far two copies of one network differ. */
static void print_groups(const ReproReport *report, const Reproduction *r)
{
    Table t;

    if (report->format == TABLE_CSV)
        return;
    table_init(&t, group_columns,
               sizeof(group_columns) / sizeof(group_columns[0]));
    for (int i = 0; i < r->groups; i++)
        if (report->wanted[r->group[i].first] && r->group[i].rank.n > 1)
            put_group(&t, &r->group[i], &r->at[r->group[i].first]);
    if (t.nrows) {
        fputc('\n', report->out);
        table_print(&t, report->format, report->out);
        if (report->format == TABLE_TEXT)
            fputc('\n', report->out);
        table_line(report->format, report->out,
                   "tau-b: Kendall's, 1 if the networks' images/s are in the "
                   "paper's order, -1 if reversed; 95 %% by bootstrap over "
                   "the quads of each with the first, or, with a ', over "
                   "samples, because not all have such. Second one over the "
                   "first: the same network twice (A/A); differences smaller "
                   "than this are noise.");
    }
    table_free(&t);
}

/* Explains the columns of cost, and names which quads were not counted. */
static void say_cost(const ReproReport *report, const Reproduction *r)
{
    int left_out = 0, all = 0, moved = 0;
    bool direct = false;

    for (int i = 0; i < r->n; i++) {
        const Paired *p = &r->at[i].cost.paired;

        if (!report->wanted[i])
            continue;
        direct |= r->at[i].cost.direct.n > 0;
        left_out += p->left_out;
        all += p->all.n;
        moved += ratio_is_off(p->all.ratio, &p->ratio);
    }
    if (direct)
        table_line(report->format, report->out,
                   "cost, in %% of the throughput without the module: direct "
                   "is what its own steps take of each pass; indirect what it "
                   "costs beyond them, such as emptied caches.");
    if (left_out)
        table_line(report->format, report->out,
                   "disturbed quads, in which the scheduler ran something "
                   "else, are left out: %d of %d; counting them moves %d "
                   "ratio%s out of the interval.",
                   left_out, all, moved, moved == 1 ? "" : "s");
}

static void say_marks(const ReproReport *report, const Reproduction *r)
{
    bool unconverged = false, unpaired = false;

    for (int i = 0; i < r->n; i++) {
        const ReproRow *row = &r->at[i];

        unconverged |= !isnan(row->median.images) && !row->run->o.converged;
        unpaired |= !row->ratio.n && !isnan(row->ratio.ratio);
    }
    if (unconverged)
        table_line(report->format, report->out,
                   "~ did not converge: its interval is wider than plus or "
                   "minus 1 %%, or what --target asked for.");
    if (unpaired)
        table_unpaired(
            &(TableOptions){ .format = report->format, .out = report->out });
}

/* Why a row has no time, as far as the next ';'. */
static void why_missing(const ReproRow *row, char *text, size_t size)
{
    Case c;

    if (row->run)
        snprintf(text, size, "%s: %s", status_name(row->run->o.status),
                 row->run->o.message);
    else if (reproduce_case(&c, row->paper))
        snprintf(text, size, "%.*s", (int)strcspn(err_message(), ";"),
                 err_message());
    else
        snprintf(text, size, "not measured yet");
}

static bool same_backbone(const ReproRow *a, const ReproRow *b)
{
    return strcmp(a->paper->backbone, b->paper->backbone) == 0;
}

/* Rows without a time, those that have the same reason in one line. */
static void say_missing(const ReproReport *report, const Reproduction *r)
{
    char names[1024] = "", why[600] = "", last[600] = "", name[96];
    const ReproRow *before = NULL;

    for (int i = 0; i <= r->n; i++) {
        const ReproRow *row = &r->at[i];
        const size_t used = strlen(names);

        if (i < r->n && (!report->wanted[i] || !isnan(row->median.images)))
            continue;
        if (i < r->n)
            why_missing(row, why, sizeof(why));
        if (used && (i == r->n || strcmp(why, last))) {
            table_line(report->format, report->out, "missing: %s: %s.", names,
                       last);
            names[0] = '\0';
        }
        if (i == r->n)
            break;
        if (names[0] && same_backbone(row, before))
            snprintf(name, sizeof(name), "%s%s", before->is_base ? "with " : "",
                     row->paper->method);
        else
            row_name(row, name);
        snprintf(names + strlen(names), sizeof(names) - strlen(names), "%s%s",
                 names[0] ? ", " : "", name);
        before = row;
        memcpy(last, why, sizeof(last));
    }
}

/* "35 of 35 networks; params 33 exact, 0 rounding, 2 differ; ..." */
static void say_tally(const ReproReport *report, const Reproduction *r)
{
    int timed = 0, all = 0, params[4] = { 0 }, flops[4] = { 0 };
    int agreement[RATIO_AGREEMENTS] = { 0 }, wide = 0;
    char unknown[32] = "";

    for (int i = 0; i < r->n; i++) {
        const Ratio *q = &r->at[i].ratio;

        if (!report->wanted[i])
            continue;
        all++;
        wide += r->at[i].agreement == RATIO_AGREES &&
                q->hi - q->lo > 2 * RATIO_SLACK * q->ratio;
        timed += !isnan(r->at[i].median.images);
        params[r->at[i].params]++;
        flops[r->at[i].flops]++;
        agreement[r->at[i].agreement]++;
    }
    if (agreement[RATIO_CANNOT_TELL])
        snprintf(unknown, sizeof(unknown), "%d cannot tell",
                 agreement[RATIO_CANNOT_TELL]);
    table_line(report->format, report->out,
               "%d of %d networks measured; ratios: %d agree, %d faster, %d "
               "slower%s%s.",
               timed, all, agreement[RATIO_AGREES], agreement[RATIO_FASTER],
               agreement[RATIO_SLOWER], unknown[0] ? ", " : "", unknown);
    if (wide)
        table_line(report->format, report->out,
                   "agree, but with an interval wider than plus or minus "
                   "%.0f %%, which says little: %d.",
                   100 * RATIO_SLACK, wide);
    if (prints_counts(&r->at[0]))
        table_line(report->format, report->out,
                   "params: %d exact, %d rounding, %d differ; FLOPs: %d exact, "
                   "%d rounding, %d differ.",
                   params[COUNT_EXACT], params[COUNT_ROUNDING],
                   params[COUNT_DIFFERS], flops[COUNT_EXACT],
                   flops[COUNT_ROUNDING], flops[COUNT_DIFFERS]);
}

int reproduce_print(const ReproReport *report, const Reproduction *r, Store *s,
                    const RunList *runs)
{
    Conditions c;
    Table t;

    TRY(conditions_read(&c, s, runs->at[0].sweep_id));
    begin_table(&t, prints_counts(&r->at[0]));
    show_cost(&t, report, r);
    for (int i = 0; i < r->n; i++)
        if (report->wanted[i])
            put_row(&t, &r->at[i], report->format == TABLE_CSV);
    table_print(&t, report->format, report->out);
    table_free(&t);
    if (report->format == TABLE_TEXT)
        fputc('\n', report->out);
    say_conditions(report, &c, runs);
    say_differences(report, runs);
    say_verdicts(report);
    say_reasons(report, r);
    say_readings(report, r);
    say_cost(report, r);
    say_marks(report, r);
    say_missing(report, r);
    say_tally(report, r);
    print_groups(report, r);
    return OK;
}
