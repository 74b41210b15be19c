/*
 * experiment.c - expands an experiment into its cases.
 *
 * Every setting is an axis: a key and the texts of its values.  The axes of
 * the file, those of one object of "cases", and those of the flags are
 * crossed by recursion, the settings of the case before those of modules, so
 * that the module is known when its own settings come.
 */
#include "harness/experiment.h"

#include <ctype.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/json.h"
#include "kernels/core/err.h"

enum { AXES_MAX = 64 };

typedef struct Axis {
    const char *key;
    char (*value)[PARAM_TEXT_MAX];
    int n;
    const cJSON *item; /* NULL: from a flag         */
    bool list;         /* item is a list of values  */
    bool used;         /* a case has this setting   */
} Axis;

typedef struct Axes {
    Axis at[AXES_MAX];
    int n;
} Axes;

typedef struct Builder {
    Json json; /* path NULL: only flags */
    Experiment *e;
    int capacity;
    Axes top, own, flags; /* own: of the object of "cases" at hand */
    const cJSON *object;  /* that object, or the root              */
} Builder;

static void axes_free(Axes *axes)
{
    for (int i = 0; i < axes->n; i++)
        free(axes->at[i].value);
    axes->n = 0;
}

static Axis *axes_find(Axes *axes, const char *key)
{
    for (int i = 0; i < axes->n; i++)
        if (strcmp(axes->at[i].key, key) == 0)
            return &axes->at[i];
    return NULL;
}

/* What describes a key: the case's table, else that of the first module
 * that has it; NULL if nothing has. */
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

static int refuse_key(const Builder *b, const cJSON *item)
{
    const char *near = name_nearest(item->string, known_key, NULL);

    return json_fail(&b->json, item, "there is no setting '%.60s'%s%s%s",
                     item->string, near ? "; did you mean '" : "",
                     near ? near : "",
                     near ? "'?" : "; 'attnbench list settings' shows them");
}

/* ---- values ---------------------------------------------------------- */

/* A JSON scalar as the text that param_set reads. */
static int scalar_text(const Builder *b, const cJSON *axis, const Param *p,
                       const cJSON *item, char text[PARAM_TEXT_MAX])
{
    const bool name = p->kind == PARAM_KIND_NAME;
    const double v = item->valuedouble;

    if (name ? !cJSON_IsString(item) : !cJSON_IsNumber(item))
        return json_fail(&b->json, cJSON_IsArray(axis) ? item : axis,
                         "%s wants %s, got %s", p->name,
                         name ? "a string" : "an integer", json_kind(item));
    if (name && strlen(item->valuestring) >= PARAM_NAME_MAX)
        return json_fail(&b->json, cJSON_IsArray(axis) ? item : axis,
                         "%s: '%.20s...' is longer than %d characters", p->name,
                         item->valuestring, PARAM_NAME_MAX - 1);
    if (!name && (v != floor(v) || fabs(v) > INT_MAX))
        return json_fail(&b->json, cJSON_IsArray(axis) ? item : axis,
                         fabs(v) > INT_MAX ? "%s=%.12g is out of range"
                                           : "%s=%.12g is not an integer",
                         p->name, v);
    if (name)
        snprintf(text, PARAM_TEXT_MAX, "%s", item->valuestring);
    else
        snprintf(text, PARAM_TEXT_MAX, "%.0f", v);
    return OK;
}

/* [3,5,7,9] as "3,5,7,9". */
static int ints_text(const Builder *b, const cJSON *axis, const Param *p,
                     const cJSON *list, char text[PARAM_TEXT_MAX])
{
    const cJSON *item;
    size_t n = 0;

    if (!cJSON_IsArray(list))
        return scalar_text(b, axis, p, list, text);
    if (!list->child)
        return json_fail(&b->json, list, "%s: an empty list", p->name);
    if (cJSON_GetArraySize(list) > PARAM_INTS_MAX)
        return json_fail(&b->json, list, "%s: more than %d values", p->name,
                         PARAM_INTS_MAX);
    text[0] = '\0';
    cJSON_ArrayForEach(item, list)
    {
        char one[PARAM_TEXT_MAX];

        TRY(scalar_text(b, list, p, item, one));
        n += (size_t)snprintf(text + n, PARAM_TEXT_MAX - n, "%s%s",
                              n ? "," : "", one);
    }
    return OK;
}

static int value_text(const Builder *b, const cJSON *axis, const Param *p,
                      const cJSON *item, char text[PARAM_TEXT_MAX])
{
    if (p->kind == PARAM_KIND_INTS)
        return ints_text(b, axis, p, item, text);
    return scalar_text(b, axis, p, item, text);
}

/* Whether an item is a list of values, not one value. */
static bool is_list(const Param *p, const cJSON *item)
{
    if (p->kind != PARAM_KIND_INTS)
        return cJSON_IsArray(item);
    return cJSON_IsArray(item) && cJSON_IsArray(item->child);
}

static int read_axis(const Builder *b, Axes *axes, const cJSON *item)
{
    const Param *p = find_setting(item->string);
    const cJSON *v = item;
    Axis *axis = &axes->at[axes->n];
    bool list;
    int n = 1;

    if (!p)
        return refuse_key(b, item);
    list = is_list(p, item);
    if (list) {
        n = cJSON_GetArraySize(item);
        v = item->child;
    }
    if (n == 0)
        return json_fail(&b->json, item, "%s: an empty list", p->name);
    if (n > EXPERIMENT_CASES_MAX)
        return json_fail(&b->json, item,
                         "%s: %d values make more than %d "
                         "cases",
                         p->name, n, EXPERIMENT_CASES_MAX);
    if (axes->n == AXES_MAX)
        return json_fail(&b->json, item, "more than %d settings", AXES_MAX);
    *axis = (Axis){ .key = p->name, .item = item, .list = list };
    axis->value = calloc((size_t)n, sizeof(*axis->value));
    BUG_IF(!axis->value);
    axes->n++;
    for (; axis->n < n; axis->n++, v = v->next) {
        char *text = axis->value[axis->n];

        TRY(value_text(b, item, p, v, text));
        for (int i = 0; i < axis->n; i++)
            if (strcmp(axis->value[i], text) == 0)
                return json_fail(&b->json, v,
                                 "%s: %s is in the list twice; 'arm' tells "
                                 "copies apart",
                                 p->name, text);
    }
    return OK;
}

/* A flag's value is a list unless the setting is one: --channels=64,128. */
static int read_flag(Axes *axes, const Flag *flag)
{
    const Param *p = find_setting(flag->name);
    const bool split = p && p->kind != PARAM_KIND_INTS;
    const char *at = flag->value;
    Axis *axis = axes_find(axes, flag->name);
    int n = 1;

    if (!p) /* flags.c knows the same keys: a bug if it let this through */
        return fail(ERR_INPUT, "there is no setting '%s'", flag->name);
    for (const char *c = at; split && *c; c++)
        n += *c == ',';
    if (axis) /* given twice: the last one counts, as everywhere */
        free(axis->value);
    else if (axes->n == AXES_MAX)
        return fail(ERR_INPUT, "more than %d settings", AXES_MAX);
    else
        axis = &axes->at[axes->n++];
    *axis = (Axis){ .key = p->name };
    axis->value = calloc((size_t)n, sizeof(*axis->value));
    BUG_IF(!axis->value);
    for (; axis->n < n; axis->n++) {
        const size_t len = split ? strcspn(at, ",") : strlen(at);

        if (len >= PARAM_TEXT_MAX)
            return fail(ERR_INPUT, "%s: '%.20s...' is too long", p->name, at);
        memcpy(axis->value[axis->n], at, len);
        at += len + (at[len] == ',');
    }
    return OK;
}

/* ---- expansion ------------------------------------------------------- */

static int located(const Builder *b, const cJSON *item, int err)
{
    char what[512];

    if (!item)
        return err;
    snprintf(what, sizeof(what), "%s", err_message());
    return json_fail(&b->json, item, "%s", what);
}

static int add_case(Builder *b, const Case *c)
{
    Experiment *e = b->e;
    Case full = *c;

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

static int expand(Builder *b, Axis *const *axis, const Case *c)
{
    Axis *a = *axis;

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

        if (case_set(&next, a->key, a->value[i]))
            return located(b,
                           a->list ? cJSON_GetArrayItem(a->item, i) : a->item,
                           ERR_INPUT);
        TRY(expand(b, axis + 1, &next));
    }
    return OK;
}

/* Crosses what the file says at the top, what the object of "cases" at hand
 * says, and the flags, which replace both. */
static int cross(Builder *b)
{
    Axes *const from[] = { &b->top, &b->own, &b->flags };
    Axis *order[3 * AXES_MAX + 1];
    int n = 0;
    Case c;

    for (int module = 0; module < 2; module++)
        for (int k = 0; k < 3; k++)
            for (int i = 0; i < from[k]->n; i++) {
                Axis *a = &from[k]->at[i];
                const bool replaced =
                    k < 2 && axes_find(&b->flags, a->key) != NULL;

                if (replaced)
                    a->used = true;
                else if (module == !param_find(case_params, a->key))
                    order[n++] = a;
            }
    order[n] = NULL;
    case_defaults(&c);
    return expand(b, order, &c);
}

/* A module's setting that no module listed has. */
static int check_used(const Builder *b, const Axes *axes)
{
    const Module *m;
    char who[256] = "";

    for (int i = 0; i < axes->n; i++) {
        const Axis *a = &axes->at[i];

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
                         "cases wants a list of objects, got %s",
                         json_kind(list));
    if (!list->child)
        return json_fail(&b->json, list, "cases: an empty list");
    cJSON_ArrayForEach(object, list)
    {
        if (!cJSON_IsObject(object))
            return json_fail(&b->json, object,
                             "cases wants a list of objects, got %s in it",
                             json_kind(object));
        axes_free(&b->own);
        cJSON_ArrayForEach(item, object)
        {
            TRY(read_axis(b, &b->own, item));
            if (axes_find(&b->top, item->string))
                return json_fail(&b->json, item,
                                 "'%s' stands both in a case and outside it",
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
        return json_fail(&b->json, item, "%s wants a string, got %s",
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
            TRY(read_axis(b, &b->top, item));
        }
    }
    if (!b->e->experiment[0])
        return json_fail(&b->json, root,
                         "the key 'experiment' is missing: "
                         "what is it called?");
    b->object = root;
    return cases ? read_cases(b, cases) : cross(b);
}

/* ---- the list -------------------------------------------------------- */

typedef struct Key {
    uint64_t hash;
    int i;
} Key;

static uint64_t hash_text(const char *text, uint64_t h)
{
    for (; *text; text++) /* FNV-1a */
        h = (h ^ (unsigned char)*text) * 0x100000001B3u;
    return h;
}

static int by_hash(const void *a, const void *b)
{
    const Key *x = a, *y = b;

    return x->hash != y->hash ? (x->hash < y->hash ? -1 : 1) : x->i - y->i;
}

/* Of equal cases the first stays.  They come from objects of "cases" that
 * overlap, or from flags that replaced what told them apart. */
static void drop_copies(Experiment *e)
{
    Key *key = malloc((size_t)e->ncases * sizeof(*key));
    bool *copy = calloc((size_t)e->ncases, sizeof(*copy));
    char text[CASE_TEXT];
    int n = 0;

    BUG_IF(!key || !copy);
    for (int i = 0; i < e->ncases; i++)
        key[i] = (Key){
            hash_text(case_print(&e->cases[i], text), 0xCBF29CE484222325u), i
        };
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
    uint64_t h = hash_text(e->experiment, 0xCBF29CE484222325u);
    char text[CASE_TEXT];

    for (int i = 0; i < e->ncases; i++)
        h = hash_text(case_print(&e->cases[i], text), h);
    snprintf(e->cases_hash, sizeof(e->cases_hash), "%016llx",
             (unsigned long long)h);
}

static int build(Builder *b, const char *path, const Flag *flags, int nflags)
{
    for (int i = 0; i < nflags; i++)
        TRY(read_flag(&b->flags, &flags[i]));
    if (path) {
        TRY(json_read(&b->json, path));
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
    axes_free(&b.top);
    axes_free(&b.own);
    axes_free(&b.flags);
    json_free(&b.json);
    if (err) {
        experiment_free(e);
        return err;
    }
    drop_copies(e);
    hash_cases(e);
    return OK;
}

void experiment_free(Experiment *e)
{
    free(e->cases);
    e->cases = NULL;
    e->ncases = 0;
}
