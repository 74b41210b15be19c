/*
 * case.c - reads, completes and prints cases by their tables.
 */
#include "harness/network/case.h"

#include <stdio.h>
#include <string.h>

#include "harness/backbones/backbones.h"
#include "harness/devices/backends.h"
#include "kernels/core/err.h"

/* A module alone stands where ResNet's first stage would have it. */
enum { ALONE_CHANNELS = 64, ALONE_HEIGHT = 56, ALONE_WIDTH = 56 };

enum { MAX_BATCH = 65536, MAX_CHANNELS = 65536, MAX_SIDE = 16384 };

static const char *backbone_choice(int i)
{
    return i == 0 ? "none" : backbone_name(i - 1);
}

static const char *module_choice(int i)
{
    return i == 0 ? "none" : zoo_name(i - 1);
}

static const char *dtype_choice(int i)
{
    return i < NDTYPES ? dtype_name((Dtype)i) : NULL;
}

CHOICES(impl, "composed", "fused")
CHOICES(position, "auto", "mid", "out")
CHOICES(form, "train", "deploy")
CHOICES(graph, "as_written", "folded")
CHOICES(pass, "forward", "input_grad", "backward", "train")
CHOICES(state, "hot", "cold", "graph")

const Param case_params[] = {
    PARAM_NAME(Case, backbone, "none", backbone_choice,
               "the network; none: the module alone"),
    PARAM_NAME(Case, module, "none", module_choice,
               "the attention module; none: the plain network"),
    PARAM_NAME(Case, impl, "composed", impl_choice,
               "the module as a graph of ops, or as one op of its own"),
    PARAM_NAME(Case, position, "auto", position_choice,
               "module position in a block: inside (mid), on its output (out), "
               "or as in the paper (auto); see 'attnbench list backbones'"),
    PARAM_NAME(Case, form, "train", form_choice,
               "the network as it is trained, or with its branches merged for "
               "use: RepVGG, RepViT, ACNet"),
    PARAM_FILE(Case, weights, "seeded",
               "a file of the network's weights (.safetensors), for as many "
               "classes as it has; names are timm's, a module's those of "
               "'attnbench count --by=op'; seeded: made from their names"),
    PARAM_REAL(Case, norm_gain, 0, 0, 100,
               "how far seeded weights of the network's own norms are from 0: "
               "0.75 to 1.25 times this; 0: what lets this network with this "
               "module see its input"),
    PARAM_NAME(Case, graph, "as_written", graph_choice,
               "the network as published, or with batch norms, activations and "
               "shortcuts folded into convolutions"),
    PARAM_NAME(Case, backend, "cpu", backend_name,
               "where it runs; best: cuda where it can, else cpu"),
    PARAM_NAME(Case, dtype, "f32", dtype_choice, "what it computes in"),
    PARAM_INT(Case, batch, 1, 1, MAX_BATCH, "N: images in one run"),
    PARAM_INT(Case, channels, 0, 0, MAX_CHANNELS,
              "C of the input; 0: the backbone's own, 64 for a module alone"),
    PARAM_INT(Case, height, 0, 0, MAX_SIDE,
              "H of the input; 0: the backbone's own, 56 for a module alone"),
    PARAM_INT(Case, width, 0, 0, MAX_SIDE,
              "W of the input; 0: the backbone's own, 56 for a module alone"),
    PARAM_NAME(Case, pass, "forward", pass_choice,
               "forward; forward and gradient of the input; forward and all "
               "gradients (backward); one training step"),
    PARAM_NAME(Case, state, "hot", state_choice,
               "hot: warm caches; cold: caches flushed before each run; graph: "
               "warm, replayed as a CUDA graph"),
    PARAM_INT(Case, threads, 0, 0, 1024, "0: all cores"),
    PARAM_INT(Case, arm, 0, 0, 1000,
              "tells copies of one case apart, for A/A comparisons"),
    PARAM_END,
};

static bool is(const ParamName *name, const char *text)
{
    return strcmp(name->text, text) == 0;
}

void case_defaults(Case *c)
{
    memset(c, 0, sizeof(*c));
    param_defaults(case_params, c);
}

const Module *case_module(const Case *c)
{
    return zoo_find(c->module.text);
}

static const Param *module_params(const Case *c)
{
    const Module *m = case_module(c);

    return m ? m->params : NULL;
}

const char *case_key(int i)
{
    const Module *m;

    for (const Param *p = case_params; p->name; p++)
        if (i-- == 0)
            return p->name;
    for (int k = 0; (m = zoo_at(k)); k++)
        for (const Param *p = m->params; p && p->name; p++)
            if (i-- == 0)
                return p->name;
    return NULL;
}

Dtype case_dtype(const Case *c)
{
    int d = 0;

    while (!is(&c->dtype, dtype_name((Dtype)d)))
        d++;
    return (Dtype)d;
}

const char *case_where(const Case *c)
{
    const Backbone *b = backbone_find(c->backbone.text);

    if (!b || !case_module(c))
        return "";
    return b->where[is(&c->position, "out") ? POSITION_OUT : POSITION_MID];
}

/* The names that fit case c: its own keys, then its module's. */
static const char *fitting_key(const void *arg, int i)
{
    const Param *tables[] = { case_params, module_params(arg) };

    for (int k = 0; k < 2; k++)
        for (const Param *p = tables[k]; p && p->name; p++)
            if (i-- == 0)
                return p->name;
    return NULL;
}

static int refuse_key(const Case *c, const char *key)
{
    const char *near = name_nearest(key, fitting_key, c);
    const Module *m;

    for (int i = 0; (m = zoo_at(i)); i++)
        if (param_find(m->params, key))
            return fail(ERR_INPUT, "%s%s has no setting '%s' (%s has)",
                        case_module(c) ? "" : "module=", c->module.text, key,
                        m->name);
    return fail(ERR_INPUT, "there is no setting '%s'%s%s%s", key,
                near ? "; did you mean '" : "", near ? near : "",
                near ? "'?" : "; 'attnbench list settings' shows them");
}

int case_set(Case *c, const char *key, const char *text)
{
    const Param *p = param_find(case_params, key);

    if (p) {
        if (strcmp(key, "backend") == 0)
            text = backend_meant(text);
        TRY(param_set(p, c, text));
        if (strcmp(key, "module") == 0) {
            memset(c->settings, 0, sizeof(c->settings));
            param_defaults(module_params(c), c->settings);
        }
        return OK;
    }
    p = param_find(module_params(c), key);
    if (!p)
        return refuse_key(c, key);
    if (param_set(p, c->settings, text))
        return fail_within(ERR_INPUT, "%s", c->module.text);
    return OK;
}

/* What channels, height and width are where a case leaves them open. */
static void own_size(const Case *c, int size[3])
{
    const Backbone *b = backbone_find(c->backbone.text);

    size[0] = b ? b->channels : ALONE_CHANNELS;
    size[1] = b ? b->height : ALONE_HEIGHT;
    size[2] = b ? b->width : ALONE_WIDTH;
}

/* The position that auto stands for; auto where nothing is plugged in. */
static const char *usual_position(const Case *c)
{
    const Backbone *b = backbone_find(c->backbone.text);
    const Module *m = case_module(c);

    return b && m ? position_choice(1 + (int)b->usual(m)) : "auto";
}

/* True if c's own norms are seeded: not of a module alone, nor from a file. */
static bool seeds_norms(const Case *c)
{
    return backbone_find(c->backbone.text) &&
           strcmp(c->weights.text, "seeded") == 0;
}

double case_norm_gain(const Case *c)
{
    if (!seeds_norms(c))
        return 1;
    return c->norm_gain > 0
               ? c->norm_gain
               : backbone_norm_gain(backbone_find(c->backbone.text),
                                    case_module(c));
}

/* A setting that says nothing here has its default. */
static int forget(Case *c)
{
    if (is(&c->module, "none"))
        TRY(case_set(c, "impl", "composed"));
    if (is(&c->module, "none") || is(&c->backbone, "none"))
        TRY(case_set(c, "position", "auto"));
    if (is(&c->backbone, "none"))
        TRY(case_set(c, "form", "train"));
    if (!seeds_norms(c))
        c->norm_gain = 0;
    return OK;
}

int case_complete(Case *c)
{
    int size[3], *const field[3] = { &c->channels, &c->height, &c->width };

    if (is(&c->backbone, "none") && is(&c->module, "none"))
        return fail(ERR_INPUT, "there is nothing to run: give --backbone, "
                               "--module, or both");
    own_size(c, size);
    for (int i = 0; i < 3; i++)
        if (*field[i] == 0)
            *field[i] = size[i];
    TRY(forget(c));
    if (is(&c->position, "auto"))
        TRY(case_set(c, "position", usual_position(c)));
    if (seeds_norms(c))
        c->norm_gain = case_norm_gain(c);
    if (!is(&c->backbone, "none") && c->channels != size[0])
        return fail(ERR_INPUT,
                    "%s takes images of %d channels, got channels=%d",
                    c->backbone.text, size[0], c->channels);
    return OK;
}

/* A completed case prints as it was before: the size, position and gain that it
 * has by itself are defaults like any other. */
char *case_print(const Case *c, char text[CASE_TEXT])
{
    Case open = *c;
    int size[3], *const field[3] = { &open.channels, &open.height,
                                     &open.width };
    size_t n = (size_t)snprintf(text, CASE_TEXT, "attnbench run");

    own_size(c, size);
    for (int i = 0; i < 3; i++)
        if (*field[i] == size[i])
            *field[i] = 0;
    forget(&open);
    if (is(&open.position, usual_position(c)))
        case_set(&open, "position", "auto");
    if (seeds_norms(c) &&
        open.norm_gain ==
            backbone_norm_gain(backbone_find(c->backbone.text), case_module(c)))
        open.norm_gain = 0;
    n += param_flags(case_params, &open, false, text + n, CASE_TEXT - n);
    BUG_IF(n >= CASE_TEXT);
    n += param_flags(module_params(c), c->settings, false, text + n,
                     CASE_TEXT - n);
    BUG_IF(n >= CASE_TEXT);
    return text;
}

char *case_settings_json(const Case *c, char text[CASE_TEXT])
{
    BUG_IF(param_json(module_params(c), c->settings, text, CASE_TEXT) >=
           CASE_TEXT);
    return text;
}
