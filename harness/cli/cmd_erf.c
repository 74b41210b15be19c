/*
 * cmd_erf.c - attnbench erf [EXPERIMENT] --backbone=B --module=M --tap=T
 */
#include "harness/cli/cmd.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/attribution/erf_images.h"
#include "harness/attribution/erf_report.h"
#include "harness/cli/flags.h"
#include "harness/devices/backends.h"
#include "harness/devices/interrupt.h"
#include "harness/experiments/experiment.h"
#include "harness/files/npy.h"
#include "harness/measure/db.h"
#include "harness/measure/sweep.h"
#include "harness/network/network.h"
#include "kernels/core/err.h"
#include "kernels/core/host.h"
#include "results/erf.h"
#include "results/folder.h"

enum { AT_ONCE = 8, TAPS_TEXT = 256 };

/* The first seven are what the repeat line has of it. */
typedef struct ErfSettings {
    const char *tap;
    int draws, sets, seed;
    ParamName protocol, rule;
    const char *images, *out, *db;
    ParamName format;
} ErfSettings;

CHOICES(format, "text", "csv")

#define HOW                                                                   \
    PARAM_PATH(                                                               \
        ErfSettings, tap, "",                                                 \
        "layers, a,b: stage1 to stage4 of a backbone, or a scope, for its "   \
        "last result (layer4.2.attn); default: the protocol's, "              \
        "stage3,stage4"),                                                     \
        PARAM_INT(ErfSettings, draws, 0, 0, 100000,                           \
                  "number of draws, one input each; 0: 50, or all images "    \
                  "of the folder if they are fewer"),                         \
        PARAM_INT(ErfSettings, sets, 10, 1, 1000,                             \
                  "number of sets of seeded weights that draws are split "    \
                  "over; intervals are over sets; 1: intervals are over "     \
                  "draws"),                                                   \
        PARAM_INT(ErfSettings, seed, 1, 0, 1000000000,                        \
                  "seed of the first set and the first draw"),                \
        PARAM_NAME(ErfSettings, protocol, "attnbench", erf_protocol_name,     \
                   "gradient to compute, and its processing; see below"),     \
        PARAM_NAME(ErfSettings, rule, "auto", rule_choice,                    \
                   "part of the gradient that counts; auto: the protocol's"), \
        PARAM_PATH(ErfSettings, images, "",                                   \
                   "folder of JPEG and PNG images, one per draw, instead "    \
                   "of noise")

static const char *rule_choice(int i)
{
    return i ? erf_rule_name(i - 1) : "auto";
}

/* Settings that a map depends on, as in the repeat line. */
static const Param how_params[] = { HOW, PARAM_END };

static const Param erf_params[] = {
    HOW,
    PARAM_PATH(ErfSettings, out, "results/erf", "folder for the maps (.npy)"),
    PARAM_PATH(ErfSettings, db, STORE_PATH,
               "the database to store the results in"),
    PARAM_NAME(ErfSettings, format, "text", format_choice,
               "output format; csv has every number"),
    PARAM_END,
};

static const Usage usage = {
    .name = "erf",
    .args = "[EXPERIMENT]",
    .max_args = 1,
    .what = "Measures the effective receptive field of a layer: which input "
            "pixels a unit in\n"
            "its middle responds to, by the gradient of that unit over many "
            "draws of weights\n"
            "and inputs.  For modules that multiply by gates, also splits the "
            "gradient\n"
            "into the part that bypasses the gates and the part through them.  "
            "Maps and numbers\n"
            "are stored in the database: 'attnbench plot erf' draws them.  The "
            "first draw is\n"
            "compared with the definition, and nothing is stored for a network "
            "that differs.",
    .params = erf_params,
    .takes_case = CASE_SETTINGS,
    .exits = "Exit status: 0 if a map was made; 1 if none could be; 2 if the "
             "command line or the experiment is wrong.",
    .examples =
        "  attnbench erf --backbone=resnet50 --module=none,se,scsa\n"
        "  attnbench erf --backbone=resnet50 --module=scsa "
        "--tap=layer4.2.attn\n"
        "  attnbench erf erf_resolution\n"
        "  attnbench erf --backbone=resnet50 --weights=r50.safetensors "
        "--images=photos\n"
        "  attnbench erf --module=ca --channels=64 --height=33 --width=33\n",
};

/* ---- what is asked ------------------------------------------------------- */

/* Splits text at its commas into ask->tap, in place. */
static int split_taps(ErfAsk *ask, char *text)
{
    ask->taps = 0;
    for (char *tap = strtok(text, ","); tap; tap = strtok(NULL, ",")) {
        for (int i = 0; i < ask->taps; i++)
            if (strcmp(ask->tap[i], tap) == 0)
                return fail(ERR_INPUT, "--tap has '%s' twice", tap);
        if (ask->taps == ERF_TAPS_MAX)
            return fail(ERR_INPUT, "--tap has more than %d taps", ERF_TAPS_MAX);
        if (strlen(tap) >= ERF_TAP_NAME)
            return fail(ERR_INPUT, "--tap: '%s' is too long", tap);
        ask->tap[ask->taps++] = tap;
    }
    return ask->taps ? OK : fail(ERR_INPUT, "--tap names no tap");
}

static ErfRule rule_of(const ErfSettings *s, const ErfProtocol *p)
{
    for (int i = 0; erf_rule_name(i); i++)
        if (strcmp(erf_rule_name(i), s->rule.text) == 0)
            return (ErfRule)i;
    return p->rule;
}

/* taps is where the names of the taps are kept. */
static int make_ask(ErfAsk *ask, char taps[TAPS_TEXT], const ErfSettings *s,
                    const Case *c)
{
    const bool seeded = strcmp(c->weights.text, "seeded") == 0;
    const char *names = s->tap;

    *ask = (ErfAsk){ .protocol = erf_protocol_find(s->protocol.text),
                     .draws = s->draws ? s->draws : ERF_DRAWS,
                     .sets = seeded ? s->sets : 1,
                     .seed = (uint64_t)s->seed };
    network_weights_hash(ask->weights_hash, c, NULL);
    ask->rule = rule_of(s, ask->protocol);
    if (ask->sets > ask->draws)
        ask->sets = ask->draws;
    if (!names[0])
        TRY(erf_default_taps(&names, ask->protocol, c));
    if (snprintf(taps, TAPS_TEXT, "%s", names) >= TAPS_TEXT)
        return fail(ERR_INPUT, "--tap is too long");
    return split_taps(ask, taps);
}

/* As many draws at once as the case says, or as share out evenly. */
static int batch_of(const Case *c, const ErfAsk *ask, bool given)
{
    const int most = (ask->draws + ask->sets - 1) / ask->sets;
    const int batches = (most + AT_ONCE - 1) / AT_ONCE;

    return given ? c->batch : (most + batches - 1) / batches;
}

static int check_case(const Case *c)
{
    if (c->dtype != F32)
        return fail(ERR_UNSUPPORTED,
                    "gradients are in f32 only, not in %s: leave out --dtype",
                    case_name("dtype", c->dtype));
    if (c->pass != PASS_FORWARD)
        return fail(ERR_INPUT,
                    "pass=%s is for attnbench run; erf has its own: leave out "
                    "--pass",
                    case_name("pass", c->pass));
    return OK;
}

/* ---- what is kept -------------------------------------------------------- */

/* "attnbench erf --backbone=... --tap=...", which repeats it. */
static int print_repeat(char *text, size_t size, const Case *c,
                        const ErfSettings *s)
{
    char of_case[CASE_TEXT];
    const char *rest = case_print(c, of_case) + strlen("attnbench run");
    size_t n = (size_t)snprintf(text, size, "attnbench erf%s", rest);

    n += param_flags(how_params, s, false, n < size ? text + n : NULL,
                     n < size ? size - n : 0);
    return n < size ? OK
                    : fail(ERR_INPUT,
                           "the command that repeats this has %zu characters, "
                           "and %zu can be stored: give --images or --tap a "
                           "shorter path",
                           n, size - 1);
}

static double side(const Reach *f, bool vertical)
{
    const Extent s = vertical ? f->rows : f->columns;

    return f->whole || s.last < s.first ? NAN : s.last - s.first + 1;
}

#define COPY(to, from) snprintf(to, sizeof(to), "%s", from)

static void fill_row(ErfRow *row, const Erf *e, const Case *c,
                     const ErfAsk *ask)
{
    *row = (ErfRow){ .c = *c,
                     .o = outcome_of_nothing(),
                     .draws = ask->draws,
                     .observations = e->n,
                     .seed = (int64_t)ask->seed,
                     .y = e->y,
                     .x = e->x,
                     .field_height = side(&e->field, true),
                     .field_width = side(&e->field, false),
                     .past_height = side(&e->past_gates, true),
                     .past_width = side(&e->past_gates, false),
                     .peak = e->peak,
                     .parts = e->parts };
    BUG_IF(c->height != e->height || c->width != e->width);
    row->o.rel_l2 = e->rel_l2;
    COPY(row->o.weights_hash, ask->weights_hash);
    COPY(row->images_hash, ask->input.hash ? ask->input.hash : "");
    COPY(row->tap, e->tap);
    COPY(row->layer, e->layer);
    COPY(row->protocol, ask->protocol->name);
    erf_describe(row->described, e, c, ask);
    for (int p = 0; p < e->parts; p++) {
        ErfRowPart *part = &row->part[p];

        COPY(part->part, erf_part_name(p));
        part->map = e->part[p].map;
        for (int i = 0; i < ERF_NUMBERS; i++) {
            const ErfEstimate *n = &e->part[p].number[i];
            ErfRowNumber *to = &part->number[part->numbers++];

            *to = (ErfRowNumber){ "", n->value, n->lo, n->hi };
            COPY(to->name, erf_number_name(i));
        }
    }
}

/* "", or "_" and the name of the file of weights. */
static void name_weights(char *text, size_t size, const char *weights)
{
    const char *name = file_name(weights);
    const char *dot = strrchr(name, '.');

    text[0] = '\0';
    if (strcmp(weights, "seeded"))
        snprintf(text, size, "_%.*s",
                 (int)(dot ? dot - name : (long)strlen(name)), name);
}

/* Maps have the name of their weights, without its folder. */
static int check_names(const Experiment *e)
{
    char one[PARAM_FILE_MAX + 1], other[PARAM_FILE_MAX + 1];

    for (int i = 0; i < e->ncases; i++)
        for (int k = 0; k < i; k++) {
            const char *a = e->cases[i].weights.text;
            const char *b = e->cases[k].weights.text;

            name_weights(one, sizeof(one), a);
            name_weights(other, sizeof(other), b);
            if (strcmp(a, b) && one[0] && strcmp(one, other) == 0)
                return fail(ERR_INPUT,
                            "%s and %s would give maps of the same name: "
                            "rename one, or run them separately with --out",
                            b, a);
        }
    return OK;
}

/* FOLDER/resnet50_scsa_stage4_224x224_gates.npy */
static int write_maps(const char *folder, const ErfRow *row)
{
    char weights[PARAM_FILE_MAX + 1];

    name_weights(weights, sizeof(weights), row->c.weights.text);
    for (int p = 0; p < row->parts; p++) {
        const bool ours = strcmp(row->protocol, "attnbench") == 0;
        char path[1024];

        if (snprintf(path, sizeof(path), "%s/%s_%s%s_%s_%dx%d%s%s_%s.npy",
                     folder, row->c.backbone.text, row->c.module.text, weights,
                     row->tap, row->c.height, row->c.width, ours ? "" : "_",
                     ours ? "" : row->protocol,
                     row->part[p].part) >= (int)sizeof(path))
            return fail(ERR_INPUT, "--out: the path is too long");
        TRY(npy_write(path, row->part[p].map, 2,
                      (int[]){ row->c.height, row->c.width }));
    }
    return OK;
}

/* ---- the command --------------------------------------------------------- */

typedef struct Making {
    const ErfSettings *settings;
    bool batch_given;
    ErfImages *images; /* NULL: noise */
    Store *store;
    int64_t sweep_id;
} Making;

static bool is_csv(const ErfSettings *s)
{
    return strcmp(s->format.text, "csv") == 0;
}

static void print_end(const char *repeat, const Erf *e, double seconds)
{
    printf("%s: %.1f s; its first draw differs from the definition by %.1e%s\n"
           "\n",
           repeat, seconds, e->rel_l2,
           e->rel_l2 > 0 && isinf(e->limit) ? ", as roundings alone may" : "");
}

/* All taps of one case: stored, written and printed. */
static int keep(const Making *m, const Erf *erf, const Case *asked,
                const ErfAsk *ask, const char *repeat)
{
    ErfRow *row = malloc((size_t)ask->taps * sizeof(*row));
    int err;

    if (!row)
        return fail(ERR_MEMORY, "no memory for %d receptive fields", ask->taps);
    for (int i = 0; i < ask->taps; i++) {
        fill_row(&row[i], &erf[i], asked, ask);
        COPY(row[i].o.repeat, repeat);
    }
    err = store_erf(m->store, m->sweep_id, row, ask->taps);
    for (int i = 0; i < ask->taps && !err; i++) {
        err = write_maps(m->settings->out, &row[i]);
        if (!err && is_csv(m->settings))
            erf_report_csv(stdout, &row[i]);
        else if (!err)
            erf_report(stdout, &row[i]);
    }
    free(row);
    return err;
}

static int make_case(const Making *m, const Case *asked, const char *repeat)
{
    const DeviceSettings threads = { asked->threads, "" };
    const double start = host_now_ns();
    char taps[TAPS_TEXT];
    Erf erf[ERF_TAPS_MAX];
    Case c = *asked;
    Device *dev;
    ErfAsk ask;
    int err;

    TRY(check_case(&c));
    TRY(make_ask(&ask, taps, m->settings, &c));
    if (m->images)
        ask.input = erf_images_input(m->images);
    TRY(backend_open(&dev, case_name("backend", c.backend), &threads));
    c.batch = batch_of(asked, &ask, m->batch_given);
    err = erf_run(erf, &c, &ask, dev);
    backend_close(dev);
    if (!err)
        err = keep(m, erf, asked, &ask, repeat);
    if (!err && !is_csv(m->settings))
        print_end(repeat, &erf[0], (host_now_ns() - start) / 1e9);
    fflush(stdout);
    erf_free(erf, ask.taps);
    return err;
}

/* A tap may be in one network and not in another; one network may be wrong. */
static bool others_go_on(int err, const Experiment *e)
{
    return err == ERR_DEVICE ||
           ((err == ERR_UNSUPPORTED || err == ERR_INPUT) && e->ncases > 1);
}

/* Maps that cannot be made say why; the others continue.  Maps stored before
 * an interruption are not made again. */
static int make_cases(const Making *m, const Experiment *e)
{
    char repeat[REPEAT_TEXT];
    int bad = 0, wrong = 0;
    bool has;

    if (is_csv(m->settings))
        erf_report_csv_head(stdout);
    for (int i = 0; i < e->ncases; i++) {
        int err;

        TRY(print_repeat(repeat, sizeof(repeat), &e->cases[i], m->settings));
        TRY(store_has_run(m->store, m->sweep_id, repeat, &has));
        if (has) {
            fprintf(stderr, "%s: stored already\n", repeat);
            continue;
        }
        err = make_case(m, &e->cases[i], repeat);
        if (err && !others_go_on(err, e))
            return err;
        if (err)
            fprintf(stderr, "%s: %s\n", repeat, err_message());
        bad += err != OK;
        wrong += err == ERR_DEVICE;
    }
    return wrong || bad == e->ncases ? CMD_BAD : OK;
}

/* A sweep like any other, which Ctrl-C interrupts and the same command
 * resumes. */
static int make_sweep(Making *m, Experiment *e, int argc, char **argv)
{
    const SweepSettings settings = { .db = m->settings->db, .force = 1 };
    const Sweeping sweeping = { .experiment = e,
                                .settings = &settings,
                                .command = usage.name,
                                .argc = argc,
                                .argv = argv,
                                .inputs_hash =
                                    m->images ? m->images->hash : NULL };

    snprintf(e->experiment, sizeof(e->experiment), "erf");
    TRY(sweep_begin(&sweeping, &m->store, &m->sweep_id));
    return sweep_end(m->store, m->sweep_id, make_cases(m, e));
}

static int print_help(const Flags *flags)
{
    TRY(flags_help(flags, &usage, stdout));
    printf("\nProtocols:\n");
    for (int i = 0; erf_protocol_at(i); i++)
        flags_entry(stdout, erf_protocol_at(i)->name,
                    erf_protocol_at(i)->about);
    putchar('\n');
    flags_text(stdout, "Numbers, each for the whole map, for the part that "
                       "bypasses the gates, and for the rest:");
    for (int i = 0; erf_number_name(i); i++)
        flags_entry(stdout, erf_number_name(i), erf_number_help(i));
    return OK;
}

int cmd_erf(int argc, char **argv)
{
    ErfSettings s;
    Making m = { .settings = &s };
    ErfImages images = { 0 };
    Experiment e;
    Flags flags;
    int err;

    TRY(flags_parse(&flags, &usage, &s, argc, argv));
    if (flags.help)
        return print_help(&flags);
    m.batch_given = flags_given(&flags, "batch");
    TRY(flags_cases(&e, &flags, &usage,
                    "no network given; name an experiment, or give "
                    "--backbone or --module"));
    err = check_names(&e);
    if (err)
        goto out;
    m.images = s.images[0] ? &images : NULL;
    if (!m.images && s.draws == ERF_DRAWS)
        s.draws = 0; /* the same, and the same repeat line */
    interrupt_listen();
    err = m.images ? erf_images_open(&images, s.images, s.draws) : OK;
    if (m.images)
        s.draws = images.draws; /* so that more images change no repeat line */
    if (!err)
        err = make_sweep(&m, &e, argc, argv);
    erf_images_close(&images);
out:
    experiment_free(&e);
    return interrupt_finish(err, s.db);
}
