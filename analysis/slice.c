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

static const char *const names[] = {
    "source",  "backbone", "module",  "settings", "impl",   "graph",
    "backend", "dtype",    "batch",   "channels", "height", "width",
    "pass",    "state",    "threads", "arm",
};
enum { NNAMES = sizeof(names) / sizeof(names[0]) };

const char *slice_column(int i)
{
    return i >= 0 && i < NNAMES ? names[i] : NULL;
}

static const RunColumn source_column = { "source", COLUMN_TEXT,
                                         offsetof(Run, source),
                                         sizeof(((Run *)0)->source) };

/* source is the sweep's, so it is not among the columns of a run. */
static const RunColumn *find(const char *name)
{
    bool known = false;

    for (int i = 0; i < NNAMES; i++)
        known |= strcmp(names[i], name) == 0;
    for (const RunColumn *c = run_columns; known && c->name; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return known ? &source_column : NULL;
}

static const void *field(const Run *r, const RunColumn *c)
{
    return (const char *)r + c->offset;
}

static bool equal(const Run *a, const Run *b, const RunColumn *c)
{
    if (c->kind == COLUMN_INT)
        return *(const int *)field(a, c) == *(const int *)field(b, c);
    return strcmp(field(a, c), field(b, c)) == 0;
}

char *slice_value(const Run *r, const char *column, char text[SLICE_TEXT])
{
    const RunColumn *c = find(column);

    if (!c)
        text[0] = '\0';
    else if (c->kind == COLUMN_INT)
        snprintf(text, SLICE_TEXT, "%d", *(const int *)field(r, c));
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
    for (int i = 0; i < NNAMES; i++)
        if (!listed(names[i], except) && !equal(a, b, find(names[i])))
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

/* The values of the column that the list has, each once: "1, 8". */
static void print_values(const RunList *list, const RunColumn *c, char *text,
                         size_t size)
{
    char value[SLICE_TEXT];
    size_t used = 0;

    text[0] = '\0';
    for (int i = 0; i < list->n && used < size; i++) {
        bool seen = false;

        for (int k = 0; k < i && !seen; k++)
            seen = equal(&list->at[i], &list->at[k], c);
        if (!seen)
            used += (size_t)snprintf(text + used, size - used, "%s%s",
                                     used ? ", " : "",
                                     slice_value(&list->at[i], c->name, value));
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

int slice_keep(RunList *list, const Wanted *wanted, int n)
{
    char value[SLICE_TEXT], values[SLICE_TEXT];

    for (int w = 0; w < n; w++) {
        const RunColumn *c = find(wanted[w].column);
        int had = list->n, kept = 0;

        if (!c)
            return no_column(wanted[w].column);
        print_values(list, c, values, sizeof(values));
        for (int i = 0; i < had; i++)
            settle(list, i,
                   strcmp(slice_value(&list->at[i], c->name, value),
                          wanted[w].value) == 0,
                   &kept);
        list->n = kept;
        if (had && !kept)
            return fail(ERR_INPUT, "no run has %s=%s; there is %s", c->name,
                        wanted[w].value, values);
    }
    return OK;
}

int slice_single(const RunList *list, const char *const *axes)
{
    char values[SLICE_TEXT];

    for (int k = 0; k < NNAMES; k++) {
        const RunColumn *c = find(names[k]);

        for (int i = 1; i < list->n && !listed(c->name, axes); i++) {
            if (equal(&list->at[0], &list->at[i], c))
                continue;
            print_values(list, c, values, sizeof(values));
            return fail(ERR_INPUT,
                        "experiment '%s' has more than one %s (%s); choose "
                        "with --%s=",
                        list->at[0].experiment, c->name, values, c->name);
        }
    }
    return OK;
}

void slice_filter(RunList *list, bool (*keep)(const Run *r))
{
    int kept = 0;

    for (int i = 0; i < list->n; i++)
        settle(list, i, keep(&list->at[i]), &kept);
    list->n = kept;
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
