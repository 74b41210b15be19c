/*
 * trial.c - counts, verifies, plans and warms one case (trial_sample.c: samples
 * it).
 *
 * Params, MACs and the paper's FLOPs are those of the network as it was
 * published, whatever was folded; FLOPs, transcendentals and bytes are those
 * of the graph that runs.
 */
#include "harness/measure/trial.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/check/verify.h"
#include "harness/devices/environment.h"
#include "harness/measure/states.h"
#include "harness/measure/trial_parts.h"
#include "harness/network/network.h"
#include "kernels/core/err.h"
#include "kernels/core/host.h"

/* Seed of weights and input; SEED in harness/peers/torch_case.py. */
enum { SEED = 1 };

/*
 * A sample is long enough for the clock: 25 ns of reading the host's are 0.1 %
 * of it, a step of 500 ns, which is all that events promise, as much.  Between
 * two events there are a few microseconds with no run at all (doctor shows how
 * many): at most 1 % of it, so they are not subtracted.
 */
#define SAMPLE_NS        20e3
#define SAMPLE_EVENTS_NS 400e3

/*
 * The others' turns have emptied the caches that a hot case wants full, and
 * put its threads to sleep; so it runs a little before each sample.  Among
 * eleven others, se at 8x128x28x28 took 156 us without that, 63 us after one
 * run, 53 us after four and after twenty, as it does alone.  A long run brings
 * itself back: ResNet-50 at 73 ms showed no difference.
 */
enum { REWARM_RUNS = 4 };
#define REWARM_NS  20e6 /* at most this, but one run ...   */
#define REWARM_NOT 50e6 /* ... of those shorter than this  */

void trial_init(Trial *a, const Case *c, Peer *peer, int id)
{
    memset(a, 0, sizeof(*a));
    a->c = c;
    a->peer = peer;
    a->id = id;
    a->status = STATUS_OK;
    a->each = 1;
    a->rel_l2 = NAN;
    a->fastest_ns = INFINITY;
    a->from_ns = NAN;
    /* Not known until counted and planned: NULL in the database, never 0. */
    a->params = a->macs = a->paper_flops = NAN;
    a->flops = a->transcendentals = a->bytes = a->arena_bytes = NAN;
    case_print(c, a->repeat);
}

bool trial_ok(const Trial *a)
{
    return a->status == STATUS_OK;
}

void trial_give_up(Trial *a, int err)
{
    a->status = err == ERR_UNSUPPORTED ? STATUS_UNSUPPORTED
                : err == ERR_MEMORY    ? STATUS_OUT_OF_MEMORY
                                       : STATUS_FAILED;
    a->stopped = a->peer && peer_was_stopped(a->peer);
    if (a->process)
        snprintf(a->message, sizeof(a->message),
                 "in process %d of --processes: %s; give --processes=1, or a "
                 "smaller --block if memory is short",
                 a->process + 1, err_message());
    else
        snprintf(a->message, sizeof(a->message), "%s", err_message());
    trial_release(a);
}

/* ---- what it costs --------------------------------------------------- */

/* A shape that a module cannot take is found here. */
static int count(Trial *a)
{
    Case written = *a->c;
    Graph *g;
    Cost cost;
    int err;

    param_set(param_find(case_params, "graph"), &written, "as_written");
    err = network_build(&g, &written, NULL, TAPS_NONE);
    if (err)
        return err == ERR_INPUT ? ERR_UNSUPPORTED : err;
    cost = network_cost(g, &written);
    a->params = graph_params(g);
    a->macs = cost.macs;
    a->paper_flops = cost.paper_flops;
    err = network_check_memory(g, a->dev->backend->host_memory, 0);
    graph_free(g);
    return err;
}

/* ---- prepared by this program ---------------------------------------- */

/* Against the definition; a case that is wrong is not timed. */
static int verify(Trial *a, const Checker *with)
{
    Comparison v;

    TRY(verify_case(&v, a->c, VERIFY_BUDGET, with));
    a->rel_l2 = v.rel_l2;
    a->limit = v.limit;
    memcpy(a->verified_at, v.at, sizeof(v.at));
    if (!(v.rel_l2 <= v.limit)) {
        a->status = STATUS_WRONG;
        snprintf(a->message, sizeof(a->message),
                 "differs from the reference by %.2g at %s; the limit is "
                 "%.2g%s%s",
                 v.rel_l2, v.at, v.limit, v.culprit[0] ? "; first in " : "",
                 v.culprit);
    }
    return OK;
}

static int set_input(Trial *a, Tensor *input)
{
    const size_t n = tensor_count(input);
    float *x = malloc(n * sizeof(*x));
    int err;

    if (!x)
        return fail(ERR_MEMORY, "no memory for an input of %zu numbers", n);
    network_seed_input(x, input, SEED);
    err = plan_set(a->plan, input, x);
    free(x);
    return err;
}

/* Training continues with every run; a peer's begins where ours began. */
static int keep_first(Trial *a)
{
    a->first = calloc((size_t)graph_outputs(a->graph), sizeof(*a->first));
    BUG_IF(!a->first);
    return network_run_plan(a->first, a->plan, a->graph);
}

/* The definition was compared with kernels that have the state of the first
 * copy; others have their own. */
static int check_copies(Trial *a)
{
    double rel_l2;

    TRY(cold_compare(&rel_l2, a->plan, a->graph, a->first));
    if (!(rel_l2 <= a->limit)) {
        a->status = STATUS_WRONG;
        snprintf(a->message, sizeof(a->message),
                 "copies of it, which are run in turn to be cold, differ by "
                 "%.2g; the limit is %.2g",
                 rel_l2, a->limit);
    }
    return OK;
}

static int make_plan(Trial *a)
{
    const WeightValues values = { .seed = SEED };
    Cost cost;

    TRY(network_build(&a->graph, a->c, &values, TAPS_NONE));
    cost = network_cost(a->graph, a->c);
    a->flops = cost.flops;
    a->transcendentals = cost.transcendentals;
    a->bytes = cost.bytes;
    TRY(plan_new(&a->plan, a->dev, a->graph));
    if (a->c->state == STATE_COLD)
        TRY(cold_prepare(a->plan, a->dev));
    plan_drop_packed(a->plan);
    a->arena_bytes = (double)plan_arena_bytes(a->plan);
    if (a->dev->backend->host_memory && a->arena_bytes > memory_available())
        return fail(ERR_MEMORY, "activations need %.1f GiB; %.1f GiB are free",
                    a->arena_bytes / (1 << 30), memory_available() / (1 << 30));
    for (int i = 0; network_input(a->graph, i); i++)
        TRY(set_input(a, network_input(a->graph, i)));
    if (a->c->state == STATE_GRAPH)
        TRY(plan_record(a->plan, 1));
    else if (a->dev->backend->host_memory &&
             strcmp(a->c->backbone.text, "none"))
        a->steps = steps_new(a->plan);
    if (graph_is_training(a->graph))
        TRY(keep_first(a));
    if (a->c->state == STATE_COLD)
        TRY(check_copies(a));
    return a->c->state == STATE_GRAPH
               ? graph_lengthen(&a->each, a->plan, a->dev)
               : OK;
}

/* ---- running --------------------------------------------------------- */

/* True if each run is timed apart, after an eviction. */
static bool evicts(const Trial *a)
{
    return a->c->state == STATE_COLD && !cold_rotates(a->dev);
}

/* Runs it a->each times; if there are copies, the next of them. */
static int launch(const Trial *a)
{
    plan_use_next(a->plan);
    return a->steps ? steps_run(a->steps, a->plan) : plan_run(a->plan);
}

int trial_runs(Trial *a, int launches, double *ns, Telemetry *known)
{
    const Backend *backend = a->dev->backend;

    if (a->peer)
        return peer_run(a->peer, a->id, (PeerRuns){ 0, launches }, ns, known);
    if (evicts(a))
        TRY(cold_next(a->plan, a->dev));
    TRY(backend->clock_start(a->dev));
    for (int i = 0; i < launches; i++)
        TRY(launch(a));
    TRY(backend->clock_stop(a->dev, ns));
    *ns /= (double)launches * a->each;
    return OK;
}

/* A device whose clock first waits until everything is queued need not. */
int trial_runs_untimed(Trial *a, int launches)
{
    double ns;

    if (a->peer)
        return peer_run(a->peer, a->id, (PeerRuns){ 0, launches }, &ns, NULL);
    for (int i = 0; i < launches; i++)
        TRY(launch(a));
    return OK;
}

/* Launches before a sample, each of ns. */
static int rewarm_runs(const Trial *a, double ns)
{
    const double fill = a->plan ? cold_runs_to_fill(a->plan) : 0;
    const double runs = fmax(fmax(a->launches, REWARM_RUNS), fill);

    return (int)fmin(runs, ceil(REWARM_NS / ns));
}

/* How many launches make a sample, and come before it. */
static void choose_sample(Trial *a)
{
    const double sample_ns =
        a->dev->backend->host_memory ? SAMPLE_NS : SAMPLE_EVENTS_NS;
    const double launch_ns = a->fastest_ns * a->each;

    a->launches = evicts(a) || launch_ns >= sample_ns
                      ? 1
                      : (int)ceil(sample_ns / launch_ns);
    a->reps = a->launches * a->each;
    if (!evicts(a) && launch_ns < REWARM_NOT)
        a->rewarm = rewarm_runs(a, launch_ns);
}

/* Runs it for a while, but least times at least, and from the fastest run
 * chooses how many make a sample. */
static int warm_up(Trial *a, double warmup_ns, int least)
{
    const double start = host_now_ns();
    double ns;

    if (a->plan) /* what a copy loads at its first run */
        TRY(trial_runs_untimed(a, plan_ncopies(a->plan)));
    for (int i = 0; i < least || host_now_ns() - start < warmup_ns; i++) {
        TRY(trial_runs(a, 1, &ns, NULL));
        if (ns < a->fastest_ns)
            a->fastest_ns = ns;
    }
    if (a->fastest_ns < 1) /* below what the clock can tell */
        a->fastest_ns = 1;
    choose_sample(a);
    return OK;
}

void trial_watch(Trial *a, Sched *sched, double from_ns)
{
    a->sched = sched;
    a->from_ns = from_ns;
}

void trial_warm_up(Trial *a, double warmup_ns)
{
    const int err = trial_ok(a) ? warm_up(a, warmup_ns, 0) : OK;

    if (err)
        trial_give_up(a, err);
}

void trial_prepare(Trial *a, const Checker *with, double warmup_ns,
                   const Trial *ours)
{
    int err;

    a->dev = with->dev;
    if (!a->peer && a->dev->backend->host_memory)
        a->threads_used = a->dev->threads;
    network_weights_hash(a->weights_hash, a->c, with->hashes);
    err = count(a);
    if (!err && !a->peer)
        err = verify(a, with);
    if (!err && !a->peer && trial_ok(a))
        err = make_plan(a);
    if (!err && a->peer)
        err = trial_prepare_peer(a, ours, with);
    if (!err && trial_ok(a))
        err = warm_up(a, warmup_ns, 2);
    if (err)
        trial_give_up(a, err);
    else if (!trial_ok(a))
        trial_release(a);
}

int trial_build(Trial *a, const Checker *with)
{
    a->dev = with->dev;
    TRY(count(a));
    if (a->c->state == STATE_COLD)
        TRY(verify(a, with));
    if (trial_ok(a))
        TRY(make_plan(a));
    return trial_ok(a) ? OK : fail(ERR_UNSUPPORTED, "%s", a->message);
}

int trial_time(Trial *a, PeerRuns runs, double *ns, Telemetry *known)
{
    const int each = a->each, least = cold_runs_to_fill(a->plan);
    double sum = 0, one;

    if (a->c->state == STATE_COLD && runs.warm < least)
        runs.warm = least; /* other cases have run since it did */
    if (evicts(a))
        runs.warm = 0;
    a->launches = (runs.reps + each - 1) / each;
    if (!evicts(a) || runs.reps == 1)
        return trial_take(a, (runs.warm + each - 1) / each, ns, known);
    for (int i = 0; i < runs.reps; i++) { /* their evictions are in between */
        TRY(trial_runs(a, 1, &one, NULL));
        sum += one;
    }
    *ns = sum / runs.reps;
    return OK;
}

void trial_wake(Trial *a, double for_ns)
{
    const double start = host_now_ns();
    double ns;
    int err = OK;

    while (!err && host_now_ns() - start < for_ns)
        err = trial_runs(a, 1, &ns, NULL);
    if (err)
        trial_give_up(a, err);
}

void trial_release(Trial *a)
{
    if (a->held)
        peer_drop(a->peer, a->id);
    a->held = false;
    for (int i = 0; a->first && i < graph_outputs(a->graph); i++)
        free(a->first[i]);
    free(a->first);
    plan_free(a->plan);
    graph_free(a->graph);
    a->first = NULL;
    a->plan = NULL;
    a->graph = NULL;
}

void trial_free(Trial *a)
{
    trial_release(a);
    trial_drop_samples(a);
    steps_free(a->steps);
    free(a->ns);
    free(a->round);
    free(a->telemetry);
    free(a->disturbed);
    a->ns = NULL;
    a->round = NULL;
    a->telemetry = NULL;
    a->disturbed = NULL;
    a->steps = NULL;
}
