/*
 * first_image.c - one image of a plan's outputs against the definition.
 */
#include "harness/check/first_image.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/check/culprit.h"
#include "kernels/core/err.h"

static const double BUDGET = 2 * VERIFY_BUDGET;

/* All images of each output of r: the first is at its beginning. */
static int read_outputs(float **got, const FirstImage *ask, const Reference *r)
{
    for (int i = 0; i < graph_outputs(r->graph); i++) {
        const char *name;
        const Tensor *t;

        graph_output_at(r->graph, i, &name);
        t = graph_output_named(ask->g, name);
        BUG_IF(!t);
        got[i] = malloc(tensor_count(t) * sizeof(**got));
        if (!got[i])
            return fail(ERR_MEMORY, "no memory for an output of %zu numbers",
                        tensor_count(t));
        TRY(plan_get(ask->plan, t, got[i]));
    }
    return OK;
}

/* Where the definition is too slow for "ref" no step is looked for: that runs
 * all of it there, and keeps every step. */
static int say_wrong(const Comparison *v, const FirstImage *ask, const Case *c,
                     bool slow)
{
    char culprit[CULPRIT_TEXT] = "";
    Graph *g;

    if (!slow && ask->build(&g, c, ask->values, ask->arg) == OK) {
        culprit_find(culprit, g, ask->dev, ask->inputs);
        graph_free(g);
    }
    return fail(ERR_DEVICE,
                "differs from the definition by %.2g at %s (limit %.2g)%s%s; "
                "nothing is stored",
                v->rel_l2, v->at, v->limit, culprit[0] ? "; first in " : "",
                culprit);
}

static int compare(Comparison *out, const FirstImage *ask, Reference *r,
                   const Case *c)
{
    float **got = calloc((size_t)graph_outputs(r->graph), sizeof(*got));
    Case limits = *c;
    int err;

    BUG_IF(!got || case_set(&limits, "pass", "input_grad") != OK);
    err = read_outputs(got, ask, r);
    if (!err)
        err = verify_outputs(out, r, &limits, got);
    if (err == ERR_UNSUPPORTED) {
        out->limit = INFINITY;
        err = OK;
    }
    for (int i = 0; i < graph_outputs(r->graph); i++)
        free(got[i]);
    free(got);
    return err;
}

/* Which would be compared with itself. */
static bool is_definition(const FirstImage *ask)
{
    return ask->dev->backend == &ref_backend &&
           ask->c->graph == GRAPH_AS_WRITTEN && ask->c->impl == IMPL_COMPOSED;
}

int first_image_check(Comparison *out, const FirstImage *ask)
{
    Case one = *ask->c;
    Reference *r;
    bool slow;
    int err;

    *out = (Comparison){ .rel_l2 = 0, .limit = INFINITY };
    if (is_definition(ask))
        return OK;
    one.batch = 1;
    TRY(reference_new_built(&r, &one, ask->values, ask->build, ask->arg,
                            ask->inputs, BUDGET, ask->dev));
    err = compare(out, ask, r, &one);
    slow = r->dev != NULL;
    reference_free(r);
    if (!err && !(out->rel_l2 <= out->limit))
        err = say_wrong(out, ask, &one, slow);
    return err;
}
