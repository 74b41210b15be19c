/*
 * network.c - builds the graph of a case, gives its weights values, runs it.
 */
#include "harness/network/network.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/backbones/backbones.h"
#include "harness/devices/environment.h"
#include "harness/network/passes.h"
#include "harness/network/seed.h"
#include "harness/network/weights_file.h"
#include "kernels/core/err.h"
#include "kernels/core/plan.h"

enum { STEPS = 3 }; /* of a module alone that is trained */

/* A name or a file. */
#define is(field, value) (strcmp((field)->text, value) == 0)

/* Unsupported settings make a row that says so, not an error. */
static int check_supported(const Case *c)
{
    const Module *m = case_module(c);
    const Backbone *b = backbone_find(c->backbone.text);

    if (c->impl == IMPL_FUSED && m && !zoo_can_fuse(m))
        return fail(ERR_UNSUPPORTED,
                    "module=%s has no impl=fused; use impl=composed", m->name);
    if (c->form == MADE_DEPLOY && b && !b->reparam)
        return fail(ERR_UNSUPPORTED,
                    "%s has no branches to merge: there is no form=deploy",
                    b->name);
    return OK;
}

static void tap_stages(Graph *g, Tensor *const stage[4])
{
    static const char *const names[] = { "stage1", "stage2", "stage3",
                                         "stage4" };

    for (int i = 0; i < 4; i++)
        graph_output(g, names[i],
                     op_global_avg_pool(g, stage[i], SQUEEZE_MEAN));
}

/* The i-th name that a tap may have: the last tensors first. */
static const char *scope_name(const void *graph, int i)
{
    const Graph *g = graph;

    for (int k = graph_size(g) - 1; k >= 0; k--)
        if (graph_at(g, k)->role == ROLE_NODE && graph_at(g, k)->name[0] &&
            i-- == 0)
            return graph_at(g, k)->name;
    return NULL;
}

static Tensor *find_tap(Graph *g, const char *tap, Tensor *output,
                        Tensor *const stage[4])
{
    const char *near;
    int s;
    char end;

    if (graph_failed(g))
        return NULL;
    if (strcmp(tap, "output") == 0)
        return output;
    if (sscanf(tap, "stage%d%c", &s, &end) == 1 && s >= 1 && s <= 4 &&
        stage[s - 1])
        return stage[s - 1];
    for (int i = graph_size(g) - 1; i >= 0; i--)
        if (graph_at(g, i)->role == ROLE_NODE &&
            name_in_scope(graph_at(g, i)->name, tap))
            return graph_at(g, i);
    near = name_nearest(tap, scope_name, g);
    if (near)
        return graph_fail(g,
                          "unknown tap '%s'; did you mean '%s'? ('attnbench "
                          "count --by=op' lists them; give it the same "
                          "--module)",
                          tap, near);
    return graph_fail(g,
                      "unknown tap '%s'; give stage1 to stage4, output, or a "
                      "scope that 'attnbench count --by=op' lists (with the "
                      "same --module)",
                      tap);
}

/* Which outputs: the usual ones, or the taps alone. */
typedef struct Outputs {
    Taps taps;
    const char *const *tap;
    int n;
} Outputs;

static void mark_outputs(Graph *g, const Outputs *wanted, Tensor *output,
                         Tensor *const stage[4])
{
    for (int i = 0; i < wanted->n; i++)
        graph_output(g, wanted->tap[i],
                     find_tap(g, wanted->tap[i], output, stage));
    if (!wanted->n)
        graph_output(g, "output", output);
    if (wanted->taps == TAPS_STAGE_MEANS && stage[0])
        tap_stages(g, stage);
}

static Form form_of(const Case *c)
{
    return c->form == MADE_DEPLOY ? FORM_DEPLOY : FORM_TRAIN;
}

static int build_as_written(Graph *g, const Case *c, Form form, int classes,
                            const Outputs *wanted)
{
    _Alignas(16) unsigned char settings[SETTINGS_MAX];
    const Plug plug = { case_module(c), settings, c->impl == IMPL_FUSED,
                        c->position == AT_OUT ? POSITION_OUT : POSITION_MID,
                        classes };
    const Backbone *backbone = backbone_find(c->backbone.text);
    Tensor *stage[4] = { 0 };
    Tensor *x;

    TRY(case_own_settings(c, settings));
    x = graph_input(g, "input",
                    DIMS(c->batch, c->channels, c->height, c->width));
    if (backbone)
        x = backbone->build(g, x, form, &plug, stage);
    else if (plug.module)
        x = plug_apply(g, x, &plug, plug.settings);
    mark_outputs(g, wanted, x, stage);
    return graph_error(g);
}

/* Gives g, which is of c's form, its weights: those of values, or what follows
 * from them. */
static int derive_values(Graph *g, const Case *c, const WeightValues *values,
                         int classes)
{
    Graph *train;
    int err;

    if (values->form == form_of(c))
        return weight_values_give(g, values);
    if (values->form == FORM_DEPLOY)
        return fail(ERR_UNSUPPORTED,
                    "the weights are of form=deploy and cannot be split back "
                    "into form=train; give --form=deploy");
    train = graph_new();
    err = build_as_written(train, c, FORM_TRAIN, classes,
                           &(Outputs){ TAPS_NONE });
    if (!err)
        err = weight_values_give(train, values);
    if (!err)
        err = backbone_find(c->backbone.text)->reparam(g, train);
    graph_free(train);
    return err;
}

/* The same for seeded ones, with the case's gain. */
static int seed_values(Graph *g, const Case *c, const WeightValues *values)
{
    WeightValues with_gain = *values;

    with_gain.norm_gain = case_norm_gain(c);
    return derive_values(g, c, &with_gain, IMAGENET_CLASSES);
}

/* c's own file of weights: its form, names and classes. */
static int open_weights(Weights *w, const Case *c)
{
    const Backbone *b = backbone_find(c->backbone.text);
    int err = weights_open(w, c->weights.text, b);

    for (int form = 0; !err && form < (b && b->reparam ? 2 : 1); form++) {
        Graph *g = graph_new();

        err = build_as_written(g, c, (Form)form, IMAGENET_CLASSES,
                               &(Outputs){ TAPS_NONE });
        if (!err)
            weights_fit(w, g, (Form)form);
        graph_free(g);
    }
    if (err)
        weights_close(w);
    return err;
}

/* For counting: that the file is this network's. */
static int check_weights(const Weights *w, const Case *c)
{
    Graph *g = graph_new();
    int err = build_as_written(g, c, w->values.form, w->classes,
                               &(Outputs){ TAPS_NONE });

    if (!err)
        err = weight_values_check(g, &w->values);
    graph_free(g);
    return err;
}

/* From c's file into g, unless there are to be no values. */
static int use_weights(Graph *g, const Case *c, const Weights *w, bool values)
{
    const int err = values ? derive_values(g, c, &w->values, w->classes)
                           : check_weights(w, c);

    if (err == ERR_INPUT && w->classes == NO_CLASSES)
        return fail(err,
                    "%s; it has no classifier '%s' (only that may be left "
                    "out)",
                    err_message(), w->backbone->classifier);
    if (!err && w->classes == NO_CLASSES && pass_is_training(c))
        return fail(ERR_INPUT,
                    "%s has no classifier, so there is no loss to train with",
                    c->weights.text);
    return err;
}

char *network_weights_hash(char text[HASH_TEXT], const Case *c, Hashes *known)
{
    uint64_t h = HASH_START;

    text[0] = '\0';
    if (!is(&c->weights, "seeded") &&
        hash_file_once(&h, c->weights.text, known) == OK)
        hash_text(text, h);
    return text;
}

int network_values_form(Form *form, const Case *c, const WeightValues *values)
{
    Weights w;

    *form = values->form;
    if (is(&c->weights, "seeded"))
        return OK;
    TRY(open_weights(&w, c));
    *form = w.values.form;
    weights_close(&w);
    return OK;
}

int network_classes(int *classes, const Case *c)
{
    Weights w;

    *classes = IMAGENET_CLASSES;
    if (is(&c->weights, "seeded"))
        return OK;
    TRY(open_weights(&w, c));
    *classes = w.classes;
    weights_close(&w);
    return OK;
}

/* Puts the folded graph in the place of *g. */
static int fold(Graph **g)
{
    Graph *folded;
    const int err = graph_fold(&folded, *g);

    graph_free(*g); /* with its weights: two sets of them are too many */
    *g = folded;
    return err;
}

static int build(Graph **out, const Case *c, const WeightValues *values,
                 const Outputs *wanted)
{
    const bool seeded = is(&c->weights, "seeded");
    Weights w = { .classes = IMAGENET_CLASSES };
    Graph *g;
    int err;

    *out = NULL;
    TRY(check_supported(c));
    if (!seeded)
        TRY(open_weights(&w, c));
    g = graph_new();
    if (pass_is_training(c))
        graph_set_training(g);
    err = build_as_written(g, c, form_of(c), w.classes, wanted);
    if (!err && !seeded)
        err = use_weights(g, c, &w, values != NULL);
    else if (!err && values)
        err = seed_values(g, c, values);
    weights_close(&w);
    if (!err && c->graph == GRAPH_FOLDED)
        err = fold(&g);
    if (!err)
        err = pass_add(g, c, values != NULL);
    if (!err && c->graph == GRAPH_FOLDED && c->pass != PASS_FORWARD)
        err = fold(&g); /* what follows the gradients of convolutions */
    if (!err)
        graph_set_dtype(g, case_dtype(c));
    if (err) {
        graph_free(g);
        return err;
    }
    *out = g;
    return OK;
}

int network_build(Graph **out, const Case *c, const WeightValues *values,
                  Taps taps)
{
    return build(out, c, values, &(Outputs){ taps });
}

int network_build_tapped(Graph **out, const Case *c, const WeightValues *values,
                         const char *const *tap, int n)
{
    const Tensor *last = NULL;

    *out = NULL;
    if (c->pass != PASS_FORWARD)
        return fail(ERR_INPUT, "taps need pass=forward (got pass=%s)",
                    case_name("pass", c->pass));
    TRY(build(out, c, values, &(Outputs){ .tap = tap, .n = n }));
    for (int i = 0; i < n; i++)
        if (!last || last->id < graph_output_at(*out, i, NULL)->id)
            last = graph_output_at(*out, i, NULL);
    graph_cut(*out, last);
    return OK;
}

static int read_output(float **values, Plan *plan, const Tensor *t)
{
    *values = malloc(tensor_count(t) * sizeof(float));
    if (!*values)
        return fail(ERR_MEMORY, "no memory for an output of %zu numbers",
                    tensor_count(t));
    return plan_get(plan, t, *values);
}

Tensor *network_input(const Graph *g, int i)
{
    for (int k = 0; k < graph_size(g); k++)
        if (graph_at(g, k)->role == ROLE_INPUT && i-- == 0)
            return graph_at(g, k);
    return NULL;
}

/* A class for each image. */
static void seed_target(float *target, int images, int classes)
{
    enum { NEXT = 7919 }; /* a prime, so that they differ */

    memset(target, 0, (size_t)images * (size_t)classes * sizeof(*target));
    for (int n = 0; n < images; n++)
        target[(size_t)n * (size_t)classes + (size_t)n * NEXT % classes] = 1;
}

void network_seed_input(float *nchw, const Tensor *input, uint64_t seed)
{
    const int *d = input->dim;

    if (strcmp(input->name, "target") == 0)
        seed_target(nchw, d[0], d[1]);
    else if (input->rank == 4 && strcmp(input->name, "input") == 0)
        seed_structured(nchw, DIMS(d[0], d[1], d[2], d[3]), input->name, seed);
    else
        seed_input(nchw, tensor_count(input), input->name, seed);
}

static int steps_of(const Graph *g)
{
    return graph_is_training(g) && !graph_output_named(g, "loss") ? STEPS : 1;
}

int network_run_plan(float **values, Plan *plan, const Graph *g)
{
    const int n = graph_outputs(g);
    int err = OK;

    memset(values, 0, (size_t)n * sizeof(*values));
    for (int i = 0; !err && i < steps_of(g); i++)
        err = plan_run(plan);
    for (int i = 0; i < n && !err; i++)
        err = read_output(&values[i], plan, graph_output_at(g, i, NULL));
    for (int i = 0; i < n && err; i++) {
        free(values[i]);
        values[i] = NULL;
    }
    return err;
}

int network_run(float **values, Graph *g, Device *dev, bool recorded,
                float *const *inputs)
{
    Plan *plan = NULL;
    int err;

    memset(values, 0, (size_t)graph_outputs(g) * sizeof(*values));
    err = plan_new(&plan, dev, g);
    if (!err && recorded)
        err = plan_record(plan, 1);
    for (int i = 0; !err && network_input(g, i); i++)
        err = plan_set(plan, network_input(g, i), inputs[i]);
    if (!err)
        err = network_run_plan(values, plan, g);
    plan_free(plan);
    return err;
}

int network_check_memory(const Graph *g, bool host_memory, double more)
{
    const double available = memory_available();
    double weights = 0, step = 0, least;

    for (int i = 0; i < graph_size(g); i++) {
        const Tensor *t = graph_at(g, i);
        double bytes = (double)tensor_bytes(t);

        if (tensor_is_weight(t))
            weights += bytes;
        for (int k = 0; k < MAX_SRC; k++)
            bytes += t->src[k] ? (double)tensor_bytes(t->src[k]) : 0;
        if (host_memory && t->role == ROLE_NODE && !t->op->view && step < bytes)
            step = bytes;
    }
    least = 2 * weights + step + more;
    if (least > available)
        return fail(ERR_MEMORY, "needs %.1f GiB or more; %.1f GiB are free",
                    least / (1 << 30), available / (1 << 30));
    return OK;
}

void cost_add(Cost *sum, const Cost *c)
{
    sum->macs += c->macs;
    sum->flops += c->flops;
    sum->transcendentals += c->transcendentals;
    sum->bytes += c->bytes;
    sum->paper_flops += c->paper_flops;
}

Cost network_node_cost(const Case *c, const Tensor *node)
{
    const Backbone *backbone = backbone_find(c->backbone.text);
    Cost cost = node->op->cost(node);

    if (backbone && name_in_scope(node->name, backbone->classifier))
        cost.paper_flops = 0;
    return cost;
}

Cost network_cost(const Graph *g, const Case *c)
{
    Cost sum = { 0 };

    for (int i = 0; i < graph_size(g); i++) {
        const Tensor *t = graph_at(g, i);

        if (t->role == ROLE_NODE) {
            const Cost cost = network_node_cost(c, t);
            cost_add(&sum, &cost);
        }
    }
    return sum;
}
