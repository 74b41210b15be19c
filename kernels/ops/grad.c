/*
 * grad.c - walks a graph backwards.
 */
#include "kernels/ops/grad.h"

#include <stdlib.h>

#include "kernels/core/err.h"
#include "kernels/ops/ops.h"

typedef struct Walk {
    Graph *g;
    const Gradient *wanted;
    int n;           /* tensors up to and with wanted->of          */
    bool *leads;     /* by id: to something that was asked for     */
    Tensor **so_far; /* by id: the sum of the gradients seen so far */
} Walk;

static bool is_wanted(const Gradient *w, const Tensor *t)
{
    for (int i = 0; i < w->n; i++)
        if (w->wrt[i] == t)
            return true;
    return false;
}

static bool passes(const Walk *walk, const Tensor *out, int k)
{
    const Gradient *w = walk->wanted;

    return out->src[k] && walk->leads[out->src[k]->id] &&
           (!w->through || w->through(out, k));
}

static void find_leads(Walk *walk)
{
    for (int i = 0; i < walk->n; i++) {
        const Tensor *t = graph_at(walk->g, i);

        walk->leads[i] = is_wanted(walk->wanted, t);
        for (int k = 0; k < MAX_SRC && !walk->leads[i]; k++)
            walk->leads[i] = passes(walk, t, k);
    }
}

/* The rules of the graph that a fused op replaces, of its wanted sources. */
static void fused_grad(const Walk *walk, Tensor *out, Tensor *dy,
                       const bool *wants, Tensor **grad)
{
    Tensor *wrt[MAX_SRC], *grads[MAX_SRC];
    Gradient inner = { .dy = dy, .wrt = wrt, .through = walk->wanted->through };
    int n = 0;

    inner.of = out->op->compose(walk->g, out->src, out->attr);
    for (int k = 0; k < MAX_SRC; k++)
        if (wants[k])
            wrt[inner.n++] = out->src[k];
    graph_grad(walk->g, &inner, grads);
    for (int k = 0; k < MAX_SRC; k++)
        if (wants[k])
            grad[k] = grads[n++];
}

static void step(const Walk *walk, Tensor *out)
{
    Tensor *grad[MAX_SRC] = { NULL }, *dy = walk->so_far[out->id];
    const int before = graph_size(walk->g);
    bool wants[MAX_SRC], any = false;

    for (int k = 0; k < MAX_SRC; k++)
        any |= wants[k] = passes(walk, out, k);
    if (!any)
        return;
    graph_scope(walk->g, "%s", out->name);
    if (out->op->compose)
        fused_grad(walk, out, dy, wants, grad);
    else if (out->op->grad)
        out->op->grad(walk->g, out, dy, wants, grad);
    else
        graph_unsupported(walk->g, "%s has no gradient", out->op->name);
    for (int k = 0; k < MAX_SRC; k++) {
        Tensor **sum = grad[k] ? &walk->so_far[out->src[k]->id] : NULL;

        if (sum)
            *sum = *sum ? op_add(walk->g, *sum, grad[k]) : grad[k];
    }
    graph_end_scope(walk->g);
    graph_set_origin(walk->g, before, out->origin);
}

/* Through all that leads from what is wanted to what it is the gradient of. */
static void walk_back(Walk *walk, Tensor **grads)
{
    const Gradient *wanted = walk->wanted;

    find_leads(walk);
    walk->so_far[walk->n - 1] = wanted->dy;
    for (int i = walk->n - 1; i >= 0; i--) {
        Tensor *t = graph_at(walk->g, i);

        if (t->role == ROLE_NODE && walk->so_far[i] && !graph_failed(walk->g))
            step(walk, t);
    }
    for (int i = 0; i < wanted->n; i++)
        if (wanted->wrt[i] && wanted->wrt[i]->id < walk->n)
            grads[i] = walk->so_far[wanted->wrt[i]->id];
}

void graph_grad(Graph *g, const Gradient *wanted, Tensor **grads)
{
    Walk walk = { .g = g, .wanted = wanted };

    for (int i = 0; i < wanted->n; i++)
        grads[i] = NULL;
    if (!wanted->of || !wanted->dy)
        return; /* the graph has failed */
    walk.n = wanted->of->id + 1;
    walk.leads = calloc((size_t)walk.n, sizeof(*walk.leads));
    walk.so_far = calloc((size_t)walk.n, sizeof(*walk.so_far));
    if (walk.leads && walk.so_far)
        walk_back(&walk, grads);
    else
        graph_no_memory(g, "no memory for the gradients of %d tensors", walk.n);
    free(walk.so_far);
    free(walk.leads);
}

bool gradient_past_gates(const Tensor *out, int k)
{
    return !(out->op->gate && out->op->gate(out, k));
}
