/*
 * reference.c - runs the definition of a case: as it is, rounded, or nudged.
 */
#include "harness/check/reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/check/verify.h"
#include "kernels/core/err.h"

enum { SEED = 1, SMALLEST_MAP = 7 };

/* Work of a comparison, in units of what the reference does fastest: a
 * multiply-add of a convolution is 2.  Its other loops are bound by their
 * indexing; making the input and bringing it and the outputs into each
 * backend's order is a good part of the rest. */
static double work_of(const Graph *g)
{
    enum { ELEMENT = 16, FUNCTION = 40, INPUT = 100, OUTPUT = 50 };
    double work = 0;

    for (int i = 0; network_input(g, i); i++)
        work += INPUT * (double)tensor_count(network_input(g, i));
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
    return case_set(out, "copy", "0");
}

/* Weights of form=deploy define nothing else. */
static int define_form(Reference *r)
{
    Form form;

    TRY(network_values_form(&form, &r->c, &r->values));
    return form == FORM_DEPLOY ? case_set(&r->c, "form", "deploy") : OK;
}

static int build_graph(Graph **out, const Reference *r, const Case *c,
                       const WeightValues *values)
{
    return r->build ? r->build(out, c, values, r->arg)
                    : network_build(out, c, values, r->taps);
}

static int build(Reference *r)
{
    graph_free(r->graph);
    r->graph = NULL;
    return build_graph(&r->graph, r, &r->c, NULL);
}

/* Half the map, unless the module then refuses it or it is too small. */
static bool halve_map(Reference *r)
{
    Case half = r->c;
    Graph *smaller;

    half.height = (half.height + 1) / 2;
    half.width = (half.width + 1) / 2;
    if (half.height < SMALLEST_MAP || half.width < SMALLEST_MAP ||
        build_graph(&smaller, r, &half, NULL))
        return false;
    graph_free(r->graph);
    r->graph = smaller;
    r->c = half;
    return true;
}

/* Statistics of a batch want two of it. */
static int fewest_images(const Case *c)
{
    return c->batch > 1 && c->pass == PASS_TRAIN ? 2 : 1;
}

/* Makes the reference as small as the budget wants: fewer images first, then
 * a smaller map, but not of a backbone. */
static int fit_budget(Reference *r, double budget)
{
    const int fewest = fewest_images(&r->c);
    double work, images;

    TRY(build(r));
    work = work_of(r->graph);
    if (work <= budget)
        return OK;

    images = floor(budget / (work / r->c.batch));
    r->c.batch = images > fewest ? (int)images : fewest;
    TRY(build(r));
    while (strcmp(r->c.backbone.text, "none") == 0 &&
           work_of(r->graph) > budget && halve_map(r))
        ;
    return OK;
}

/* ---- running it ------------------------------------------------------ */

static float **outputs_new(const Graph *g)
{
    float **values = calloc((size_t)graph_outputs(g), sizeof(*values));

    BUG_IF(!values);
    return values;
}

static void outputs_free(float **values, const Graph *g)
{
    for (int i = 0; values && i < graph_outputs(g); i++)
        free(values[i]);
    free(values);
}

/* A change of n numbers before they are read. */
typedef void Change(float *x, size_t n, Dtype dtype);

/* Moves every number by this many steps to its neighbour, up or down. */
static void step(float *x, size_t n, float steps)
{
    for (size_t i = 0; i < n; i++) {
        const float to = i * 0x9E3779B97F4A7C15 >> 63 ? INFINITY : -INFINITY;

        x[i] += steps * (nextafterf(x[i], to) - x[i]);
    }
}

static void nudge(float *x, size_t n, Dtype dtype)
{
    (void)dtype;
    step(x, n, 1);
}

static void jump(float *x, size_t n, Dtype dtype)
{
    (void)dtype;
    step(x, n, (float)REFERENCE_JUMP);
}

static void round_to(float *x, size_t n, Dtype dtype)
{
    for (size_t i = 0; i < n; i++)
        x[i] = dtype_round(dtype, x[i]);
}

static void change_weights(const Graph *g, Change *change, Dtype dtype)
{
    for (int i = 0; i < graph_size(g); i++) {
        const Tensor *t = graph_at(g, i);

        if (t->host)
            change(t->host, tensor_count(t), dtype);
    }
}

static int copy_input(float **copy, const Tensor *input, const float *values)
{
    const size_t n = tensor_count(input);

    *copy = malloc(n * sizeof(**copy));
    if (!*copy)
        return fail(ERR_MEMORY, "no memory for an input of %zu numbers", n);
    memcpy(*copy, values, n * sizeof(**copy));
    return OK;
}

/* How the reference is run. */
typedef struct How {
    Change *change; /* of all that it reads; NULL: none */
    Dtype dtype;    /* of the change, and of all results */
    bool shakes;    /* as in DeviceSettings              */
} How;

static int run_on(float **values, const Reference *r, Graph *g, const How *how,
                  float *const *inputs)
{
    const DeviceSettings settings = { .isa = "",
                                      .rounds_to = how->dtype,
                                      .shakes = how->shakes };
    Device *dev;
    int err;

    if (r->dev)
        return network_run(values, g, r->dev, false, inputs);
    TRY(ref_backend.open(&dev, &settings));
    err = network_run(values, g, dev, false, inputs);
    ref_backend.close(dev);
    return err;
}

/* Runs g, which has values. */
static int run_changed(float **values, const Reference *r, Graph *g,
                       const How *how)
{
    float *inputs[NETWORK_INPUTS] = { NULL };
    const Tensor *input;
    int err = OK;

    for (int i = 0; !err && (input = network_input(g, i)); i++) {
        err = copy_input(&inputs[i], input, r->inputs[i]);
        if (!err && how->change)
            how->change(inputs[i], tensor_count(input), how->dtype);
    }
    if (how->change)
        change_weights(g, how->change, how->dtype);
    if (!err)
        err = run_on(values, r, g, how, inputs);
    for (int i = 0; i < NETWORK_INPUTS; i++)
        free(inputs[i]);
    return err;
}

static int run(float **values, const Reference *r, const How *how)
{
    Graph *g;
    int err;

    TRY(build_graph(&g, r, &r->c, &r->values));
    err = run_changed(values, r, g, how);
    graph_free(g);
    return err;
}

double reference_error(const Reference *r, float *const *got)
{
    double worst = 0;

    for (int i = 0; i < graph_outputs(r->graph); i++) {
        const size_t n = tensor_count(graph_output_at(r->graph, i, NULL));
        const double e = verify_error_beside(got[i], r->expected[i], n,
                                             r->floor ? r->floor[i] : 0);

        if (isnan(e) || e > worst)
            worst = e;
    }
    return worst;
}

/* Keeps what a change makes in known. */
static int change_of(double *known, Reference *r, Change *make, Dtype dtype)
{
    float **changed;
    int err;

    if (!isnan(*known))
        return OK;
    changed = outputs_new(r->graph);
    err = run(changed, r, &(How){ .change = make, .dtype = dtype });
    if (!err)
        *known = reference_error(r, changed);
    outputs_free(changed, r->graph);
    return err;
}

int reference_moved(Reference *r, Dtype dtype, double *change)
{
    TRY(change_of(&r->moved[dtype], r, dtype == F32 ? nudge : round_to, dtype));
    *change = r->moved[dtype];
    return OK;
}

int reference_jumped(Reference *r, double *change)
{
    TRY(change_of(&r->jumped, r, jump, F32));
    *change = r->jumped;
    return OK;
}

/* True of the gradient of an output or a parameter, and of what moves that. */
static bool is_gradient(const char *name)
{
    static const char *const prefixes[] = { "grad", "past/", "velocity/" };

    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

/* The sum of squares of a, or of its difference from b. */
static double squares(const float *a, const float *b, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        const double d = b ? (double)a[i] - b[i] : a[i];

        sum += d * d;
    }
    return sum;
}

static void set_floors(Reference *r, float *const *shaken, double factor,
                       double most)
{
    double all = 0, noise = 0;

    for (int i = 0; i < graph_outputs(r->graph); i++) {
        const char *name;
        const size_t n = tensor_count(graph_output_at(r->graph, i, &name));
        double changed;

        if (!is_gradient(name))
            continue;
        changed = squares(shaken[i], r->expected[i], n);
        r->floor[i] = factor * sqrt(changed);
        noise += changed;
        all += squares(r->expected[i], NULL, n);
    }
    if (!(sqrt(noise) <= most * sqrt(all)))
        memset(r->floor, 0,
               (size_t)graph_outputs(r->graph) * sizeof(*r->floor));
}

int reference_floors(Reference *r, double factor, double most)
{
    float **shaken;
    int err;

    if (r->floor || r->dev)
        return OK;
    r->floor = calloc((size_t)graph_outputs(r->graph), sizeof(*r->floor));
    BUG_IF(!r->floor);
    shaken = outputs_new(r->graph);
    err = run(shaken, r, &(How){ .change = nudge, .shakes = true });
    if (!err)
        set_floors(r, shaken, factor, most);
    outputs_free(shaken, r->graph);
    return err;
}

double reference_floor(const Reference *r, const Case *c, int i,
                       const float *values, size_t n)
{
    const Tensor *t = graph_output_at(r->graph, i, NULL);
    double expected;

    if (!r->floor)
        return 0;
    expected = squares(r->expected[i], NULL, tensor_count(t));
    if (expected == 0 || (r->c.batch == c->batch && r->c.height == c->height &&
                          r->c.width == c->width))
        return r->floor[i];
    return r->floor[i] * sqrt(squares(values, NULL, n) / expected);
}

/* ---- making it ------------------------------------------------------- */

static Reference *empty(const Case *c, const WeightValues *values, Taps taps)
{
    Reference *r = calloc(1, sizeof(*r));

    BUG_IF(!r || define(&r->c, c));
    case_print(&r->c, r->asked);
    r->values = *values;
    r->taps = taps;
    for (int i = 0; i < NDTYPES; i++)
        r->moved[i] = NAN;
    r->jumped = NAN;
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
                            "with these weights the network overflows "
                            "floats, so there is nothing to compare with; "
                            "give other weights (--weights)");
    }
    return OK;
}

/* Given, or made from its name. */
static int fill_input(Reference *r, int i, const float *values)
{
    const Tensor *input = network_input(r->graph, i);
    const size_t n = tensor_count(input);

    r->inputs[i] = malloc(n * sizeof(*r->inputs[i]));
    if (!r->inputs[i])
        return fail(ERR_MEMORY, "no memory for an input of %zu numbers", n);
    if (values)
        memcpy(r->inputs[i], values, n * sizeof(*values));
    else
        network_seed_input(r->inputs[i], input, SEED);
    return OK;
}

static int fill(Reference *r, float *const *inputs)
{
    for (int i = 0; network_input(r->graph, i); i++)
        TRY(fill_input(r, i, inputs ? inputs[i] : NULL));
    r->expected = outputs_new(r->graph);
    TRY(run(r->expected, r, &(How){ .dtype = F32 }));
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
    const WeightValues values = { .seed = SEED };
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

int reference_new(Reference **out, const Case *c, const WeightValues *values,
                  Taps taps, float *const *inputs)
{
    Reference *r = empty(c, values, taps);
    int err = define_form(r);

    *out = NULL;
    if (!err)
        err = build(r);
    if (!err)
        err = fill(r, inputs);
    return hand_over(out, r, err);
}

static bool is_definition(const Reference *r, const Case *asked)
{
    return asked->graph == GRAPH_AS_WRITTEN && asked->impl == IMPL_COMPOSED &&
           asked->form == r->c.form;
}

/* A tap may be in one form of a network alone: then in the one that is asked
 * for. */
static int build_in_form(Reference *r, const Case *asked)
{
    const int err = build(r);

    if (err != ERR_INPUT || r->c.form == asked->form)
        return err;
    r->c.form = asked->form;
    return build(r);
}

int reference_new_built(Reference **out, const Case *c,
                        const WeightValues *values, ReferenceBuild *make,
                        const void *arg, float *const *inputs, double budget,
                        Device *spare)
{
    Reference *r = empty(c, values, TAPS_NONE);
    int err = define_form(r);

    *out = NULL;
    r->build = make;
    r->arg = arg;
    if (!err)
        err = build_in_form(r, c);
    if (!err && work_of(r->graph) > budget && !is_definition(r, c))
        r->dev = spare;
    if (!err)
        err = fill(r, inputs);
    return hand_over(out, r, err);
}

void reference_free(Reference *r)
{
    if (!r)
        return;
    free(r->floor);
    outputs_free(r->expected, r->graph);
    for (int i = 0; i < NETWORK_INPUTS; i++)
        free(r->inputs[i]);
    graph_free(r->graph);
    free(r);
}
