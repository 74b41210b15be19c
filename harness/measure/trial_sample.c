/*
 * trial_sample.c - samples of a case that is prepared, with what is known of
 * each, and the outcome that they make.
 */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/disturbed.h"
#include "harness/measure/records.h"
#include "harness/measure/trial_parts.h"
#include "kernels/core/err.h"
#include "kernels/core/host.h"

static void keep(Trial *a, double ns, int round, const Telemetry *t)
{
    if (a->n == a->capacity) {
        const size_t n = a->capacity ? 2 * (size_t)a->capacity : 32;

        a->capacity = (int)n;
        a->ns = realloc(a->ns, n * sizeof(*a->ns));
        a->round = realloc(a->round, n * sizeof(*a->round));
        a->telemetry = realloc(a->telemetry, n * sizeof(*a->telemetry));
        a->disturbed = realloc(a->disturbed, n * sizeof(*a->disturbed));
        BUG_IF(!a->ns || !a->round || !a->telemetry || !a->disturbed);
    }
    a->ns[a->n] = ns;
    a->round[a->n] = round;
    a->disturbed[a->n] = sample_disturbed(t, ns * a->reps);
    a->telemetry[a->n] = *t;
    a->telemetry[a->n++].process = a->process;
}

/* State of the device right after a sample.  The arm owns the text. */
static int look(const Trial *a, Moment *out)
{
    const Backend *backend = a->peer ? NULL : a->dev->backend;

    if (backend && backend->moment)
        TRY(backend->moment(a->dev, out));
    if (!out->throttle)
        return OK;
    out->throttle = strdup(out->throttle);
    return out->throttle ? OK : fail(ERR_MEMORY, "no memory for a sample");
}

void trial_add(Trial *a, double ns, int round)
{
    const Telemetry unknown = telemetry_unknown();

    a->reps = 1;
    keep(a, ns, round, &unknown);
}

void trial_drop_samples(Trial *a)
{
    for (int i = 0; i < a->n; i++)
        free((char *)a->telemetry[i].device.throttle);
    a->n = 0;
}

void arm_discard(Trial *a, const char *format, ...)
{
    va_list args;

    trial_drop_samples(a);
    a->status = STATUS_FAILED;
    va_start(args, format);
    vsnprintf(a->message, sizeof(a->message), format, args);
    va_end(args);
}

/* A peer's threads are not of this process. */
static void look_at_threads(const Trial *a, SchedCount *out)
{
    if (a->sched && !a->peer)
        sched_read(a->sched, out);
}

/* Notes what happened to this process's threads between two readings. */
static void note_threads(const Trial *a, const SchedCount *before,
                         const SchedCount *after, Telemetry *t)
{
    if (!a->sched || a->peer)
        return;
    t->cpu_ns = after->cpu_ns - before->cpu_ns;
    t->run_delay_ns = after->run_delay_ns - before->run_delay_ns;
    t->steal_ns = after->steal_ns - before->steal_ns;
    t->switches = (int)(after->switches - before->switches);
}

/* A peer warms up in the same command: its process would sleep between two. */
static int run_sample(Trial *a, int warm, double *ns, Telemetry *known)
{
    const PeerRuns runs = { warm, a->launches };

    return a->peer ? peer_run(a->peer, a->id, runs, ns, known)
                   : trial_runs(a, a->launches, ns, known);
}

int trial_take(Trial *a, int warm, double *ns, Telemetry *known)
{
    SchedCount before, after;
    double began;

    if (warm && !a->peer)
        TRY(trial_runs_untimed(a, warm));
    began = host_now_ns() - a->from_ns;
    if (a->steps && !a->peer) /* of runs that warmed it up */
        steps_end(a->steps, 1, false);
    look_at_threads(a, &before);
    TRY(run_sample(a, warm, ns, known));
    look_at_threads(a, &after);
    note_threads(a, &before, &after, known);
    known->started_ns = began;
    if (!(*ns > 0))
        return fail(ERR_DEVICE, "the clock measured %g ns", *ns);
    if (a->steps && !a->peer)
        known->module_ns = steps_end(a->steps, a->launches, true);
    return look(a, &known->device);
}

void trial_sample(Trial *a, int round, bool warm)
{
    const double start = host_now_ns();
    Telemetry known = telemetry_unknown();
    const int before = warm && a->c->state == STATE_HOT ? 0 : a->rewarm;
    double ns;
    const int err = trial_take(a, before, &ns, &known);

    if (err) {
        trial_drop_samples(a);
        trial_give_up(a, err);
        return;
    }
    keep(a, ns, round, &known);
    a->spent_ns += host_now_ns() - start;
}

/* Runs that are recorded: each costs some ten times its time. */
enum { RECORDED = 12 };

void trial_record_modules(Trial *a)
{
    double share[RECORDED];
    const int n = a->n < RECORDED ? a->n : RECORDED;

    if (!trial_ok(a) || a->peer || !a->plan ||
        !strcmp(a->c->backbone.text, "none"))
        return;
    if (records_shares(share, n, a->plan, a->dev))
        trial_give_up(a, ERR_DEVICE);
    for (int i = 0; trial_ok(a) && i < n; i++)
        if (!isnan(share[i]))
            a->telemetry[i].module_ns = share[i] * a->ns[i];
}

static void put_steps(Outcome *o, const Steps *s)
{
    StepsTime pass, modules;

    steps_stitch(s, &pass, &modules);
    o->steps_ns = pass.ns;
    o->steps_lo_ns = pass.lo;
    o->steps_hi_ns = pass.hi;
    o->module_steps_ns = modules.ns;
    o->module_steps_lo_ns = modules.lo;
    o->module_steps_hi_ns = modules.hi;
}

/* Steps are known of this process only. */
static bool is_spread(const Trial *a)
{
    return a->n && a->telemetry[a->n - 1].process > 0;
}

Outcome trial_outcome(const Trial *a)
{
    Outcome o = {
        .status = a->status,
        .rel_l2 = a->rel_l2,
        .converged = a->converged,
        .reps = a->reps,
        .threads_used = a->threads_used,
        .steps_ns = NAN,
        .steps_lo_ns = NAN,
        .steps_hi_ns = NAN,
        .module_steps_ns = NAN,
        .module_steps_lo_ns = NAN,
        .module_steps_hi_ns = NAN,
        .params = a->params,
        .macs = a->macs,
        .flops = a->flops,
        .paper_flops = a->paper_flops,
        .transcendentals = a->transcendentals,
        .bytes = a->bytes,
        .arena_bytes = a->arena_bytes,
    };

    if (a->steps && !is_spread(a))
        put_steps(&o, a->steps);
    memcpy(o.repeat, a->repeat, sizeof(o.repeat));
    memcpy(o.message, a->message, sizeof(o.message));
    memcpy(o.verified_at, a->verified_at, sizeof(o.verified_at));
    snprintf(o.weights_hash, sizeof(o.weights_hash), "%s", a->weights_hash);
    return o;
}

Samples trial_samples(const Trial *a)
{
    return (Samples){ a->n, a->ns, a->round, a->telemetry };
}

Series trial_series(const Trial *a)
{
    return (Series){
        .n = a->n, .ns = a->ns, .round = a->round, .disturbed = a->disturbed
    };
}
