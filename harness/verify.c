/*
 * verify.c - compares a case with the reference.
 *
 * Both sides are built from the same seeds: the case as it will be measured,
 * and its definition on the backend "ref".  So a wrong fold, a wrong kernel
 * and a wrong layout all show.
 */
#include "harness/verify.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/backends.h"
#include "harness/network.h"
#include "harness/seed.h"
#include "kernels/core/err.h"
#include "kernels/core/plan.h"

static const double MODULE_LIMIT = 3e-6, BACKBONE_LIMIT = 1e-5;

enum { SEED = 1, SMALLEST_MAP = 7 };

double verify_limit(const Case *c)
{
    return strcmp(c->backbone.text, "none") ? BACKBONE_LIMIT : MODULE_LIMIT;
}

double verify_error(const float *got, const float *expected, size_t n)
{
    double wrong = 0, all = 0;

    for (size_t i = 0; i < n; i++) {
        const double d = (double)got[i] - expected[i];

        wrong += d * d;
        all += (double)expected[i] * expected[i];
    }
    return wrong == 0 ? 0 : sqrt(wrong / all);
}

static int run_plan(float **values, Plan *plan, Graph *g, const float *input)
{
    TRY(plan_set(plan, graph_find(g, "input"), input));
    TRY(plan_run(plan));
    for (int i = 0; i < graph_outputs(g); i++) {
        const Tensor *t = graph_output_at(g, i, NULL);

        values[i] = malloc(tensor_count(t) * sizeof(float));
        if (!values[i])
            return fail(ERR_MEMORY, "no memory for an output of %zu numbers",
                        tensor_count(t));
        TRY(plan_get(plan, t, values[i]));
    }
    return OK;
}

static void free_all(float **values, int n)
{
    for (int i = 0; i < n; i++) {
        free(values[i]);
        values[i] = NULL;
    }
}

int verify_run(float **values, Graph *g, const Case *c, const float *input)
{
    const DeviceSettings settings = { .threads = c->threads, .isa = "" };
    Device *dev = NULL;
    Plan *plan = NULL;
    int err;

    memset(values, 0, (size_t)graph_outputs(g) * sizeof(*values));
    err = backend_open(&dev, c->backend.text, &settings);
    if (!err)
        err = plan_new(&plan, dev, g);
    if (!err)
        err = run_plan(values, plan, g, input);
    if (err)
        free_all(values, graph_outputs(g));
    plan_free(plan);
    backend_close(dev);
    return err;
}

/* What the reference takes for g, in units of its fastest: a multiply-add of
 * a convolution is 2.  Its other loops are bound by their indexing. */
static double reference_work(const Graph *g)
{
    enum { PER_ELEMENT = 16, PER_FUNCTION = 40 };
    double work = 0;

    for (int i = 0; i < graph_size(g); i++) {
        const Tensor *t = graph_at(g, i);
        Cost c;

        if (t->role != ROLE_NODE || t->op->view)
            continue;
        c = t->op->cost(t);
        work += c.flops + PER_FUNCTION * c.transcendentals +
                PER_ELEMENT * (c.bytes / sizeof(float));
    }
    return work;
}

/* The definition of c at its shape, without values. */
static int build_reference(Graph **g, const Case *c)
{
    Case ref = *c;

    *g = NULL;
    TRY(case_set(&ref, "impl", "composed"));
    TRY(case_set(&ref, "graph", "as_written"));
    TRY(case_set(&ref, "dtype", "f32"));
    return network_build(g, &ref, NULL, TAPS_NONE);
}

/* Half of what c has, unless its module then refuses it or it is too small. */
static bool halve_map(Case *c, Graph **g)
{
    Case half = *c;
    Graph *smaller;

    half.height = (c->height + 1) / 2;
    half.width = (c->width + 1) / 2;
    if (half.height < SMALLEST_MAP || half.width < SMALLEST_MAP ||
        build_reference(&smaller, &half))
        return false;
    graph_free(*g);
    *g = smaller;
    *c = half;
    return true;
}

/* Makes c as small as the budget wants, and gives its reference. */
static int fit_budget(Graph **g, Case *c, double budget)
{
    double work, images;

    TRY(build_reference(g, c));
    work = reference_work(*g);
    if (work <= budget)
        return OK;

    images = floor(budget / (work / c->batch));
    c->batch = images > 1 ? (int)images : 1;
    graph_free(*g);
    TRY(build_reference(g, c));
    while (strcmp(c->backbone.text, "none") == 0 &&
           reference_work(*g) > budget && halve_map(c, g))
        ;
    return OK;
}

/* The worst error among g's outputs, those of c's network and the reference. */
static double worst_error(const Graph *g, float *const *got,
                          float *const *expected)
{
    double worst = 0;

    for (int i = 0; i < graph_outputs(g); i++) {
        const size_t n = tensor_count(graph_output_at(g, i, NULL));
        const double e = verify_error(got[i], expected[i], n);

        if (isnan(e) || e > worst)
            worst = e;
    }
    return worst;
}

static int compare(const Case *c, Graph *ref, const float *input,
                   double *rel_l2)
{
    enum { MOST = 8 };
    const Values values = { .seed = SEED };
    float *got[MOST] = { 0 }, *expected[MOST] = { 0 };
    Case on_ref = *c;
    Graph *g;
    int err;

    TRY(case_set(&on_ref, "backend", "ref"));
    TRY(network_build(&g, c, &values, TAPS_NONE));
    BUG_IF(graph_outputs(g) > MOST);
    err = verify_run(got, g, c, input);
    if (!err)
        err = seed_graph(ref, SEED);
    if (!err)
        err = verify_run(expected, ref, &on_ref, input);
    if (!err)
        *rel_l2 = worst_error(ref, got, expected);
    free_all(got, MOST);
    free_all(expected, MOST);
    graph_free(g);
    return err;
}

int verify_case(const Case *c, double budget, double *rel_l2,
                char verified_at[64])
{
    Case at = *c;
    Graph *ref = NULL;
    float *input = NULL;
    Dims dims;
    int err;

    *rel_l2 = NAN;
    verified_at[0] = '\0';
    TRY(fit_budget(&ref, &at, budget));
    dims = DIMS(at.batch, at.channels, at.height, at.width);
    snprintf(verified_at, 64, "%dx%dx%dx%d", at.batch, at.channels, at.height,
             at.width);
    input = malloc(tensor_count(graph_find(ref, "input")) * sizeof(*input));
    if (!input) {
        err = fail(ERR_MEMORY, "no memory for an input of %s", verified_at);
        goto out;
    }
    seed_structured(input, dims, "input", SEED);
    err = compare(&at, ref, input, rel_l2);
out:
    free(input);
    graph_free(ref);
    return err;
}
