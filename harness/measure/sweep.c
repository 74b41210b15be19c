/*
 * sweep.c - measures an experiment into the database, and says how it goes.
 */
#include "harness/measure/sweep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "harness/devices/environment.h"
#include "harness/devices/interrupt.h"
#include "harness/devices/program.h"
#include "harness/experiments/carried.h"
#include "harness/measure/alone.h"
#include "harness/measure/db.h"
#include "harness/measure/expect.h"
#include "harness/measure/progress.h"
#include "harness/network/network.h"
#include "kernels/core/err.h"
#include "kernels/core/host.h"
#include "kernels/cpu/cgroup.h"
#include "kernels/cpu/cpu.h"
#include "results/begun.h"
#include "results/folder.h"

/* Seconds that the samples of a case may take. */
#define LONGEST 86400
enum { USUAL_LIMIT = 10 };

/* clang-format off */
static const Param params[] = {
    PARAM_PATH(SweepSettings, db, STORE_PATH, "the database"),
    PARAM_INT(SweepSettings, fresh, 0, 0, 1,
              "start over instead of resuming an unfinished sweep"),
    PARAM_INT(SweepSettings, force, 0, 0, 1,
              "measure even if another attnbench is measuring on this "
              "machine; ATTNBENCH_LOCK in the environment names the lock "
              "file (empty: no lock)"),
    PARAM_NAME(SweepSettings, target, "1", NULL,
               "a case has converged when the 95 % interval of its ratio to "
               "what it is compared with (of its median, if that is nothing) "
               "is within plus or minus this many percent"),
    PARAM_INT(SweepSettings, limit, 0, 0, LONGEST,
              "sampling time per case, in seconds; 0: 10, or with a budget "
              "until that is spent"),
    PARAM_INT(SweepSettings, budget, 0, 0, 864000,
              "total time in seconds, split across the cases; 0: no limit"),
    PARAM_INT(SweepSettings, min_samples, 12, 6, 100000,
              "minimum number of samples per case"),
    PARAM_INT(SweepSettings, max_samples, 2000, 6, 1000000,
              "maximum number of samples per case"),
    PARAM_INT(SweepSettings, warmup, 1, 0, 100000,
              "warm-up per case, in milliseconds"),
    PARAM_INT(SweepSettings, block, 32, 1, 256,
              "number of cases to interleave"),
    PARAM_INT(SweepSettings, seed, 0, 0, 2147483647,
              "seed of the order within rounds; 0: from the clock"),
    PARAM_INT(SweepSettings, processes, 1, 1, 20,
              "processes that the samples of a case on the CPU are spread "
              "over, since each lays out its memory differently; 1, or 3 and "
              "more: two say little of how far apart they are"),
    PARAM_PATH(SweepSettings, peer, "",
               "external command to benchmark alongside attnbench, "
               "interleaved"),
    PARAM_INT(SweepSettings, peer_limit, 600, 1, 86400,
              "time limit for one answer of the peer, in seconds"),
    PARAM_END,
};
/* clang-format on */

void sweep_params(Param out[SWEEP_PARAMS], const Param *own)
{
    const Param *const tables[] = { own, params };
    int n = 0;

    for (int k = 0; k < 2; k++)
        for (const Param *p = tables[k]; p->name; p++) {
            BUG_IF(n == SWEEP_PARAMS - 1);
            out[n++] = *p;
        }
    out[n] = (Param)PARAM_END;
}

bool sweep_is_bad(const Tally *t)
{
    return t->bad || (!t->ok && t->unsupported + t->out_of_memory > 0);
}

/* ---- settings -------------------------------------------------------- */

int sweep_protocol(Protocol *p, const SweepSettings *s)
{
    char *end;
    const double target = strtod(s->target.text, &end);

    if (end == s->target.text || *end || !(target >= 0.01 && target <= 50))
        return fail(ERR_INPUT,
                    "target='%s' is not a percentage from 0.01 to 50",
                    s->target.text);
    *p = (Protocol){
        .target = target / 100,
        .limit = s->limit    ? s->limit
                 : s->budget ? LONGEST
                             : USUAL_LIMIT,
        .budget = s->budget,
        .warmup = s->warmup * 1e-3,
        .min_samples = s->min_samples,
        .max_samples = s->max_samples,
        .block = s->block,
        .processes = s->processes,
        .seed = (uint64_t)s->seed,
        .started_ns = host_now_ns(),
        .stop = interrupt_flag(),
    };
    snprintf(p->another, sizeof(p->another), "exec /proc/%ld/exe serve",
             (long)getpid());
    if (!p->seed) {
        struct timespec t;

        clock_gettime(CLOCK_REALTIME, &t);
        p->seed = ((uint64_t)t.tv_sec << 20 ^ (uint64_t)t.tv_nsec) & INT32_MAX;
    }
    return OK;
}

static bool is_file(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && !S_ISDIR(info.st_mode);
}

static const char *experiment_name(const void *arg, int i)
{
    (void)arg;
    return carried_name(i);
}

static int no_experiment(const char *name, const char *path)
{
    const char *near = name_nearest(name, experiment_name, NULL);

    return near ? fail(ERR_INPUT, "unknown experiment '%s'; did you mean '%s'?",
                       name, near)
                : fail(ERR_INPUT,
                       "unknown experiment '%s': no file of that name, and "
                       "no %s",
                       name, path);
}

int sweep_find(const char *name, char *path, size_t size, const char **found)
{
    *found = name;
    if (strchr(name, '/') || is_file(name))
        return OK;
    if ((size_t)snprintf(path, size, "%s%s%s", carried_folder, name,
                         strstr(name, ".json") ? "" : ".json") >= size)
        return fail(ERR_INPUT, "unknown experiment '%.60s...'", name);
    *found = path;
    return is_file(path) || carried_text(path) ? OK : no_experiment(name, path);
}

/* The command line, to measure the same again: whole or not at all. */
static int join_argv(char *text, size_t size, const Sweeping *s)
{
    char *line = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&line, &n);
    int err = OK;

    BUG_IF(!out);
    fprintf(out, "attnbench %s", s->command);
    for (int i = 0; i < s->argc; i++) {
        fputc(' ', out);
        put_argument(out, s->argv[i]);
    }
    fclose(out);
    BUG_IF(!line);
    if (n < size)
        memcpy(text, line, n + 1);
    else
        err = fail(ERR_INPUT,
                   "the command line has %zu characters, and a sweep stores "
                   "%zu: write its cases into a JSON file, and give that",
                   n, size - 1);
    free(line);
    return err;
}

/* ---- the sweep ------------------------------------------------------- */

/* Machine, build and start, the same for every lane. */
typedef struct Record {
    Machine machine;
    Build build;
    Sweep sweep;
} Record;

static bool has_weights_before(const Experiment *e, int i)
{
    for (int k = 0; k < i; k++)
        if (!strcmp(e->cases[k].weights.text, e->cases[i].weights.text))
            return true;
    return false;
}

/* Hashes the list of cases, and what the files that they read hold, weights and
 * inputs: a sweep does not resume with others under the same names. */
static void hash_cases(char text[HASH_TEXT], const Sweeping *s)
{
    const Experiment *e = s->experiment;
    const char *inputs = s->inputs_hash ? s->inputs_hash : "";
    char of_file[HASH_TEXT];
    uint64_t h = HASH_START;
    bool any = *inputs != '\0';

    h = hash_bytes(h, inputs, strlen(inputs));
    for (int i = 0; i < e->ncases; i++) {
        const Case *c = &e->cases[i];

        if (has_weights_before(e, i))
            continue;
        network_weights_hash(of_file, c, NULL);
        any |= of_file[0] != '\0';
        h = hash_bytes(h, of_file, strlen(of_file));
    }
    memcpy(text, e->cases_hash, HASH_TEXT);
    if (any)
        hash_text(text, hash_bytes(h, text, strlen(text)));
}

static int fill_record(Record *r, const Sweeping *s)
{
    const Experiment *e = s->experiment;
    Device *dev;

    memset(r, 0, sizeof(*r));
    environment_machine(&r->machine);
    environment_build(&r->build);
    environment_start(&r->sweep);
    snprintf(r->sweep.experiment, sizeof(r->sweep.experiment), "%s",
             e->experiment);
    snprintf(r->sweep.question, sizeof(r->sweep.question), "%s", e->question);
    hash_cases(r->sweep.cases_hash, s);
    r->sweep.seed = s->protocol.seed;
    snprintf(r->sweep.source, sizeof(r->sweep.source), "attnbench");
    TRY(join_argv(r->sweep.argv, sizeof(r->sweep.argv), s));
    TRY(cpu_backend.open(&dev, &(DeviceSettings){ .isa = "" }));
    r->sweep.denormals = cpu_flushes_denormals(dev);
    cpu_backend.close(dev);
    return OK;
}

static int begin_each(Lanes *lanes, Store *store, Record *r, bool fresh,
                      bool *resumed)
{
    for (int i = 0; i < lanes->n; i++) {
        snprintf(r->sweep.source, sizeof(r->sweep.source), "%s",
                 i ? peer_name(lanes->at[i].peer) : "attnbench");
        TRY(store_sweep_begin(store, &r->machine, &r->build, &r->sweep, fresh,
                              &lanes->at[i].sweep_id, resumed));
        TRY(alone_claim(store, lanes->at[i].sweep_id));
    }
    return OK;
}

/* Begins nothing where another process measures the same. */
static int begin_lanes(Lanes *lanes, Peer *peer, Store *store, Record *r,
                       bool fresh, bool *resumed)
{
    *lanes = (Lanes){ .n = peer ? 2 : 1 };
    lanes->at[1].peer = peer;
    TRY(store_group_begin(store));
    return store_group_end(store, begin_each(lanes, store, r, fresh, resumed));
}

static int leave_each(const Lanes *lanes, Store *store)
{
    int err = OK;

    for (int i = 0; i < lanes->n; i++) {
        const int one = store_leave(store, lanes->at[i].sweep_id);

        err = err ? err : one;
    }
    return err;
}

/* Keeps err with its sentence, where there is one. */
static int leave_lanes(const Lanes *lanes, Store *store, int err)
{
    char said[1024];

    if (!err)
        return leave_each(lanes, store);
    snprintf(said, sizeof(said), "%s", err_message());
    leave_each(lanes, store);
    return fail(err, "%s", said);
}

/* Says why a sweep starts over where its user may expect it to resume. */
static int say_abandoned(Store *store, int64_t sweep_id, const Build *now,
                         FILE *out)
{
    Abandoned a;

    TRY(store_sweep_abandoned(store, sweep_id, &a));
    if (!a.runs)
        return OK;
    fprintf(out,
            "starting over: the unfinished sweep of these cases (%d stored) "
            "was measured ",
            a.runs);
    if (a.other_machine)
        fprintf(out, "on another machine\n");
    else if (strcmp(a.git_commit, now->git_commit) || a.dirty != now->dirty)
        fprintf(out, "by another build (commit %.7s%s; this is %.7s%s)\n",
                a.git_commit, a.dirty ? " with changes" : "", now->git_commit,
                now->dirty ? " with changes" : "");
    else if (a.other_tools)
        fprintf(out, "by a build with another compiler, flags or libraries\n");
    else
        fprintf(out, "by another build of the same commit (%.7s%s)\n",
                a.git_commit, a.dirty ? " with changes" : "");
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

static void on_done(void *arg, const Trial *a)
{
    progress_done(arg, a);
}

static void print_summary(const Sweeping *s, const Tally *t)
{
    char *db = absolute_path(s->settings->db);
    const int cases = t->ok + t->unsupported + t->out_of_memory + t->bad;

    fprintf(s->out, "\n%d ok", t->ok);
    if (t->not_converged)
        fprintf(s->out, " (%d not converged)", t->not_converged);
    if (t->unsupported)
        fprintf(s->out, ", %d unsupported", t->unsupported);
    if (t->out_of_memory)
        fprintf(s->out, ", %d out of memory", t->out_of_memory);
    if (t->bad)
        fprintf(s->out, ", %d failed", t->bad);
    fprintf(s->out, "; %.1f s: %.1f s measuring",
            (host_now_ns() - s->protocol.started_ns) * 1e-9,
            t->sample_ns * 1e-9);
    if (cases)
        fprintf(s->out, " and %.1f ms per case for setup and storage",
                (t->prepare_ns + t->store_ns) * 1e-6 / cases);
    fprintf(s->out, "\nstored in %s; seed=%llu\n", db,
            (unsigned long long)s->protocol.seed);
    free(db);
    if (t->interrupted)
        fputs("interrupted: run the same command to resume\n", s->out);
}

static double times_throttled(void)
{
    GroupLimits limits;

    group_limits(&limits, "");
    return limits.throttled;
}

/* A time during which the process was stopped is not the processor's. */
static void say_throttled(FILE *out, double times)
{
    if (times > 0)
        fprintf(out,
                "note: the quota of processor time stopped this process %.0f "
                "times; 'attnbench doctor' shows the quota\n",
                times);
}

static int sweep_lanes(const Sweeping *s, const Record *record, Store *store,
                       const Lanes *lanes, bool resumed, Tally *tally)
{
    const Experiment *e = s->experiment;
    const bool fresh = s->settings->fresh;
    const double throttled = times_throttled();
    Progress progress;
    const Listener listener = { &progress, on_step, on_done };
    int stored, err;

    TRY(count_stored(e, lanes, store, &stored));
    if (!resumed && !fresh)
        TRY(say_abandoned(store, lanes->at[0].sweep_id, &record->build,
                          s->out));
    if (resumed && stored)
        fprintf(s->out, "resuming: %d of %d cases are stored already\n", stored,
                e->ncases * lanes->n);
    expect_say(s->out, e, &s->protocol, lanes->n, record->sweep.load);
    progress_begin(&progress, s->out, e->ncases * lanes->n, stored);
    progress_cases(&progress, e->cases, e->ncases);
    err = measure(e, &s->protocol, store, lanes, &listener, tally);
    progress_end(&progress);
    for (int i = 0; !err && i < lanes->n; i++)
        err = store_start_end(store, lanes->at[i].sweep_id, environment_load());
    if (!err)
        print_summary(s, tally);
    if (!err)
        say_throttled(s->out, times_throttled() - throttled);
    return err;
}

/* The part that needs the store and the peer open. */
static int sweep(const Sweeping *s, Record *record, Store *store, Peer *peer,
                 Tally *tally, int64_t *sweep_id)
{
    Lanes lanes;
    bool resumed;
    int err;

    TRY(begin_lanes(&lanes, peer, store, record, s->settings->fresh, &resumed));
    *sweep_id = lanes.at[0].sweep_id;
    err = sweep_lanes(s, record, store, &lanes, resumed, tally);
    return leave_lanes(&lanes, store, err);
}

static int open_peer(Peer **peer, const SweepSettings *s)
{
    const PeerLimits limits = { s->peer_limit, interrupt_flag() };

    return s->peer[0] ? peer_open(peer, s->peer, &limits) : OK;
}

int sweep_run(const Sweeping *s, Tally *tally, int64_t *sweep_id)
{
    Store *store = NULL;
    Peer *peer = NULL;
    Record record;
    int lock = -1, err;

    interrupt_listen();
    err = fill_record(&record, s);
    if (!err)
        err = alone_take(&lock, s->settings->force);
    if (!err)
        err = open_peer(&peer, s->settings);
    if (!err)
        err = db_open(&store, s->settings->db, STORE_WRITE);
    if (!err)
        err = sweep(s, &record, store, peer, tally, sweep_id);
    store_close(store);
    peer_close(peer);
    alone_give(lock);
    if (err != ERR_STOPPED)
        return err;
    fprintf(s->out,
            "%s\n"
            "interrupted: run the same command to resume\n",
            err_message());
    tally->interrupted = true;
    return OK;
}

/* The machine is this process's to its end. */
int sweep_begin(const Sweeping *s, Store **store, int64_t *sweep_id)
{
    Record record;
    bool resumed;
    int err, lock;

    *store = NULL;
    interrupt_listen();
    TRY(fill_record(&record, s));
    TRY(alone_take(&lock, s->settings->force));
    TRY(db_open(store, s->settings->db, STORE_WRITE));
    err =
        store_sweep_begin(*store, &record.machine, &record.build, &record.sweep,
                          s->settings->fresh, sweep_id, &resumed);
    if (err) {
        store_close(*store);
        *store = NULL;
    }
    return err;
}

static int end(Store *store, int64_t sweep_id)
{
    TRY(store_start_end(store, sweep_id, environment_load()));
    return store_sweep_end(store, sweep_id);
}

int sweep_end(Store *store, int64_t sweep_id, int err)
{
    const int ended = err < 0 ? OK : end(store, sweep_id);

    store_close(store);
    return ended ? ended : err;
}
