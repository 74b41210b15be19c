/*
 * profile_rows.c - a profile as the database has it.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/explain/fp32.h"
#include "harness/explain/profile.h"
#include "harness/measure/states.h"
#include "harness/network/network.h"
#include "kernels/core/err.h"
#include "kernels/core/graph.h"

enum { OF_A_STEP = 5, OF_ALL = 9 };

static void add(StoredProfile *out, int step, const char *name, Source source,
                double value)
{
    Quantity *q = &out->quantity[out->nquantities++];

    *q = (Quantity){ .step = step, .source = source, .value = value };
    snprintf(q->name, sizeof(q->name), "%s", name);
    if (isnan(value))
        snprintf(q->reason, sizeof(q->reason), "not known on this machine");
}

static void add_missing(StoredProfile *out, const char *name,
                        const char *reason)
{
    add(out, WHOLE_RUN, name, SOURCE_MODELLED, NAN);
    snprintf(out->quantity[out->nquantities - 1].reason,
             sizeof(out->quantity->reason), "%s", reason);
}

static void add_cost(StoredProfile *out, int step, const Cost *c)
{
    add(out, step, "flops", SOURCE_MODELLED, c->flops);
    add(out, step, "transcendentals", SOURCE_MODELLED, c->transcendentals);
    add(out, step, "bytes", SOURCE_MODELLED, c->bytes);
}

static void add_step(StoredProfile *out, const ProfileStep *s, bool on_gpu)
{
    const double fp32 = on_gpu ? fp32_flops(s->out, s->kernel) : NAN;
    StoredStep *t = &out->step[out->nsteps];
    char dims[DIMS_TEXT];

    snprintf(t->op, sizeof(t->op), "%s", s->out->op->name);
    snprintf(t->kernel, sizeof(t->kernel), "%s", s->kernel->name);
    snprintf(t->scope, sizeof(t->scope), "%s", s->out->name);
    snprintf(t->shape, sizeof(t->shape), "%s", tensor_dims_text(s->out, dims));
    add(out, out->nsteps, "time_ns", SOURCE_TIMED, s->ns);
    add_cost(out, out->nsteps, &s->cost);
    if (!isnan(fp32))
        add(out, out->nsteps, "fp32_flops", SOURCE_MODELLED, fp32);
    out->nsteps++;
}

typedef struct Sizes {
    double weights, inputs, outputs;
} Sizes;

static Sizes sizes(const Graph *g)
{
    Sizes s = { 0 };

    for (int i = 0; i < graph_size(g); i++) {
        const Tensor *t = graph_at(g, i);

        if (tensor_is_weight(t))
            s.weights += (double)tensor_bytes(t);
        else if (t->role == ROLE_INPUT)
            s.inputs += (double)tensor_bytes(t);
    }
    for (int i = 0; i < graph_outputs(g); i++)
        s.outputs += (double)tensor_bytes(graph_output_at(g, i, NULL));
    return s;
}

static double size_of(size_t (*cache)(Device *), Device *dev)
{
    const size_t bytes = cache ? cache(dev) : 0;

    return bytes ? (double)bytes : NAN;
}

void profile_rows(StoredProfile *out, const Profile *p, const Graph *g,
                  const Profiling *how, double arena_bytes)
{
    const Backend *b = how->dev->backend;
    const bool on_gpu = strcmp(b->name, "cuda") == 0;
    const Sizes s = sizes(g);
    Cost all = { 0 };

    *out = (StoredProfile){ NULL };
    out->step = calloc((size_t)p->n + 1, sizeof(*out->step));
    out->quantity =
        calloc((size_t)p->n * OF_A_STEP + OF_ALL, sizeof(*out->quantity));
    BUG_IF(!out->step || !out->quantity);
    for (int i = 0; i < p->n; i++) {
        add_step(out, &p->step[i], on_gpu);
        cost_add(&all, &p->step[i].cost);
    }
    add(out, WHOLE_RUN, "time_ns", SOURCE_TIMED, p->whole_ns);
    add_cost(out, WHOLE_RUN, &all);
    add(out, WHOLE_RUN, "compulsory_bytes", SOURCE_MODELLED,
        s.inputs + s.weights + s.outputs);
    add(out, WHOLE_RUN, "compulsory_read_bytes", SOURCE_MODELLED,
        s.inputs + s.weights);
    if (how->cold)
        add_missing(out, "working_set_bytes",
                    "a cold run finds nothing of its own in the caches");
    else
        add(out, WHOLE_RUN, "working_set_bytes", SOURCE_MODELLED,
            arena_bytes + s.weights);
    add(out, WHOLE_RUN, "cache_bytes", SOURCE_MODELLED,
        size_of(b->cache_bytes, how->dev));
    add(out, WHOLE_RUN, "private_cache_bytes", SOURCE_MODELLED,
        size_of(b->private_cache_bytes, how->dev));
}

/* ---- counted ---------------------------------------------------------- */

typedef struct Counter {
    StoredProfile *rows;
    const Profiling *how;
    int room; /* for quantities; 0 at first */
} Counter;

static int launch(void *arg, int step)
{
    return plan_run_step(((const Counter *)arg)->how->plan, step);
}

static int cold_first(void *arg, int step)
{
    const Profiling *how = ((const Counter *)arg)->how;

    return step == 0 ? cold_next(how->plan, how->dev) : OK;
}

static void take(void *arg, const Counted *counted)
{
    Counter *c = arg;
    StoredProfile *rows = c->rows;
    Quantity *q;

    if (rows->nquantities >= c->room) {
        c->room = 2 * rows->nquantities + OF_ALL;
        rows->quantity =
            realloc(rows->quantity, (size_t)c->room * sizeof(*rows->quantity));
        BUG_IF(!rows->quantity);
    }
    q = &rows->quantity[rows->nquantities++];
    *q = (Quantity){ .step = counted->step,
                     .source = counted->timed ? SOURCE_TIMED : SOURCE_COUNTED,
                     .value = counted->value };
    if (counted->launch)
        snprintf(q->launch, sizeof(q->launch), "%s", counted->launch);
    snprintf(q->name, sizeof(q->name), "%s", counted->quantity);
    snprintf(q->reason, sizeof(q->reason), "%s", counted->reason);
}

int profile_count(StoredProfile *rows, const Profiling *how)
{
    const Backend *backend = how->dev->backend;
    Counter c = { rows, how, 0 };
    const Counting counting = { .steps = plan_steps(how->plan),
                                .dtype = how->dtype,
                                .metrics = how->metrics,
                                .before = how->cold ? cold_first : NULL,
                                .launch = launch,
                                .take = take,
                                .arg = &c };

    _Static_assert((int)ALL_STEPS == (int)WHOLE_RUN, "a step is a step");
    return backend->count ? backend->count(how->dev, &counting) : OK;
}
