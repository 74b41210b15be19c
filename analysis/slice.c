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

typedef struct Column {
    const char *name;
    size_t offset;
    ColumnKind kind;
} Column;

/* clang-format off */
#define TEXT(field) { #field, offsetof(Run, field), COLUMN_TEXT }
#define INT(field)  { #field, offsetof(Run, field), COLUMN_INT }
#define REAL(field) { #field, offsetof(Run, field), COLUMN_REAL }
static const Column columns[] = {
    TEXT(source), TEXT(backbone), TEXT(module), TEXT(settings), TEXT(impl),
    TEXT(position), TEXT(form), TEXT(weights), REAL(norm_gain), TEXT(graph),
    TEXT(backend), TEXT(dtype), INT(batch), INT(channels), INT(height),
    INT(width),    TEXT(pass), TEXT(state), INT(threads), INT(arm),
};
#undef TEXT
#undef INT
#undef REAL
/* clang-format on */
enum { NCOLUMNS = sizeof(columns) / sizeof(columns[0]) };

const char *slice_column(int i)
{
    return i >= 0 && i < NCOLUMNS ? columns[i].name : NULL;
}

static const Column *find(const char *name)
{
    for (int i = 0; i < NCOLUMNS; i++)
        if (strcmp(columns[i].name, name) == 0)
            return &columns[i];
    return NULL;
}

static const void *field(const Run *r, const Column *c)
{
    return (const char *)r + c->offset;
}

static bool equal(const Run *a, const Run *b, const Column *c)
{
    if (c->kind == COLUMN_INT)
        return *(const int *)field(a, c) == *(const int *)field(b, c);
    if (c->kind == COLUMN_REAL)
        return *(const double *)field(a, c) == *(const double *)field(b, c);
    return strcmp(field(a, c), field(b, c)) == 0;
}

char *slice_value(const Run *r, const char *column, char text[SLICE_TEXT])
{
    const Column *c = find(column);

    if (!c)
        text[0] = '\0';
    else if (c->kind == COLUMN_INT)
        snprintf(text, SLICE_TEXT, "%d", *(const int *)field(r, c));
    else if (c->kind == COLUMN_REAL)
        snprintf(text, SLICE_TEXT, "%.15g", *(const double *)field(r, c));
    else
        snprintf(text, SLICE_TEXT, "%s", (const char *)field(r, c));
    return text;
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
    for (int i = 0; i < NCOLUMNS; i++)
        if (!equal(a, b, &columns[i]) && !listed(columns[i].name, except))
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

/* What a run has under a name: a column's value, or its module's setting. */
static bool named_value(const Run *r, const char *name, char text[SLICE_TEXT])
{
    if (!find(name))
        return setting_value(r->settings, name, text);
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
        free(list->at[i].ns);
        free(list->at[i].round);
    } else if ((*kept)++ != i) {
        list->at[*kept - 1] = list->at[i];
    }
}

/* Whether value is one of "8,16", or all of it, as settings may be. */
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
            const bool keep = !has || among(value, w->value);

            found |= has && keep;
            settle(list, i, keep, &kept);
        }
        list->n = kept;
        if (!found)
            return fail(ERR_INPUT, "no run has %s=%s; there is %s", w->column,
                        w->value, values);
    }
    return OK;
}

int slice_single(const RunList *list, const char *const *axes)
{
    char values[SLICE_TEXT];

    for (int k = 0; k < NCOLUMNS; k++) {
        const Column *c = &columns[k];

        for (int i = 1; i < list->n && !listed(c->name, axes); i++) {
            if (equal(&list->at[0], &list->at[i], c))
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
        if (strcmp(list->at[i].module, module))
            continue;
        for (int k = 0; k < i; k++)
            if (strcmp(list->at[i].settings, list->at[k].settings) &&
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
        return fail(ERR_MEMORY, "memory ran out at %d runs", list->n);
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
    for (const char *flag = r->repeat; (flag = strstr(flag, " --")); flag++) {
        snprintf(key, sizeof(key), "%.*s", (int)strcspn(flag + 3, "= "),
                 flag + 3);
        if (setting_value(r->settings, key, value) && n < SLICE_TEXT)
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
    return strcmp(r->impl, "fused") == 0 && strcmp(r->module, "none") != 0;
}

char *run_label(const Run *r, char text[LABEL_MAX])
{
    static const char fused[] = " fused";
    size_t n;

    module_label(r->module, text);
    n = strlen(text);
    if (run_is_fused(r) && n + sizeof(fused) <= LABEL_MAX)
        memcpy(text + n, fused, sizeof(fused));
    return text;
}
