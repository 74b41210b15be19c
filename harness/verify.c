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

/* An error of this many neighbours' worth is rounding; one above the highest
 * limit never is. */
static const double ROUNDINGS = 32, HIGHEST_LIMIT = 1e-4;

enum { SEED = 1, SMALLEST_MAP = 7, MOST = 8 /* outputs */ };

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

/* What a comparison takes, in units of what the reference does fastest: a
 * multiply-add of a convolution is 2.  Its other loops are bound by their
 * indexing; making the input and bringing it and the outputs into each
 * backend's order is a good part of the rest. */
static double work_of(const Graph *g)
{
    enum { ELEMENT = 16, FUNCTION = 40, INPUT = 100, OUTPUT = 50 };
    double work = INPUT * (double)tensor_count(graph_find(g, "input"));

    for (int i = 0; i < graph_outputs(g); i++)
        work += OUTPUT * (double)tensor_count(graph_output_at(g, i, NULL));
    for (int i = 0; i < graph_size(g); i++) {
        const Tensor *t = graph_at(g, i);
        Cost c;

        if (t->role != ROLE_NODE || t->op->view)
            continue;
        c = t->op->cost(t);
        work += c.flops + FUNCTION * c.transcendentals +
                ELEMENT * (c.bytes / sizeof(float));
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
    work = work_of(*g);
    if (work <= budget)
        return OK;

    images = floor(budget / (work / c->batch));
    c->batch = images > 1 ? (int)images : 1;
    graph_free(*g);
    TRY(build_reference(g, c));
    while (strcmp(c->backbone.text, "none") == 0 && work_of(*g) > budget &&
           halve_map(c, g))
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

/* What both sides of a comparison have in common. */
typedef struct Sides {
    Case c, on_ref;
    Graph *ref; /* of on_ref, seeded */
    float *input;
    size_t inputs; /* numbers in it */
    float *expected[MOST];
} Sides;

/* Every number to its neighbour, up or down. */
static void nudge(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = nextafterf(x[i],
                          i * 0x9E3779B97F4A7C15 >> 63 ? INFINITY : -INFINITY);
}

/* How much the reference changes when everything that it reads does. */
static int find_sensitivity(Sides *s, double *change)
{
    float *moved[MOST] = { 0 };
    int err;

    nudge(s->input, s->inputs);
    for (int i = 0; i < graph_size(s->ref); i++) {
        Tensor *t = graph_at(s->ref, i);

        if (t->host)
            nudge(t->host, tensor_count(t));
    }
    err = verify_run(moved, s->ref, &s->on_ref, s->input);
    if (!err)
        *change = worst_error(s->ref, moved, s->expected);
    free_all(moved, MOST);
    return err;
}

static int find_error(Sides *s, double *rel_l2)
{
    const Values values = { .seed = SEED };
    float *got[MOST] = { 0 };
    Graph *g;
    int err;

    TRY(network_build(&g, &s->c, &values, TAPS_NONE));
    BUG_IF(graph_outputs(g) > MOST);
    err = verify_run(got, g, &s->c, s->input);
    graph_free(g);
    if (!err)
        err = seed_graph(s->ref, SEED);
    if (!err)
        err = verify_run(s->expected, s->ref, &s->on_ref, s->input);
    if (!err)
        *rel_l2 = worst_error(s->ref, got, s->expected);
    free_all(got, MOST);
    return err;
}

static int compare(Comparison *out, Sides *s)
{
    double change;

    TRY(find_error(s, &out->rel_l2));
    if (out->rel_l2 > out->limit && out->rel_l2 <= HIGHEST_LIMIT) {
        TRY(find_sensitivity(s, &change));
        out->limit = fmax(out->limit, fmin(ROUNDINGS * change, HIGHEST_LIMIT));
    }
    return OK;
}

int verify_case(Comparison *out, const Case *c, double budget)
{
    Sides s = { .c = *c };
    Dims dims;
    int err;

    *out = (Comparison){ .rel_l2 = NAN, .limit = verify_limit(c) };
    TRY(fit_budget(&s.ref, &s.c, budget));
    dims = DIMS(s.c.batch, s.c.channels, s.c.height, s.c.width);
    snprintf(out->at, sizeof(out->at), "%dx%dx%dx%d", s.c.batch, s.c.channels,
             s.c.height, s.c.width);
    s.on_ref = s.c;
    err = case_set(&s.on_ref, "backend", "ref");
    s.inputs = tensor_count(graph_find(s.ref, "input"));
    s.input = malloc(s.inputs * sizeof(*s.input));
    if (!err && !s.input)
        err = fail(ERR_MEMORY, "no memory for an input of %s", out->at);
    if (!err) {
        seed_structured(s.input, dims, "input", SEED);
        err = compare(out, &s);
    }
    free_all(s.expected, MOST);
    free(s.input);
    graph_free(s.ref);
    return err;
}
