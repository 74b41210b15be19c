/*
 * erf.c - gradients of the middle of a layer, many draws at once.
 *
 * A set of weights is one graph: forward, then for each tap the gradient of
 * the input, and once more past the modules' gates where there are any; so all
 * share one forward pass.  Images of a batch do not touch each other in
 * evaluation, so one pass back serves a batch of draws.
 */
#include "harness/attribution/erf.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/check/first_image.h"
#include "harness/devices/interrupt.h"
#include "harness/network/network.h"
#include "harness/network/seed.h"
#include "kernels/core/err.h"
#include "kernels/core/plan.h"
#include "kernels/ops/fused.h"
#include "kernels/ops/grad.h"
#include "kernels/ops/ops.h"

/* Result of a tap's draws: for each part a map and a share of the mass for
 * each observation, a set of weights or, with one set, a draw. */
typedef struct Tally {
    float **map[ERF_PARTS];
    double *share[ERF_PARTS];
} Tally;

typedef struct Work {
    Erf *out;
    Case c; /* batch: as many draws as run at once */
    const ErfAsk *ask;
    Device *dev;
    int n; /* observations */
    Tally tally[ERF_TAPS_MAX];

    /* While a set is run. */
    Graph *g;
    Plan *plan;
    Tensor *dy[ERF_TAPS_MAX];
    Tensor *grad[ERF_TAPS_MAX][2]; /* whole; past the gates, or NULL */
    float *input, *value[2];       /* of the batch */
} Work;

const char *erf_part_name(int i)
{
    static const char *const names[] = { "whole", "past_gates", "gates" };

    return i >= 0 && i < ERF_PARTS ? names[i] : NULL;
}

/* ---- the graph --------------------------------------------------------- */

static Extent middle_of(ErfMiddle which, int n)
{
    if (which == ERF_MIDDLE)
        return (Extent){ (n - 1) / 2, n / 2 };
    n = n / 2 - (which == ERF_BEFORE_UPPER_HALF);
    return (Extent){ n > 0 ? n : 0, n > 0 ? n : 0 };
}

static bool has_gates(const Graph *g, const Tensor *tap)
{
    for (int i = 0; i <= tap->id; i++) {
        const Tensor *t = graph_at(g, i);

        if (t->op && node_is_gated(t))
            return true;
    }
    return false;
}

static Tensor *gradient_of(Graph *g, Tensor *of, Tensor *dy,
                           bool (*through)(const Tensor *out, int k))
{
    Tensor *input = graph_find(g, "input"), *grad = NULL;

    graph_grad(g, &(Gradient){ of, dy, &input, 1, through }, &grad);
    return grad;
}

/* The gradients of tap i, as outputs. */
static int add_gradients(Work *w, int i)
{
    const ErfAsk *ask = w->ask;
    Tensor *tap = graph_output_named(w->g, w->ask->tap[i]), *of = tap;
    const bool gated = has_gates(w->g, tap);
    char name[ERF_TAP_NAME];

    if (tap->rank != 4)
        return fail(ERR_UNSUPPORTED,
                    "tap %s is not a map of channels, rows and columns, so "
                    "it has no middle unit; choose a layer before the "
                    "pooling, such as stage4",
                    ask->tap[i]);
    if (ask->protocol->relu)
        of = op_relu(w->g, tap);
    snprintf(name, sizeof(name), "dy/%.80s", ask->tap[i]);
    w->dy[i] = graph_input(
        w->g, name, DIMS(tap->dim[0], tap->dim[1], tap->dim[2], tap->dim[3]));
    w->grad[i][0] = gradient_of(w->g, of, w->dy[i], NULL);
    w->grad[i][1] =
        gated ? gradient_of(w->g, of, w->dy[i], gradient_past_gates) : NULL;
    TRY(graph_error(w->g));
    for (int k = 0; k <= gated; k++) {
        if (!w->grad[i][k])
            return fail(ERR_UNSUPPORTED,
                        "tap %s does not depend on the input%s", ask->tap[i],
                        k ? " except through gates" : "");
        snprintf(name, sizeof(name), "%s/%.80s", k ? "past" : "grad",
                 ask->tap[i]);
        graph_output(w->g, name, w->grad[i][k]);
    }
    return graph_error(w->g);
}

/* 1 at the middle unit of every channel and image; shared out where it is
 * several.  *out is to be freed; NULL if it fails. */
static int dy_new(float **out, const Work *w, int i)
{
    const Tensor *t = w->dy[i];
    const Extent rows = middle_of(w->ask->protocol->middle, t->dim[2]);
    const Extent columns = middle_of(w->ask->protocol->middle, t->dim[3]);
    const float each = 1.0f / (float)((rows.last - rows.first + 1) *
                                      (columns.last - columns.first + 1));
    float *of = calloc(tensor_count(t), sizeof(*of));

    *out = of;
    if (!of)
        return fail(ERR_MEMORY, "no memory for %zu numbers of tap %s",
                    tensor_count(t), w->ask->tap[i]);
    for (int nc = 0; nc < t->dim[0] * t->dim[1]; nc++) {
        for (int y = rows.first; y <= rows.last; y++)
            for (int x = columns.first; x <= columns.last; x++)
                of[y * t->dim[3] + x] = each;
        of += t->dim[2] * t->dim[3];
    }
    return OK;
}

static int set_dy(const Work *w, int i)
{
    float *dy;
    int err;

    TRY(dy_new(&dy, w, i));
    err = plan_set(w->plan, w->dy[i], dy);
    free(dy);
    return err;
}

/* ---- what is known of a tap without running it ------------------------- */

static double centre(Extent reach, Extent units, int of, int pixels)
{
    if (reach.last >= reach.first)
        return (reach.first + reach.last) / 2.0;
    return (units.first + units.last + 1) / 2.0 * pixels / of - 0.5;
}

static void describe_tap(Work *w, int i)
{
    const ErfProtocol *p = w->ask->protocol;
    const Tensor *tap = graph_output_named(w->g, w->ask->tap[i]);
    const Tensor *input = graph_find(w->g, "input");
    const Reach units = { middle_of(p->middle, tap->dim[2]),
                          middle_of(p->middle, tap->dim[3]), false };
    Erf *e = &w->out[i];

    e->tap = w->ask->tap[i];
    e->channels = tap->dim[1];
    e->rows = tap->dim[2];
    e->columns = tap->dim[3];
    e->height = input->dim[2];
    e->width = input->dim[3];
    reach_of(&e->field, w->g, tap, input, &units, NULL);
    reach_of(&e->past_gates, w->g, tap, input, &units, gradient_past_gates);
    e->y = centre(e->past_gates.rows, units.rows, e->rows, e->height);
    e->x = centre(e->past_gates.columns, units.columns, e->columns, e->width);
    if (p->image_centre) {
        e->y = e->height / 2;
        e->x = e->width / 2;
    }
    e->parts = w->grad[i][1] ? ERF_PARTS : 1;
    e->n = w->n;
}

static int build(const Work *w, Graph **g, const Case *c,
                 const WeightValues *values)
{
    return (w->ask->build ? w->ask->build : network_build_tapped)(
        g, c, values, w->ask->tap, w->ask->taps);
}

/* A tap has the name of the layer that computes it, which folding takes. */
static int name_layers(Work *w)
{
    Case c = w->c;
    Graph *g;

    c.graph = GRAPH_AS_WRITTEN;
    TRY(build(w, &g, &c, NULL));
    for (int i = 0; i < w->ask->taps; i++) {
        const char *name = graph_output_named(g, w->ask->tap[i])->name;

        snprintf(w->out[i].layer, sizeof(w->out[i].layer), "%s",
                 name[0] ? name : "output");
    }
    graph_free(g);
    return OK;
}

/* ---- running ----------------------------------------------------------- */

static double apply_rule(ErfRule rule, double g)
{
    switch (rule) {
    case ERF_ABSOLUTE:
        return fabs(g);
    case ERF_SQUARE:
        return g * g;
    case ERF_POSITIVE:
        return g > 0 ? g : 0;
    default:
        return g;
    }
}

/* The maps of one image (pixels each), and their masses: whole, past the gates
 * and, from their difference, through the gates. */
static void reduce(const Work *w, const Erf *e, const float *const value[2],
                   double *map, double mass[ERF_PARTS])
{
    const size_t pixels = (size_t)e->height * (size_t)e->width;

    memset(map, 0, sizeof(*map) * pixels * (size_t)e->parts);
    for (int c = 0; c < w->c.channels; c++)
        for (size_t i = 0; i < pixels; i++) {
            const double whole = value[0][(size_t)c * pixels + i];
            const double past =
                e->parts > 1 ? value[1][(size_t)c * pixels + i] : whole;
            const double of[] = { whole, past, whole - past };

            for (int p = 0; p < e->parts; p++)
                map[(size_t)p * pixels + i] += apply_rule(w->ask->rule, of[p]);
        }
    for (int p = 0; p < e->parts; p++) {
        mass[p] = 0;
        for (size_t i = 0; i < pixels; i++)
            mass[p] += map[(size_t)p * pixels + i];
    }
}

/* Adds a draw to the observation that it belongs to, of which it is one of
 * `among`. */
static int add_draw(const Work *w, int i, const float *const value[2],
                    int observation, int among)
{
    const Erf *e = &w->out[i];
    const Tally *t = &w->tally[i];
    const size_t pixels = (size_t)e->height * (size_t)e->width;
    double *map = malloc(sizeof(*map) * pixels * (size_t)e->parts);
    double mass[ERF_PARTS] = { 0 }, scale = 1.0 / among;

    if (!map)
        return fail(ERR_MEMORY, "no memory for a map of %zu numbers", pixels);
    reduce(w, e, value, map, mass);
    if (w->ask->protocol->each_alike && w->ask->rule != ERF_SIGNED)
        scale /= mass[ERF_WHOLE];
    for (int p = 0; p < e->parts; p++) {
        const double parts = mass[ERF_PAST_GATES] + mass[ERF_GATES];

        t->share[p][observation] += p ? mass[p] / parts / among : 1.0 / among;
        for (size_t k = 0; k < pixels; k++)
            t->map[p][observation][k] +=
                (float)(map[(size_t)p * pixels + k] * scale);
    }
    free(map);
    if (!isfinite(mass[ERF_WHOLE]) ||
        (!(mass[ERF_WHOLE] > 0) && w->ask->rule != ERF_SIGNED))
        return fail(ERR_UNSUPPORTED,
                    "the gradient of tap %s is zero or not finite",
                    w->ask->tap[i]);
    return OK;
}

static int fill_input(const Work *w, int draw, float *chw)
{
    const ErfInput *input = &w->ask->input;
    const size_t n =
        (size_t)w->c.channels * (size_t)w->c.height * (size_t)w->c.width;

    if (input->fill)
        return input->fill(input->arg, draw, chw, &w->c);
    seed_input(chw, n, "input", w->ask->seed + (uint64_t)draw);
    return OK;
}

/* Draws of a set are first, first + sets, ...: n of them in this batch. */
static int run_batch(Work *w, int first, int n, int among)
{
    const ErfAsk *ask = w->ask;
    const size_t each =
        (size_t)w->c.channels * (size_t)w->c.height * (size_t)w->c.width;

    if (interrupt_asked())
        return interrupt_fail();
    for (int b = 0; b < w->c.batch; b++) /* the rest of the batch is idle */
        TRY(fill_input(w, first + (b < n ? b : 0) * ask->sets,
                       w->input + (size_t)b * each));
    TRY(plan_set(w->plan, graph_find(w->g, "input"), w->input));
    TRY(plan_run(w->plan));
    for (int i = 0; i < ask->taps; i++) {
        for (int k = 0; k < 2 && w->grad[i][k]; k++)
            TRY(plan_get(w->plan, w->grad[i][k], w->value[k]));
        for (int b = 0; b < n; b++) {
            const float *const value[] = { w->value[0] + (size_t)b * each,
                                           w->value[1] + (size_t)b * each };
            const int draw = first + b * ask->sets;

            TRY(add_draw(w, i, value, ask->sets > 1 ? draw % ask->sets : draw,
                         ask->sets > 1 ? among : 1));
        }
    }
    return OK;
}

static int new_tally(Work *w, int i)
{
    const size_t pixels = (size_t)w->out[i].height * (size_t)w->out[i].width;

    for (int p = 0; p < w->out[i].parts; p++) {
        w->tally[i].map[p] = calloc((size_t)w->n, sizeof(float *));
        w->tally[i].share[p] = calloc((size_t)w->n, sizeof(double));
        if (!w->tally[i].map[p] || !w->tally[i].share[p])
            return fail(ERR_MEMORY, "no memory for %d draws", w->n);
        for (int k = 0; k < w->n; k++) {
            w->tally[i].map[p][k] = calloc(pixels, sizeof(float));
            if (!w->tally[i].map[p][k])
                return fail(ERR_MEMORY, "no memory for %d maps of %zu numbers",
                            w->n, pixels);
        }
    }
    return OK;
}

static void free_tallies(Work *w)
{
    for (int i = 0; i < w->ask->taps; i++)
        for (int p = 0; p < ERF_PARTS; p++) {
            for (int k = 0; k < w->n && w->tally[i].map[p]; k++)
                free(w->tally[i].map[p][k]);
            free(w->tally[i].map[p]);
            free(w->tally[i].share[p]);
        }
}

/* Builds the set's network with its gradients, ready to run. */
static int plan_set_of(Work *w, int set)
{
    const ErfAsk *ask = w->ask;
    const WeightValues values = { .seed = ask->seed + (uint64_t)set };

    TRY(build(w, &w->g, &w->c, &values));
    for (int i = 0; i < ask->taps; i++)
        TRY(add_gradients(w, i));
    if (set == 0)
        TRY(name_layers(w));
    for (int i = 0; i < ask->taps && set == 0; i++) {
        describe_tap(w, i);
        TRY(new_tally(w, i));
    }
    TRY(plan_new(&w->plan, w->dev, w->g));
    for (int i = 0; i < ask->taps; i++)
        TRY(set_dy(w, i));
    return OK;
}

static int build_definition(Graph **out, const Case *c,
                            const WeightValues *values, const void *arg)
{
    Work w = { .c = *c, .ask = arg };
    int err = build(&w, &w.g, c, values);

    for (int i = 0; i < w.ask->taps && !err; i++)
        err = add_gradients(&w, i);
    if (err)
        graph_free(w.g);
    *out = err ? NULL : w.g;
    return err;
}

/* The first draw, which has just run. */
static int check_first(Work *w)
{
    const WeightValues values = { .seed = w->ask->seed };
    float *inputs[1 + ERF_TAPS_MAX] = { w->input };
    const FirstImage first = { .c = &w->c,
                               .values = &values,
                               .build = build_definition,
                               .arg = w->ask,
                               .inputs = inputs,
                               .g = w->g,
                               .plan = w->plan,
                               .dev = w->dev };
    Comparison v;
    int err = OK;

    for (int i = 0; i < w->ask->taps && !err; i++)
        err = dy_new(&inputs[1 + i], w, i);
    if (!err)
        err = first_image_check(&v, &first);
    for (int i = 0; i < w->ask->taps; i++) {
        if (!err) {
            w->out[i].rel_l2 = v.rel_l2;
            w->out[i].limit = v.limit;
        }
        free(inputs[1 + i]);
    }
    return err;
}

static int run_set(Work *w, int set)
{
    const ErfAsk *ask = w->ask;
    const int among = (ask->draws - set + ask->sets - 1) / ask->sets;
    int err = plan_set_of(w, set);

    for (int k = 0; k < among && !err; k += w->c.batch) {
        err = run_batch(w, set + k * ask->sets,
                        among - k < w->c.batch ? among - k : w->c.batch, among);
        if (!err && set == 0 && k == 0)
            err = check_first(w);
    }
    plan_free(w->plan);
    graph_free(w->g);
    w->plan = NULL;
    w->g = NULL;
    return err;
}

/* ---- the result ---------------------------------------------------------- */

static double peak_of(const Tally *t, int n, size_t pixels)
{
    double peak = 0;

    for (size_t i = 0; i < pixels; i++) {
        double sum = 0;

        for (int k = 0; k < n; k++)
            sum += t->map[ERF_WHOLE][k][i];
        peak = fmax(peak, sum / n);
    }
    return peak;
}

static int finish(const Work *w, int i)
{
    Erf *e = &w->out[i];
    const size_t pixels = (size_t)e->height * (size_t)e->width;

    e->peak = peak_of(&w->tally[i], w->n, pixels);
    for (int p = 0; p < e->parts; p++) {
        const Reach *field = p == ERF_PAST_GATES ? &e->past_gates : &e->field;
        const double area = (double)reach_within(field, true, e->height) *
                            reach_within(field, false, e->width);
        const ErfDraws draws = {
            .n = w->n,
            .shape = { e->height, e->width, e->y, e->x, NULL },
            .map = w->tally[i].map[p],
            .mass_share = w->tally[i].share[p],
            .field = sqrt(area),
            .curve = w->ask->protocol->curve,
        };

        e->part[p].map = malloc(pixels * sizeof(float));
        if (!e->part[p].map)
            return fail(ERR_MEMORY, "no memory for a map of %zu numbers",
                        pixels);
        TRY(erf_estimate(e->part[p].number, e->part[p].map, &draws));
    }
    return OK;
}

/* The network, and a map of each observation. */
static int check_memory(const Work *w)
{
    const double pixels = (double)w->c.height * w->c.width;
    Graph *g;
    int err;

    TRY(build(w, &g, &w->c, NULL));
    err = network_check_memory(g, w->dev->backend->host_memory,
                               pixels * sizeof(float) * w->n * ERF_PARTS *
                                   w->ask->taps);
    graph_free(g);
    return err;
}

int erf_run(Erf *out, const Case *c, const ErfAsk *ask, Device *dev)
{
    Work w = { .out = out,
               .c = *c,
               .ask = ask,
               .dev = dev,
               .n = ask->sets > 1 ? ask->sets : ask->draws };
    const size_t input = (size_t)c->batch * (size_t)c->channels *
                         (size_t)c->height * (size_t)c->width;
    int err = OK;

    memset(out, 0, (size_t)ask->taps * sizeof(*out));
    BUG_IF(ask->sets < 1 || ask->draws < ask->sets || ask->taps > ERF_TAPS_MAX);
    w.input = malloc(input * sizeof(float));
    w.value[0] = malloc(input * sizeof(float));
    w.value[1] = malloc(input * sizeof(float));
    if (!w.input || !w.value[0] || !w.value[1])
        err = fail(ERR_MEMORY, "no memory for an input of %zu numbers", input);
    if (!err)
        err = check_memory(&w);
    for (int set = 0; set < ask->sets && !err; set++)
        err = run_set(&w, set);
    for (int i = 0; i < ask->taps && !err; i++)
        err = finish(&w, i);
    free_tallies(&w);
    free(w.value[1]);
    free(w.value[0]);
    free(w.input);
    return err;
}

void erf_free(Erf *erf, int taps)
{
    for (int i = 0; i < taps; i++)
        for (int p = 0; p < ERF_PARTS; p++) {
            free(erf[i].part[p].map);
            erf[i].part[p].map = NULL;
        }
}
