/*
 * table_networks.c - a backbone with each module, here and in the paper.
 */
#include "harness/report/tables.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/versus.h"
#include "attention_zoo/zoo.h"
#include "harness/report/table_notes.h"
#include "kernels/core/err.h"

static const char *const axes[] = { "module",   "impl",    "settings",
                                    "position", "weights", "norm_gain",
                                    "copy",     NULL };

/* clang-format off */
/* After those of table_case_columns.  quads to ratio_of_minima are of the ratio
 * to plain, whatever the base is. */
static const TableColumn own[] = {
    { "images_per_s_lo", "", "", "", true, FOR_PROGRAMS },
    { "images_per_s_hi", "", "", "", true, FOR_PROGRAMS },
    { "ratio_lo",     "", "", "", true, FOR_PROGRAMS },
    { "ratio_hi",     "", "", "", true, FOR_PROGRAMS },
    { "base",         "", "", "", true, FOR_PROGRAMS },
    { "direct_percent_lo", "", "", "", true, FOR_PROGRAMS },
    { "direct_percent_hi", "", "", "", true, FOR_PROGRAMS },
    { "indirect_percent_lo", "", "", "", true, FOR_PROGRAMS },
    { "indirect_percent_hi", "", "", "", true, FOR_PROGRAMS },
    { "quads",        "", "", "", true, FOR_PROGRAMS },
    { "quads_disturbed", "", "", "", true, FOR_PROGRAMS },
    { "quads_left_out", "", "", "", true, FOR_PROGRAMS },
    { "ratio_all",    "", "", "", true, FOR_PROGRAMS },
    { "ratio_all_lo", "", "", "", true, FOR_PROGRAMS },
    { "ratio_all_hi", "", "", "", true, FOR_PROGRAMS },
    { "ratio_of_minima", "", "", "", true, FOR_PROGRAMS },
    { "method",       "method",   "",  "",      true,  FOR_ALL },
    { "type",         "type",     "",  "",      true,  FOR_PROGRAMS },
    { "params_millions", "params", "M", "here",  false, FOR_ALL },
    { "gflops_per_image", "", "", "",  false, FOR_PROGRAMS },
    { "images_per_s", "images/s", "",  "here",  false, FOR_ALL },
    { "ratio",        "to plain", "",  "here",  false, FOR_ALL },
    { "direct_percent", "direct", "%", "here",  false, FOR_ALL },
    { "indirect_percent", "indirect", "%", "here", false, FOR_ALL },
    { "in_paper_params_millions", "", "", "", false, FOR_PROGRAMS },
    { "in_paper_gflops_per_image", "", "", "", false, FOR_PROGRAMS },
    { "in_paper_images_per_s", "", "",  "", false, FOR_PROGRAMS },
    { "in_paper_top1_percent", "top-1",    "%", "paper", false, FOR_ALL },
    { "in_paper_ratio",        "to plain", "",  "paper", false, FOR_ALL },
};
/* clang-format on */
enum { NOWN = sizeof(own) / sizeof(own[0]), TO_TEXT = LABEL_MAX + 4 };

static const Ratio unknown = { 0, NAN, NAN, NAN };

static void begin_table(Table *t)
{
    TableColumn columns[TABLE_COLUMNS];
    const int n = table_case_columns(columns);

    BUG_IF(n + NOWN > TABLE_COLUMNS);
    memcpy(columns + n, own, sizeof(own));
    table_init(t, columns, n + NOWN);
}

static const char *const sorts[] = { "paper", "throughput", "params",
                                     "flops", "top1",       NULL };

const char *table_sort_name(int i)
{
    return sorts[i];
}

/* Sort key of a row, largest first. */
static double sort_value(const VersusRow *r, const char *sort)
{
    double v = 0;

    if (strcmp(sort, "throughput") == 0)
        v = throughput_of(r->run).images;
    else if (strcmp(sort, "params") == 0)
        v = r->run->o.params;
    else if (strcmp(sort, "flops") == 0)
        v = r->run->o.paper_flops;
    else if (strcmp(sort, "top1") == 0 && r->paper)
        v = r->paper->top1;
    return isnan(v) ? -INFINITY : v;
}

/* Insertion: stable, so that equals stay in the paper's order. */
static void sort_rows(Versus *v, const char *sort)
{
    for (int i = 1; i < v->n; i++) {
        const VersusRow row = v->at[i];
        int k = i;

        for (;
             k > 0 && sort_value(&v->at[k - 1], sort) < sort_value(&row, sort);
             k--)
            v->at[k] = v->at[k - 1];
        v->at[k] = row;
    }
}

static void put_throughput(Table *t, int row, const Run *r, bool exact)
{
    const Throughput p = throughput_of(r);
    char m[32], l[32], h[32];

    if (!run_is_ok(r)) {
        table_set(t, row, "images_per_s", "%s",
                  exact ? "" : status_name(r->o.status));
    } else if (exact) {
        table_number(t, row, "images_per_s", "%.8g", p.images);
        table_number(t, row, "images_per_s_lo", "%.8g", p.lo);
        table_number(t, row, "images_per_s_hi", "%.8g", p.hi);
    } else {
        table_set(t, row, "images_per_s", "%s%s [%s, %s]",
                  r->o.converged ? "" : "~", three_digits(p.images, m),
                  digits_like(p.lo, p.images, l),
                  digits_like(p.hi, p.images, h));
    }
}

static void put_ratio(Table *t, int row, const Ratio *r, bool exact)
{
    if (exact) {
        table_number(t, row, "ratio", "%.6g", r->ratio);
        table_number(t, row, "ratio_lo", "%.6g", r->lo);
        table_number(t, row, "ratio_hi", "%.6g", r->hi);
    } else if (!isnan(r->ratio)) {
        table_set(t, row, "ratio", "%s%.3f [%.3f, %.3f]", r->n ? "" : "'",
                  r->ratio, r->lo, r->hi);
    }
}

static void put_quads(Table *t, int row, const Paired *p)
{
    if (!p->all.n)
        return;
    table_set(t, row, "quads", "%d", p->all.n);
    table_set(t, row, "quads_disturbed", "%d", p->disturbed);
    table_set(t, row, "quads_left_out", "%d", p->left_out);
    table_number(t, row, "ratio_all", "%.6g", p->all.ratio);
    table_number(t, row, "ratio_all_lo", "%.6g", p->all.lo);
    table_number(t, row, "ratio_all_hi", "%.6g", p->all.hi);
    table_number(t, row, "ratio_of_minima", "%.6g", p->minima);
}

static void put_paper(Table *t, int row, const PaperRow *p, double ratio)
{
    if (!p)
        return;
    table_number(t, row, "in_paper_params_millions", "%.2f", p->params_m);
    table_number(t, row, "in_paper_gflops_per_image", "%.2f", p->flops_g);
    table_number(t, row, "in_paper_images_per_s", "%.0f", p->throughput);
    table_number(t, row, "in_paper_top1_percent", "%.2f", p->top1);
    table_number(t, row, "in_paper_ratio", "%.3f", ratio);
}

/* Costs are of the whole batch; the paper's are of an image. */
static void put_row(Table *t, const Versus *v, const VersusRow *r, bool exact)
{
    const Module *m = zoo_find(r->run->c.module.text);
    const int row = table_row(t);
    char label[LABEL_MAX], settings[SLICE_TEXT];

    table_case(t, row, r->run);
    settings_label(r->run, settings);
    table_set(t, row, "method", "%s%s%s", run_label(r->run, label),
              settings[0] ? " " : "", settings);
    table_set(t, row, "type", "%s", m ? m->type : "-");
    table_number(t, row, "params_millions", exact ? "%.6f" : "%.2f",
                 r->run->o.params / 1e6);
    table_number(t, row, "gflops_per_image", exact ? "%.9f" : "%.2f",
                 r->run->o.paper_flops / r->run->c.batch / 1e9);
    put_throughput(t, row, r->run, exact);
    put_ratio(t, row, &r->ratio, exact);
    if (v->base)
        table_set(t, row, "base", "%s", v->base->c.module.text);
    table_cost(t, row, &r->cost, exact);
    if (exact)
        put_quads(t, row, &r->cost.paired);
    else if (versus_is_mixed(r) && strcmp(r->run->c.module.text, "none"))
        table_set(t, row, "direct_percent", "mixed");
    put_paper(t, row, r->paper, r->paper_ratio);
}

static void put_rows(Table *t, Versus *v, const RunList *runs,
                     const TableOptions *o)
{
    const bool exact = o->format == TABLE_CSV;

    sort_rows(v, o->sort);
    if (v->plain)
        put_row(t, v, &v->of_plain, exact);
    for (int i = 0; i < v->n; i++)
        put_row(t, v, &v->at[i], exact);
    for (int i = 0; exact && i < runs->n; i++) /* copies, for A/A */
        if (&runs->at[i] == v->again)
            put_row(t, v, &v->of_again, exact);
        else if (runs->at[i].c.copy)
            put_row(t, v,
                    &(VersusRow){ .run = &runs->at[i],
                                  .ratio = unknown,
                                  .cost = { { unknown, unknown, 0, 0, NAN },
                                            unknown,
                                            unknown },
                                  .paper_ratio = NAN },
                    exact);
}

/* Columns of cost where nothing is known of it are left out, and those of
 * ratios are called what they are to. */
static void show_columns(Table *t, const Versus *v, const char *base,
                         char to[TO_TEXT])
{
    bool direct = false, indirect = false;
    char label[LABEL_MAX];

    for (int i = 0; i < v->n; i++) {
        direct |= v->at[i].cost.direct.n || versus_is_mixed(&v->at[i]);
        indirect |= v->at[i].cost.indirect.n > 0;
    }
    snprintf(to, TO_TEXT, "to %s",
             v->base ? run_label(v->base, label) : module_label(base, label));
    table_show_cost(t, direct, indirect);
    for (int i = 0; i < t->ncolumns; i++) {
        TableColumn *c = &t->column[i];

        if (!strcmp(c->key, "ratio") || !strcmp(c->key, "in_paper_ratio"))
            c->name = to;
    }
}

static void say_title(const Versus *v, const RunList *runs,
                      const TableOptions *o)
{
    const Run *r = &runs->at[0];
    char label[LABEL_MAX];

    table_line(o->format, o->out, "%s with each module, %dx%dx%d, %s%s%s%s%s%s",
               table_backbone(v, r), r->c.channels, r->c.height, r->c.width,
               case_name("graph", r->c.graph),
               strcmp(r->source, "attnbench") ? ", measured by " : "",
               strcmp(r->source, "attnbench") ? r->source : "",
               v->base ? "" : " (the ",
               v->base ? "" : module_label(o->base, label),
               v->base ? "" : " network was not measured)");
}

int table_networks(Store *s, RunList *runs, const TableOptions *o)
{
    RunList *slice = NULL;
    Versus *v = malloc(sizeof(*v));
    char to[TO_TEXT];
    Table t;
    int n = 0, err;

    err = v ? slice_split(&slice, &n, runs, axes)
            : fail(ERR_MEMORY, "no memory for a table");
    begin_table(&t);
    for (int i = 0; i < n && !err; i++) {
        err = versus_make(v, &slice[i], o->base);
        if (err)
            break;
        put_rows(&t, v, &slice[i], o);
        if (o->format == TABLE_CSV)
            continue;
        show_columns(&t, v, o->base, to);
        say_title(v, &slice[i], o);
        if (o->format == TABLE_TEXT)
            fputc('\n', o->out);
        table_print(&t, o->format, o->out);
        err = table_notes(s, &slice[i], v, o);
        fputc('\n', o->out);
        table_clear(&t);
    }
    if (!err && o->format == TABLE_CSV)
        table_print(&t, o->format, o->out);
    table_free(&t);
    free(slice);
    free(v);
    return err;
}
