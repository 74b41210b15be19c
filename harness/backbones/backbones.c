/*
 * backbones.c - the list of backbones, and how a module is plugged in.
 */
#include "harness/backbones/backbones.h"

#include <string.h>

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

Tensor *plug_apply(Graph *g, Tensor *x, const Plug *plug, const void *settings)
{
    const Module *m = plug->module;

    if (!plug->fused)
        return m->build(g, x, settings);
    if (!m->fuse)
        return graph_fail(g, "module=%s has no impl=fused", m->name);
    return m->fuse(g, x, settings);
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
