/*
 * cmd_reproduce.c - attnbench reproduce TABLE
 */
#include "harness/cli/cmd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/slice.h"
#include "harness/cli/flags.h"
#include "harness/devices/backends.h"
#include "harness/devices/interrupt.h"
#include "harness/devices/program.h"
#include "harness/measure/db.h"
#include "harness/measure/sweep.h"
#include "harness/report/reproduce.h"
#include "kernels/core/err.h"

enum { NO_LIMIT = 86400 }; /* seconds */

typedef struct ReproSettings {
    SweepSettings sweep;
    const char *rows;
    ParamName format;
    int repeats, stored;
} ReproSettings;

static const Param repro_params[] = {
    PARAM_PATH(ReproSettings, rows, "",
               "backbones, methods, or both as resnet50/scsa, in a list; their "
               "baseline rows are added automatically; without a value: list "
               "the rows"),
    PARAM_INT(ReproSettings, repeats, 100, 0, 1000000,
              "samples of each case; 0: until it has converged, by target, "
              "limit, min_samples and max_samples"),
    PARAM_INT(ReproSettings, stored, 0, 0, 1,
              "only print what the database holds"),
    PARAM_NAME(ReproSettings, format, "text", table_format_name,
               "csv has plain numbers, one per column"),
    PARAM_END,
};

static const Usage about = {
    .name = "reproduce",
    .args = "TABLE",
    .min_args = 1,
    .max_args = 1,
    .what =
        "Measures the networks of a table of the SCSA paper (table1: "
        "variants\n"
        "of SCSA in ResNet-50; table2: modules in seven backbones) as the\n"
        "paper did: batch 32, as written, 100 times; those of one backbone\n"
        "interleaved.  Prints each row next to the paper's, with verdicts:\n"
        "params and FLOPs exact, rounding or differs; the ratio to the "
        "first\n"
        "network of the backbone agrees, faster or slower.  An interrupted\n"
        "sweep is resumed; parts of a table (--rows) are joined.  Settings "
        "of\n"
        "the case change how it is measured (--graph=folded).  Progress goes "
        "to standard error.",
    .takes_case = CASE_SETTINGS,
    .exits = "Exit status: 0 if rows were measured or printed; 1 if a case "
             "failed or none could be measured, or a count differs "
             "unexpectedly; 2 if the command line is wrong.",
    .lists = "rows",
    .examples =
        "  attnbench reproduce table2 --batch=4 --repeats=0\n"
        "  attnbench reproduce table2 --rows=resnet50,swin_t --backend=cuda\n"
        "  attnbench reproduce table1 --graph=folded\n"
        "  attnbench reproduce table2 --stored --format=latex > table2.tex\n",
};

static int find_table(const char *name, PaperTable *table)
{
    for (int i = PAPER_TABLE1; i <= PAPER_TABLE2; i++)
        if (strcmp(reproduce_name((PaperTable)i), name) == 0) {
            *table = (PaperTable)i;
            return OK;
        }
    return fail(ERR_INPUT, "unknown table '%s'; the tables are %s and %s", name,
                reproduce_name(PAPER_TABLE1), reproduce_name(PAPER_TABLE2));
}

/* A number of samples is a stopping rule that leaves nothing open. */
static void set_repeats(SweepSettings *s, int repeats)
{
    if (!repeats)
        return;
    s->min_samples = s->max_samples = repeats;
    s->limit = NO_LIMIT;
}

/* ---- the report ------------------------------------------------------ */

/* The latest sweep of the table that was measured as the flags say. */
static int find_stored(Store *store, const char *table, const Flags *flags,
                       int64_t *sweep_id)
{
    const RunFilter all = { table, "attnbench", -1 };
    Wanted wanted[FLAGS_MAX];
    RunList runs;
    int err;

    for (int i = 0; i < flags->nflags; i++) {
        const Flag *f = &flags->flag[i];
        const bool backend = strcmp(f->name, "backend") == 0;

        wanted[i] =
            (Wanted){ f->name, backend ? backend_meant(f->value) : f->value };
    }
    TRY(summary_read(&runs, store, &all));
    err = runs.n ? slice_keep(&runs, wanted, flags->nflags)
                 : fail(ERR_INPUT,
                        "the database has no runs of %s; leave out --stored "
                        "to measure them",
                        table);
    *sweep_id = 0;
    for (int i = 0; i < runs.n && !err; i++)
        if (runs.at[i].sweep_id > *sweep_id)
            *sweep_id = runs.at[i].sweep_id;
    summary_free(&runs);
    return err;
}

/* True if what was found calls for an answer: a bad verdict. */
static bool is_bad(const Reproduction *r, const bool *wanted)
{
    bool bad = false, any = false;

    for (int i = 0; i < r->n; i++) {
        const ReproRow *row = &r->at[i];

        if (!wanted[i])
            continue;
        bad |= row->params == COUNT_DIFFERS && !row->paper->params_note[0];
        bad |= row->flops == COUNT_DIFFERS && !row->paper->flops_note[0];
        bad |= row->run && (row->run->o.status == STATUS_WRONG ||
                            row->run->o.status == STATUS_FAILED);
        any |= row->run && row->run->o.status == STATUS_OK;
    }
    return bad || !any;
}

static int print_report(Store *store, int64_t sweep_id,
                        const ReproReport *report, bool *bad)
{
    const RunFilter filter = { NULL, NULL, sweep_id };
    Reproduction *r = malloc(sizeof(*r));
    RunList runs;
    int err;

    BUG_IF(!r);
    err = summary_read(&runs, store, &filter);
    if (!err)
        err = reproduction_make(r, report->table, &runs);
    if (!err && !runs.n)
        err = fail(ERR_INPUT, "nothing has been measured yet");
    if (!err)
        err = reproduce_print(report, r, store, &runs);
    if (!err)
        *bad = is_bad(r, report->wanted);
    summary_free(&runs);
    free(r);
    return err;
}

/* Prints what sweep_id has, or, if that is 0, the latest that fits. */
static int report_stored(const ReproSettings *settings, const Flags *flags,
                         ReproReport *report, int64_t sweep_id, bool *bad)
{
    Store *store;
    int err = OK;

    report->format = table_format(settings->format.text);
    report->out = stdout;
    TRY(db_open(&store, settings->sweep.db, STORE_READ));
    if (!sweep_id)
        err =
            find_stored(store, reproduce_name(report->table), flags, &sweep_id);
    if (!err)
        err = print_report(store, sweep_id, report, bad);
    store_close(store);
    return err;
}

/* ---- measuring ------------------------------------------------------- */

static void print_next(const Sweeping *s, const char *table)
{
    const char *db = s->settings->db;
    char path[PROGRAM_TEXT];

    program_path(path);
    fprintf(s->out, "next: %s plot %s", path, table);
    put_db(s->out, db);
    fprintf(s->out, "\n      %s reproduce %s --stored --format=latex", path,
            table);
    put_db(s->out, db);
    fprintf(s->out, "\n\n");
}

static int measure_rows(Sweeping *s, PaperTable table, const Paper *paper,
                        const bool *wanted, const Flags *flags, Tally *tally,
                        int64_t *sweep_id)
{
    Experiment e;
    int err;

    TRY(reproduce_experiment(&e, table, paper, wanted, flags->flag,
                             flags->nflags));
    s->experiment = &e;
    err = sweep_run(s, tally, sweep_id);
    experiment_free(&e);
    if (!err && !tally->interrupted)
        print_next(s, reproduce_name(table));
    return err;
}

/* The rows of a table, as --rows takes them. */
static int list_rows(const char *name)
{
    PaperTable table;
    Paper paper;

    TRY(find_table(name, &table));
    TRY(paper_read(&paper, table));
    printf("--rows takes backbones, methods, or both:\n");
    for (int i = 0; i < paper.n; i++) {
        char row[PAPER_TEXT];

        printf("  %-40s %s%s%s\n", reproduce_row(&paper.at[i], row),
               paper.at[i].backbone, paper.at[i].backbone[0] ? ", " : "",
               paper.at[i].method);
    }
    return OK;
}

/* With the settings read. */
static int reproduce(Sweeping *s, ReproSettings *settings, const Flags *flags,
                     bool *bad, Tally *tally)
{
    bool wanted[PAPER_ROWS_MAX];
    ReproReport report = { .wanted = wanted };
    int64_t sweep_id = 0;
    Paper paper;

    TRY(find_table(flags->arg[0], &report.table));
    TRY(paper_read(&paper, report.table));
    TRY(reproduce_rows(wanted, &paper, settings->rows));
    set_repeats(&settings->sweep, settings->repeats);
    TRY(sweep_protocol(&s->protocol, &settings->sweep));
    if (!settings->stored)
        TRY(measure_rows(s, report.table, &paper, wanted, flags, tally,
                         &sweep_id));
    if (tally->interrupted)
        return OK;
    return report_stored(settings, flags, &report, sweep_id, bad);
}

int cmd_reproduce(int argc, char **argv)
{
    Param params[SWEEP_PARAMS];
    Usage usage = about;
    ReproSettings settings;
    Sweeping s = { .settings = &settings.sweep,
                   .command = usage.name,
                   .argc = argc,
                   .argv = argv,
                   .out = stderr };
    Tally tally = { 0 };
    bool bad = false;
    Flags flags;
    int err;

    sweep_params(params, repro_params);
    usage.params = params;
    TRY(flags_parse(&flags, &usage, &settings, argc, argv));
    if (flags.help)
        return flags_help(&flags, &usage, stdout);
    if (strcmp(settings.rows, "help") == 0)
        return list_rows(flags.arg[0]);
    err = reproduce(&s, &settings, &flags, &bad, &tally);
    fflush(stdout);
    if (!err && tally.interrupted)
        interrupt_end();
    return err ? err : bad ? CMD_BAD : OK;
}
