/*
 * experiment.c - expands an experiment into its cases.
 *
 * Every setting is an axis: a key and the texts of its values.  The axes of
 * the file, those of one object of "cases", and those of the flags are
 * crossed by recursion, the settings of the case before those of modules, so
 * that the module is known when its own settings come.
 */
#include "harness/experiments/experiment.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/experiments/carried.h"
#include "harness/experiments/setting_values.h"
#include "harness/files/hash.h"
#include "harness/files/json.h"
#include "kernels/core/err.h"

typedef struct Builder {
    Json json; /* path NULL: only flags */
    Experiment *e;
    int capacity;
    SettingLists top, own, flags; /* own: of the object of "cases" at hand */
    const cJSON *object;          /* that object, or the root              */
    bool any_impl;                /* skips fused where a module has none     */
} Builder;

/* ---- expansion ------------------------------------------------------- */

static int located(const Builder *b, const cJSON *item, int err)
{
    char what[512];

    if (!item)
        return err;
    snprintf(what, sizeof(what), "%s", err_message());
    return json_fail(&b->json, item, "%s", what);
}

static bool is_void(const Builder *b, const Case *c)
{
    const Module *m = case_module(c);

    return b->any_impl && c->impl == IMPL_FUSED && !(m && zoo_can_fuse(m));
}

static int add_case(Builder *b, const Case *c)
{
    Experiment *e = b->e;
    Case full = *c;

    if (is_void(b, c))
        return OK;

    if (e->ncases == EXPERIMENT_CASES_MAX) {
        const char *what = "lists multiply to more than";

        return b->object
                   ? json_fail(&b->json, b->object, "%s %d cases", what,
                               EXPERIMENT_CASES_MAX)
                   : fail(ERR_INPUT, "%s %d cases", what, EXPERIMENT_CASES_MAX);
    }
    if (case_complete(&full))
        return located(b, b->object, ERR_INPUT);
    if (e->ncases == b->capacity) {
        b->capacity = b->capacity ? 2 * b->capacity : 64;
        e->cases = realloc(e->cases, (size_t)b->capacity * sizeof(Case));
        BUG_IF(!e->cases);
    }
    e->cases[e->ncases++] = full;
    return OK;
}

static int expand(Builder *b, SettingValues *const *axis, const Case *c)
{
    SettingValues *a = *axis;

    if (!a)
        return add_case(b, c);
    if (!param_find(case_params, a->key)) {
        const Module *m = case_module(c);

        if (!m || !param_find(m->params, a->key))
            return expand(b, axis + 1, c);
    }
    a->used = true;
    for (int i = 0; i < a->n; i++) {
        Case next = *c;

        if (case_set(&next, a->key, a->value[i].text))
            return located(b, a->value[i].item, ERR_INPUT);
        TRY(expand(b, axis + 1, &next));
    }
    return OK;
}

/* Crosses what the file says at the top, what the object of "cases" at hand
 * says, and the flags, which replace both. */
static int cross(Builder *b)
{
    SettingLists *const from[] = { &b->top, &b->own, &b->flags };
    SettingValues *order[3 * SETTING_LISTS_MAX + 1];
    int n = 0;
    Case c;

    b->any_impl = false;
    for (int module = 0; module < 2; module++)
        for (int k = 0; k < 3; k++)
            for (int i = 0; i < from[k]->n; i++) {
                SettingValues *a = &from[k]->at[i];
                const bool replaced =
                    k < 2 && setting_lists_find(&b->flags, a->key) != NULL;

                if (replaced)
                    a->used = true;
                else if (module == !param_find(case_params, a->key))
                    order[n++] = a;
                if (!replaced && strcmp(a->key, "impl") == 0)
                    b->any_impl = a->n > 1;
            }
    order[n] = NULL;
    case_defaults(&c);
    return expand(b, order, &c);
}

/* A module's setting that no module listed has. */
static int check_used(const Builder *b, const SettingLists *axes)
{
    const Module *m;
    char who[256] = "";

    for (int i = 0; i < axes->n; i++) {
        const SettingValues *a = &axes->at[i];

        if (a->used)
            continue;
        for (int k = 0; (m = zoo_at(k)); k++)
            if (param_find(m->params, a->key))
                snprintf(who + strlen(who), sizeof(who) - strlen(who), "%s%s",
                         who[0] ? ", " : "", m->name);
        fail(ERR_INPUT, "no module here has a setting '%s'; these have: %s",
             a->key, who);
        return located(b, a->item, ERR_INPUT);
    }
    return OK;
}

static int read_cases(Builder *b, const cJSON *list)
{
    const cJSON *object, *item;

    if (!cJSON_IsArray(list))
        return json_fail(&b->json, list,
                         "cases needs a list of objects, got %s",
                         json_kind(list));
    if (!list->child)
        return json_fail(&b->json, list, "cases: an empty list");
    cJSON_ArrayForEach(object, list)
    {
        if (!cJSON_IsObject(object))
            return json_fail(&b->json, object,
                             "cases needs a list of objects, got %s in it",
                             json_kind(object));
        setting_lists_free(&b->own);
        cJSON_ArrayForEach(item, object)
        {
            TRY(setting_lists_read(&b->own, &b->json, item));
            if (setting_lists_find(&b->top, item->string))
                return json_fail(&b->json, item,
                                 "'%s' is set both in a case and outside it",
                                 item->string);
        }
        b->object = object;
        TRY(cross(b));
        TRY(check_used(b, &b->own));
    }
    return OK;
}

static int read_text(const Builder *b, const cJSON *item, char *text,
                     size_t size)
{
    if (!cJSON_IsString(item))
        return json_fail(&b->json, item, "%s needs a string, got %s",
                         item->string, json_kind(item));
    if (strlen(item->valuestring) >= size)
        return json_fail(&b->json, item, "%s is longer than %zu bytes",
                         item->string, size - 1);
    snprintf(text, size, "%s", item->valuestring);
    return OK;
}

/* The name is used in file names and on command lines. */
static int check_name(const Builder *b, const cJSON *item)
{
    const char *text = b->e->experiment;

    for (const char *p = text; *p; p++)
        if (!islower((unsigned char)*p) && !isdigit((unsigned char)*p) &&
            *p != '_')
            return json_fail(&b->json, item,
                             "experiment '%s' may have a-z, 0-9 and _ only",
                             text);
    return *text ? OK : json_fail(&b->json, item, "experiment has no name");
}

static int read_object(Builder *b)
{
    const cJSON *root = b->json.root, *item, *cases = NULL;

    if (!cJSON_IsObject(root))
        return json_fail(&b->json, root, "an experiment is an object, not %s",
                         json_kind(root));
    cJSON_ArrayForEach(item, root)
    {
        if (strcmp(item->string, "experiment") == 0) {
            TRY(read_text(b, item, b->e->experiment, sizeof(b->e->experiment)));
            TRY(check_name(b, item));
        } else if (strcmp(item->string, "question") == 0) {
            TRY(read_text(b, item, b->e->question, sizeof(b->e->question)));
        } else if (strcmp(item->string, "cases") == 0) {
            cases = item;
        } else {
            TRY(setting_lists_read(&b->top, &b->json, item));
        }
    }
    if (!b->e->experiment[0])
        return json_fail(&b->json, root,
                         "missing key \"experiment\" (a name for this "
                         "experiment)");
    b->object = root;
    return cases ? read_cases(b, cases) : cross(b);
}

/* ---- the list -------------------------------------------------------- */

typedef struct Key {
    uint64_t hash;
    int i;
} Key;

static uint64_t hash_of(const char *text, uint64_t h)
{
    return hash_bytes(h, text, strlen(text));
}

static int by_hash(const void *a, const void *b)
{
    const Key *x = a, *y = b;

    return x->hash != y->hash ? (x->hash < y->hash ? -1 : 1) : x->i - y->i;
}

/* Keeps the first of equal cases.  They come from objects of "cases" that
 * overlap, or from flags that replaced what told them apart. */
static void drop_copies(Experiment *e)
{
    Key *key = malloc((size_t)e->ncases * sizeof(*key));
    bool *copy = calloc((size_t)e->ncases, sizeof(*copy));
    char text[CASE_TEXT];
    int n = 0;

    BUG_IF(!key || !copy);
    for (int i = 0; i < e->ncases; i++)
        key[i] =
            (Key){ hash_of(case_print(&e->cases[i], text), HASH_START), i };
    qsort(key, (size_t)e->ncases, sizeof(*key), by_hash);
    for (int i = 1; i < e->ncases; i++)
        copy[key[i].i] = key[i].hash == key[i - 1].hash;
    for (int i = 0; i < e->ncases; i++)
        if (!copy[i])
            e->cases[n++] = e->cases[i];
    e->ncases = n;
    free(copy);
    free(key);
}

static void hash_cases(Experiment *e)
{
    uint64_t h = hash_of(e->experiment, HASH_START);
    char text[CASE_TEXT];

    for (int i = 0; i < e->ncases; i++)
        h = hash_of(case_print(&e->cases[i], text), h);
    hash_text(e->cases_hash, h);
}

static int build(Builder *b, const char *path, const Flag *flags, int nflags)
{
    for (int i = 0; i < nflags; i++)
        TRY(setting_lists_flag(&b->flags, &flags[i]));
    if (path) {
        TRY(carried_read(&b->json, path));
        TRY(read_object(b));
        TRY(check_used(b, &b->top));
    } else {
        snprintf(b->e->experiment, sizeof(b->e->experiment), "flags");
        TRY(cross(b));
    }
    return check_used(b, &b->flags);
}

int experiment_read(Experiment *e, const char *path, const Flag *flags,
                    int nflags)
{
    Builder b = { .e = e };
    int err;

    memset(e, 0, sizeof(*e));
    err = build(&b, path, flags, nflags);
    setting_lists_free(&b.top);
    setting_lists_free(&b.own);
    setting_lists_free(&b.flags);
    json_free(&b.json);
    if (err) {
        experiment_free(e);
        return err;
    }
    drop_copies(e);
    hash_cases(e);
    return OK;
}

void experiment_of_cases(Experiment *e, const char *name, const char *question,
                         const Case *cases, int n)
{
    *e = (Experiment){ .ncases = n };
    snprintf(e->experiment, sizeof(e->experiment), "%s", name);
    snprintf(e->question, sizeof(e->question), "%s", question);
    e->cases = malloc((size_t)(n + 1) * sizeof(Case));
    BUG_IF(!e->cases);
    memcpy(e->cases, cases, (size_t)n * sizeof(Case));
    drop_copies(e);
    hash_cases(e);
}

void experiment_free(Experiment *e)
{
    free(e->cases);
    e->cases = NULL;
    e->ncases = 0;
}
