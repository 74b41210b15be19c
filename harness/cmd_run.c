/*
 * cmd_run.c - attnbench run [EXPERIMENT] [--setting=value]...
 */
#include "harness/cmd.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "harness/environment.h"
#include "harness/experiment.h"
#include "harness/flags.h"
#include "harness/measure.h"
#include "harness/progress.h"
#include "kernels/core/err.h"
#include "kernels/core/host.h"
#include "kernels/cpu/cpu.h"

typedef struct RunSettings {
    const char *db, *peer;
    ParamName target;
    int fresh, dry_run;
    int limit, budget, warmup, min_samples, max_samples, block, seed;
} RunSettings;

/* clang-format off */
static const Param run_params[] = {
    PARAM_PATH(RunSettings, db, STORE_PATH, "the database"),
    PARAM_INT(RunSettings, fresh, 0, 0, 1,
              "begin anew, even if a sweep like this is unfinished"),
    PARAM_INT(RunSettings, dry_run, 0, 0, 1,
              "only print the cases, one JSON object a line"),
    PARAM_NAME(RunSettings, target, "1", NULL,
               "a case has converged when the 95 % interval of its median is "
               "within plus or minus this many percent"),
    PARAM_INT(RunSettings, limit, 10, 1, 86400,
              "seconds that the samples of one case may take"),
    PARAM_INT(RunSettings, budget, 0, 0, 864000,
              "seconds that all of it may take, shared among the cases; "
              "0: no limit"),
    PARAM_INT(RunSettings, min_samples, 10, 6, 100000,
              "samples before a case can have converged"),
    PARAM_INT(RunSettings, max_samples, 2000, 6, 1000000,
              "samples at which a case is left alone"),
    PARAM_INT(RunSettings, warmup, 1, 0, 100000,
              "milliseconds that each case runs before its samples"),
    PARAM_INT(RunSettings, block, 16, 1, 256,
              "cases that are sampled turn by turn"),
    PARAM_INT(RunSettings, seed, 0, 0, 2147483647,
              "of the order of the rounds; 0: from the clock"),
    PARAM_PATH(RunSettings, peer, "",
               "a command that times the same cases, turn by turn with us"),
    PARAM_END,
};
/* clang-format on */

static const Usage usage = {
    .name = "run",
    .args = "[EXPERIMENT]",
    .max_args = 1,
    .what =
        "Measures the cases of an experiment, or those that the settings\n"
        "describe, and stores every sample.  EXPERIMENT is a JSON file, or\n"
        "the name of one in harness/experiments.  A setting may be a list\n"
        "(--module=se,eca); lists are multiplied; settings replace what the\n"
        "file says.  A sweep that was interrupted goes on where it stopped.",
    .params = run_params,
    .takes_case = true,
    .examples =
        "  attnbench run channels\n"
        "  attnbench run harness/experiments/bench.json --budget=100\n"
        "  attnbench run --backbone=resnet50 --module=none,scsa --batch=8\n"
        "  attnbench run --module=scsa --channels=64,128,256 --state=cold\n",
};

/* ---- Ctrl-C ---------------------------------------------------------- */

/* The one global: there is no other way to hear of a signal. */
static volatile sig_atomic_t stop;

static void on_signal(int signal)
{
    stop = signal;
}

static void listen(void)
{
    struct sigaction action = { .sa_handler = on_signal };

    /* The second one ends us at once; what a peer is saying is heard out. */
    action.sa_flags = (int)SA_RESETHAND | SA_RESTART;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* Ends as the shell expects of a program that a signal stopped. */
static void end_by_signal(void)
{
    signal(stop, SIG_DFL);
    raise(stop);
}

/* ---- settings -------------------------------------------------------- */

static int read_protocol(Protocol *p, const RunSettings *s)
{
    char *end;
    const double target = strtod(s->target.text, &end);

    if (end == s->target.text || *end || !(target >= 0.01 && target <= 50))
        return fail(ERR_INPUT,
                    "target='%s' is no number of percent from 0.01 to 50",
                    s->target.text);
    *p = (Protocol){
        .target = target / 100,
        .limit = s->limit,
        .budget = s->budget,
        .warmup = s->warmup * 1e-3,
        .min_samples = s->min_samples,
        .max_samples = s->max_samples,
        .block = s->block,
        .seed = (uint64_t)s->seed,
        .started_ns = host_now_ns(),
        .stop = &stop,
    };
    if (!p->seed) {
        struct timespec t;

        clock_gettime(CLOCK_REALTIME, &t);
        p->seed = ((uint64_t)t.tv_sec << 20 ^ (uint64_t)t.tv_nsec) & INT32_MAX;
    }
    return OK;
}

static const char experiments[] = "harness/experiments/";

static bool is_file(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && !S_ISDIR(info.st_mode);
}

/* The i-th name in a glob_t of experiments, which loses its ".json". */
static const char *experiment_name(const void *arg, int i)
{
    const glob_t *found = arg;
    char *name;

    if (i >= (int)found->gl_pathc)
        return NULL;
    name = found->gl_pathv[i] + strlen(experiments);
    name[strcspn(name, ".")] = '\0';
    return name;
}

static int no_experiment(const char *name, const char *path)
{
    const char *near = NULL;
    glob_t found;
    int err;

    if (glob("harness/experiments/*.json", 0, NULL, &found) == 0)
        near = name_nearest(name, experiment_name, &found);
    err = near ? fail(ERR_INPUT,
                      "there is no experiment '%s'; did you mean '%s'?", name,
                      near)
               : fail(ERR_INPUT,
                      "there is no experiment '%s': no file of that name, and "
                      "no %s",
                      name, path);
    globfree(&found);
    return err;
}

/* "bench" is harness/experiments/bench.json, unless it is a file itself.
 * *found is path, the argument, or NULL if there was none. */
static int find_experiment(const Flags *flags, char *path, size_t size,
                           const char **found)
{
    const char *name = flags->nargs ? flags->arg[0] : NULL;

    *found = name;
    if (!name && !flags->nflags)
        return fail(ERR_INPUT, "name an experiment ('attnbench list "
                               "experiments' shows them), or give --module "
                               "or --backbone");
    if (!name || strchr(name, '/') || is_file(name))
        return OK;
    snprintf(path, size, "%s%s%s", experiments, name,
             strstr(name, ".json") ? "" : ".json");
    *found = path;
    return is_file(path) ? OK : no_experiment(name, path);
}

/* In quotes, where a shell would take it for something else. */
static void put_argument(FILE *out, const char *text)
{
    if (*text && !strpbrk(text, " \t\n'\"\\$`*?[]{}()<>|&;#~!")) {
        fputs(text, out);
        return;
    }
    fputc('\'', out);
    for (; *text; text++)
        if (*text == '\'')
            fputs("'\\''", out);
        else
            fputc(*text, out);
    fputc('\'', out);
}

/* The command line, as far as size has room. */
static void join_argv(char *text, size_t size, int argc, char **argv)
{
    FILE *out = fmemopen(text, size - 1, "w");

    BUG_IF(!out);
    text[size - 1] = '\0';
    fputs("attnbench run", out);
    for (int i = 0; i < argc; i++) {
        fputc(' ', out);
        put_argument(out, argv[i]);
    }
    fclose(out);
}

static int dry_run(const Experiment *e)
{
    char json[2 * CASE_TEXT], settings[CASE_TEXT];

    for (int i = 0; i < e->ncases; i++) {
        const Case *c = &e->cases[i];
        const size_t n = param_json(case_params, c, json, sizeof(json));

        BUG_IF(n >= sizeof(json));
        printf("{\"experiment\":\"%s\",%.*s,\"settings\":%s}\n", e->experiment,
               (int)n - 2, json + 1, case_settings_json(c, settings));
    }
    return OK;
}

/* ---- the sweep ------------------------------------------------------- */

/* What the machine, the build and the day are, for every lane alike. */
typedef struct Record {
    Machine machine;
    Build build;
    Sweep sweep;
} Record;

static int fill_record(Record *r, const Experiment *e, const Protocol *p,
                       int argc, char **argv)
{
    Device *dev;

    memset(r, 0, sizeof(*r));
    environment_machine(&r->machine);
    environment_build(&r->build);
    environment_weather(&r->sweep);
    snprintf(r->sweep.experiment, sizeof(r->sweep.experiment), "%s",
             e->experiment);
    snprintf(r->sweep.question, sizeof(r->sweep.question), "%s", e->question);
    snprintf(r->sweep.cases_hash, sizeof(r->sweep.cases_hash), "%s",
             e->cases_hash);
    r->sweep.seed = p->seed;
    join_argv(r->sweep.argv, sizeof(r->sweep.argv), argc, argv);
    TRY(cpu_backend.open(&dev, &(DeviceSettings){ .isa = "" }));
    r->sweep.denormals = cpu_flushes_denormals(dev);
    cpu_backend.close(dev);
    return OK;
}

static int begin_lanes(Lanes *lanes, Peer *peer, Store *store, Record *r,
                       bool fresh, bool *resumed)
{
    *lanes = (Lanes){ .n = peer ? 2 : 1 };
    lanes->at[1].peer = peer;
    for (int i = 0; i < lanes->n; i++) {
        snprintf(r->sweep.source, sizeof(r->sweep.source), "%s",
                 i ? peer_name(peer) : "attnbench");
        TRY(store_sweep_begin(store, &r->machine, &r->build, &r->sweep, fresh,
                              &lanes->at[i].sweep_id, resumed));
    }
    return OK;
}

/* Why a sweep began anew where its user may have thought that it goes on. */
static int say_abandoned(Store *store, int64_t sweep_id, const Build *now)
{
    Abandoned a;

    TRY(store_sweep_abandoned(store, sweep_id, &a));
    if (!a.runs)
        return OK;
    printf("beginning anew: the %d cases of an unfinished sweep were measured ",
           a.runs);
    if (a.other_machine)
        printf("on another machine\n");
    else if (strcmp(a.git_commit, now->git_commit) || a.dirty != now->dirty)
        printf("by another build (commit %.7s%s; this is %.7s%s)\n",
               a.git_commit, a.dirty ? " with changes" : "", now->git_commit,
               now->dirty ? " with changes" : "");
    else
        printf("by a build with another compiler, flags or libraries\n");
    return OK;
}

static int count_stored(const Experiment *e, const Lanes *lanes, Store *store,
                        int *n)
{
    char repeat[CASE_TEXT];

    *n = 0;
    for (int i = 0; i < e->ncases; i++)
        for (int lane = 0; lane < lanes->n; lane++) {
            bool has;

            TRY(store_has_run(store, lanes->at[lane].sweep_id,
                              case_print(&e->cases[i], repeat), &has));
            *n += has;
        }
    return OK;
}

static void on_step(void *arg, const Step *step)
{
    progress_step(arg, step);
}

static void on_done(void *arg, const Arm *a)
{
    progress_done(arg, a);
}

static void print_summary(const Experiment *e, const Tally *t, const char *db,
                          const Protocol *p)
{
    const int cases = t->ok + t->unsupported + t->out_of_memory + t->bad;
    const char *flag = strcmp(db, STORE_PATH) ? " --db=" : "";

    printf("\n%d ok", t->ok);
    if (t->not_converged)
        printf(" (%d not converged)", t->not_converged);
    if (t->unsupported)
        printf(", %d unsupported", t->unsupported);
    if (t->out_of_memory)
        printf(", %d out of memory", t->out_of_memory);
    if (t->bad)
        printf(", %d failed", t->bad);
    printf("; %.1f s, of which %.1f s sampling",
           (host_now_ns() - p->started_ns) * 1e-9, t->sample_ns * 1e-9);
    if (cases)
        printf(" and %.1f ms a case preparing and storing",
               (t->prepare_ns + t->store_ns) * 1e-6 / cases);
    printf("\nstored in %s; seed=%llu\n", db, (unsigned long long)p->seed);
    if (t->interrupted)
        printf("interrupted: the same command goes on where this stopped\n");
    else
        printf("next: attnbench table %s%s%s\n      attnbench plot%s%s\n",
               e->experiment, flag, flag[0] ? db : "", flag, flag[0] ? db : "");
}

static int run(const Experiment *e, const RunSettings *settings,
               const Protocol *protocol, Record *record, Tally *tally)
{
    Progress progress;
    const Listener listener = { &progress, on_step, on_done };
    Store *store = NULL;
    Peer *peer = NULL;
    Lanes lanes;
    bool resumed = false;
    int stored = 0;
    int err = settings->peer[0] ? peer_open(&peer, settings->peer) : OK;

    if (!err)
        err = store_open(&store, settings->db, STORE_WRITE);
    if (!err)
        err =
            begin_lanes(&lanes, peer, store, record, settings->fresh, &resumed);
    if (!err)
        err = count_stored(e, &lanes, store, &stored);
    if (err)
        goto out;
    if (!resumed && !settings->fresh)
        err = say_abandoned(store, lanes.at[0].sweep_id, &record->build);
    if (err)
        goto out;
    if (resumed && stored)
        printf("going on: %d of %d cases are stored already\n", stored,
               e->ncases * lanes.n);
    progress_begin(&progress, stdout, e->ncases * lanes.n, stored);
    listen();
    err = measure(e, protocol, store, &lanes, &listener, tally);
    progress_end(&progress);
    if (!err)
        print_summary(e, tally, settings->db, protocol);
out:
    store_close(store);
    peer_close(peer);
    return err;
}

int cmd_run(int argc, char **argv)
{
    RunSettings settings;
    Experiment e;
    Protocol protocol;
    Record record;
    Tally tally = { 0 };
    Flags flags;
    char path[512];
    const char *found;
    int err;

    TRY(flags_parse(&flags, &usage, &settings, argc, argv));
    if (flags.help)
        return flags_help(&flags, &usage, stdout);
    TRY(read_protocol(&protocol, &settings));
    TRY(find_experiment(&flags, path, sizeof(path), &found));
    TRY(experiment_read(&e, found, flags.flag, flags.nflags));
    if (settings.dry_run) {
        err = dry_run(&e);
    } else {
        err = fill_record(&record, &e, &protocol, argc, argv);
        if (!err)
            err = run(&e, &settings, &protocol, &record, &tally);
    }
    experiment_free(&e);
    fflush(stdout);
    if (!err && tally.interrupted)
        end_by_signal();
    return err ? err : tally.bad ? CMD_BAD : OK;
}
