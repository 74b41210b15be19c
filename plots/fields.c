/*
 * fields.c - chooses receptive fields that may stand in one picture.
 */
#include "plots/fields.h"

#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"
#include "results/folder.h"

static const char command[] =
    "attnbench erf --backbone=resnet50 --module=none,se,scsa";
static const char command_sizes[] = "attnbench erf erf_resolution";

/* True for a setting that a map does not depend on. */
static bool is_of_timing(const char *column)
{
    static const char *const timing[] = { "batch", "dtype",   "pass",
                                          "state", "threads", "copy" };

    for (size_t i = 0; i < sizeof(timing) / sizeof(timing[0]); i++)
        if (!strcmp(column, timing[i]))
            return true;
    return false;
}

static bool is_wanted(const ErfRow *r, const PlotOptions *o)
{
    char text[PARAM_TEXT_MAX];

    for (int i = 0; i < o->nwanted; i++) {
        const Param *p = param_find(case_params, o->wanted[i].column);

        if (p && !is_of_timing(p->name) &&
            !slice_wants(&o->wanted[i], param_text(p, &r->c, text)))
            return false;
    }
    return true;
}

/* Row i, but not if the file of its weights has held others since. */
static bool is_shown(const Fields *f, int i, const PlotOptions *o)
{
    const ErfRow *r = &f->all.at[i];

    for (int k = i + 1; k < f->all.n; k++)
        if (!strcmp(f->all.at[k].c.weights.text, r->c.weights.text) &&
            strcmp(f->all.at[k].o.weights_hash, r->o.weights_hash))
            return false;
    return is_wanted(r, o);
}

static bool is_seeded(const ErfRow *r)
{
    return strcmp(r->c.weights.text, "seeded") == 0;
}

/* Trained networks have a file of weights each. */
static bool same_page(const ErfRow *a, const ErfRow *b, FieldsOf which)
{
    return !strcmp(a->c.backbone.text, b->c.backbone.text) &&
           !strcmp(a->protocol, b->protocol) && is_seeded(a) == is_seeded(b) &&
           a->c.form == b->c.form && !strcmp(a->images_hash, b->images_hash) &&
           a->draws == b->draws && a->observations == b->observations &&
           (which == FIELDS_OF_ALL_INPUTS ||
            (a->c.height == b->c.height && a->c.width == b->c.width));
}

static bool same_column(const ErfRow *a, const ErfRow *b)
{
    return !strcmp(a->c.module.text, b->c.module.text) &&
           !strcmp(a->c.settings, b->c.settings) && a->c.impl == b->c.impl &&
           a->c.position == b->c.position &&
           !strcmp(a->c.weights.text, b->c.weights.text);
}

/* The row whose page has most rows, the latest of equals. */
static const ErfRow *find_page(const Fields *f, const PlotOptions *o,
                               FieldsOf which)
{
    const ErfRow *best = NULL;
    int most = 0;

    for (int i = 0; i < f->all.n; i++) {
        int n = 0;

        if (!is_shown(f, i, o))
            continue;
        for (int k = 0; k < f->all.n; k++)
            n += is_shown(f, k, o) &&
                 same_page(&f->all.at[i], &f->all.at[k], which);
        if (n >= most) {
            most = n;
            best = &f->all.at[i];
        }
    }
    return best;
}

int fields_tap(const Fields *f, const ErfRow *row)
{
    int i = 0;

    while (i < f->taps && strcmp(f->tap[i], row->tap))
        i++;
    return i;
}

int fields_column(const Fields *f, const ErfRow *row)
{
    int i = 0;

    while (i < f->columns && !same_column(f->column[i], row))
        i++;
    return i;
}

/* The same case and tap once more, as by another graph or backend: the later
 * one is shown. */
static bool takes_place(const ErfRow *a, const ErfRow *b)
{
    return same_column(a, b) && !strcmp(a->tap, b->tap) &&
           a->c.height == b->c.height && a->c.width == b->c.width;
}

static int add(Fields *f, const ErfRow *r)
{
    for (int i = 0; i < f->n; i++)
        if (takes_place(f->row[i], r)) {
            f->row[i] = r;
            return OK;
        }
    if (fields_tap(f, r) == FIELDS_TAPS ||
        fields_column(f, r) == FIELDS_COLUMNS || f->n == FIELDS_MAX)
        return fail(ERR_INPUT,
                    "there are more receptive fields of %s than a page has "
                    "room for; choose with --module=",
                    r->c.backbone.text);
    if (fields_tap(f, r) == f->taps)
        f->tap[f->taps++] = r->tap;
    if (fields_column(f, r) == f->columns)
        f->column[f->columns++] = r;
    f->row[f->n++] = r;
    return OK;
}

/* With "se_long" of "runs/se_long.safetensors", as far as there is room. */
char *fields_label(const Fields *f, const ErfRow *row, char text[LABEL_MAX])
{
    const char *file = file_name(row->c.weights.text);

    module_label(row->c.module.text, text);
    for (int i = 0; i < f->columns; i++)
        if (!strcmp(f->column[i]->c.module.text, row->c.module.text) &&
            strcmp(f->column[i]->c.weights.text, row->c.weights.text)) {
            const size_t used = strlen(text);

            snprintf(text + used, LABEL_MAX - used, ", %.*s",
                     (int)strcspn(file, "."), file);
            break;
        }
    return text;
}

int fields_read(Fields *f, Sheet *s, FieldsOf which)
{
    const ErfRow *page;
    int err = OK;

    *f = (Fields){ .n = 0 };
    TRY(store_erf_read(&f->all, s->store, which == FIELDS_OF_ONE_INPUT));
    page = find_page(f, s->options, which);
    if (!page)
        err = fail(ERR_UNSUPPORTED, "no receptive fields; run: %s",
                   which == FIELDS_OF_ONE_INPUT ? command : command_sizes);
    for (int i = 0; i < f->all.n && !err; i++)
        if (is_shown(f, i, s->options) && same_page(page, &f->all.at[i], which))
            err = add(f, &f->all.at[i]);
    if (err)
        fields_free(f);
    return err;
}

void fields_free(Fields *f)
{
    erf_rows_free(&f->all);
}

/* "50 draws, seeded weights, 95 % intervals over 10 sets of weights" */
static void describe_draws(char text[448], const ErfRow *r, const char *weights)
{
    const char *s = r->draws == 1 ? "" : "s";
    const int n = snprintf(text, 448, "%d %s%s, %s", r->draws,
                           r->images_hash[0] ? "image" : "draw", s, weights);

    if (r->observations > 1)
        snprintf(text + n, 448 - (size_t)n, ", 95 %% intervals over %d %s",
                 r->observations,
                 r->observations < r->draws ? "sets of weights" : "draws");
    else
        snprintf(text + n, 448 - (size_t)n, ", no intervals");
}

void fields_foot(Sheet *s, const Fields *f, double width, double height)
{
    const ErfRow *r = f->row[0], *last = f->row[f->n - 1];
    char text[1024], sizes[64] = "", weights[256] = "seeded weights", how[224];
    char draws[448];
    bool one_graph = true, one_backend = true, one_gain = true;

    for (int i = 1; i < f->n; i++) {
        one_graph &= f->row[i]->c.graph == r->c.graph;
        one_backend &= f->row[i]->c.backend == r->c.backend;
        one_gain &= f->row[i]->c.norm_gain == r->c.norm_gain;
    }
    if (!is_seeded(r))
        snprintf(weights, sizeof(weights), "weights %.200s", r->c.weights.text);
    else if (one_gain && r->c.norm_gain > 0 && r->c.norm_gain != 1)
        snprintf(weights, sizeof(weights), "seeded weights, norm gain %g",
                 r->c.norm_gain);
    for (int i = 1; i < f->columns && !is_seeded(r); i++)
        if (strcmp(f->column[i]->c.weights.text, f->column[0]->c.weights.text))
            snprintf(weights, sizeof(weights), "each with its own weights");
    snprintf(how, sizeof(how), "%s%s%s%s%s%s", one_backend ? ", " : "",
             one_backend ? case_name("backend", r->c.backend) : "",
             one_graph ? ", " : "",
             one_graph ? case_name("graph", r->c.graph) : "",
             r->c.form != MADE_TRAIN ? ", form " : "",
             r->c.form != MADE_TRAIN ? case_name("form", r->c.form) : "");
    if (last->c.height != r->c.height)
        snprintf(sizes, sizeof(sizes), " to %dx%dx%d", last->c.channels,
                 last->c.height, last->c.width);
    describe_draws(draws, r, weights);
    snprintf(text, sizeof(text),
             "%s, input %dx%dx%d%s; protocol %s: %s; seed %lld, f32%s; %s; "
             "%.10s, %.7s%s",
             strcmp(r->c.backbone.text, "none") ? r->c.backbone.text
                                                : "modules alone",
             r->c.channels, r->c.height, r->c.width, sizes, r->protocol, draws,
             (long long)r->seed, how, r->cpu, last->o.stored_at,
             last->git_commit, last->dirty ? "+" : "");
    sheet_foot(s, text, width, height);
}
