/*
 * passes.c - adds gradients and a step of training to a graph.
 */
#include "harness/network/passes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"
#include "kernels/ops/grad.h"
#include "kernels/ops/ops.h"

bool pass_is_training(const Case *c)
{
    return c->pass == PASS_TRAIN;
}

/* Tensors, and the gradients of them. */
typedef struct Wanted {
    Tensor **t, **grad;
    int n;
} Wanted;

static void wanted_free(Wanted *w)
{
    free(w->t);
    free(w->grad);
}

/* The input, the learned parameters, or both. */
static Wanted wanted_new(const Graph *g, bool input, bool params)
{
    const size_t size = (size_t)graph_size(g) + 1;
    Wanted w = { calloc(size, sizeof(*w.t)), calloc(size, sizeof(*w.t)), 0 };

    BUG_IF(!w.t || !w.grad);
    for (int i = 0; i < graph_size(g); i++) {
        Tensor *t = graph_at(g, i);

        if ((input && t->role == ROLE_INPUT) ||
            (params && t->role == ROLE_WEIGHT))
            w.t[w.n++] = t;
    }
    return w;
}

static Dims dims_of(const Tensor *t)
{
    Dims dims = { .rank = t->rank };

    memcpy(dims.dim, t->dim, sizeof(dims.dim));
    return dims;
}

static Tensor *grad_output(Graph *g, const Tensor *y)
{
    return graph_input(g, "grad_output", dims_of(y));
}

static void add_gradients(Graph *g, Tensor *dy, Wanted *w)
{
    graph_grad(g,
               &(Gradient){ .of = graph_output_named(g, "output"),
                            .dy = dy,
                            .wrt = w->t,
                            .n = w->n },
               w->grad);
}

static void output_of(Graph *g, const char *prefix, const Tensor *of, Tensor *t)
{
    char name[2 * MAX_NAME];

    snprintf(name, sizeof(name), "%s%s", prefix, of->name);
    graph_output(g, name, t);
}

static int add_backward(Graph *g, bool params)
{
    Wanted w = wanted_new(g, true, params);

    add_gradients(g, grad_output(g, graph_output_named(g, "output")), &w);
    for (int i = 0; i < w.n; i++)
        output_of(g, w.t[i]->role == ROLE_INPUT ? "grad_" : "grad/", w.t[i],
                  w.grad[i]);
    wanted_free(&w);
    return graph_error(g);
}

/* dy of the loss; of what has no classes, a gradient that is given. */
static Tensor *add_loss(Graph *g)
{
    Tensor *y = graph_output_named(g, "output"), *target, *dy;

    if (!y || y->rank != 2)
        return y ? grad_output(g, y) : NULL;
    target = graph_input(g, "target", dims_of(y));
    graph_scope(g, "loss");
    graph_output(g, "loss", op_cross_entropy(g, y, target));
    dy = op_cross_entropy_grad(g, y, target);
    graph_end_scope(g);
    return dy;
}

/* A step for w, in the scope that w is in. */
static void step(Graph *g, Tensor *w, Tensor *dw, Tensor *v)
{
    const SgdAttr sgd = { SGD_RATE, SGD_MOMENTUM, SGD_DECAY };
    const char *dot = strrchr(w->name, '.');
    const int before = graph_size(g);

    graph_scope(g, "%.*s", dot ? (int)(dot - w->name) : 0, w->name);
    op_sgd(g, w, dw, v, &sgd);
    graph_end_scope(g);
    graph_set_origin(g, before, w->origin);
}

static int update(Graph *g, Tensor *w, Tensor *dw, bool values)
{
    char name[MAX_NAME];
    Tensor *v;

    snprintf(name, sizeof(name), "velocity/%.80s", w->name);
    v = graph_buffer(g, name, dims_of(w));
    if (v && values) {
        TRY(graph_alloc_host(v));
        memset(v->host, 0, tensor_count(v) * sizeof(float));
    }
    step(g, w, dw, v);
    if (!graph_output_named(g, "loss"))
        graph_output(g, name, v);
    return OK;
}

static int add_training(Graph *g, bool values)
{
    Wanted w = wanted_new(g, false, true);
    int err = OK;

    add_gradients(g, add_loss(g), &w);
    for (int i = 0; i < w.n && !err; i++)
        if (w.grad[i])
            err = update(g, w.t[i], w.grad[i], values);
    wanted_free(&w);
    return err ? err : graph_error(g);
}

int pass_add(Graph *g, const Case *c, bool values)
{
    if (c->pass == PASS_FORWARD)
        return OK;
    if (case_dtype(c) != F32)
        return fail(ERR_UNSUPPORTED,
                    "pass=%s is computed in f32 only "
                    "(dtype=%s)",
                    case_name("pass", c->pass), case_name("dtype", c->dtype));
    if (c->pass == PASS_INPUT_GRAD)
        return add_backward(g, false);
    if (c->graph == GRAPH_FOLDED)
        return fail(ERR_UNSUPPORTED,
                    "pass=%s: a folded batch norm has no parameters to "
                    "differentiate; give --graph=as_written",
                    case_name("pass", c->pass));
    return pass_is_training(c) ? add_training(g, values)
                               : add_backward(g, true);
}
