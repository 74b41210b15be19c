/*
 * backbones.c - the list of backbones, and how a module is plugged in.
 */
#include "harness/backbones/backbones.h"

#include <string.h>

#include "harness/backbones/layers.h"

static const Backbone *const backbones[] = {
#define X(id) &id##_backbone,
    BACKBONES(X)
#undef X
};
enum { NBACKBONES = sizeof(backbones) / sizeof(backbones[0]) };

const Backbone *backbone_at(int i)
{
    return i >= 0 && i < NBACKBONES ? backbones[i] : NULL;
}

const char *backbone_name(int i)
{
    return i >= 0 && i < NBACKBONES ? backbones[i]->name : NULL;
}

const Backbone *backbone_find(const char *name)
{
    for (int i = 0; i < NBACKBONES; i++)
        if (strcmp(backbones[i]->name, name) == 0)
            return backbones[i];
    return NULL;
}

Position position_of_paper(const Module *module)
{
    return module->on_output ? POSITION_OUT : POSITION_MID;
}

Position position_mid(const Module *module)
{
    (void)module;
    return POSITION_MID;
}

Position position_out(const Module *module)
{
    (void)module;
    return POSITION_OUT;
}

Tensor *plug_classifier(Graph *g, Tensor *x, const Plug *plug, const char *name)
{
    if (plug->classes == NO_CLASSES)
        return x;
    return layer_linear(g, x, name,
                        plug->classes ? plug->classes : IMAGENET_CLASSES);
}

bool name_in_scope(const char *name, const char *scope)
{
    const size_t n = strlen(scope);

    return strncmp(name, scope, n) == 0 && (!name[n] || name[n] == '.');
}

Tensor *plug_apply(Graph *g, Tensor *x, const Plug *plug, const void *settings)
{
    const Module *m = plug->module;
    const int before = graph_size(g);
    Tensor *y;

    if (plug->fused && !zoo_can_fuse(m))
        return graph_fail(g, "module=%s has no impl=fused; use impl=composed",
                          m->name);
    y = plug->fused ? zoo_fuse(g, m, x, settings) : m->build(g, x, settings);
    graph_set_origin(g, before, ORIGIN_MODULE);
    return y;
}

Tensor *plug_in(Graph *g, Tensor *x, const Plug *plug, const char *name,
                int stage)
{
    _Alignas(16) unsigned char settings[SETTINGS_MAX] = { 0 };
    const Module *m = plug->module;
    Tensor *y;

    if (!m || !x)
        return x;
    if (m->settings_size)
        memcpy(settings, plug->settings, m->settings_size);
    if (m->at_stage)
        m->at_stage(settings, stage);
    graph_scope(g, "%s", name);
    y = plug_apply(g, x, plug, settings);
    graph_end_scope(g);
    return y;
}
