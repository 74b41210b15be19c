/*
 * digits_net.c - a narrow ResNet for 16x16 digits, with a module in each block.
 */
#include "tests/digits_net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attention_zoo/zoo.h"
#include "harness/backbones/layers.h"
#include "harness/network/seed.h"
#include "kernels/core/err.h"
#include "kernels/ops/grad.h"
#include "tests/case_file.h"
#include "tests/digits_data.h"

/* Where defaults do not fit 16 channels or 8x8 positions, as in
 * tests/make_losses.py; other modules have those of their case file. */
static const struct {
    const char *module, *name, *value;
} settings_of[] = {
    { "se", "reduction", "4" },    { "se_conv", "reduction", "4" },
    { "eca", "kernel_size", "3" }, { "fca", "reduction", "4" },
    { "fca", "dct_h", "7" },       { "fca", "dct_w", "7" },
    { "cpca", "reduction", "4" },  { "cbam", "reduction", "4" },
    { "sa", "group_num", "8" },    { "ela", "groups", "8" },
    { "ema", "factor", "8" },
};

static void find_settings(unsigned char settings[SETTINGS_MAX],
                          const Module *module, const Tensor *x)
{
    Case c;

    case_defaults(&c);
    BUG_IF(case_set(&c, "module", module->name));
    c.channels = x->dim[1];
    c.height = x->dim[2];
    c.width = x->dim[3];
    for (size_t i = 0; i < sizeof(settings_of) / sizeof(settings_of[0]); i++)
        if (strcmp(settings_of[i].module, module->name) == 0)
            BUG_IF(case_set(&c, settings_of[i].name, settings_of[i].value));
    case_fit(&c);
    BUG_IF(case_own_settings(&c, settings));
}

static Tensor *attention(Graph *g, Tensor *x, const Module *module)
{
    _Alignas(max_align_t) unsigned char settings[SETTINGS_MAX];

    if (!module || !x)
        return x;
    find_settings(settings, module, x);
    graph_scope(g, "attn");
    x = module->build(g, x, settings);
    graph_end_scope(g);
    return x;
}

static Tensor *conv_norm(Graph *g, Tensor *x, const char *conv, const char *bn,
                         ConvShape shape)
{
    return layer_batch_norm(g, layer_conv(g, x, conv, shape), bn);
}

static Tensor *block(Graph *g, Tensor *x, const Module *module, int width,
                     int stride)
{
    const ConvShape first = { .width = width, .k = 3, .stride = stride },
                    second = { .width = width, .k = 3 },
                    one = { .width = width, .k = 1, .stride = stride };
    Tensor *y = op_relu(g, conv_norm(g, x, "conv1", "bn1", first));

    y = conv_norm(g, y, "conv2", "bn2", second);
    y = attention(g, y, module);
    if (stride != 1 || (x && x->dim[1] != width))
        x = conv_norm(g, x, "downsample.0", "downsample.1", one);
    return op_relu(g, op_add(g, y, x));
}

static Graph *build(const char *name, int batch, bool training)
{
    static const struct {
        int width, stride;
    } blocks[] = { { 16, 1 }, { 32, 2 }, { 64, 1 } };
    const ConvShape stem = { .width = 16, .k = 3 };
    const Module *module = zoo_find(name);
    Graph *g = graph_new();
    Tensor *x =
        graph_input(g, "input", DIMS(batch, 1, DIGITS_SIDE, DIGITS_SIDE));

    BUG_IF(!module && strcmp(name, "none") != 0);
    if (training)
        graph_set_training(g);
    x = op_relu(g, conv_norm(g, x, "conv1", "bn1", stem));
    for (int i = 0; i < 3; i++) {
        graph_scope(g, "block%d", i + 1);
        x = block(g, x, module, blocks[i].width, blocks[i].stride);
        graph_end_scope(g);
    }
    x = layer_linear(g, layer_global_pool(g, x), "fc", DIGITS_CLASSES);
    graph_output(g, "output", x);
    BUG_IF(seed_graph(g, DIGITS_SEED, 1));
    return g;
}

Graph *digits_net(const char *module, int batch)
{
    return build(module, batch, false);
}

/* A batch norm in training is a group norm of all images as one; a group norm
 * of the modules has as many images as the batch. */
static bool norms_the_batch(const Tensor *t)
{
    return t->op == &group_norm_def && t->rank == 3 && t->dim[0] == 1;
}

Graph *digits_net_statistics(const char *module, int batch)
{
    Graph *g = build(module, batch, true);

    for (int i = 0; i < graph_size(g); i++) {
        const Tensor *t = graph_at(g, i);

        if (norms_the_batch(t))
            graph_output(g, t->src[1]->name, t->src[0]);
    }
    return g;
}

static Tensor *velocity_of(Graph *g, const Tensor *w)
{
    Dims dims = { .rank = w->rank };
    char name[MAX_NAME];
    Tensor *v;

    memcpy(dims.dim, w->dim, sizeof(dims.dim));
    snprintf(name, sizeof(name), "velocity/%.80s", w->name);
    v = graph_buffer(g, name, dims);
    if (v) {
        BUG_IF(graph_alloc_host(v));
        memset(v->host, 0, tensor_count(v) * sizeof(float));
    }
    return v;
}

Graph *digits_net_training(const char *module, int batch, double rate)
{
    const SgdAttr sgd = { rate, DIGITS_MOMENTUM, DIGITS_DECAY };
    Graph *g = build(module, batch, true);
    const size_t size = (size_t)graph_size(g);
    Tensor *y = graph_output_named(g, "output"),
           *target = graph_input(g, "target", DIMS(batch, DIGITS_CLASSES)),
           **w = calloc(size, sizeof(Tensor *)),
           **dw = calloc(size, sizeof(Tensor *));
    Gradient gradient = { .of = y, .wrt = w };

    BUG_IF(!w || !dw);
    for (int i = 0; i < graph_size(g); i++)
        if (graph_at(g, i)->role == ROLE_WEIGHT)
            w[gradient.n++] = graph_at(g, i);
    graph_output(g, "loss", op_cross_entropy(g, y, target));
    gradient.dy = op_cross_entropy_grad(g, y, target);
    graph_grad(g, &gradient, dw);
    for (int i = 0; i < gradient.n; i++)
        op_sgd(g, w[i], dw[i], velocity_of(g, w[i]), &sgd);
    free(w);
    free(dw);
    return g;
}

void digits_net_copy_weights(Graph *to, const Graph *from)
{
    for (int i = 0; i < graph_size(to); i++) {
        Tensor *t = graph_at(to, i);
        const Tensor *s = graph_find(from, t->name);

        if (t->role != ROLE_WEIGHT)
            continue;
        BUG_IF(!s || !tensor_same_dims(s, t));
        memcpy(t->host, s->host, tensor_count(t) * sizeof(float));
    }
}
