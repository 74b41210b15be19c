/*
 * plan_run.c - runs a plan: as it is, as a recording, or with a clock between
 * its steps.
 */
#include <stdio.h>
#include <stdlib.h>

#include "kernels/core/err.h"
#include "kernels/core/plan_parts.h"
#include "kernels/core/ticks.h"

void plan_free_recording(Plan *p)
{
    if (p->recording)
        p->dev->backend->recording_free(p->dev, p->recording);
    p->recording = NULL;
}

int plan_run_step(const Plan *p, int i)
{
    const PlanStep *s = &p->steps[i];
    const int err = s->kernel->run(p->dev, s->out, s->state);

    return err ? fail_within(err, "%s (%s)", s->out->op->name, s->kernel->name)
               : OK;
}

static int run_steps(Plan *p)
{
    TRY(plan_repack(p));
    for (int i = 0; i < p->nsteps; i++)
        TRY(plan_run_step(p, i));
    p->stale = p->updates;
    return OK;
}

int plan_run(Plan *p)
{
    if (p->recording)
        return p->dev->backend->replay(p->dev, p->recording);
    return run_steps(p);
}

/* Ends a recording during which an error has come; its sentence stands. */
static int give_up_recording(Plan *p, int err)
{
    char why[512];

    snprintf(why, sizeof(why), "%s", err_message());
    p->dev->backend->record_end(p->dev, &p->recording);
    plan_free_recording(p);
    return fail(err, "%s", why);
}

static int record_runs(Plan *p, int runs)
{
    const Backend *backend = p->dev->backend;
    int err = OK;

    TRY(backend->record_begin(p->dev));
    for (int i = 0; !err && i < runs; i++)
        err = run_steps(p);
    return err ? give_up_recording(p, err)
               : backend->record_end(p->dev, &p->recording);
}

int plan_record(Plan *p, int runs)
{
    BUG_IF(p->copies || runs < 1);
    if (!p->dev->backend->record_begin)
        return fail(ERR_UNSUPPORTED, "%s has no state=graph",
                    p->dev->backend->name);
    if (plan_packs_from_host(p))
        return fail(ERR_UNSUPPORTED,
                    "a recording cannot pack the weights that it updates: "
                    "there is no state=graph of pass=train");
    plan_free_recording(p);
    TRY(run_steps(p)); /* what is loaded at first use cannot be recorded */
    TRY(plan_restore_updated(p));
    return record_runs(p, runs);
}

int plan_run_marked(Plan *p, double *at)
{
    const TickClock clock = ticks_find();
    uint64_t from;

    BUG_IF(!p->dev->backend->host_memory || p->recording);
    TRY(plan_repack(p));
    at[0] = 0;
    from = ticks_now(&clock);
    for (int i = 0; i < p->nsteps; i++) {
        TRY(plan_run_step(p, i));
        at[i + 1] = (double)(ticks_now(&clock) - from) * clock.ns;
    }
    p->stale = p->updates;
    return OK;
}

static int time_by_marks(Plan *p, double *ns)
{
    double *at = malloc(((size_t)p->nsteps + 1) * sizeof(*at));
    int err;

    if (!at)
        return fail(ERR_MEMORY, "no memory for the times of %d steps",
                    p->nsteps);
    err = p->dev->backend->clock_start(p->dev);
    if (!err)
        err = plan_run_marked(p, at);
    for (int i = 0; !err && i < p->nsteps; i++)
        ns[i] = at[i + 1] - at[i];
    free(at);
    return err;
}

int plan_run_timed(Plan *p, double *ns)
{
    if (p->dev->backend->host_memory)
        return time_by_marks(p, ns);
    TRY(plan_repack(p));
    for (int i = 0; i < p->nsteps; i++) {
        TRY(p->dev->backend->clock_start(p->dev));
        TRY(plan_run_step(p, i));
        TRY(p->dev->backend->clock_stop(p->dev, &ns[i]));
    }
    p->stale = p->updates;
    return OK;
}
