/*
 * slice.c - columns of runs by name: comparing, choosing, refusing to mix.
 */
#include "analysis/slice.h"

#include <ctype.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"

/* The i-th field that tells cases apart, and where its struct stands in a Run:
 * the source, then the case's. */
static const Param *column_at(int i, size_t *at)
{
    static const Param *const tables[] = { case_params, case_settings };

    if (i == 0)
        return run_field_find("source", at);
    *at = offsetof(Run, c);
    for (int k = 0; k < 2; k++)
        for (const Param *p = tables[k]; p->name; p++)
            if (--i == 0)
                return p;
    return NULL;
}

const char *slice_column(int i)
{
    size_t at;
    const Param *p = i < 0 ? NULL : column_at(i, &at);

    return p ? p->name : NULL;
}

static const Param *find(const char *name, size_t *at)
{
    const Param *p;

    for (int i = 0; (p = column_at(i, at)); i++)
        if (strcmp(p->name, name) == 0)
            return p;
    return NULL;
}

static bool equal(const Run *a, const Run *b, const Param *p, size_t at)
{
    return param_equal(p, (const char *)a + at, (const char *)b + at);
}

char *slice_value(const Run *r, const char *column, char text[SLICE_TEXT])
{
    size_t at;
    const Param *p = find(column, &at);

    text[0] = '\0';
    return p ? param_text(p, (const char *)r + at, text) : text;
}

static bool listed(const char *name, const char *const *list)
{
    for (; list && *list; list++)
        if (strcmp(name, *list) == 0)
            return true;
    return false;
}

bool slice_same(const Run *a, const Run *b, const char *const *except)
{
    const Param *p;
    size_t at;

    for (int i = 0; (p = column_at(i, &at)); i++)
        if (!equal(a, b, p, at) && !listed(p->name, except))
            return false;
    return true;
}

static const char *column_name(const void *arg, int i)
{
    (void)arg;
    return slice_column(i);
}

static int no_column(const char *name)
{
    const char *near = name_nearest(name, column_name, NULL);

    return fail(ERR_INPUT, "runs have no column '%s'%s%s%s", name,
                near ? "; did you mean '" : "", near ? near : "",
                near ? "'?" : "");
}

/* The value of "key" in {"reduction":16,"kernels":[3,5]}: "16", "3,5"; false
 * if it is not there. */
static bool setting_value(const char *settings, const char *key,
                          char text[SLICE_TEXT])
{
    char quoted[PARAM_NAME_MAX + 4];
    const char *at, *end;

    snprintf(quoted, sizeof(quoted), "\"%.64s\":", key);
    at = strstr(settings, quoted);
    if (!at)
        return false;
    at += strlen(quoted);
    end = *at == '[' || *at == '"' ? strpbrk(at + 1, "]\"")
                                   : at + strcspn(at, ",}");
    at += *at == '[' || *at == '"';
    snprintf(text, SLICE_TEXT, "%.*s", end ? (int)(end - at) : 0, at);
    return true;
}

/* Value of a run under a name: a column's, or its module's setting. */
static bool named_value(const Run *r, const char *name, char text[SLICE_TEXT])
{
    size_t at;

    if (!find(name, &at))
        return setting_value(r->c.settings, name, text);
    slice_value(r, name, text);
    return true;
}

static bool any_has(const RunList *list, const char *name)
{
    char value[SLICE_TEXT];

    for (int i = 0; i < list->n; i++)
        if (named_value(&list->at[i], name, value))
            return true;
    return false;
}

/* The values of that name that the list has, each once: "1, 8". */
static void print_values(const RunList *list, const char *name, char *text,
                         size_t size)
{
    char value[SLICE_TEXT], other[SLICE_TEXT];
    size_t used = 0;

    text[0] = '\0';
    for (int i = 0; i < list->n && used < size; i++) {
        bool seen = !named_value(&list->at[i], name, value);

        for (int k = 0; k < i && !seen; k++)
            seen =
                named_value(&list->at[k], name, other) && !strcmp(value, other);
        if (!seen)
            used += (size_t)snprintf(text + used, size - used, "%s%s",
                                     used ? ", " : "", value);
    }
}

/* Moves run i to place to, or drops it. */
static void settle(RunList *list, int i, bool keep, int *kept)
{
    if (!keep) {
        run_free_samples(&list->at[i]);
    } else if ((*kept)++ != i) {
        list->at[*kept - 1] = list->at[i];
    }
}

/* True if value is one of "8,16", or all of it, as settings may be. */
static bool among(const char *value, const char *list)
{
    const size_t n = strlen(value);

    if (strcmp(value, list) == 0)
        return true;
    for (const char *at = list; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strcspn(at, ",") == n && strncmp(at, value, n) == 0)
            return true;
    }
    return false;
}

bool slice_wants(const Wanted *w, const char *value)
{
    if (strcmp(w->column, "module") == 0 && among("all", w->value) &&
        strcmp(value, "none") != 0)
        return true;
    return among(value, w->value);
}

int slice_keep(RunList *list, const Wanted *wanted, int n)
{
    char value[SLICE_TEXT], values[SLICE_TEXT];

    for (int k = 0; k < n && list->n; k++) {
        const Wanted *w = &wanted[k];
        const int had = list->n;
        bool found = false;
        int kept = 0;

        if (!any_has(list, w->column))
            return no_column(w->column);
        print_values(list, w->column, values, sizeof(values));
        for (int i = 0; i < had; i++) {
            const bool has = named_value(&list->at[i], w->column, value);
            const bool keep = !has || slice_wants(w, value);

            found |= has && keep;
            settle(list, i, keep, &kept);
        }
        list->n = kept;
        if (!found)
            return fail(ERR_INPUT, "no run has %s=%s; the runs have %s",
                        w->column, w->value, values);
    }
    return OK;
}

int slice_single(const RunList *list, const char *const *axes)
{
    char values[SLICE_TEXT];
    const Param *c;
    size_t at;

    for (int k = 0; (c = column_at(k, &at)); k++) {
        for (int i = 1; i < list->n && !listed(c->name, axes); i++) {
            if (equal(&list->at[0], &list->at[i], c, at))
                continue;
            print_values(list, c->name, values, sizeof(values));
            return fail(ERR_INPUT,
                        "experiment '%s' has more than one %s (%s); choose "
                        "with --%s=",
                        list->at[0].experiment, c->name, values, c->name);
        }
    }
    return OK;
}

bool slice_settings_matter(const RunList *list, const char *module)
{
    static const char *const settings[] = { "settings", NULL };

    for (int i = 0; i < list->n; i++) {
        if (strcmp(list->at[i].c.module.text, module))
            continue;
        for (int k = 0; k < i; k++)
            if (strcmp(list->at[i].c.settings, list->at[k].c.settings) &&
                slice_same(&list->at[i], &list->at[k], settings))
                return true;
    }
    return false;
}

int slice_split(RunList **out, int *n, RunList *list, const char *const *axes)
{
    Run *sorted = malloc((size_t)(list->n + 1) * sizeof(Run));
    bool *taken = calloc((size_t)list->n + 1, sizeof(bool));
    int done = 0;

    *n = 0;
    *out = malloc((size_t)(list->n + 1) * sizeof(RunList));
    if (!sorted || !taken || !*out) {
        free(sorted);
        free(taken);
        free(*out);
        return fail(ERR_MEMORY, "no memory for %d runs", list->n);
    }
    for (int i = 0; i < list->n; i++) {
        RunList *part = &(*out)[*n];

        if (taken[i])
            continue;
        *part = (RunList){ list->at + done, 0 };
        for (int k = i; k < list->n; k++)
            if (!taken[k] && slice_same(&list->at[i], &list->at[k], axes)) {
                sorted[done++] = list->at[k];
                taken[k] = true;
                part->n++;
            }
        ++*n;
    }
    if (done)
        memcpy(list->at, sorted, (size_t)done * sizeof(Run));
    free(sorted);
    free(taken);
    return OK;
}

void slice_filter(RunList *list, bool (*keep)(const Run *r))
{
    int kept = 0;

    for (int i = 0; i < list->n; i++)
        settle(list, i, keep(&list->at[i]), &kept);
    list->n = kept;
}

char *settings_label(const Run *r, char text[SLICE_TEXT])
{
    char key[PARAM_NAME_MAX], value[SLICE_TEXT];
    size_t n = 0;

    text[0] = '\0';
    for (const char *flag = r->o.repeat; (flag = strstr(flag, " --")); flag++) {
        snprintf(key, sizeof(key), "%.*s", (int)strcspn(flag + 3, "= "),
                 flag + 3);
        if (setting_value(r->c.settings, key, value) && n < SLICE_TEXT)
            n += (size_t)snprintf(text + n, SLICE_TEXT - n, "%s%s=%s",
                                  n ? " " : "", key, value);
    }
    return text;
}

char *module_label(const char *module, char text[LABEL_MAX])
{
    bool tail = false;

    if (strcmp(module, "none") == 0) {
        snprintf(text, LABEL_MAX, "plain");
        return text;
    }
    snprintf(text, LABEL_MAX, "%s", module);
    for (char *c = text; *c; c++) {
        if (*c == '_') {
            *c = '-';
            tail = true;
        } else if (!tail) {
            *c = (char)toupper((unsigned char)*c);
        }
    }
    return text;
}

bool run_is_fused(const Run *r)
{
    return r->c.impl == IMPL_FUSED && strcmp(r->c.module.text, "none") != 0;
}

char *run_label(const Run *r, char text[LABEL_MAX])
{
    static const char fused[] = " fused";
    size_t n;

    module_label(r->c.module.text, text);
    n = strlen(text);
    if (run_is_fused(r) && n + sizeof(fused) <= LABEL_MAX)
        memcpy(text + n, fused, sizeof(fused));
    return text;
}
