/*
 * reference.c - runs the definition of a case: as it is, rounded, or nudged.
 */
#include "harness/reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/seed.h"
#include "harness/verify.h"
#include "kernels/core/err.h"

enum { SEED = 1, SMALLEST_MAP = 7 };

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

/* c without all that the definition does not depend on. */
static int define(Case *out, const Case *c)
{
    *out = *c;
    TRY(case_set(out, "impl", "composed"));
    TRY(case_set(out, "form", "train"));
    TRY(case_set(out, "graph", "as_written"));
    TRY(case_set(out, "backend", "ref"));
    TRY(case_set(out, "dtype", "f32"));
    TRY(case_set(out, "state", "hot"));
    TRY(case_set(out, "threads", "0"));
    return case_set(out, "arm", "0");
}

/* Weights of form=deploy define nothing else. */
static int define_form(Reference *r)
{
    Form form;

    TRY(network_values_form(&form, &r->c, &r->values));
    return form == FORM_DEPLOY ? case_set(&r->c, "form", "deploy") : OK;
}

static int build(Reference *r)
{
    graph_free(r->graph);
    r->graph = NULL;
    return network_build(&r->graph, &r->c, NULL, r->taps);
}

/* Half the map, unless the module then refuses it or it is too small. */
static bool halve_map(Reference *r)
{
    Case half = r->c;
    Graph *smaller;

    half.height = (half.height + 1) / 2;
    half.width = (half.width + 1) / 2;
    if (half.height < SMALLEST_MAP || half.width < SMALLEST_MAP ||
        network_build(&smaller, &half, NULL, r->taps))
        return false;
    graph_free(r->graph);
    r->graph = smaller;
    r->c = half;
    return true;
}

/* Makes the reference as small as the budget wants: fewer images first, then
 * a smaller map, but not of a backbone. */
static int fit_budget(Reference *r, double budget)
{
    double work, images;

    TRY(build(r));
    work = work_of(r->graph);
    if (work <= budget)
        return OK;

    images = floor(budget / (work / r->c.batch));
    r->c.batch = images > 1 ? (int)images : 1;
    TRY(build(r));
    while (strcmp(r->c.backbone.text, "none") == 0 &&
           work_of(r->graph) > budget && halve_map(r))
        ;
    return OK;
}

/* ---- running it ------------------------------------------------------ */

static void free_all(float **values)
{
    for (int i = 0; i < REFERENCE_OUTPUTS; i++) {
        free(values[i]);
        values[i] = NULL;
    }
}

/* A change of n numbers before they are read. */
typedef void Change(float *x, size_t n, Dtype dtype);

/* Every number to its neighbour, up or down. */
static void nudge(float *x, size_t n, Dtype dtype)
{
    (void)dtype;
    for (size_t i = 0; i < n; i++)
        x[i] = nextafterf(x[i],
                          i * 0x9E3779B97F4A7C15 >> 63 ? INFINITY : -INFINITY);
}

static void round_to(float *x, size_t n, Dtype dtype)
{
    for (size_t i = 0; i < n; i++)
        x[i] = dtype_round(dtype, x[i]);
}

/* Runs g, which has values; all that it reads is changed first. */
static int run_changed(float **values, const Reference *r, Graph *g,
                       Change *change, Dtype dtype)
{
    float *input = malloc(r->inputs * sizeof(*input));
    Device *dev = NULL;
    int err;

    if (!input)
        return fail(ERR_MEMORY, "no memory for an input of %zu numbers",
                    r->inputs);
    memcpy(input, r->input, r->inputs * sizeof(*input));
    if (change) {
        change(input, r->inputs, dtype);
        for (int i = 0; i < graph_size(g); i++) {
            const Tensor *t = graph_at(g, i);

            if (t->host)
                change(t->host, tensor_count(t), dtype);
        }
    }
    err = ref_backend.open(&dev,
                           &(DeviceSettings){ .isa = "", .rounds_to = dtype });
    if (!err)
        err = network_run(values, g, dev, false, input);
    ref_backend.close(dev);
    free(input);
    return err;
}

static int run(float **values, const Reference *r, Change *change, Dtype dtype)
{
    Graph *g;
    int err;

    TRY(network_build(&g, &r->c, &r->values, r->taps));
    err = run_changed(values, r, g, change, dtype);
    graph_free(g);
    return err;
}

double reference_error(const Reference *r, float *const *got)
{
    double worst = 0;

    for (int i = 0; i < graph_outputs(r->graph); i++) {
        const size_t n = tensor_count(graph_output_at(r->graph, i, NULL));
        const double e = verify_error(got[i], r->expected[i], n);

        if (isnan(e) || e > worst)
            worst = e;
    }
    return worst;
}

int reference_moved(Reference *r, Dtype dtype, double *change)
{
    float *moved[REFERENCE_OUTPUTS] = { 0 };

    if (isnan(r->moved[dtype])) {
        TRY(run(moved, r, dtype == F32 ? nudge : round_to, dtype));
        r->moved[dtype] = reference_error(r, moved);
        free_all(moved);
    }
    *change = r->moved[dtype];
    return OK;
}

/* ---- making it ------------------------------------------------------- */

static Reference *empty(const Case *c, const Values *values, Taps taps)
{
    Reference *r = calloc(1, sizeof(*r));

    BUG_IF(!r || define(&r->c, c));
    case_print(&r->c, r->asked);
    r->values = *values;
    r->taps = taps;
    for (int i = 0; i < NDTYPES; i++)
        r->moved[i] = NAN;
    return r;
}

/* Where a product of maps grows from block to block, seeded weights may take it
 * beyond all floats. */
static int want_finite(const Reference *r)
{
    for (int i = 0; i < graph_outputs(r->graph); i++) {
        const size_t n = tensor_count(graph_output_at(r->graph, i, NULL));

        for (size_t k = 0; k < n; k++)
            if (!isfinite(r->expected[i][k]))
                return fail(ERR_UNSUPPORTED,
                            "with these weights the network overflows floats, "
                            "so there is nothing to compare with: give others "
                            "(--weights)");
    }
    return OK;
}

static int fill(Reference *r, const float *input)
{
    const Case *c = &r->c;

    BUG_IF(graph_outputs(r->graph) > REFERENCE_OUTPUTS);
    r->inputs = tensor_count(graph_find(r->graph, "input"));
    r->input = malloc(r->inputs * sizeof(*r->input));
    if (!r->input)
        return fail(ERR_MEMORY, "no memory for an input of %dx%dx%dx%d",
                    c->batch, c->channels, c->height, c->width);
    if (input)
        memcpy(r->input, input, r->inputs * sizeof(*input));
    else
        seed_structured(r->input,
                        DIMS(c->batch, c->channels, c->height, c->width),
                        "input", SEED);
    TRY(run(r->expected, r, NULL, F32));
    return want_finite(r);
}

/* Gives it to *out, or frees it. */
static int hand_over(Reference **out, Reference *r, int err)
{
    if (err)
        reference_free(r);
    else
        *out = r;
    return err;
}

int reference_find(Reference **at, const Case *c, double budget)
{
    const Values values = { .seed = SEED };
    Reference *r = empty(c, &values, TAPS_NONE);
    int err;

    if (*at && strcmp((*at)->asked, r->asked) == 0) {
        reference_free(r);
        return OK;
    }
    reference_free(*at);
    *at = NULL;
    err = define_form(r);
    if (!err)
        err = fit_budget(r, budget);
    if (!err)
        err = fill(r, NULL);
    return hand_over(at, r, err);
}

int reference_new(Reference **out, const Case *c, const Values *values,
                  Taps taps, const float *input)
{
    Reference *r = empty(c, values, taps);
    int err = define_form(r);

    *out = NULL;
    if (!err)
        err = build(r);
    if (!err)
        err = fill(r, input);
    return hand_over(out, r, err);
}

void reference_free(Reference *r)
{
    if (!r)
        return;
    free_all(r->expected);
    free(r->input);
    graph_free(r->graph);
    free(r);
}
