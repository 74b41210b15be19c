/*
 * setting_values.c - reads settings and their values as texts.
 */
#include "harness/experiments/setting_values.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/devices/backends.h"
#include "harness/experiments/experiment.h"
#include "harness/network/case.h"
#include "kernels/core/err.h"

void setting_lists_free(SettingLists *axes)
{
    for (int i = 0; i < axes->n; i++)
        free(axes->at[i].value);
    axes->n = 0;
}

SettingValues *setting_lists_find(SettingLists *axes, const char *key)
{
    for (int i = 0; i < axes->n; i++)
        if (strcmp(axes->at[i].key, key) == 0)
            return &axes->at[i];
    return NULL;
}

/* Param of a key: from the case's table, else from the first module that has
 * it; NULL if none has. */
static const Param *find_setting(const char *key)
{
    const Param *p = param_find(case_params, key);
    const Module *m;

    for (int i = 0; !p && (m = zoo_at(i)); i++)
        p = param_find(m->params, key);
    return p;
}

static const char *known_key(const void *arg, int i)
{
    static const char *const own[] = { "experiment", "question", "cases" };

    (void)arg;
    return i < 3 ? own[i] : case_key(i - 3);
}

static int refuse_key(const Json *j, const cJSON *item)
{
    const char *renamed = case_renamed(item->string);
    const char *near =
        renamed ? renamed : name_nearest(item->string, known_key, NULL);

    return json_fail(j, item, "unknown setting '%.60s'%s%s%s", item->string,
                     near ? "; did you mean '" : "", near ? near : "",
                     near ? "'?" : "; 'attnbench list settings' shows them");
}

/* A JSON scalar as the text that param_set reads. */
static int scalar_text(const Json *j, const cJSON *axis, const Param *p,
                       const cJSON *item, char text[PARAM_TEXT_MAX])
{
    const bool file = p->kind == PARAM_KIND_FILE;
    const bool name = p->choice || p->kind == PARAM_KIND_NAME || file;
    const int longest = (file ? PARAM_FILE_MAX : PARAM_NAME_MAX) - 1;
    const bool real = p->kind == PARAM_KIND_REAL;
    const double v = item->valuedouble;

    if (name ? !cJSON_IsString(item) : !cJSON_IsNumber(item))
        return json_fail(j, cJSON_IsArray(axis) ? item : axis,
                         "%s needs %s, got %s", p->name,
                         name   ? "a string"
                         : real ? "a number"
                                : "an integer",
                         json_kind(item));
    if (name && strlen(item->valuestring) > (size_t)longest)
        return json_fail(j, cJSON_IsArray(axis) ? item : axis,
                         "%s: '%.20s...' is longer than %d characters", p->name,
                         item->valuestring, longest);
    if (!name && !real && (v != floor(v) || fabs(v) > INT_MAX))
        return json_fail(j, cJSON_IsArray(axis) ? item : axis,
                         fabs(v) > INT_MAX ? "%s=%.12g is out of range"
                                           : "%s=%.12g is not an integer",
                         p->name, v);
    if (name)
        snprintf(text, PARAM_TEXT_MAX, "%s", item->valuestring);
    else
        snprintf(text, PARAM_TEXT_MAX, real ? "%.15g" : "%.0f", v);
    return OK;
}

/* [3,5,7,9] as "3,5,7,9". */
static int ints_text(const Json *j, const cJSON *axis, const Param *p,
                     const cJSON *list, char text[PARAM_TEXT_MAX])
{
    const cJSON *item;
    size_t n = 0;

    if (!cJSON_IsArray(list))
        return scalar_text(j, axis, p, list, text);
    if (!list->child)
        return json_fail(j, list, "%s: an empty list", p->name);
    if (cJSON_GetArraySize(list) > PARAM_INTS_MAX)
        return json_fail(j, list, "%s: more than %d values", p->name,
                         PARAM_INTS_MAX);
    text[0] = '\0';
    cJSON_ArrayForEach(item, list)
    {
        char one[PARAM_TEXT_MAX];

        TRY(scalar_text(j, list, p, item, one));
        n += (size_t)snprintf(text + n, PARAM_TEXT_MAX - n, "%s%s",
                              n ? "," : "", one);
    }
    return OK;
}

static int value_text(const Json *j, const cJSON *axis, const Param *p,
                      const cJSON *item, char text[PARAM_TEXT_MAX])
{
    if (p->kind == PARAM_KIND_INTS)
        return ints_text(j, axis, p, item, text);
    return scalar_text(j, axis, p, item, text);
}

/* True if an item is a list of values, not one value. */
static bool is_list(const Param *p, const cJSON *item)
{
    if (p->kind != PARAM_KIND_INTS)
        return cJSON_IsArray(item);
    return cJSON_IsArray(item) && cJSON_IsArray(item->child);
}

/* A device is opened to find out which backend is the best: once for all of an
 * experiment's cases, not once for each. */
static void set_backend(const Param *p, char text[PARAM_TEXT_MAX])
{
    const char *meant =
        strcmp(p->name, "backend") == 0 ? backend_meant(text) : text;

    if (meant != text)
        snprintf(text, PARAM_TEXT_MAX, "%s", meant);
}

static bool is_module(const Param *p)
{
    return strcmp(p->name, "module") == 0;
}

/* Room for n values, of which some may be ALL_MODULES. */
static void make_room(SettingValues *axis, const Param *p, int n)
{
    int all = 0;

    while (is_module(p) && zoo_at(all))
        all++;
    axis->value = calloc((size_t)(n + all), sizeof(*axis->value));
    BUG_IF(!axis->value);
}

static bool has_value(const SettingValues *axis, const char *text)
{
    for (int i = 0; i < axis->n; i++)
        if (strcmp(axis->value[i].text, text) == 0)
            return true;
    return false;
}

static void add_value(SettingValues *axis, const char *text, const cJSON *item)
{
    AxisValue *v = &axis->value[axis->n++];

    snprintf(v->text, sizeof(v->text), "%s", text);
    v->item = item;
}

/* Adds the modules that are not there yet where the text is ALL_MODULES. */
static bool add_all(SettingValues *axis, const Param *p, const char *text,
                    const cJSON *item)
{
    if (!is_module(p) || strcmp(text, ALL_MODULES) != 0)
        return false;
    for (int i = 0; zoo_at(i); i++)
        if (!has_value(axis, zoo_name(i)))
            add_value(axis, zoo_name(i), item);
    return true;
}

/* Adds one value of a file, v, or all that it stands for. */
static int read_value(SettingValues *axis, const Json *j, const Param *p,
                      const cJSON *v)
{
    const cJSON *item = axis->item;
    const cJSON *at = is_list(p, item) ? v : item;
    char text[PARAM_TEXT_MAX];

    TRY(value_text(j, item, p, v, text));
    if (add_all(axis, p, text, at))
        return OK;
    set_backend(p, text);
    if (has_value(axis, text))
        return json_fail(j, v,
                         "%s: %s is in the list twice; give copies different "
                         "values of 'arm'",
                         p->name, text);
    add_value(axis, text, at);
    return OK;
}

int setting_lists_read(SettingLists *axes, const Json *j, const cJSON *item)
{
    const Param *p = find_setting(item->string);
    const cJSON *v = item;
    SettingValues *axis = &axes->at[axes->n];
    int n = 1;

    if (!p)
        return refuse_key(j, item);
    if (is_list(p, item)) {
        n = cJSON_GetArraySize(item);
        v = item->child;
    }
    if (n == 0)
        return json_fail(j, item, "%s: an empty list", p->name);
    if (n > EXPERIMENT_CASES_MAX)
        return json_fail(j, item,
                         "%s: %d values make more than %d "
                         "cases",
                         p->name, n, EXPERIMENT_CASES_MAX);
    if (axes->n == SETTING_LISTS_MAX)
        return json_fail(j, item, "more than %d settings", SETTING_LISTS_MAX);
    *axis = (SettingValues){ .key = p->name, .item = item };
    make_room(axis, p, n);
    axes->n++;
    for (int i = 0; i < n; i++, v = v->next)
        TRY(read_value(axis, j, p, v));
    return OK;
}

/* A file's name with a comma in it looks like a list. */
static int check_part(const Param *p, const char *part, const char *whole)
{
    if (p->kind != PARAM_KIND_FILE || strcmp(part, p->initial) == 0 ||
        access(part, F_OK) == 0)
        return OK;
    return fail(ERR_INPUT,
                "--%s=%s: no file '%s' (commas separate files); if the comma "
                "is part of the name, use a symlink without one",
                p->name, whole, part);
}

/* A flag's value is a list unless the setting is one: --channels=64,128. */
int setting_lists_flag(SettingLists *axes, const Flag *flag)
{
    const Param *p = find_setting(flag->name);
    const bool split = p && p->kind != PARAM_KIND_INTS;
    const char *at = flag->value;
    SettingValues *axis = setting_lists_find(axes, flag->name);
    char text[PARAM_TEXT_MAX];
    int n = 1;

    if (!p) /* flags.c knows the same keys: a bug if it let this through */
        return fail(ERR_INPUT, "unknown setting '%s'", flag->name);
    for (const char *c = at; split && *c; c++)
        n += *c == ',';
    if (axis) /* given twice: the last one counts, as everywhere */
        free(axis->value);
    else if (axes->n == SETTING_LISTS_MAX)
        return fail(ERR_INPUT, "more than %d settings", SETTING_LISTS_MAX);
    else
        axis = &axes->at[axes->n++];
    *axis = (SettingValues){ .key = p->name };
    make_room(axis, p, n);
    for (int i = 0; i < n; i++) {
        const size_t len = split ? strcspn(at, ",") : strlen(at);

        if (len >= PARAM_TEXT_MAX)
            return fail(ERR_INPUT, "%s: '%.20s...' is too long", p->name, at);
        snprintf(text, sizeof(text), "%.*s", (int)len, at);
        if (n > 1)
            TRY(check_part(p, text, flag->value));
        if (!add_all(axis, p, text, NULL)) {
            set_backend(p, text);
            add_value(axis, text, NULL);
        }
        at += len + (at[len] == ',');
    }
    return OK;
}
