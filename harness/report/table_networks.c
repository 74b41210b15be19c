/*
 * table_networks.c - a backbone with each module, here and in the paper.
 */
#include "harness/report/tables.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/conditions.h"
#include "analysis/load.h"
#include "analysis/versus.h"
#include "attention_zoo/zoo.h"
#include "harness/backbones/backbones.h"
#include "harness/devices/program.h"
#include "kernels/core/err.h"
#include "kernels/core/param.h"

static const char *const axes[] = { "module",   "impl",    "settings",
                                    "position", "weights", "norm_gain",
                                    "copy",     NULL };

/* clang-format off */
/* After those of table_case_columns. */
static const TableColumn own[] = {
    { "images_per_s_lo", "", "", "", true, FOR_PROGRAMS },
    { "images_per_s_hi", "", "", "", true, FOR_PROGRAMS },
    { "ratio_lo",     "", "", "", true, FOR_PROGRAMS },
    { "ratio_hi",     "", "", "", true, FOR_PROGRAMS },
    { "method",       "method",   "",  "",      true,  FOR_ALL },
    { "type",         "type",     "",  "",      true,  FOR_ALL },
    { "params_millions", "params", "M", "here",  false, FOR_ALL },
    { "gflops_per_image", "FLOPs", "G", "here",  false, FOR_ALL },
    { "images_per_s", "images/s", "",  "here",  false, FOR_ALL },
    { "ratio",        "to plain", "",  "here",  false, FOR_ALL },
    { "in_paper_params_millions", "params", "M", "paper", false, FOR_ALL },
    { "in_paper_gflops_per_image", "FLOPs", "G", "paper", false, FOR_ALL },
    { "in_paper_images_per_s", "images/s", "",  "paper", false, FOR_ALL },
    { "in_paper_top1_percent", "top-1",    "%", "paper", false, FOR_ALL },
    { "in_paper_ratio",        "to plain", "",  "paper", false, FOR_ALL },
};
/* clang-format on */
enum { NOWN = sizeof(own) / sizeof(own[0]) };

enum { LONGER_WORD = 256, LONGER_TEXT = PROGRAM_TEXT + LONGER_WORD + 32 };

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
static void put_row(Table *t, const VersusRow *r, bool exact)
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
    put_paper(t, row, r->paper, r->paper_ratio);
}

static void put_rows(Table *t, Versus *v, const RunList *runs,
                     const TableOptions *o)
{
    const bool exact = o->format == TABLE_CSV;

    sort_rows(v, o->sort);
    if (v->plain)
        put_row(t,
                &(VersusRow){ .run = v->plain,
                              .ratio = { 0, NAN, NAN, NAN },
                              .paper = v->paper_plain,
                              .paper_ratio = NAN },
                exact);
    for (int i = 0; i < v->n; i++)
        put_row(t, &v->at[i], exact);
    for (int i = 0; exact && i < runs->n; i++) /* copies, for A/A */
        if (runs->at[i].c.copy)
            put_row(t,
                    &(VersusRow){ .run = &runs->at[i],
                                  .ratio = &runs->at[i] == v->again
                                               ? v->noise
                                               : (Ratio){ 0, NAN, NAN, NAN },
                                  .paper_ratio = NAN },
                    exact);
}

/* ---- what stands under the table ------------------------------------- */

static void say_conditions(const Conditions *c, const RunList *runs,
                           const TableOptions *o)
{
    char where[CONDITIONS_TEXT], samples[SAMPLES_TEXT];

    table_line(o->format, o->out,
               "here: %s; %s; %.10s, commit "
               "%s. FLOPs as the paper counts them: a multiply-add is 1, the "
               "classifier is left out.",
               conditions_where(c, runs, where),
               conditions_samples(runs, samples), c->started_at, c->commit);
}

/* "modules stand after conv2-bn2-ReLU (mid): SCSA, CA; after ..." */
static void say_positions(const RunList *runs, const TableOptions *o)
{
    static const int at[POSITIONS] = { AT_MID, AT_OUT };
    const Backbone *b = backbone_find(runs->at[0].c.backbone.text);
    char text[1024] = "", label[LABEL_MAX];

    for (int p = 0; b && p < POSITIONS; p++) {
        const char *last = "";

        for (int i = 0; i < runs->n; i++) {
            const Run *r = &runs->at[i];
            const size_t n = strlen(text);

            if (r->c.position != at[p] || !strcmp(r->c.module.text, last))
                continue;
            if (*last)
                snprintf(text + n, sizeof(text) - n, ", %s",
                         module_label(r->c.module.text, label));
            else
                snprintf(text + n, sizeof(text) - n, "%s%s (%s): %s",
                         n ? "; " : "", b->where[p],
                         case_name("position", at[p]),
                         module_label(r->c.module.text, label));
            last = r->c.module.text;
        }
    }
    if (*text)
        table_line(o->format, o->out, "modules stand %s.", text);
}

static void say_unconverged(const RunList *runs, const TableOptions *o)
{
    char text[1024] = "", label[LABEL_MAX];
    int n = 0, all = 0;

    for (int i = 0; i < runs->n; i++) {
        const Run *r = &runs->at[i];
        const size_t used = strlen(text);

        all += run_is_ok(r) && !r->c.copy;
        if (!run_is_ok(r) || r->o.converged || r->c.copy)
            continue;
        snprintf(text + used, sizeof(text) - used, "%s%s", n++ ? ", " : "",
                 run_label(r, label));
    }
    if (n)
        table_line(o->format, o->out,
                   "~ did not converge: treat the interval with caution: "
                   "%s.",
                   n == all ? "none of them did" : text);
}

static void say_unpaired(const Versus *v, const TableOptions *o)
{
    bool unpaired = false;

    for (int i = 0; i < v->n; i++)
        unpaired |= !v->at[i].ratio.n && !isnan(v->at[i].ratio.ratio);
    if (unpaired)
        table_unpaired(o);
}

static void say_noise(const Versus *v, const TableOptions *o)
{
    if (!isnan(v->noise.ratio))
        table_line(o->format, o->out,
                   "noise: a second plain network against the first (A/A) "
                   "gave %.3f [%.3f, %.3f]; differences smaller than this are "
                   "noise.",
                   v->noise.ratio, v->noise.lo, v->noise.hi);
}

/* "ResNet-18", also where the paper has none. */
static const char *backbone_title(const Versus *v, const Run *any)
{
    const Backbone *b = backbone_find(any->c.backbone.text);

    return b ? b->title : versus_backbone(v);
}

/* "; in the paper it costs 17.0 %"; nothing if it has none. */
static void say_in_paper(char text[64], const VersusRow *r)
{
    const double change = r->paper_ratio - 1;

    text[0] = '\0';
    if (r->paper)
        snprintf(text, 64, "; in the paper it %s %.1f %%",
                 change > 0 ? "adds" : "costs", 100 * fabs(change));
}

/* "SCSA costs ResNet-50 17.4 % [17.1, 17.7] of its throughput here; in the
 * paper it costs 17.0 %."  Or "adds to Swin-T 3.1 % ...". */
static void say_answer(const Versus *v, const VersusRow *r,
                       const TableOptions *o)
{
    char label[LABEL_MAX], paper[64];
    const Ratio *q = &r->ratio;
    const bool gains = q->ratio > 1;

    say_in_paper(paper, r);
    table_line(o->format, o->out,
               "%s %s %s %.1f %% [%.1f, %.1f] of its throughput here%s.",
               run_label(r->run, label), gains ? "adds to" : "costs",
               backbone_title(v, r->run), 100 * fabs(1 - q->ratio),
               100 * (gains ? q->lo - 1 : 1 - q->hi),
               100 * (gains ? q->hi - 1 : 1 - q->lo), paper);
}

/* How to measure a run's experiment longer: a command that can be pasted, where
 * the experiment has a name. */
static void say_longer(char *text, size_t size, const Run *r)
{
    char path[PROGRAM_TEXT], word[LONGER_WORD];

    program_path(path);
    if (!strcmp(r->experiment, "flags") ||
        param_word(word, sizeof(word), r->experiment) >= sizeof(word))
        snprintf(text, size, "run the same command with --budget=600");
    else
        snprintf(text, size, "%s run %s --budget=600", path, word);
}

/* Why nothing can be said of a module, and what to do about it. */
static void say_no_answer(const Conditions *c, const Versus *v,
                          const VersusRow *r, const TableOptions *o)
{
    char label[LABEL_MAX], load[64] = "", noise[128] = "", number[LOAD_NUMBER];
    char longer[LONGER_TEXT];
    const Ratio *q = &r->ratio;

    if (!isnan(c->load))
        snprintf(load, sizeof(load), "load %s on %d core%s, ",
                 load_text(number, c->load), c->cores,
                 c->cores == 1 ? "" : "s");
    if (!isnan(v->noise.ratio))
        snprintf(noise, sizeof(noise),
                 ", that of two plain networks %.3f [%.3f, %.3f]",
                 v->noise.ratio, v->noise.lo, v->noise.hi);
    say_longer(longer, sizeof(longer), r->run);
    table_line(o->format, o->out,
               "no difference between %s with and without %s can be measured "
               "on this machine: the ratio is %.3f [%.3f, %.3f]%s (%sn = "
               "%d). Measure longer, and with nothing else running: %s",
               backbone_title(v, r->run), run_label(r->run, label), q->ratio,
               q->lo, q->hi, noise, load, r->run->time.n, longer);
}

/* The sentence about the module in focus, composed and fused. */
static void answer(const Conditions *c, const Versus *v, const TableOptions *o)
{
    bool said[2] = { false, false };

    for (int i = 0; i < v->n; i++) {
        const VersusRow *r = &v->at[i];
        const bool fused = run_is_fused(r->run);

        if (strcmp(r->run->c.module.text, o->focus) || isnan(r->ratio.ratio) ||
            said[fused])
            continue;
        said[fused] = true;
        if (versus_differs(v, r))
            say_answer(v, r, o);
        else
            say_no_answer(c, v, r, o);
    }
}

/* Names the rows of which the medians say faster and the rounds slower, or the
 * other way round. */
static void say_signs(const Versus *v, const TableOptions *o)
{
    char text[1024] = "", label[LABEL_MAX];

    for (int i = 0; i < v->n; i++) {
        const size_t used = strlen(text);

        if (versus_signs_differ(v, &v->at[i]))
            snprintf(text + used, sizeof(text) - used, "%s%s", used ? ", " : "",
                     run_label(v->at[i].run, label));
    }
    if (*text)
        table_line(o->format, o->out,
                   "the medians of images/s and the ratio to plain point in "
                   "opposite directions: %s. Medians are over all rounds, "
                   "quiet and disturbed ones; the ratio compares within each "
                   "round, so trust the ratio.",
                   text);
}

/* "ResNet-50 with SCSA fused gives 1.21 [1.20, 1.22] times the images/s of the
 * same composed." */
static void say_fused(const Versus *v, const TableOptions *o)
{
    char label[LABEL_MAX];

    for (int i = 0; i < v->n; i++) {
        const VersusRow *r = &v->at[i];

        if (!isnan(r->fused.ratio))
            table_line(o->format, o->out,
                       "%s with %s is %.3f [%.3f, %.3f] times as fast as "
                       "composed.",
                       backbone_title(v, r->run), run_label(r->run, label),
                       r->fused.ratio, r->fused.lo, r->fused.hi);
    }
}

static int say_rest(Store *s, const RunList *runs, const Versus *v,
                    const TableOptions *o)
{
    Conditions c;

    TRY(conditions_read(&c, s, runs->at[0].sweep_id));
    if (o->format == TABLE_TEXT)
        fputc('\n', o->out);
    say_conditions(&c, runs, o);
    say_positions(runs, o);
    if (v->paper_plain)
        table_line(o->format, o->out,
                   "paper: Table 2 of Si et al. 2025, RTX 4090, batch 32: "
                   "compare the ratios, not the images/s.");
    say_unconverged(runs, o);
    say_unpaired(v, o);
    say_noise(v, o);
    say_signs(v, o);
    answer(&c, v, o);
    say_fused(v, o);
    return OK;
}

static void say_title(const Versus *v, const RunList *runs,
                      const TableOptions *o)
{
    const Run *r = &runs->at[0];

    table_line(o->format, o->out, "%s with each module, %dx%dx%d, %s%s%s%s",
               backbone_title(v, r), r->c.channels, r->c.height, r->c.width,
               case_name("graph", r->c.graph),
               strcmp(r->source, "attnbench") ? ", measured by " : "",
               strcmp(r->source, "attnbench") ? r->source : "",
               v->plain ? "" : " (the plain network was not measured)");
}

int table_networks(Store *s, RunList *runs, const TableOptions *o)
{
    RunList *slice = NULL;
    Versus *v = malloc(sizeof(*v));
    Table t;
    int n = 0, err;

    err = v ? slice_split(&slice, &n, runs, axes)
            : fail(ERR_MEMORY, "no memory for a table");
    begin_table(&t);
    for (int i = 0; i < n && !err; i++) {
        err = versus_make(v, &slice[i]);
        if (err)
            break;
        put_rows(&t, v, &slice[i], o);
        if (o->format == TABLE_CSV)
            continue;
        say_title(v, &slice[i], o);
        if (o->format == TABLE_TEXT)
            fputc('\n', o->out);
        table_print(&t, o->format, o->out);
        err = say_rest(s, &slice[i], v, o);
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
