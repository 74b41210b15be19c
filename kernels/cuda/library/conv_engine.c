/*
 * conv_engine.c - the engines that cuDNN has for a convolution
 *
 * Which is fastest nobody tells: the heuristics give an order, and the caller
 * times the first few.  An engine is named by its number and the values of its
 * knobs, as text, so that a choice can be kept; every engine is made from that
 * text, also those that the heuristics have just listed.
 *
 * Left out: engines that NVRTC compiles at run time, which take about a second
 * each, and all that are less exact than f32 sums of the operands as stored.
 *
 * Source: docs.nvidia.com/deeplearning/cudnn, "Graph API".
 */
#include <cudnn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"
#include "kernels/cuda/library/conv_graph.h"

enum { MAX_LISTED = 128, MAX_KNOBS = 32, MAX_NOTES = 16 };

#if CUDNN_VERSION < 90800 /* where no card can be described, nor is */
enum {
    CUDNN_ATTR_ENGINEHEUR_DEVICEPROP = 204,
    CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP = 407,
    CUDNN_ATTR_ENGINE_DEVICEPROP = 1307,
};
#endif

/* ---- which engines are used -------------------------------------------- */

static unsigned notes_of(Descriptors *s, void *engine, int name, int type)
{
    int notes[MAX_NOTES];
    const int64_t n = desc_get(s, engine, name, type, MAX_NOTES, notes);
    unsigned bits = 0;

    for (int64_t i = 0; i < n; i++)
        bits |= 1u << notes[i];
    return bits;
}

/* Rounds operands, or sums on the way to the result; sums in an order that
 * differs from run to run; or multiplies differences of operands, which loses
 * digits (Winograd's larger tiles). */
static const unsigned inexact =
    1u << CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS |
    1u << CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION |
    1u << CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC |
    1u << CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6 |
    1u << CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13;

static int judge(ConvEngine *e, void *engine, Dtype dtype)
{
    const unsigned behaviour =
        notes_of(&e->made, engine, CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE,
                 CUDNN_TYPE_BEHAVIOR_NOTE);
    const unsigned numbers =
        notes_of(&e->made, engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                 CUDNN_TYPE_NUMERICAL_NOTE);

    TRY(e->made.err);
    e->tensor_cores = numbers >> CUDNN_NUMERICAL_NOTE_TENSOR_CORE & 1;
    if (behaviour >> CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION & 1)
        return fail(ERR_UNSUPPORTED,
                    "cuDNN's engine %s is compiled at run time", e->text);
    if (numbers & inexact)
        return fail(ERR_UNSUPPORTED, "cuDNN's engine %s is not exact enough",
                    e->text);
    if (dtype == F32 && e->tensor_cores)
        return fail(ERR_UNSUPPORTED, "cuDNN's engine %s rounds f32 to tf32",
                    e->text);
    return OK;
}

/* ---- an engine from its text ------------------------------------------- */

/* Sets config's knobs as text says: " 2=1 5=3". */
static int set_knobs(Descriptors *s, void *config, const char *text)
{
    void *knobs[MAX_KNOBS];
    int n = 0, type, length;
    long long value;

    for (; *text && n < MAX_KNOBS; text += length) {
        if (sscanf(text, " %d=%lld%n", &type, &value, &length) != 2)
            return fail(ERR_INPUT, "'%s' are no knobs of cuDNN's", text);
        knobs[n] = desc_new(s, CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR);
        desc_set(s, knobs[n], CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE,
                 CUDNN_TYPE_KNOB_TYPE, 1, &type);
        desc_ints(s, knobs[n], CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, 1,
                  &(int64_t){ value });
        desc_finish(s, knobs[n]);
        n++;
    }
    if (n)
        desc_set(s, config, CUDNN_ATTR_ENGINECFG_KNOB_CHOICES,
                 CUDNN_TYPE_BACKEND_DESCRIPTOR, n, knobs);
    return s->err;
}

static int make_config(ConvEngine *e, const ConvGraph *g, void **config)
{
    Descriptors *s = &e->made;
    char *knobs;
    const int64_t number = strtoll(e->text, &knobs, 10);
    void *engine = desc_new(s, CUDNN_BACKEND_ENGINE_DESCRIPTOR);

    if (knobs == e->text)
        return fail(ERR_INPUT, "'%s' is no engine of cuDNN's", e->text);
    desc_link(s, engine, CUDNN_ATTR_ENGINE_OPERATION_GRAPH, g->graph);
    desc_ints(s, engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, 1, &number);
    if (g->target.description)
        desc_link(s, engine, CUDNN_ATTR_ENGINE_DEVICEPROP,
                  g->target.description);
    desc_finish(s, engine);
    TRY(judge(e, engine, g->dtype));

    *config = desc_new(s, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    desc_link(s, *config, CUDNN_ATTR_ENGINECFG_ENGINE, engine);
    TRY(set_knobs(s, *config, knobs));
    desc_finish(s, *config);
    return s->err;
}

static int make_plan(ConvEngine *e, const ConvGraph *g, void *config)
{
    Descriptors *s = &e->made;
    int64_t bytes = 0;

    e->plan = desc_new(s, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
    desc_link(s, e->plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config);
    if (g->target.handle)
        desc_set(s, e->plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE,
                 CUDNN_TYPE_HANDLE, 1, &g->target.handle);
    else
        desc_link(s, e->plan, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP,
                  g->target.description);
    desc_finish(s, e->plan);
    desc_get(s, e->plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
             CUDNN_TYPE_INT64, 1, &bytes);
    e->workspace_bytes = (size_t)bytes;
    return s->err;
}

int conv_engine_init(ConvEngine *e, const ConvGraph *g, const char *text)
{
    void *config = NULL;
    int err;

    *e = (ConvEngine){ 0 };
    snprintf(e->text, sizeof(e->text), "%s", text);
    err = make_config(e, g, &config);
    if (!err)
        err = make_plan(e, g, config);
    if (err)
        conv_engine_free(e);
    return err;
}

void conv_engine_free(ConvEngine *e)
{
    desc_free_all(&e->made);
    *e = (ConvEngine){ 0 };
}

/* ---- the heuristics' lists --------------------------------------------- */

typedef struct List {
    int n;
    char text[MAX_LISTED][ENGINE_TEXT];
} List;

static void append_knob(Descriptors *s, void *knob, char *text)
{
    const size_t used = strlen(text);
    int type = 0;
    int64_t value = 0;

    desc_get(s, knob, CUDNN_ATTR_KNOB_CHOICE_KNOB_TYPE, CUDNN_TYPE_KNOB_TYPE, 1,
             &type);
    desc_get(s, knob, CUDNN_ATTR_KNOB_CHOICE_KNOB_VALUE, CUDNN_TYPE_INT64, 1,
             &value);
    snprintf(text + used, ENGINE_TEXT - used, " %d=%lld", type,
             (long long)value);
}

static int config_text(void *config, char *text)
{
    Descriptors s = { 0 };
    void *engine = desc_new(&s, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
    void *knobs[MAX_KNOBS];
    int64_t number = 0, n;

    desc_get(&s, config, CUDNN_ATTR_ENGINECFG_ENGINE,
             CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &engine);
    desc_get(&s, engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1,
             &number);
    snprintf(text, ENGINE_TEXT, "%lld", (long long)number);
    for (int i = 0; i < MAX_KNOBS; i++)
        knobs[i] = desc_new(&s, CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR);
    n = desc_get(&s, config, CUDNN_ATTR_ENGINECFG_KNOB_CHOICES,
                 CUDNN_TYPE_BACKEND_DESCRIPTOR, MAX_KNOBS, knobs);
    for (int64_t i = 0; i < n; i++)
        append_knob(&s, knobs[i], text);
    desc_free_all(&s);
    return s.err;
}

/* Fills in the engines of one kind of heuristics. */
static int list_engines(const ConvGraph *g, int mode, List *list)
{
    Descriptors s = { 0 };
    void *heuristics = desc_new(&s, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    void *configs[MAX_LISTED];
    int64_t n;

    desc_link(&s, heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, g->graph);
    desc_set(&s, heuristics, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE,
             1, &mode);
    if (g->target.description)
        desc_link(&s, heuristics, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP,
                  g->target.description);
    desc_finish(&s, heuristics);
    for (int i = 0; i < MAX_LISTED; i++)
        configs[i] = desc_new(&s, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    n = desc_get(&s, heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS,
                 CUDNN_TYPE_BACKEND_DESCRIPTOR, MAX_LISTED, configs);
    list->n = 0;
    for (int64_t i = 0; i < n; i++)
        if (config_text(configs[i], list->text[list->n]) == OK)
            list->n++;
    desc_free_all(&s);
    return s.err;
}

static bool is_among(const char *text, const ConvEngine *engines, int n)
{
    for (int i = 0; i < n; i++)
        if (!strcmp(engines[i].text, text))
            return true;
    return false;
}

int conv_engines(const ConvGraph *g, ConvEngine *engines, int max, int *n)
{
    static const int modes[] = { CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK };
    List *list = malloc(sizeof(*list));
    int err = ERR_UNSUPPORTED;

    *n = 0;
    if (!list)
        return fail(ERR_MEMORY, "no memory for a list of engines");
    fail(err, "cuDNN lists no engine for this convolution");
    for (int m = 0; m < 2 && *n < max; m++) {
        const int listed = list_engines(g, modes[m], list);

        err = listed ? listed : err;
        for (int i = 0; !listed && i < list->n && *n < max; i++) {
            int made;

            if (is_among(list->text[i], engines, *n))
                continue;
            made = conv_engine_init(&engines[*n], g, list->text[i]);
            *n += made == OK;
            err = made ? made : err;
        }
    }
    free(list);
    return *n ? OK : err;
}
