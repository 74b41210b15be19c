/*
 * profile_rows.c - a profile as the database has it.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/network.h"
#include "harness/profile.h"
#include "kernels/core/err.h"
#include "kernels/core/graph.h"

enum { OF_A_STEP = 4, OF_ALL = 8 };

static void add(StoredProfile *out, int step, const char *name, Source source,
                double value)
{
    Quantity *q = &out->quantity[out->nquantities++];

    *q = (Quantity){ .step = step, .source = source, .value = value };
    snprintf(q->name, sizeof(q->name), "%s", name);
    if (isnan(value))
        snprintf(q->reason, sizeof(q->reason), "this machine does not say");
}

static void add_cost(StoredProfile *out, int step, const Cost *c)
{
    add(out, step, "flops", SOURCE_MODELLED, c->flops);
    add(out, step, "transcendentals", SOURCE_MODELLED, c->transcendentals);
    add(out, step, "bytes", SOURCE_MODELLED, c->bytes);
}

static void add_step(StoredProfile *out, const ProfileStep *s)
{
    StoredStep *t = &out->step[out->nsteps];
    char dims[DIMS_TEXT];

    snprintf(t->op, sizeof(t->op), "%s", s->out->op->name);
    snprintf(t->kernel, sizeof(t->kernel), "%s", s->kernel->name);
    snprintf(t->scope, sizeof(t->scope), "%s", s->out->name);
    snprintf(t->shape, sizeof(t->shape), "%s", tensor_dims_text(s->out, dims));
    add(out, out->nsteps, "time_ns", SOURCE_TIMED, s->ns);
    add_cost(out, out->nsteps, &s->cost);
    out->nsteps++;
}

/* Of weights; and of inputs and outputs. */
static void sizes(const Graph *g, double *weights, double *ends)
{
    *weights = *ends = 0;
    for (int i = 0; i < graph_size(g); i++) {
        const Tensor *t = graph_at(g, i);

        if (tensor_is_weight(t))
            *weights += (double)tensor_bytes(t);
        else if (t->role == ROLE_INPUT)
            *ends += (double)tensor_bytes(t);
    }
    for (int i = 0; i < graph_outputs(g); i++)
        *ends += (double)tensor_bytes(graph_output_at(g, i, NULL));
}

static double size_of(size_t (*cache)(Device *), Device *dev)
{
    const size_t bytes = cache ? cache(dev) : 0;

    return bytes ? (double)bytes : NAN;
}

void profile_rows(StoredProfile *out, const Profile *p, const Graph *g,
                  Device *dev, double arena_bytes)
{
    const Backend *b = dev->backend;
    double weights, ends;
    Cost all = { 0 };

    *out = (StoredProfile){ NULL };
    out->step = calloc((size_t)p->n + 1, sizeof(*out->step));
    out->quantity =
        calloc((size_t)p->n * OF_A_STEP + OF_ALL, sizeof(*out->quantity));
    BUG_IF(!out->step || !out->quantity);
    for (int i = 0; i < p->n; i++) {
        add_step(out, &p->step[i]);
        cost_add(&all, &p->step[i].cost);
    }
    sizes(g, &weights, &ends);
    add(out, WHOLE_RUN, "time_ns", SOURCE_TIMED, p->whole_ns);
    add_cost(out, WHOLE_RUN, &all);
    add(out, WHOLE_RUN, "compulsory_bytes", SOURCE_MODELLED, weights + ends);
    add(out, WHOLE_RUN, "working_set_bytes", SOURCE_MODELLED,
        arena_bytes + weights);
    add(out, WHOLE_RUN, "cache_bytes", SOURCE_MODELLED,
        size_of(b->cache_bytes, dev));
    add(out, WHOLE_RUN, "private_cache_bytes", SOURCE_MODELLED,
        size_of(b->private_cache_bytes, dev));
}

/* ---- counted ---------------------------------------------------------- */

typedef struct Counter {
    StoredProfile *rows;
    Plan *plan;
    int room; /* for quantities; 0 at first */
} Counter;

static int launch(void *arg, int step)
{
    return plan_run_step(((const Counter *)arg)->plan, step);
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

int profile_count(StoredProfile *rows, Device *dev, Plan *plan, Dtype dtype,
                  const char *metrics)
{
    Counter c = { rows, plan, 0 };
    const Counting counting = { .steps = plan_steps(plan),
                                .dtype = dtype,
                                .metrics = metrics,
                                .launch = launch,
                                .take = take,
                                .arg = &c };

    _Static_assert((int)ALL_STEPS == (int)WHOLE_RUN, "a step is a step");
    return dev->backend->count ? dev->backend->count(dev, &counting) : OK;
}
