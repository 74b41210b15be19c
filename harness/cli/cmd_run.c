/*
 * cmd_run.c - attnbench run [EXPERIMENT] [--setting=value]...
 */
#include "harness/cli/cmd.h"

#include <stdio.h>
#include <string.h>

#include "harness/cli/flags.h"
#include "harness/devices/interrupt.h"
#include "harness/devices/program.h"
#include "harness/experiments/experiment.h"
#include "harness/measure/sweep.h"
#include "kernels/core/err.h"

typedef struct RunSettings {
    SweepSettings sweep;
    int dry_run;
} RunSettings;

static const Param run_params[] = {
    PARAM_INT(RunSettings, dry_run, 0, 0, 1,
              "only print the cases, one JSON object per line"),
    PARAM_END,
};

static const Usage about = {
    .name = "run",
    .args = "[EXPERIMENT]",
    .max_args = 1,
    .what =
        "Measures the cases of an experiment, or those that the settings\n"
        "describe, and stores every sample.  EXPERIMENT is a JSON file, or\n"
        "the name of one in harness/experiments.  A setting may be a list\n"
        "(--module=se,eca); lists are multiplied; settings replace what the\n"
        "file says.  A sweep that was interrupted is resumed.",
    .takes_case = CASE_SETTINGS,
    .exits = "Exit status: 0 if a case was measured, or all were before; 1 if "
             "a case failed or was wrong, or nothing could be measured; 2 if "
             "the command line or the experiment is wrong.",
    .examples =
        "  attnbench run channels\n"
        "  attnbench run harness/experiments/bench.json --budget=100\n"
        "  attnbench run --backbone=resnet50 --module=none,scsa --batch=8\n"
        "  attnbench run --module=scsa --channels=64,128,256 --state=cold\n",
};

static int dry_run(const Experiment *e)
{
    char json[CASE_JSON];

    for (int i = 0; i < e->ncases; i++)
        printf("{\"experiment\":\"%s\",%s\n", e->experiment,
               case_json(&e->cases[i], json) + 1);
    return OK;
}

static void print_next(const Experiment *e, const char *db)
{
    char path[PROGRAM_TEXT];

    program_path(path);
    printf("next: %s table %s", path, e->experiment);
    put_db(stdout, db);
    printf("\n      %s plot", path);
    put_db(stdout, db);
    printf("\n");
}

static int find_experiment(const Flags *flags, char *path, size_t size,
                           const char **found)
{
    *found = NULL;
    if (flags->nargs)
        return sweep_find(flags->arg[0], path, size, found);
    if (!flags->nflags)
        return fail(ERR_INPUT, "nothing to run; name an experiment "
                               "('attnbench list experiments'), or give "
                               "--module or --backbone");
    return OK;
}

int cmd_run(int argc, char **argv)
{
    Param params[SWEEP_PARAMS];
    Usage usage = about;
    RunSettings settings;
    Sweeping s = { .settings = &settings.sweep,
                   .command = usage.name,
                   .argc = argc,
                   .argv = argv,
                   .out = stdout };
    Experiment e;
    Tally tally = { 0 };
    Flags flags;
    char path[512];
    const char *found;
    int64_t sweep_id;
    int err;

    sweep_params(params, run_params);
    usage.params = params;
    TRY(flags_parse(&flags, &usage, &settings, argc, argv));
    if (flags.help)
        return flags_help(&flags, &usage, stdout);
    TRY(sweep_protocol(&s.protocol, &settings.sweep));
    TRY(find_experiment(&flags, path, sizeof(path), &found));
    TRY(experiment_read(&e, found, flags.flag, flags.nflags));
    s.experiment = &e;
    err = settings.dry_run ? dry_run(&e) : sweep_run(&s, &tally, &sweep_id);
    if (!err && !settings.dry_run && !tally.interrupted)
        print_next(&e, settings.sweep.db);
    experiment_free(&e);
    fflush(stdout);
    if (!err && tally.interrupted)
        interrupt_end();
    return err ? err : sweep_is_bad(&tally) ? CMD_BAD : OK;
}
