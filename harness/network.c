/*
 * network.c - builds the graph of a case, gives its weights values, runs it.
 */
#include "harness/network.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/backbones/backbones.h"
#include "harness/safetensors.h"
#include "harness/seed.h"
#include "kernels/core/err.h"
#include "kernels/core/plan.h"

static bool is(const ParamName *name, const char *text)
{
    return strcmp(name->text, text) == 0;
}

/* What a network does not have makes a row that says so, not an error. */
static int check_supported(const Case *c)
{
    const Module *m = case_module(c);

    const Backbone *b = backbone_find(c->backbone.text);

    if (is(&c->impl, "fused") && m && !m->fuse)
        return fail(ERR_UNSUPPORTED, "module=%s has no impl=fused", m->name);
    if (is(&c->form, "deploy") && b && !b->reparam)
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

static Form form_of(const Case *c)
{
    return is(&c->form, "deploy") ? FORM_DEPLOY : FORM_TRAIN;
}

static int build_as_written(Graph *g, const Case *c, Form form, Taps taps)
{
    const Plug plug = { case_module(c), c->settings, is(&c->impl, "fused"),
                        is(&c->position, "out") ? POSITION_OUT : POSITION_MID };
    const Backbone *backbone = backbone_find(c->backbone.text);
    Tensor *stage[4] = { 0 };
    Tensor *x = graph_input(g, "input",
                            DIMS(c->batch, c->channels, c->height, c->width));

    if (backbone)
        x = backbone->build(g, x, form, &plug, stage);
    else if (plug.module)
        x = plug_apply(g, x, &plug, plug.settings);
    graph_output(g, "output", x);
    if (taps == TAPS_STAGE_MEANS && backbone)
        tap_stages(g, stage);
    return graph_error(g);
}

/* Whether the shapes are the same but for ones: a scalar is (), or (1). */
static bool same_shape(const Tensor *t, const StTensor *f)
{
    int i = 0, k = 0;

    for (;;) {
        while (i < t->rank && t->dim[i] == 1)
            i++;
        while (k < f->rank && f->dim[k] == 1)
            k++;
        if (i == t->rank || k == f->rank)
            return i == t->rank && k == f->rank;
        if (t->dim[i++] != f->dim[k++])
            return false;
    }
}

static int load_weight(Tensor *t, const Values *values)
{
    char name[2 * MAX_NAME], dims[DIMS_TEXT];
    const StTensor *f;

    snprintf(name, sizeof(name), "%s%s", values->prefix ? values->prefix : "",
             t->name);
    f = st_find(values->file, name);
    if (!f)
        return fail(ERR_INPUT, "the file has no tensor '%s'", name);
    if (!same_shape(t, f))
        return fail(ERR_INPUT,
                    "'%s' has the wrong shape: %zu numbers where %s is wanted",
                    name, f->count, tensor_dims_text(t, dims));
    TRY(graph_alloc_host(t));
    return st_read(values->file, f, t->host);
}

static int give_values(Graph *g, const Values *values)
{
    if (!values->file)
        return seed_graph(g, values->seed);
    for (int i = 0; i < graph_size(g); i++) {
        Tensor *t = graph_at(g, i);

        if (tensor_is_weight(t))
            TRY(load_weight(t, values));
    }
    return OK;
}

/* Values for g, which is of c's form: those of values, or what follows from
 * them. */
static int derive_values(Graph *g, const Case *c, const Values *values)
{
    Graph *train;
    int err;

    if (values->form == form_of(c))
        return give_values(g, values);
    if (values->form == FORM_DEPLOY)
        return fail(ERR_UNSUPPORTED,
                    "the weights are of form=deploy, and those of form=train "
                    "cannot be told from them");
    train = graph_new();
    err = build_as_written(train, c, FORM_TRAIN, TAPS_NONE);
    if (!err)
        err = give_values(train, values);
    if (!err)
        err = backbone_find(c->backbone.text)->reparam(g, train);
    graph_free(train);
    return err;
}

int network_build(Graph **out, const Case *c, const Values *values, Taps taps)
{
    Graph *g, *folded;
    int err;

    *out = NULL;
    TRY(check_supported(c));
    g = graph_new();
    err = build_as_written(g, c, form_of(c), taps);
    if (!err && values)
        err = derive_values(g, c, values);
    if (!err && is(&c->graph, "folded")) {
        err = graph_fold(&folded, g);
        graph_free(g); /* with its weights: two sets of them are too many */
        g = err ? NULL : folded;
    }
    if (!err)
        graph_set_dtype(g, case_dtype(c));
    if (err) {
        graph_free(g);
        return err;
    }
    *out = g;
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

int network_run(float **values, Graph *g, Device *dev, bool recorded,
                const float *input)
{
    const int n = graph_outputs(g);
    Plan *plan = NULL;
    int err;

    memset(values, 0, (size_t)n * sizeof(*values));
    err = plan_new(&plan, dev, g);
    if (!err && recorded)
        err = plan_record(plan);
    if (!err)
        err = plan_set(plan, graph_find(g, "input"), input);
    if (!err)
        err = plan_run(plan);
    for (int i = 0; i < n && !err; i++)
        err = read_output(&values[i], plan, graph_output_at(g, i, NULL));
    for (int i = 0; i < n && err; i++) {
        free(values[i]);
        values[i] = NULL;
    }
    plan_free(plan);
    return err;
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

    if (backbone && strcmp(node->name, backbone->classifier) == 0)
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
