/*
 * reach.c - walks from a tap back to the input.
 *
 * Op by op, as each states (Op.reach): row i of a convolution of kernel k,
 * stride s and padding p reads rows s i - p to s i - p + k - 1.  Spans are
 * united where paths meet.
 */
#include "harness/attribution/reach.h"

#include <limits.h>
#include <stdlib.h>

#include "kernels/core/err.h"
#include "kernels/ops/ops.h"

static bool is_empty(Extent s)
{
    return s.last < s.first;
}

static void unite(Extent *s, Extent other)
{
    if (is_empty(other))
        return;
    if (is_empty(*s)) {
        *s = other;
        return;
    }
    s->first = other.first < s->first ? other.first : s->first;
    s->last = other.last > s->last ? other.last : s->last;
}

static bool same_places(const Tensor *a, const Tensor *b)
{
    return a->rank == 4 && b->rank == 4 && a->dim[2] == b->dim[2] &&
           a->dim[3] == b->dim[3];
}

static void step_back(Reach *need, const Tensor *t, int k)
{
    Reach of = need[t->id], *source = &need[t->src[k]->id];
    const bool local =
        t->op->reach && t->op->reach(t, k, &of.rows, &of.columns);

    source->whole |= of.whole || !local;
    /* An op that mixes positions may still pass its own on: a norm, a fused
     * op. */
    if (!local && !same_places(t, t->src[k]))
        return;
    unite(&source->rows, of.rows);
    unite(&source->columns, of.columns);
}

void reach_of(Reach *out, const Graph *g, const Tensor *tap,
              const Tensor *input, const Reach *units,
              bool (*through)(const Tensor *out, int k))
{
    static const Extent empty = { 0, -1 };
    Reach *need = malloc(((size_t)tap->id + 1) * sizeof(*need));

    BUG_IF(!need || input->id > tap->id);
    for (int i = 0; i < tap->id; i++)
        need[i] = (Reach){ empty, empty, false };
    need[tap->id] = *units;
    for (int i = tap->id; i > input->id; i--) {
        const Tensor *t = graph_at(g, i);

        if (t->role != ROLE_NODE || (is_empty(need[i].rows) && !need[i].whole))
            continue;
        for (int k = 0; k < MAX_SRC; k++)
            if (t->src[k] && (!through || through(t, k)))
                step_back(need, t, k);
    }
    *out = need[input->id];
    free(need);
}

int reach_within(const Reach *f, bool vertical, int pixels)
{
    const Extent s = vertical ? f->rows : f->columns;
    const int first = s.first > 0 ? s.first : 0;
    const int last = s.last < pixels - 1 ? s.last : pixels - 1;

    return f->whole ? pixels : last < first ? 0 : last - first + 1;
}
