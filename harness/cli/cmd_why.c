/*
 * cmd_why.c - attnbench why [EXPERIMENT] --module=M
 *
 * A module's time against what its operations and bytes would take at best on
 * this machine, composed and, where there is such an op, fused; and the ops
 * that take most of it.
 */
#include "harness/cli/cmd.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/cli/flags.h"
#include "harness/devices/interrupt.h"
#include "harness/devices/plugin.h"
#include "harness/explain/predict_say.h"
#include "harness/explain/profiler.h"
#include "harness/explain/roofs.h"
#include "harness/explain/threads.h"
#include "harness/explain/why.h"
#include "harness/files/wrap.h"
#include "harness/measure/sweep.h"
#include "harness/report/table.h"
#include "kernels/core/err.h"
#include "results/outfile.h"

static const double ROOF_SECONDS = 0.2; /* each */

typedef struct WhySettings {
    int top, seconds, force;
    const char *db, *card, *csv;
} WhySettings;

static const Param why_params[] = {
    PARAM_INT(WhySettings, top, 5, 0, 1000, "number of ops to show"),
    PARAM_INT(WhySettings, seconds, 2, 0, 3600, "seconds to measure each"),
    PARAM_INT(WhySettings, force, 0, 0, 1,
              "measure even if another attnbench is measuring on this machine"),
    PARAM_PATH(WhySettings, db, STORE_PATH, "the database"),
    PARAM_PATH(WhySettings, card, "",
               "with --backend=model: constants of the GPU to predict for, CSV "
               "with columns key and value; default: an H200's"),
    PARAM_PATH(WhySettings, csv, "",
               "with --backend=model: also write the predictions to this file"),
    PARAM_END,
};

static const Usage usage = {
    .name = "why",
    .args = "[EXPERIMENT]",
    .max_args = 1,
    .what = "Explains the time of a module or a network: how many kernels it "
            "runs, how many\n"
            "bytes it moves compared with the minimum, and how close it "
            "comes to this\n"
            "machine's roofs, which are measured if the database has none.  "
            "The results are\n"
            "stored in the database, as experiment 'profile', for 'attnbench "
            "plot roofline'.\n"
            "A case on several threads of a CPU is also tried on one.\n"
            "With --backend=model, times on a GPU that is not here are "
            "predicted: 'make model'\n"
            "builds what that needs.  Nothing is measured or stored.",
    .params = why_params,
    .takes_case = CASE_SETTINGS,
    .exits = "Exit status: 0 if a case was measured; 1 if none could be; 2 if "
             "the command line or the experiment is wrong.",
    .examples = "  attnbench why --module=scsa --batch=8\n"
                "  attnbench why --module=se,cbam,scsa --channels=256 "
                "--height=14 --width=14\n"
                "  attnbench why module_stages --batch=8 --state=hot --top=0 "
                "--seconds=1\n"
                "  attnbench why --backend=model --module=ema --dtype=f16 "
                "--batch=32\n",
};

/* Writes a line whose words continue below where a terminal ends. */
static void put_line(const char *head, int indent, const char *text)
{
    const int columns = screen_columns(stdout), n = (int)strlen(head);
    Wrap at = { indent, n, columns ? columns : INT_MAX };

    if (n > at.width) { /* not aligned any more */
        printf("%*s", indent / 2, "");
        at.column = indent / 2;
        wrap_words(stdout, &at, head);
    } else {
        fputs(head, stdout);
    }
    wrap_words(stdout, &at, text);
    putchar('\n');
}

/* "SCSA composed 8x64x56x56: " */
static void print_label(const Case *c, const char *text)
{
    const Module *m = case_module(c);
    const bool network = strcmp(c->backbone.text, "none") != 0;
    char label[256];

    snprintf(label, sizeof(label),
             "%s%s%s%s%s %dx%dx%dx%d:", network ? c->backbone.text : "",
             network && m ? " with " : "", m ? m->name : "", m ? " " : "",
             m ? case_name("impl", c->impl) : "", c->batch, c->channels,
             c->height, c->width);
    put_line(label, 4, text);
}

static void print_line(const Profiled *p, const Limits *limits)
{
    char text[WHY_TEXT];

    print_label(p->arm.c,
                why_run(text, &p->rows, limits, p->dev->backend->name));
}

static void print_top(const Profiled *p, const Limits *limits, int top)
{
    const ProfileStep **order = profile_slowest(&p->profile);
    char time[32], dims[DIMS_TEXT], text[WHY_TEXT], head[256];

    for (int i = 0; i < top && i < p->profile.n; i++) {
        const ProfileStep *s = order[i];
        const int step = (int)(s - p->profile.step);

        why_step(text, &p->rows, step, limits, p->dev->backend->name);
        snprintf(head, sizeof(head), "    %-18s %-20s %11s %5.1f %%%s",
                 s->out->op->name, tensor_dims_text(s->out, dims),
                 time_short(s->ns, time), 100 * s->ns / p->profile.sum_ns,
                 text[0] ? "  " : "");
        put_line(head, 8, text);
    }
    free(order);
}

/* Prints what a network's module costs by its own steps. */
static void print_direct(const Profiled *p)
{
    const Ratio r = profile_direct(&p->profile);
    char text[256];

    if (!r.n || !strcmp(p->arm.c->backbone.text, "none"))
        return;
    snprintf(text, sizeof(text),
             "direct cost: the module's own steps take %.2f %% [%.2f, %.2f] of "
             "a pass; what it costs the other steps: 'attnbench profile "
             "--by=module' with --module=none,...",
             100 * (1 - r.ratio), 100 * (1 - r.hi), 100 * (1 - r.lo));
    put_line("    ", 4, text);
}

static int print_threads(Profiled *p, double seconds)
{
    char text[THREADS_TEXT];
    Ratio ratio;

    TRY(threads_try(&ratio, &p->arm, seconds));
    if (threads_advice(text, &ratio, p->dev->threads)[0])
        put_line("    ", 4, text);
    return OK;
}

/* The footnotes that the cases together need. */
typedef struct Footnotes {
    bool counted, spared;
    char doubt[ROOFS_DOUBT]; /* of the roofs, as roofs_doubt has it */
} Footnotes;

static int why_case(const Case *c, const WhySettings *s, Store *store,
                    int64_t sweep_id, Footnotes *notes)
{
    Limits limits;
    Roofs roofs;
    Profiled p;
    int err = profiler_run(&p, c, s->seconds, "");

    if (!err)
        err = roofs_get(&roofs, store, p.dev, ROOF_SECONDS, false);
    if (!err)
        err = profiler_store(&p, store, sweep_id);
    if (!err) {
        roofline_limits(&limits, &roofs, case_name("dtype", c->dtype));
        print_line(&p, &limits);
        print_direct(&p);
        print_top(&p, &limits, s->top);
        notes->counted |= why_counted(&p.rows, &limits);
        notes->spared |= why_spared(&p.rows, &limits);
        if (!notes->doubt[0])
            roofs_doubt(notes->doubt, &roofs);
        err = print_threads(&p, s->seconds / 2.0);
    }
    profiler_free(&p);
    return err;
}

static int why_cases(const Experiment *e, const WhySettings *s, Store *store,
                     int64_t sweep_id)
{
    Footnotes notes = { false, false, "" };
    int bad = 0;

    for (int i = 0; i < e->ncases; i++) {
        const int err = why_case(&e->cases[i], s, store, sweep_id, &notes);

        if (err && err != ERR_UNSUPPORTED)
            return err;
        if (err) {
            char why[1024];

            snprintf(why, sizeof(why), "%s", err_message());
            print_label(&e->cases[i], why);
        }
        bad += err != OK;
    }
    if (bad == e->ncases)
        return CMD_BAD;
    putchar('\n');
    wrap_to_screen(stdout, "%s", why_sources(notes.counted, notes.spared));
    if (notes.doubt[0])
        put_line("", 0, notes.doubt);
    return OK;
}

/* ---- predictions --------------------------------------------------------- */

enum { PLACES = 8 }; /* shown of each case */

static int by_predicted_time(const void *a, const void *b)
{
    const PredictedStep *const *x = a, *const *y = b;

    return ((*x)->ns < (*y)->ns) - ((*x)->ns > (*y)->ns);
}

/* One image ran: its first dimension is shown as the batch has it. */
static char *batch_dims(char text[DIMS_TEXT], const Tensor *out, int batch)
{
    Tensor all = *out;

    all.dim[0] *= batch;
    return tensor_dims_text(&all, text);
}

static int print_predicted_steps(const Predicted *p, int batch, int top)
{
    const PredictedStep **order =
        malloc(((size_t)p->nsteps + 1) * sizeof(*order));
    char time[32], dims[DIMS_TEXT], text[PREDICT_TEXT], head[256];

    if (!order)
        return fail(ERR_MEMORY, "no memory for %d steps", p->nsteps);
    for (int i = 0; i < p->nsteps; i++)
        order[i] = &p->step[i];
    qsort(order, (size_t)p->nsteps, sizeof(*order), by_predicted_time);
    for (int i = 0; i < top && i < p->nsteps; i++) {
        const PredictedStep *s = order[i];

        snprintf(head, sizeof(head), "    %-18s %-20s %11s %5.1f %%  ",
                 s->out->op->name, batch_dims(dims, s->out, batch),
                 time_short(s->ns, time), 100 * s->ns / p->all.ns);
        put_line(head, 8, predict_say_step(text, s));
    }
    free(order);
    return OK;
}

/* The lines of source that ask for much more than they need. */
static void print_places(const Model *model)
{
    SimtPlace place[PLACES];
    const int n = model->places(place, PLACES);
    char text[PREDICT_TEXT];

    for (int i = 0; i < n; i++)
        if (predict_say_place(text, &place[i])[0])
            put_line("    at ", 8, text);
}

static int predict_one(const Case *c, const WhySettings *s, const Model *model,
                       const CardFacts *card, FILE *csv)
{
    char text[PREDICT_TEXT];
    Predicted p;
    int err = predict_case(&p, c, model, card);

    if (!err) {
        print_label(c, predict_say(text, &p));
        err = print_predicted_steps(&p, c->batch, s->top);
        if (s->top)
            print_places(model);
        if (csv)
            predict_csv_row(csv, c, &p);
    }
    predicted_free(&p, model);
    return err;
}

static int predict_cases(const Experiment *e, const WhySettings *s,
                         const CardFacts *card, FILE *csv)
{
    const Model *model;
    int bad = 0;

    TRY(model_load(&model));
    if (csv)
        predict_csv_head(csv);
    for (int i = 0; i < e->ncases; i++) {
        const int err = predict_one(&e->cases[i], s, model, card, csv);

        if (err) /* as SA of 64 channels: the next may well be right */
            print_label(&e->cases[i], err_message());
        bad += err != OK;
    }
    if (bad == e->ncases)
        return CMD_BAD;
    putchar('\n');
    wrap_to_screen(stdout, "%s", predict_note);
    return OK;
}

static int predict_all(const Experiment *e, const WhySettings *s)
{
    Outfile out = { 0 };
    CardFacts card;
    int err;

    param_defaults(card_params, &card);
    if (s->card[0])
        TRY(card_read(&card, s->card));
    if (!s->csv[0])
        return predict_cases(e, s, &card, NULL);
    TRY(outfile_open(&out, s->csv));
    err = predict_cases(e, s, &card, out.file);
    return outfile_close(&out, err);
}

/* True where all cases are to be predicted. */
static int are_predicted(bool *out, const Experiment *e)
{
    int n = 0;

    for (int i = 0; i < e->ncases; i++)
        n += e->cases[i].backend == ON_MODEL;
    *out = n > 0;
    if (n && n != e->ncases)
        return fail(ERR_INPUT, "backend: 'model' predicts what the others "
                               "measure; give it alone");
    return OK;
}

int cmd_why(int argc, char **argv)
{
    WhySettings s;
    Experiment e;
    Flags flags;
    Store *store;
    int64_t sweep_id;
    bool predicted;
    int err;

    TRY(flags_parse(&flags, &usage, &s, argc, argv));
    if (flags.help)
        return flags_help(&flags, &usage, stdout);
    TRY(flags_cases(&e, &flags, &usage,
                    "nothing to explain; name an experiment, or give "
                    "--module or --backbone"));
    err = are_predicted(&predicted, &e);
    if (!err && predicted)
        err = predict_all(&e, &s);
    if (err || predicted) {
        experiment_free(&e);
        return err;
    }
    snprintf(e.experiment, sizeof(e.experiment), "profile");
    err = sweep_begin(
        &(Sweeping){
            .experiment = &e,
            .settings =
                &(SweepSettings){ .db = s.db, .fresh = 1, .force = s.force },
            .command = usage.name,
            .argc = argc,
            .argv = argv },
        &store, &sweep_id);
    if (!err)
        err = sweep_end(store, sweep_id, why_cases(&e, &s, store, sweep_id));
    experiment_free(&e);
    return interrupt_finish(err, s.db);
}
