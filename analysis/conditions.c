/*
 * conditions.c - the machine, the build and the settings behind a sweep.
 */
#include "analysis/conditions.h"

#include <math.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "analysis/load.h"
#include "analysis/slice.h"
#include "kernels/core/err.h"

static const char question[] =
    "SELECT cpu, gpu, os, cores, git_commit, dirty, compiler, libraries,"
    "       (SELECT min(started_at) FROM start WHERE sweep_id = sweep.id),"
    "       question,"
    "       (SELECT max(load) FROM start WHERE sweep_id = sweep.id),"
    "       (SELECT max(load_end) FROM start WHERE sweep_id = sweep.id) "
    "FROM sweep JOIN machine ON machine.id = machine_id"
    "           JOIN build ON build.id = build_id "
    "WHERE sweep.id = ?";

#define COPY(field, column)                                     \
    snprintf(field, sizeof(field), "%s",                        \
             sqlite3_column_text(q, column)                     \
                 ? (const char *)sqlite3_column_text(q, column) \
                 : "")

static double real_at(sqlite3_stmt *q, int column)
{
    return sqlite3_column_type(q, column) == SQLITE_NULL
               ? NAN
               : sqlite3_column_double(q, column);
}

/* Cuts the marks that say nothing: "Intel(R) Xeon(R) CPU" -> "Intel Xeon". */
static void clean_cpu(char *cpu)
{
    static const char *const noise[] = { "(R)", "(TM)", "(tm)", " CPU",
                                         " Processor" };

    for (size_t i = 0; i < sizeof(noise) / sizeof(noise[0]); i++)
        for (char *at; (at = strstr(cpu, noise[i]));)
            memmove(at, at + strlen(noise[i]),
                    strlen(at + strlen(noise[i])) + 1);
}

int conditions_read(Conditions *out, Store *s, int64_t sweep_id)
{
    sqlite3 *db = store_sqlite(s);
    sqlite3_stmt *q = NULL;

    *out = (Conditions){ .load = NAN, .load_end = NAN };
    if (sqlite3_prepare_v2(db, question, -1, &q, NULL) != SQLITE_OK)
        return fail(ERR_IO, "cannot read the sweep: %s", sqlite3_errmsg(db));
    sqlite3_bind_int64(q, 1, sweep_id);
    if (sqlite3_step(q) == SQLITE_ROW) {
        COPY(out->cpu, 0);
        clean_cpu(out->cpu);
        COPY(out->gpu, 1);
        COPY(out->os, 2);
        out->cores = sqlite3_column_int(q, 3);
        snprintf(out->commit, sizeof(out->commit), "%.7s%s",
                 (const char *)sqlite3_column_text(q, 4),
                 sqlite3_column_int(q, 5) ? "+" : "");
        COPY(out->compiler, 6);
        COPY(out->libraries, 7);
        COPY(out->started_at, 8);
        COPY(out->question, 9);
        out->load = real_at(q, 10);
        out->load_end = real_at(q, 11);
    }
    if (sqlite3_finalize(q) != SQLITE_OK)
        return fail(ERR_IO, "cannot read the sweep: %s", sqlite3_errmsg(db));
    return OK;
}

static void add(char text[CONDITIONS_TEXT], const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void add(char text[CONDITIONS_TEXT], const char *fmt, ...)
{
    size_t used = strlen(text);
    va_list args;

    snprintf(text + used, CONDITIONS_TEXT - used, "%s", used ? ", " : "");
    used = strlen(text);
    va_start(args, fmt);
    vsnprintf(text + used, CONDITIONS_TEXT - used, fmt, args);
    va_end(args);
}

/* True if all runs have the value of the first, which is copied to value. */
static bool in_common(const RunList *list, const char *column,
                      char value[SLICE_TEXT])
{
    char other[SLICE_TEXT];

    slice_value(&list->at[0], column, value);
    for (int i = 1; i < list->n; i++)
        if (strcmp(value, slice_value(&list->at[i], column, other)))
            return false;
    return true;
}

/* "64x56x56", or what of it is the same everywhere: "128 channels", "28x28". */
static void add_shape(char text[CONDITIONS_TEXT], const RunList *list)
{
    const Run *r = &list->at[0];
    char value[SLICE_TEXT];
    const bool channels = in_common(list, "channels", value);
    const bool height = in_common(list, "height", value);
    const bool width = in_common(list, "width", value);

    if (channels && height && width) {
        add(text, "%dx%dx%d", r->c.channels, r->c.height, r->c.width);
        return;
    }
    if (channels)
        add(text, "%d channels", r->c.channels);
    if (height && width)
        add(text, "%dx%d pixels", r->c.height, r->c.width);
    else if (height || width)
        add(text, "%s %d", height ? "height" : "width",
            height ? r->c.height : r->c.width);
}

static void add_threads(char text[CONDITIONS_TEXT], const Conditions *c,
                        const Run *r)
{
    const int n = r->c.threads        ? r->c.threads
                  : r->o.threads_used ? r->o.threads_used
                                      : c->cores;

    add(text, "%d thread%s", n, n == 1 ? "" : "s");
}

static void add_module(char text[CONDITIONS_TEXT], const Run *r)
{
    char label[LABEL_MAX], settings[SLICE_TEXT];

    add(text, "%s", module_label(r->c.module.text, label));
    if (settings_label(r, settings)[0])
        add(text, "%s", settings);
}

/* A module alone has no network's norms, a file of weights seeds none. */
static bool has_seeded_norms(const RunList *list)
{
    for (int i = 0; i < list->n; i++)
        if (strcmp(list->at[i].c.backbone.text, "none") &&
            !strcmp(list->at[i].c.weights.text, "seeded"))
            return true;
    return false;
}

/* The fields that are said in another way than by their table. */
static bool add_specially(char text[CONDITIONS_TEXT], const Conditions *c,
                          const RunList *list, const char *name)
{
    const Run *r = &list->at[0];

    if (!strcmp(name, "channels"))
        add_shape(text, list);
    else if (!strcmp(name, "threads"))
        add_threads(text, c, r);
    else if (!strcmp(name, "module"))
        add_module(text, r);
    else
        return !strcmp(name, "settings") || !strcmp(name, "height") ||
               !strcmp(name, "width");
    return true;
}

/* True for the gain that a list needs no words for. */
static bool is_usual_gain(const RunList *list, const char *value)
{
    return !strcmp(value, has_seeded_norms(list) ? "1" : "0");
}

static void add_column(char text[CONDITIONS_TEXT], const Conditions *c,
                       const RunList *list, const char *name)
{
    size_t at;
    const Param *p = run_field_find(name, &at);
    char value[SLICE_TEXT];
    const bool common = in_common(list, name, value);

    if (!common && strcmp(name, "channels"))
        return;
    if (common && p->usual && !strcmp(value, p->usual))
        return;
    if (!strcmp(name, "norm_gain") && is_usual_gain(list, value))
        return;
    if (add_specially(text, c, list, name))
        return;
    for (char *c = value; p->kind == PARAM_KIND_CHOICE && *c; c++)
        if (*c == '_')
            *c = ' '; /* as people write it: "as written" */
    add(text, p->caption ? p->caption : "%s", value);
}

char *conditions_settings(const Conditions *c, const RunList *list,
                          char text[CONDITIONS_TEXT])
{
    text[0] = '\0';
    for (int k = 0; list->n && slice_column(k); k++)
        add_column(text, c, list, slice_column(k));
    return text;
}

static bool uses_gpu(const RunList *list)
{
    for (int i = 0; i < list->n; i++)
        if (list->at[i].c.backend == ON_CUDA)
            return true;
    return false;
}

char *conditions_where(const Conditions *c, const RunList *list,
                       char text[CONDITIONS_TEXT])
{
    char settings[CONDITIONS_TEXT], load[LOAD_NUMBER];
    size_t used;

    text[0] = '\0';
    add(text, "%s", c->cpu);
    if (c->gpu[0] && uses_gpu(list))
        add(text, "%s", c->gpu);
    add(text, "%d core%s", c->cores, c->cores == 1 ? "" : "s");
    if (!isnan(c->load))
        add(text, "load %s at the start", load_text(load, c->load));
    used = strlen(text);
    if (!isnan(c->load_end))
        snprintf(text + used, CONDITIONS_TEXT - used, "%s %s at the end",
                 isnan(c->load) ? ", load" : " and",
                 load_text(load, c->load_end));
    used = strlen(text);
    snprintf(text + used, CONDITIONS_TEXT - used, "; %s",
             conditions_settings(c, list, settings));
    return text;
}

char *conditions_samples(const RunList *list, char text[SAMPLES_TEXT])
{
    int low = 0, high = 0;
    char n[48];

    for (int i = 0; i < list->n; i++) {
        const int samples = list->at[i].time.n;

        if (samples && (!low || samples < low))
            low = samples;
        if (samples > high)
            high = samples;
    }
    snprintf(n, sizeof(n), low == high ? "n = %d" : "n = %d to %d", low, high);
    if (low && high < STATS_LEAST)
        snprintf(text, SAMPLES_TEXT,
                 "medians of %s with the range of the samples (a 95 %% "
                 "interval takes %d)",
                 n, STATS_LEAST);
    else
        snprintf(text, SAMPLES_TEXT, "medians of %s with 95 %% intervals", n);
    if (low && low < STATS_LEAST && high >= STATS_LEAST)
        snprintf(text + strlen(text), SAMPLES_TEXT - strlen(text),
                 " (of fewer than %d samples their range)", STATS_LEAST);
    return text;
}
