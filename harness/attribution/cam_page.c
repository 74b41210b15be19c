/*
 * cam_page.c - titles, numbers and caption of a figure of class activation
 * maps.
 */
#include "harness/attribution/cam_page.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/slice.h"
#include "harness/attribution/overlay.h"
#include "harness/backbones/backbones.h"
#include "harness/devices/environment.h"
#include "kernels/core/err.h"
#include "plots/cam.h"
#include "results/folder.h"

enum { STOPS = 32, COLOURS_TEXT = (STOPS + 1) * 8 + 1, TEXT = 1024 };

bool cam_classes_differ(const CamDrawn *at, int n)
{
    for (int i = 1; i < n; i++)
        if (at[i].cam.class != at[0].cam.class)
            return true;
    return false;
}

bool cam_layers_agree(const CamDrawn *at, int n)
{
    for (int i = 1; i < n; i++)
        if (strcmp(at[i].cam.layer, at[0].cam.layer))
            return false;
    return true;
}

/* True if all cases have the same value of a field. */
static bool agree(const CamDrawn *at, int n, const char *field)
{
    const Param *p = param_find(case_params, field);

    for (int i = 1; i < n; i++)
        if (!param_equal(p, at[i].c, at[0].c))
            return false;
    return true;
}

static bool one_backbone(const CamDrawn *at, int n)
{
    return agree(at, n, "backbone");
}

/* "SE", with the backbone where there are several, and a number where there
 * was one before of the same name. */
static void write_title(CamPanel *p, const CamDrawn *at, int i, bool alone)
{
    const CamDrawn *d = &at[i];
    const Backbone *b = backbone_find(d->c->backbone.text);
    char label[LABEL_MAX];
    int same = 1;

    for (int k = 0; k < i; k++)
        same += !strcmp(at[k].c->backbone.text, d->c->backbone.text) &&
                !strcmp(at[k].c->module.text, d->c->module.text);
    module_label(d->c->module.text, label);
    snprintf(p->title, CAM_TITLE, "%.30s%s%.40s", alone || !b ? "" : b->title,
             alone ? "" : ", ", label);
    if (same > 1)
        snprintf(p->title + strlen(p->title), 16, " (%d)", same);
}

static void write_panel(CamPanel *p, const CamDrawn *d, const ClassNames *names)
{
    char class[CLASS_TEXT];

    snprintf(p->file, sizeof(p->file), "%s.png", d->name);
    snprintf(p->said[0], CAM_TITLE, "%s: score %.3g, p %.2g",
             class_text(class, names, d->cam.class, CLASS_SHORT), d->cam.score,
             d->cam.probability);
    if (isnan(d->cam.number[CAM_half_in]))
        snprintf(p->said[1], CAM_TITLE, "no region supports it");
    else
        snprintf(p->said[1], CAM_TITLE, "peak %.3g, half in %.0f %%",
                 d->cam.number[CAM_peak], 100 * d->cam.number[CAM_half_in]);
}

static void write_colours(char text[COLOURS_TEXT])
{
    for (int i = 0; i <= STOPS; i++) {
        unsigned char c[3];

        colour_at(c, (double)i / STOPS);
        text +=
            sprintf(text, "%s#%02x%02x%02x", i ? " " : "", c[0], c[1], c[2]);
    }
}

static void write_caption(char text[TEXT], const CamDrawn *at, int n,
                          const CamShared *shared)
{
    const Cam *first = &at[0].cam;
    char layer[2 * MAX_NAME] = "";

    if (cam_layers_agree(at, n))
        snprintf(layer, sizeof(layer), " (%s, %dx%dx%d)", first->layer,
                 first->channels, first->rows, first->columns);
    snprintf(text, TEXT,
             "Which image regions drive a class score (Grad-CAM), at %s%s. "
             "Colours go from 0 to the highest value of all maps, overlaid "
             "at 50 %% opacity.%s%s",
             shared->tap, layer,
             cam_classes_differ(at, n)
                 ? " Each map is for its network's own top class."
                 : "",
             shared->seeded ? " Weights are seeded, not trained: the maps "
                              "mean nothing."
                            : "");
}

static void write_conditions(char text[TEXT], const CamDrawn *at, int n,
                             const CamShared *shared)
{
    const Backbone *b = backbone_find(at[0].c->backbone.text);
    const bool one_weights = agree(at, n, "weights");
    const bool one_graph = agree(at, n, "graph");
    Build build;

    environment_build(&build);
    snprintf(
        text, TEXT,
        "%s%sinput 3x%dx%d of %.200s; weights %.200s; %s%sf32; %.7s%s",
        one_backbone(at, n) && b ? b->title : "",
        one_backbone(at, n) && b ? ", " : "", shared->height, shared->width,
        shared->picture[0] ? file_name(shared->picture) : "seeded noise",
        one_weights ? file_name(at[0].c->weights.text) : "one file per network",
        one_graph ? case_name("graph", at[0].c->graph) : "",
        one_graph ? ", " : "", build.git_commit, build.dirty ? "+" : "");
}

int cam_page(const char *folder, const CamDrawn *at, int n,
             const CamShared *shared)
{
    CamPanel *panel = calloc((size_t)n + 1, sizeof(*panel));
    char colours[COLOURS_TEXT], caption[TEXT], conditions[TEXT];
    const CamPage page = { .panel = panel,
                           .n = n + 1,
                           .width = shared->width,
                           .height = shared->height,
                           .scale = shared->scale,
                           .colours = colours,
                           .caption = caption,
                           .conditions = conditions };
    int err;

    BUG_IF(!panel);
    snprintf(panel[0].file, sizeof(panel[0].file), "input.png");
    snprintf(panel[0].title, CAM_TITLE, "input");
    for (int i = 0; i < n; i++) {
        write_title(&panel[1 + i], at, i, one_backbone(at, n));
        write_panel(&panel[1 + i], &at[i], shared->names);
    }
    write_colours(colours);
    write_caption(caption, at, n, shared);
    write_conditions(conditions, at, n, shared);
    err = plot_cam(&page, folder);
    free(panel);
    return err;
}
