/*
 * table_notes.c - what stands under a table of networks: the conditions, what
 * to beware of, and the answer in a sentence.
 */
#include "harness/report/table_notes.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "analysis/load.h"
#include "harness/backbones/backbones.h"
#include "harness/devices/program.h"
#include "kernels/core/err.h"
#include "kernels/core/param.h"

enum { LONGER_WORD = 256, LONGER_TEXT = PROGRAM_TEXT + LONGER_WORD + 32 };
enum { PARTS_TEXT = 2 * CELL_TEXT + 64, LIST_TEXT = 1024 };

const char *table_backbone(const Versus *v, const Run *any)
{
    const Backbone *b = backbone_find(any->c.backbone.text);

    return b ? b->title : versus_backbone(v);
}

static void say_conditions(const Conditions *c, const RunList *runs,
                           const TableOptions *o)
{
    char where[CONDITIONS_TEXT], samples[SAMPLES_TEXT];
    bool stitched = false;

    for (int i = 0; i < runs->n; i++)
        stitched |= !isnan(runs->at[i].o.steps_ns);
    table_line(o->format, o->out, "here: %s; %s; %.10s, commit %s.%s",
               conditions_where(c, runs, where),
               conditions_samples(runs, samples), c->started_at, c->commit,
               stitched ? " images/s are stitched from the median time of each "
                          "step."
                        : "");
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

/* "; in the paper it costs 17.0 %"; nothing if it has none. */
static void say_in_paper(char text[64], const VersusRow *r)
{
    const double change = r->paper_ratio - 1;

    text[0] = '\0';
    if (r->paper)
        snprintf(text, 64, "; in the paper it %s %.1f %%",
                 change > 0 ? "adds" : "costs", 100 * fabs(change));
}

/* "4.7 % [4.6, 4.8] by its own steps and 0.3 % [-0.9, 1.5] beyond them". */
static void say_parts(char text[PARTS_TEXT], const ModuleCost *c,
                      const char *and)
{
    char direct[CELL_TEXT], indirect[CELL_TEXT];

    snprintf(text, PARTS_TEXT, "%s by its own steps",
             cost_text(&c->direct, " %", direct));
    if (c->indirect.n)
        snprintf(text + strlen(text), PARTS_TEXT - strlen(text),
                 "%s and %s beyond them", and,
                 cost_text(&c->indirect, " %", indirect));
}

/* "SCSA costs ResNet-50 17.4 % [17.1, 17.7] of its throughput here: 16.4 %
 * [16.3, 16.5] by its own steps and 1.0 % [0.7, 1.3] beyond them; in the paper
 * it costs 17.0 %."  Or "adds to Swin-T 3.1 % ...". */
static void say_answer(const Versus *v, const VersusRow *r,
                       const TableOptions *o)
{
    char label[LABEL_MAX], paper[64], parts[PARTS_TEXT] = "";
    const Ratio *q = &r->ratio;
    const bool gains = q->ratio > 1;
    const bool direct = versus_has_direct(r) && !versus_direct_is_bound(r);

    say_in_paper(paper, r);
    if (direct)
        say_parts(parts, &r->cost, "");
    table_line(o->format, o->out,
               "%s %s %s %.1f %% [%.1f, %.1f] of its throughput here%s%s%s.",
               run_label(r->run, label), gains ? "adds to" : "costs",
               table_backbone(v, r->run), 100 * fabs(1 - q->ratio),
               100 * (gains ? q->lo - 1 : 1 - q->hi),
               100 * (gains ? q->hi - 1 : 1 - q->lo),
               !direct ? ""
               : gains ? ", although it costs "
                       : ": ",
               parts, paper);
}

/* "SCSA costs ResNet-50 4.7 % [4.6, 4.8] of its throughput by its own steps,
 * and 0.3 % [-9.0, 9.5] beyond them; in the paper it costs 17.0 %." */
static void say_direct(const Versus *v, const VersusRow *r,
                       const TableOptions *o)
{
    char label[LABEL_MAX], paper[64], direct[CELL_TEXT], rest[PARTS_TEXT] = "";
    char indirect[CELL_TEXT];

    say_in_paper(paper, r);
    if (versus_direct_is_bound(r)) {
        table_line(o->format, o->out,
                   "%s costs %s at most %.1f %% of its throughput by its own "
                   "steps%s.",
                   run_label(r->run, label), table_backbone(v, r->run),
                   cost_percent(r->cost.direct.lo), paper);
        return;
    }
    if (r->cost.indirect.n)
        snprintf(rest, sizeof(rest), ", and %s beyond them",
                 cost_text(&r->cost.indirect, " %", indirect));
    table_line(o->format, o->out,
               "%s costs %s %s of its throughput by its own steps%s%s.",
               run_label(r->run, label), table_backbone(v, r->run),
               cost_text(&r->cost.direct, " %", direct), rest, paper);
}

/* Why the direct cost is not known, where others of the kind have one. */
static void say_mixed(const VersusRow *r, const TableOptions *o)
{
    char label[LABEL_MAX];

    if (versus_is_mixed(r))
        table_line(o->format, o->out,
                   "what %s takes by its own steps is not known: one of the "
                   "steps does work of the module and of the network.",
                   run_label(r->run, label));
}

/* The ratio to another module. */
static void say_against(const Versus *v, const VersusRow *r,
                        const TableOptions *o)
{
    char label[LABEL_MAX], base[LABEL_MAX], paper[64] = "";
    const bool differs = versus_differs(v, r);

    if (!isnan(r->paper_ratio))
        snprintf(paper, sizeof(paper), "; in the paper %.3f times",
                 r->paper_ratio);
    table_line(o->format, o->out,
               "%s with %s is %.3f [%.3f, %.3f] times as fast as with %s "
               "here%s%s.",
               table_backbone(v, r->run), run_label(r->run, label),
               r->ratio.ratio, r->ratio.lo, r->ratio.hi,
               run_label(v->base, base),
               differs ? ""
                       : ", which is no difference that can be told from "
                         "noise",
               paper);
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
    char longer[LONGER_TEXT], told[256];
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
    snprintf(told, sizeof(told),
             versus_has_direct(r)
                 ? "the ratio to plain of %2$s with %1$s is not resolved:"
                 : "no difference between %2$s with and without %1$s can be "
                   "measured on this machine: the ratio is",
             run_label(r->run, label), table_backbone(v, r->run));
    table_line(o->format, o->out,
               "%s %.3f [%.3f, %.3f]%s (%sn = %d). Measure longer, and with "
               "nothing else running: %s",
               told, q->ratio, q->lo, q->hi, noise, load, r->run->time.n,
               longer);
}

static void answer_row(const Conditions *c, const Versus *v, const VersusRow *r,
                       const TableOptions *o)
{
    if (v->base != v->plain) {
        if (!isnan(r->ratio.ratio))
            say_against(v, r, o);
        return;
    }
    if (versus_differs(v, r)) {
        say_answer(v, r, o);
    } else {
        if (versus_has_direct(r))
            say_direct(v, r, o);
        if (!isnan(r->ratio.ratio))
            say_no_answer(c, v, r, o);
    }
    say_mixed(r, o);
}

/* The sentences about the module in focus, composed and fused. */
static void answer(const Conditions *c, const Versus *v, const TableOptions *o)
{
    bool said[2] = { false, false };

    for (int i = 0; i < v->n; i++) {
        const VersusRow *r = &v->at[i];
        const bool fused = run_is_fused(r->run);

        if (strcmp(r->run->c.module.text, o->focus) || said[fused] ||
            (isnan(r->ratio.ratio) && !versus_has_direct(r)))
            continue;
        said[fused] = true;
        answer_row(c, v, r, o);
    }
}

/* Names the rows of which images/s say faster and the rounds slower, or the
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
                   "images/s and the ratio point in opposite directions: %s. "
                   "images/s are of all rounds, quiet and disturbed ones; the "
                   "ratio compares within each round, so trust the ratio.",
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
                       table_backbone(v, r->run), run_label(r->run, label),
                       r->fused.ratio, r->fused.lo, r->fused.hi);
    }
}

/* ---- quads -------------------------------------------------------------- */

/* "; " and so on between the items of a list. */
static void add_item(char text[LIST_TEXT], const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void add_item(char text[LIST_TEXT], const char *fmt, ...)
{
    const size_t n = strlen(text);
    va_list args;

    snprintf(text + n, LIST_TEXT - n, "%s", n ? ", " : "");
    va_start(args, fmt);
    vsnprintf(text + strlen(text), LIST_TEXT - strlen(text), fmt, args);
    va_end(args);
}

/* Explains the columns of cost. */
static void say_cost(const Versus *v, const TableOptions *o)
{
    bool any = false;

    for (int i = 0; i < v->n; i++)
        any |= v->at[i].cost.direct.n > 0;
    if (any)
        table_line(
            o->format, o->out,
            "direct: what the module's own steps take of each pass; "
            "indirect: what it costs beyond them, such as emptied caches; "
            "both in %% of the throughput without it.");
}

/* Quads that were not counted, and what they would change. */
static void say_left_out(const Versus *v, const TableOptions *o)
{
    char with[LIST_TEXT] = "", most[LIST_TEXT] = "", label[LABEL_MAX];
    int left_out = 0, all = 0;
    bool bound = false;

    for (int i = -1; i < v->n; i++) {
        const VersusRow *r = i < 0 ? &v->of_again : &v->at[i];
        const Paired *p = &r->cost.paired;

        left_out += p->left_out;
        all += p->all.n;
        if (!p->disturbed)
            continue;
        run_label(r->run, label);
        bound |= versus_direct_is_bound(r);
        if (!p->left_out)
            add_item(most, "%s", label);
        else if (ratio_is_off(p->all.ratio, &p->ratio))
            add_item(with, "%s %.3f [%.3f, %.3f]", label, p->all.ratio,
                     p->all.lo, p->all.hi);
    }
    if (left_out)
        table_line(o->format, o->out,
                   "disturbed quads, in which the scheduler ran something "
                   "else, are left out: %d of %d.%s%s%s",
                   left_out, all,
                   *with ? " Counting them changes the ratio to plain: "
                         : " Counting them moves no ratio out of its interval.",
                   with, *with ? "." : "");
    if (*most)
        table_line(o->format, o->out,
                   "too many quads were disturbed to leave them out: %s.%s",
                   most,
                   bound ? " With several threads, a module's many short steps "
                           "suffer most: direct costs are likely less than is "
                           "printed."
                         : "");
}

/* Where the second opinion is another. */
static void say_minima(const Versus *v, const TableOptions *o)
{
    char text[LIST_TEXT] = "", label[LABEL_MAX];

    for (int i = 0; i < v->n; i++) {
        const Paired *p = &v->at[i].cost.paired;

        if (minima_disagree(&p->ratio, p->minima) &&
            ratio_is_off(p->minima, &p->ratio))
            add_item(text, "%s %.3f", run_label(v->at[i].run, label),
                     p->minima);
    }
    if (*text)
        table_line(o->format, o->out,
                   "second opinion: the ratio of the smallest times lies "
                   "outside of the interval of the ratio to plain: %s.",
                   text);
}

/* How far a process's layout in memory moves a ratio. */
static void say_processes(const Versus *v, const TableOptions *o)
{
    double least = INFINITY, most = 0;
    int processes = 0;

    for (int i = 0; i < v->n; i++) {
        const Paired *p = &v->at[i].cost.paired;

        if (p->processes < 2)
            continue;
        processes = p->processes > processes ? p->processes : processes;
        least = fmin(least, p->apart - 1);
        most = fmax(most, p->apart - 1);
    }
    if (processes)
        table_line(o->format, o->out,
                   "measured in %d processes, whose ratios to plain are %.2f "
                   "to %.2f %% apart; intervals allow for that.",
                   processes, 100 * least, 100 * most);
}

static void say_through(const Versus *v, const TableOptions *o)
{
    char text[LIST_TEXT] = "", label[LABEL_MAX];

    for (int i = 0; i < v->n; i++)
        if (v->at[i].through)
            add_item(text, "%s", run_label(v->at[i].run, label));
    if (*text)
        table_line(o->format, o->out,
                   "not measured next to %s, but each next to the plain "
                   "network, through which they are compared: %s.",
                   run_label(v->base, label), text);
}

int table_notes(Store *s, const RunList *runs, const Versus *v,
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
    say_cost(v, o);
    say_unpaired(v, o);
    say_through(v, o);
    say_left_out(v, o);
    say_minima(v, o);
    say_processes(v, o);
    say_noise(v, o);
    say_signs(v, o);
    answer(&c, v, o);
    say_fused(v, o);
    return OK;
}
