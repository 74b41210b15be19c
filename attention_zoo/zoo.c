/*
 * zoo.c - the list of modules as an array.
 */
#include "attention_zoo/zoo.h"

#include <string.h>

#include "kernels/core/err.h"

static const Module *const modules[] = {
#define X(id) &id##_module,
    ZOO(X)
#undef X
};
enum { NMODULES = sizeof(modules) / sizeof(modules[0]) };

const Module *zoo_at(int i)
{
    return i >= 0 && i < NMODULES ? modules[i] : NULL;
}

const char *zoo_name(int i)
{
    return i >= 0 && i < NMODULES ? modules[i]->name : NULL;
}

const Module *zoo_find(const char *name)
{
    for (int i = 0; i < NMODULES; i++)
        if (strcmp(modules[i]->name, name) == 0)
            return modules[i];
    return NULL;
}

/* ---- as one op ----------------------------------------------------------- */

bool zoo_can_fuse(const Module *m)
{
    return m->op || m->fuse;
}

/* Fails as the module itself did. */
static Tensor *refuse(Graph *g, const Graph *alone)
{
    const int err = graph_error(alone);

    if (err == ERR_UNSUPPORTED)
        return graph_unsupported(g, "%s", err_message());
    if (err == ERR_MEMORY)
        return graph_no_memory(g, "%s", err_message());
    return graph_fail(g, "%s", err_message());
}

/* In training a batch norm's statistics are the batch's, and a fused op has the
 * running ones. */
static void refuse_batch_norm(Graph *g, const Module *m, Tensor *const *src)
{
    for (int k = 1; k < MAX_SRC && graph_is_training(g); k++)
        if (src[k] && src[k]->role == ROLE_BUFFER) {
            graph_unsupported(g,
                              "module=%s has no impl=fused in training, where "
                              "its batch norm is over the batch; use "
                              "impl=composed",
                              m->name);
            return;
        }
}

/* Makes in g the weights and buffers that the module made in a graph of its
 * own. */
static void make_sources(Graph *g, const Graph *alone, Tensor *src[MAX_SRC])
{
    int n = 1;

    for (int i = 0; i < graph_size(alone); i++) {
        const Tensor *t = graph_at(alone, i);
        Dims dims = { .rank = t->rank };

        if (!tensor_is_weight(t))
            continue;
        BUG_IF(n == MAX_SRC);
        memcpy(dims.dim, t->dim, sizeof(dims.dim));
        src[n++] = t->role == ROLE_WEIGHT ? graph_weight(g, t->name, dims)
                                          : graph_buffer(g, t->name, dims);
    }
}

Tensor *zoo_fuse(Graph *g, const Module *m, Tensor *x, const void *settings)
{
    Tensor *src[MAX_SRC] = { x }, *stand_in;
    ModuleAttr attr = { .build = m->build };
    Graph *alone;

    if (m->fuse || !x)
        return x ? m->fuse(g, x, settings) : NULL;
    BUG_IF(!m->op);
    alone = graph_new();
    stand_in = graph_input(alone, "x",
                           DIMS(x->dim[0], x->dim[1], x->dim[2], x->dim[3]));
    if (m->build(alone, stand_in, settings))
        make_sources(g, alone, src);
    else
        refuse(g, alone);
    graph_free(alone);
    refuse_batch_norm(g, m, src);
    memcpy(attr.settings, settings, m->settings_size);
    if (m->facts)
        m->facts(&attr.facts, x, settings);
    return graph_apply(g, m->op, &attr, src);
}

/* ---- conditions ---------------------------------------------------------- */

/* The largest number up to most that divides n. */
static int divisor(int n, int most)
{
    while (most > 1 && n % most)
        most--;
    return most;
}

bool zoo_divides(Graph *g, const char *setting, int value, int channels)
{
    const char *name = strchr(setting, ' '); /* with its blank */

    if (channels % value == 0)
        return true;
    graph_fail(g, "%s=%d does not divide channels=%d:%s=%d would", setting,
               value, channels, name, divisor(channels, value));
    return false;
}

bool zoo_odd(Graph *g, const char *setting, int value)
{
    if (value % 2)
        return true;
    graph_fail(g, "%s=%d must be odd: %d would do", setting, value, value - 1);
    return false;
}

bool zoo_multiple(Graph *g, const char *module, int channels, int of)
{
    const int below = channels / of * of;

    if (channels % of == 0)
        return true;
    if (below)
        graph_fail(g, "%s: channels=%d is not divisible by %d: %d or %d is",
                   module, channels, of, below, below + of);
    else
        graph_fail(g, "%s: channels=%d is not divisible by %d: %d is", module,
                   channels, of, of);
    return false;
}
