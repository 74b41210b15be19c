/*
 * plan_copies.c - a plan over and over in other memory, to be run in turn.
 *
 * When one comes round again, the others have passed through the caches: so a
 * run reads its inputs and weights from memory, and what earlier ones wrote is
 * written back meanwhile, as much as a run writes.  The kernels' code stays
 * where it is.
 *
 * Each copy has an arena, the weights that its steps read, and a state of each
 * step, since states hold addresses and packed weights.  What kernels chose is
 * common to all (Kernel.plan_like), and so is memory of the device's that no
 * plan owns, such as workspaces.
 */
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"
#include "kernels/core/plan_parts.h"

/* As the memory of a GPU is aligned by itself. */
enum { ALIGN = 256 };

/* Each costs the host a few hundred bytes or more. */
enum { MOST_COPIES = 1 << 14 };

static size_t align(size_t bytes)
{
    return (bytes + ALIGN - 1) / ALIGN * ALIGN;
}

/* Memory of its own, in each copy: not so those that kernels have packed, which
 * they copy from number 0. */
static bool has_own(const Plan *p, const Tensor *t)
{
    return tensor_is_weight(t) && t->data && plan_reads(p, t);
}

static size_t copy_bytes(const Plan *p)
{
    size_t bytes = align(p->arena_bytes);

    for (int i = 0; i < graph_size(p->graph); i++)
        if (has_own(p, graph_at(p->graph, i)))
            bytes += align(tensor_bytes(graph_at(p->graph, i)));
    return bytes;
}

/* Bytes of all that a run needs, packed or not. */
static size_t run_bytes(const Plan *p)
{
    size_t bytes = p->arena_bytes;

    for (int i = 0; i < graph_size(p->graph); i++)
        if (tensor_is_weight(graph_at(p->graph, i)))
            bytes += tensor_bytes(graph_at(p->graph, i));
    return bytes;
}

/* ---- making ------------------------------------------------------------ */

static int new_copy(PlanCopy *c, const Plan *p)
{
    c->data = calloc((size_t)graph_size(p->graph) + 1, sizeof(*c->data));
    c->state = calloc((size_t)p->nsteps + 1, sizeof(*c->state));
    return c->data && c->state ? OK
                               : fail(ERR_MEMORY, "no memory for a copy of a "
                                                  "plan");
}

/* Where everything is without copies. */
static void note_addresses(PlanCopy *c, const Plan *p)
{
    for (int i = 0; i < graph_size(p->graph); i++)
        c->data[i] = graph_at(p->graph, i)->data;
}

/* Gives every tensor its address in the memory at `at`. */
static void place(PlanCopy *c, const Plan *p, char *at)
{
    char *own = at + align(p->arena_bytes);

    for (int i = 0; i < graph_size(p->graph); i++) {
        const Tensor *t = graph_at(p->graph, i);

        if (p->buffer_of[i] >= 0) {
            c->data[i] = at + p->buffers[p->buffer_of[i]].offset;
        } else if (t->op) { /* a view of a weight, or an update */
            c->data[i] = c->data[t->src[0]->id];
        } else if (has_own(p, t)) {
            c->data[i] = own;
            own += align(tensor_bytes(t));
        } else {
            c->data[i] = t->data;
        }
    }
}

/* Number 0's values of a weight, to all others. */
static int copy_weight(const Plan *p, const Tensor *t)
{
    const Backend *backend = p->dev->backend;
    const size_t bytes = tensor_bytes(t);
    void *values = malloc(bytes);
    int err;

    if (!values)
        return fail(ERR_MEMORY, "no memory for weight %s", t->name);
    err = backend->download(p->dev, values, t->data, bytes);
    for (int i = 1; !err && i < p->ncopies; i++)
        err = backend->upload(p->dev, p->copies[i].data[t->id], values, bytes);
    free(values);
    return err;
}

static int copy_weights(const Plan *p)
{
    for (int i = 0; i < graph_size(p->graph); i++)
        if (has_own(p, graph_at(p->graph, i)))
            TRY(copy_weight(p, graph_at(p->graph, i)));
    return OK;
}

/* A state for a step of the copy that is in use. */
static int plan_again(Plan *p, PlanStep *s, const void *like)
{
    if (s->kernel->plan_like)
        return s->kernel->plan_like(p->dev, s->out, like, &s->state);
    return s->kernel->plan ? s->kernel->plan(p->dev, s->out, &s->state) : OK;
}

static int plan_all_again(Plan *p)
{
    int err = OK;

    for (int i = 1; !err && i < p->ncopies; i++) {
        plan_use(p, i);
        for (int k = 0; !err && k < p->nsteps; k++)
            err = plan_again(p, &p->steps[k], p->copies[0].state[k]);
    }
    plan_use(p, 0);
    return err;
}

static int make(Plan *p, size_t n)
{
    const size_t bytes = copy_bytes(p);

    p->copies = calloc(n, sizeof(*p->copies));
    if (!p->copies)
        return fail(ERR_MEMORY, "no memory for %zu copies", n);
    p->ncopies = (int)n;
    for (size_t i = 0; i < n; i++)
        TRY(new_copy(&p->copies[i], p));
    TRY(p->dev->backend->alloc(p->dev, (void **)&p->copied, (n - 1) * bytes));
    note_addresses(&p->copies[0], p);
    for (size_t i = 1; i < n; i++)
        place(&p->copies[i], p, p->copied + (i - 1) * bytes);
    TRY(copy_weights(p));
    return plan_all_again(p);
}

int plan_copies(Plan *p, size_t bytes)
{
    const size_t one = run_bytes(p);
    const size_t enough = one ? (bytes + one - 1) / one : 0;
    const size_t n = enough > 2 ? enough : 2;
    int err;

    BUG_IF(p->copies || p->recording || p->stale);
    if (plan_packs_from_host(p))
        return fail(ERR_UNSUPPORTED,
                    "weights that a run updates are packed from the host's "
                    "memory, which copies of a plan do not have");
    if (!one || n > MOST_COPIES)
        return fail(ERR_UNSUPPORTED,
                    "%zu bytes of activations and weights are too few to fill "
                    "%.1f MiB: more than %d copies of them would have to be "
                    "run in turn",
                    one, (double)bytes / (1 << 20), (int)MOST_COPIES);
    err = make(p, n);
    if (err)
        plan_copies_free(p);
    return err ? fail_within(err,
                             "%zu copies of %.1f MiB of activations and "
                             "weights, to be run in turn",
                             n, (double)one / (1 << 20))
               : OK;
}

/* ---- using ------------------------------------------------------------- */

int plan_ncopies(const Plan *p)
{
    return p->copies ? p->ncopies : 1;
}

static void put_aside(const Plan *p, PlanCopy *c)
{
    for (int k = 0; k < p->nsteps; k++)
        c->state[k] = p->steps[k].state;
}

static void take_out(Plan *p, const PlanCopy *c)
{
    for (int k = 0; k < p->nsteps; k++)
        p->steps[k].state = c->state[k];
    for (int i = 0; i < graph_size(p->graph); i++)
        graph_at(p->graph, i)->data = c->data[i];
}

void plan_use(Plan *p, int i)
{
    BUG_IF(i < 0 || i >= plan_ncopies(p));
    if (i == p->used)
        return;
    put_aside(p, &p->copies[p->used]);
    take_out(p, &p->copies[i]);
    p->used = i;
}

void plan_use_next(Plan *p)
{
    plan_use(p, (p->used + 1) % plan_ncopies(p));
}

/* ---- giving back ------------------------------------------------------- */

void plan_copies_drop(Plan *p, const Tensor *t)
{
    for (int i = 0; p->copies && i < p->ncopies; i++)
        p->copies[i].data[t->id] = NULL;
}

/* The states of others may be made of number 0's, which stays. */
static void release_copy(Plan *p, PlanCopy *c)
{
    for (int k = 0; c->state && k < p->nsteps; k++) {
        PlanStep s = { .kernel = p->steps[k].kernel, .state = c->state[k] };

        plan_release_state(&s);
    }
}

void plan_copies_free(Plan *p)
{
    if (!p->copies)
        return;
    plan_use(p, 0);
    for (int i = 0; i < p->ncopies; i++) {
        if (i > 0)
            release_copy(p, &p->copies[i]);
        free(p->copies[i].data);
        free(p->copies[i].state);
    }
    free(p->copies);
    p->copies = NULL;
    if (p->copied)
        p->dev->backend->release(p->dev, p->copied);
    p->copied = NULL;
}
