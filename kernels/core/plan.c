/*
 * plan.c - chooses kernels and lays out memory by lifetime.
 *
 * A buffer lives from the step that writes it to the last step that reads it
 * (or one of its views); an in-place kernel takes over the buffer of a source
 * that dies there.  Inputs and outputs live for ever, so
 * that a plan can be run again without refilling its input.
 *
 * Where a run updates its weights, the kernels that have packed them pack them
 * again at the beginning of the next; from the host's copy of the weights, if
 * they know no better.
 */
#include "kernels/core/plan.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/arena.h"
#include "kernels/core/err.h"
#include "kernels/core/plan_parts.h"
#include "kernels/core/transfer.h"

enum { ALIGN = 64, MOST_IN_A_RACE = 8 };

/* The first that takes out, of all or of those after one. */
static const Kernel *choose(const Device *dev, const Tensor *out,
                            const Kernel *after)
{
    bool now = !after;

    for (const Kernel *const *k = dev->kernels; *k; k++) {
        if (now && kernel_takes(*k, out))
            return *k;
        now |= *k == after;
    }
    return NULL;
}

static int choose_kernels(Plan *p)
{
    char dims[DIMS_TEXT];

    for (int i = 0; i < graph_size(p->graph); i++) {
        const Tensor *t = graph_at(p->graph, i);
        PlanStep *step = &p->steps[p->nsteps];

        if (t->role != ROLE_NODE || t->op->view)
            continue;
        if (p->dev->backend->takes_dtype)
            TRY(p->dev->backend->takes_dtype(p->dev, t->dtype));
        step->out = t;
        step->kernel = choose(p->dev, t, NULL);
        if (!step->kernel)
            return fail(ERR_UNSUPPORTED, "%s has no kernel for %s %s -> %s",
                        p->dev->backend->name, dtype_name(t->dtype),
                        t->op->name, tensor_dims_text(t, dims));
        p->nsteps++;
    }
    return OK;
}

/* The last tensor id that reads each storage; INT32_MAX for kept ones. */
static void find_last_uses(const Plan *p, int *last)
{
    for (int i = 0; i < graph_size(p->graph); i++) {
        const Tensor *t = graph_at(p->graph, i);

        last[i] = i;
        for (int k = 0; k < MAX_SRC; k++)
            if (t->src[k] && last[tensor_storage(t->src[k])->id] < i)
                last[tensor_storage(t->src[k])->id] = i;
        if (t->kept || t->role == ROLE_INPUT)
            last[tensor_storage(t)->id] = INT32_MAX;
    }
}

/* The source whose buffer t's kernel may take over, or NULL.  It has the size
 * of t: a smaller one is broadcast, even if its buffer is large enough. */
static const Tensor *inplace_source(const Kernel *kernel, const Tensor *t,
                                    const int *last)
{
    for (int k = 0; k < MAX_SRC; k++) {
        const Tensor *s = t->src[k] ? tensor_storage(t->src[k]) : NULL;
        bool again = false;

        if (!s || !(kernel->inplace >> k & 1) || tensor_is_weight(s))
            continue;
        for (int j = 0; j < MAX_SRC; j++)
            again |= j != k && t->src[j] && tensor_storage(t->src[j]) == s;
        if (!again && last[s->id] == t->id &&
            tensor_bytes(t->src[k]) == tensor_bytes(t))
            return s;
    }
    return NULL;
}

static void assign_buffers(Plan *p, const int *last)
{
    int step = 0;

    for (int i = 0; i < graph_size(p->graph); i++) {
        const Tensor *t = graph_at(p->graph, i), *s = NULL;
        Buffer *b;

        p->buffer_of[i] = -1;
        if (tensor_is_weight(tensor_storage(t))) {
            step += t->op && !t->op->view;
            continue;
        }
        if (t->op && t->op->view) {
            p->buffer_of[i] = p->buffer_of[tensor_storage(t)->id];
            continue;
        }
        if (t->role == ROLE_NODE)
            s = inplace_source(p->steps[step++].kernel, t, last);
        if (s) {
            p->buffer_of[i] = p->buffer_of[s->id];
            p->buffers[p->buffer_of[i]].last = last[i];
            continue;
        }
        p->buffer_of[i] = p->nbuffers;
        b = &p->buffers[p->nbuffers++];
        b->bytes = (tensor_bytes(t) + ALIGN - 1) / ALIGN * ALIGN;
        b->first = t->role == ROLE_INPUT ? -1 : i;
        b->last = last[i];
    }
}

static int lay_out(Plan *p)
{
    const size_t n = (size_t)graph_size(p->graph);
    int *last = malloc(n * sizeof(*last)), err;

    if (!last)
        return fail(ERR_MEMORY, "no memory for the lives of %zu tensors", n);
    find_last_uses(p, last);
    assign_buffers(p, last);
    err = arena_place(&p->arena_bytes, p->buffers, p->nbuffers);
    free(last);
    if (!err && p->arena_bytes)
        err =
            p->dev->backend->alloc(p->dev, (void **)&p->arena, p->arena_bytes);
    return err;
}

bool plan_shares_host(const Plan *p, const Tensor *t)
{
    return p->dev->backend->host_memory &&
           dtype_size(t->dtype) == sizeof(float);
}

/* Gives every tensor its address; weights are uploaded where the device has
 * a memory of its own. */
static int bind(Plan *p)
{
    const Backend *backend = p->dev->backend;

    for (int i = 0; i < graph_size(p->graph); i++) {
        Tensor *t = graph_at(p->graph, i);

        if (p->buffer_of[i] >= 0) {
            t->data = p->arena + p->buffers[p->buffer_of[i]].offset;
            continue;
        }
        if (t->op) { /* a view or an update */
            t->data = t->src[0]->data;
            continue;
        }
        if (!t->host)
            return fail(ERR_INPUT, "weight %s has no values", t->name);
        if (plan_shares_host(p, t)) {
            t->data = t->host;
            continue;
        }
        TRY(backend->alloc(p->dev, &t->data, tensor_bytes(t)));
        TRY(transfer_up(p->dev, t, t->host));
    }
    return OK;
}

void plan_release_state(PlanStep *s)
{
    if (s->kernel && s->kernel->release)
        s->kernel->release(s->state);
    else
        free(s->state);
    s->state = NULL;
}

/* The sources whose memory out has taken over: bits as in Kernel.inplace. */
static unsigned overwritten(const Plan *p, const Tensor *out)
{
    unsigned bits = 0;

    for (int k = 0; k < MAX_SRC; k++)
        if (out->src[k] && p->buffer_of[out->src[k]->id] >= 0 &&
            p->buffer_of[out->src[k]->id] == p->buffer_of[out->id])
            bits |= 1u << k;
    return bits;
}

/* Where several kernels take the step, for the memory as it is laid out, the
 * device may know which of them to begin with. */
static int race(const Plan *p, PlanStep *s, unsigned taken)
{
    const Kernel *kernels[MOST_IN_A_RACE];
    int n = 0, first = 0;

    if (!p->dev->backend->race)
        return OK;
    for (const Kernel *k = s->kernel; k && n < MOST_IN_A_RACE;
         k = choose(p->dev, s->out, k))
        if (!(taken & ~k->inplace))
            kernels[n++] = k;
    TRY(p->dev->backend->race(p->dev, s->out, kernels, n, &first));
    s->kernel = kernels[first];
    return OK;
}

/* The next one after a kernel that refuses, for the memory as it is laid out;
 * if there is none, the refusal stands. */
static int plan_step_of(Plan *p, PlanStep *s)
{
    const unsigned taken = overwritten(p, s->out);

    TRY(race(p, s, taken));
    for (;;) {
        const Kernel *next = s->kernel;
        const int err = next->plan ? next->plan(p->dev, s->out, &s->state) : OK;

        if (err != ERR_UNSUPPORTED)
            return err;
        do
            next = choose(p->dev, s->out, next);
        while (next && taken & ~next->inplace);
        if (!next)
            return err;
        plan_release_state(s);
        s->kernel = next;
    }
}

static int plan_steps_of(Plan *p)
{
    for (int i = 0; i < p->nsteps; i++)
        TRY(plan_step_of(p, &p->steps[i]));
    return OK;
}

int plan_new(Plan **out, Device *dev, Graph *g)
{
    const size_t n = (size_t)graph_size(g) + 1;
    Plan *p;
    int err;

    *out = NULL;
    TRY(graph_error(g));
    p = calloc(1, sizeof(*p));
    if (!p)
        return fail(ERR_MEMORY, "no memory for a plan");
    p->dev = dev;
    p->graph = g;
    p->steps = calloc(n, sizeof(*p->steps));
    p->buffers = calloc(n, sizeof(*p->buffers));
    p->buffer_of = calloc(n, sizeof(*p->buffer_of));
    err = p->steps && p->buffers && p->buffer_of
              ? choose_kernels(p)
              : fail(ERR_MEMORY, "no memory for a plan of %zu tensors", n);
    if (!err)
        err = lay_out(p);
    if (!err)
        err = bind(p);
    if (!err)
        err = plan_steps_of(p);
    if (!err)
        plan_find_updates(p);
    if (err) {
        plan_free(p);
        return err;
    }
    *out = p;
    return OK;
}

static void release_weight(Plan *p, Tensor *t)
{
    if (t->data && !plan_shares_host(p, t))
        p->dev->backend->release(p->dev, t->data);
    t->data = NULL;
}

void plan_free(Plan *p)
{
    if (!p)
        return;
    plan_free_recording(p);
    plan_copies_free(p);
    for (int i = 0; i < p->nsteps; i++)
        plan_release_state(&p->steps[i]);
    for (int i = 0; i < graph_size(p->graph); i++) {
        Tensor *t = graph_at(p->graph, i);

        if (tensor_is_weight(t))
            release_weight(p, t);
        t->data = NULL;
    }
    if (p->arena)
        p->dev->backend->release(p->dev, p->arena);
    free(p->buffer_of);
    free(p->buffers);
    free(p->steps);
    free(p);
}

int plan_steps(const Plan *p)
{
    return p->nsteps;
}

const Tensor *plan_step(const Plan *p, int i, const Kernel **kernel)
{
    if (kernel)
        *kernel = p->steps[i].kernel;
    return p->steps[i].out;
}

size_t plan_arena_bytes(const Plan *p)
{
    return p->arena_bytes;
}

bool plan_reads(const Plan *p, const Tensor *t)
{
    if (plan_is_updated(p->graph, t))
        return true;
    for (int i = 0; i < p->nsteps; i++)
        for (int k = 0; k < MAX_SRC; k++)
            if (p->steps[i].out->src[k] &&
                tensor_storage(p->steps[i].out->src[k]) == t &&
                !(p->steps[i].kernel->packs >> k & 1))
                return true;
    return false;
}

void plan_drop_packed(Plan *p)
{
    plan_use(p, 0);
    for (int i = 0; i < graph_size(p->graph); i++) {
        Tensor *t = graph_at(p->graph, i);
        bool read;

        if (!tensor_is_weight(t))
            continue;
        read = plan_reads(p, t);
        if (!read) {
            release_weight(p, t);
            plan_copies_drop(p, t);
        }
        if (!read || (!plan_shares_host(p, t) && !plan_is_updated(p->graph, t)))
            graph_free_host(t);
    }
}

int plan_set(Plan *p, Tensor *input, const float *nchw)
{
    const int used = p->used;
    int err = OK;

    for (int i = 0; !err && i < plan_ncopies(p); i++) {
        plan_use(p, i);
        err = transfer_up_nchw(p->dev, input, nchw);
    }
    plan_use(p, used);
    return err;
}

int plan_get(Plan *p, const Tensor *output, float *nchw)
{
    return transfer_down_nchw(p->dev, output, nchw);
}
