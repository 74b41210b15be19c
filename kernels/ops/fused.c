/*
 * fused.c - shape, cost and definition of fused ops, from what they replace.
 */
#include "kernels/ops/fused.h"

#include <stdio.h>
#include <stdlib.h>

#include "kernels/core/err.h"
#include "kernels/ops/ops.h"

/* Stand-ins for the sources, of the same dims and roles, in a graph that is
 * the composition.  Its last tensor is the result; NULL if it refused. */
static Tensor *compose(Graph *g, const Tensor *out, Tensor *stand_in[MAX_SRC])
{
    for (int k = 0; k < MAX_SRC; k++) {
        const Tensor *s = out->src[k];
        Dims dims = { 0 };
        char name[24];

        stand_in[k] = NULL;
        if (!s)
            continue;
        snprintf(name, sizeof(name), "source%d", k);
        dims.rank = s->rank;
        for (int i = 0; i < s->rank; i++)
            dims.dim[i] = s->dim[i];
        stand_in[k] = tensor_is_weight(s) ? graph_weight(g, name, dims)
                                          : graph_input(g, name, dims);
        if (!stand_in[k])
            return NULL;
        stand_in[k]->layout = s->layout;
        stand_in[k]->data = s->data;
    }
    return out->op->compose(g, stand_in, out->attr);
}

int fused_shape(Tensor *out)
{
    Graph *g = graph_new();
    Tensor *stand_in[MAX_SRC];
    const Tensor *y = compose(g, out, stand_in);
    const int err = graph_error(g);

    if (!err) {
        out->rank = y->rank;
        for (int i = 0; i < y->rank; i++)
            out->dim[i] = y->dim[i];
        out->layout = y->layout;
    }
    graph_free(g);
    return err;
}

Cost fused_cost(const Tensor *out)
{
    Graph *g = graph_new();
    Tensor *stand_in[MAX_SRC];
    Cost sum = { .bytes = (double)tensor_bytes(out) };

    BUG_IF(!compose(g, out, stand_in));
    for (int i = 0; i < graph_size(g); i++) {
        const Tensor *t = graph_at(g, i);
        Cost c;

        if (t->role != ROLE_NODE)
            continue;
        c = t->op->cost(t);
        sum.macs += c.macs;
        sum.flops += c.flops;
        sum.act_flops += c.act_flops;
        sum.transcendentals += c.transcendentals;
        sum.paper_flops += c.paper_flops;
    }
    for (int k = 0; k < MAX_SRC; k++)
        sum.bytes += out->src[k] ? (double)tensor_bytes(out->src[k]) : 0;
    graph_free(g);
    return sum;
}

/* ---- modules ------------------------------------------------------------- */

static Tensor *module_compose(Graph *g, Tensor *const *src, const void *attr)
{
    const ModuleAttr *a = attr;
    Tensor *y;

    graph_lend(g, src + 1);
    y = a->build(g, src[0], a->settings);
    graph_lend(g, NULL);
    return y;
}

#define X(id)                            \
    const Op id##_def = {                \
        .name = #id,                     \
        .sources = 2,                    \
        .optional = MAX_SRC - 2,         \
        .attr_size = sizeof(ModuleAttr), \
        .shape = fused_shape,            \
        .cost = fused_cost,              \
        .ref = fused_ref,                \
        .compose = module_compose,       \
        .tol_f32 = 3e-6,                 \
    };
MODULE_OPS(X)
#undef X

/* ---- gates --------------------------------------------------------------- */

static bool is_gated(const Tensor *out)
{
    bool gated = false;

    for (int k = 0; k < MAX_SRC && out->op->gate; k++)
        gated |= out->src[k] && out->op->gate(out, k);
    return gated;
}

bool node_is_gated(const Tensor *out)
{
    Graph *g;
    Tensor *stand_in[MAX_SRC];
    bool gated = is_gated(out);

    if (!out->op->compose)
        return gated;
    g = graph_new();
    compose(g, out, stand_in);
    for (int i = 0; i < graph_size(g); i++)
        gated |= graph_at(g, i)->op && node_is_gated(graph_at(g, i));
    graph_free(g);
    return gated;
}

int fused_ref(const Tensor *out)
{
    Graph *g = graph_new();
    Tensor *stand_in[MAX_SRC];
    Tensor *y = compose(g, out, stand_in);
    int err = graph_error(g);

    for (int i = 0; !err && i < graph_size(g); i++) {
        Tensor *t = graph_at(g, i);

        if (t->role != ROLE_NODE)
            continue;
        if (t == y)
            t->data = out->data;
        else if (t->op->view)
            t->data = t->src[0]->data;
        else
            t->data = malloc(tensor_count(t) * sizeof(float));
        if (!t->data)
            err = fail(ERR_MEMORY, "no memory for %zu numbers of %s",
                       tensor_count(t), t->op->name);
        else if (!t->op->view)
            err = t->op->ref(t);
    }
    for (int i = 0; i < graph_size(g); i++) {
        const Tensor *t = graph_at(g, i);

        if (t->role == ROLE_NODE && t != y && !t->op->view)
            free(t->data);
    }
    graph_free(g);
    return err;
}
