/*
 * case.c - reads, completes and prints cases by their tables.
 */
#include "harness/network/case.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "harness/backbones/backbones.h"
#include "harness/devices/backends.h"
#include "harness/files/json.h"
#include "kernels/core/err.h"

/* A module alone stands where ResNet's first stage would have it. */
enum { ALONE_CHANNELS = 64, ALONE_HEIGHT = 56, ALONE_WIDTH = 56 };

static const char *backbone_choice(int i)
{
    return i == 0 ? "none" : backbone_name(i - 1);
}

static const char *module_choice(int i)
{
    return i == 0 ? "none" : zoo_name(i - 1);
}

_Static_assert((int)MADE_DEPLOY == (int)FORM_DEPLOY, "as in enum Form");
_Static_assert(NDTYPES == 4, "as many as dtype has choices");

Param case_setting(const Param *p)
{
    Param with = *p;

    if (strcmp(p->name, "backbone") == 0)
        with.choice = backbone_choice;
    if (strcmp(p->name, "module") == 0)
        with.choice = module_choice;
    return with;
}

static bool is(const ParamName *name, const char *text)
{
    return strcmp(name->text, text) == 0;
}

void case_defaults(Case *c)
{
    memset(c, 0, sizeof(*c));
    param_defaults(case_params, c);
    param_defaults(case_settings, c);
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
    return (Dtype)c->dtype;
}

const char *case_where(const Case *c)
{
    const Backbone *b = backbone_find(c->backbone.text);

    if (!b || !case_module(c))
        return "";
    return b->where[c->position == AT_OUT ? POSITION_OUT : POSITION_MID];
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

const char *case_renamed(const char *key)
{
    static const char *const renamed[][2] = { { "arm", "copy" } };

    for (size_t i = 0; i < sizeof(renamed) / sizeof(renamed[0]); i++)
        if (strcmp(key, renamed[i][0]) == 0)
            return renamed[i][1];
    return NULL;
}

static int refuse_key(const Case *c, const char *key)
{
    const char *renamed = case_renamed(key);
    const char *near = renamed ? renamed : name_nearest(key, fitting_key, c);
    const Module *m;

    for (int i = 0; (m = zoo_at(i)); i++)
        if (param_find(m->params, key))
            return fail(ERR_INPUT, "%s%s has no setting '%s' (%s has)",
                        case_module(c) ? "" : "module=", c->module.text, key,
                        m->name);
    return fail(ERR_INPUT, "unknown setting '%s'%s%s%s", key,
                near ? "; did you mean '" : "", near ? near : "",
                near ? "'?" : "; 'attnbench list settings' shows them");
}

/* Sets one of the module's settings from the JSON that it is kept as. */
static int set_kept(const Module *m, unsigned char *settings, const cJSON *item)
{
    const Param *p = param_find(m->params, item->string);
    char text[PARAM_TEXT_MAX];

    if (!p)
        return fail(ERR_INPUT, "no setting has this name: '%.40s'",
                    item->string);
    TRY(json_setting(item, text, sizeof(text)));
    return param_set(p, settings, text);
}

static int set_all_kept(const Module *m, unsigned char *settings,
                        const cJSON *json)
{
    if (!cJSON_IsObject(json))
        return fail(ERR_INPUT, "this is not a JSON object");
    for (const cJSON *item = json->child; item; item = item->next)
        TRY(set_kept(m, settings, item));
    return OK;
}

int case_own_settings(const Case *c, unsigned char settings[SETTINGS_MAX])
{
    const Module *m = case_module(c);
    cJSON *json;
    int err;

    memset(settings, 0, SETTINGS_MAX);
    param_defaults(module_params(c), settings);
    if (!m || !*c->settings)
        return OK;
    json = cJSON_Parse(c->settings);
    err = set_all_kept(m, settings, json);
    cJSON_Delete(json);
    return err ? fail_within(err, "%s: stored settings %.80s", m->name,
                             c->settings)
               : OK;
}

double case_module_weights(const Case *c, int channels)
{
    _Alignas(16) unsigned char settings[SETTINGS_MAX];

    BUG_IF(case_own_settings(c, settings));
    return case_module(c)->weights(channels, settings);
}

static void keep_settings(Case *c, const unsigned char *settings)
{
    memset(c->settings, 0, sizeof(c->settings));
    BUG_IF(param_json(module_params(c), settings, c->settings,
                      sizeof(c->settings)) >= sizeof(c->settings));
}

static int set_own(Case *c, const char *key, const char *text)
{
    _Alignas(16) unsigned char settings[SETTINGS_MAX];
    const Param *p = param_find(module_params(c), key);

    if (!p)
        return refuse_key(c, key);
    TRY(case_own_settings(c, settings));
    if (param_set(p, settings, text))
        return fail_within(ERR_INPUT, "%s", c->module.text);
    keep_settings(c, settings);
    return OK;
}

int case_set(Case *c, const char *key, const char *text)
{
    _Alignas(16) unsigned char settings[SETTINGS_MAX] = { 0 };
    const Param *p = param_find(case_params, key);
    Param known;

    if (!p)
        return set_own(c, key, text);
    known = case_setting(p);
    if (strcmp(key, "backend") == 0)
        text = backend_meant(text);
    TRY(param_set(&known, c, text));
    if (strcmp(key, "module") == 0) {
        param_defaults(module_params(c), settings);
        keep_settings(c, settings);
    }
    return OK;
}

/* Channels, height and width where a case leaves them open. */
static void own_size(const Case *c, int size[3])
{
    const Backbone *b = backbone_find(c->backbone.text);

    size[0] = b ? b->channels : ALONE_CHANNELS;
    size[1] = b ? b->height : ALONE_HEIGHT;
    size[2] = b ? b->width : ALONE_WIDTH;
}

/* The position that auto stands for; auto where nothing is plugged in. */
static int usual_position(const Case *c)
{
    const Backbone *b = backbone_find(c->backbone.text);
    const Module *m = case_module(c);

    if (!b || !m)
        return AT_AUTO;
    return b->usual(m) == POSITION_OUT ? AT_OUT : AT_MID;
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
static void forget(Case *c)
{
    if (is(&c->module, "none"))
        c->impl = IMPL_COMPOSED;
    if (is(&c->module, "none") || is(&c->backbone, "none"))
        c->position = AT_AUTO;
    if (is(&c->backbone, "none"))
        c->form = MADE_TRAIN;
    if (!seeds_norms(c))
        c->norm_gain = 0;
}

int case_complete(Case *c)
{
    int size[3], *const field[3] = { &c->channels, &c->height, &c->width };

    if (is(&c->backbone, "none") && is(&c->module, "none"))
        return fail(ERR_INPUT, "nothing to run; give --backbone, --module, "
                               "or both");
    own_size(c, size);
    for (int i = 0; i < 3; i++)
        if (*field[i] == 0)
            *field[i] = size[i];
    forget(c);
    if (c->position == AT_AUTO)
        c->position = usual_position(c);
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
    _Alignas(16) unsigned char settings[SETTINGS_MAX];
    Case open = *c;
    int size[3], *const field[3] = { &open.channels, &open.height,
                                     &open.width };
    size_t n = (size_t)snprintf(text, CASE_TEXT, "attnbench run");

    own_size(c, size);
    for (int i = 0; i < 3; i++)
        if (*field[i] == size[i])
            *field[i] = 0;
    forget(&open);
    if (open.position == usual_position(c))
        open.position = AT_AUTO;
    if (seeds_norms(c) &&
        open.norm_gain ==
            backbone_norm_gain(backbone_find(c->backbone.text), case_module(c)))
        open.norm_gain = 0;
    n += param_flags(case_params, &open, false, text + n, CASE_TEXT - n);
    BUG_IF(n >= CASE_TEXT);
    BUG_IF(case_own_settings(c, settings));
    n +=
        param_flags(module_params(c), settings, false, text + n, CASE_TEXT - n);
    BUG_IF(n >= CASE_TEXT);
    return text;
}

char *case_json(const Case *c, char text[CASE_JSON])
{
    const size_t n = param_json(case_params, c, text, CASE_JSON);

    BUG_IF(n + sizeof(c->settings) + 16 > CASE_JSON);
    snprintf(text + n - 1, CASE_JSON - n, ",\"settings\":%s}", c->settings);
    return text;
}

/* Sets each setting of the module from an object. */
static int set_all_own(Case *c, const cJSON *settings)
{
    char text[PARAM_TEXT_MAX];

    if (!cJSON_IsObject(settings))
        return fail(ERR_INPUT, "settings: expected an object, not %s",
                    json_kind(settings));
    for (const cJSON *item = settings->child; item; item = item->next) {
        TRY(json_setting(item, text, sizeof(text)));
        TRY(set_own(c, item->string, text));
    }
    return OK;
}

/* Sets the case's own; the module comes before its settings, wherever it
 * stands. */
static int set_all(Case *c, const cJSON *root)
{
    const cJSON *settings = NULL;
    char text[PARAM_TEXT_MAX];

    for (int rest = 0; rest < 2; rest++)
        for (const cJSON *item = root->child; item; item = item->next) {
            if (rest == !strcmp(item->string, "module"))
                continue;
            if (!strcmp(item->string, "settings")) {
                settings = item;
                continue;
            }
            if (!param_find(case_params, item->string))
                return fail(ERR_INPUT, "unknown setting '%.40s'", item->string);
            TRY(json_setting(item, text, sizeof(text)));
            TRY(case_set(c, item->string, text));
        }
    return settings ? set_all_own(c, settings) : OK;
}

int case_read_json(Case *c, const char *text)
{
    Json json;
    int err;

    case_defaults(c);
    TRY(json_parse(&json, "case", text));
    err = cJSON_IsObject(json.root)
              ? set_all(c, json.root)
              : fail(ERR_INPUT, "case: expected an object, not %s",
                     json_kind(json.root));
    json_free(&json);
    return err ? err : case_complete(c);
}
