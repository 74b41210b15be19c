/*
 * conditions.c - the machine, the build and the settings behind a sweep.
 */
#include "analysis/conditions.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "analysis/slice.h"
#include "kernels/core/err.h"

enum { INTERVAL_NEEDS = 6 }; /* samples; see stats_of */

static const char question[] =
    "SELECT cpu, gpu, os, cores, git_commit, dirty, compiler, libraries,"
    "       (SELECT min(started_at) FROM start WHERE sweep_id = sweep.id),"
    "       question "
    "FROM sweep JOIN machine ON machine.id = machine_id"
    "           JOIN build ON build.id = build_id "
    "WHERE sweep.id = ?";

#define COPY(field, column)                                     \
    snprintf(field, sizeof(field), "%s",                        \
             sqlite3_column_text(q, column)                     \
                 ? (const char *)sqlite3_column_text(q, column) \
                 : "")

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

    *out = (Conditions){ 0 };
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
    }
    if (sqlite3_finalize(q) != SQLITE_OK)
        return fail(ERR_IO, "cannot read the sweep: %s", sqlite3_errmsg(db));
    return OK;
}

static void add(char *text, size_t size, const char *fmt, const char *value)
{
    size_t used = strlen(text);

    snprintf(text + used, size - used, "%s", used ? ", " : "");
    used = strlen(text);
    snprintf(text + used, size - used, fmt, value);
}

void conditions_settings(const Conditions *c, const RunList *list, char *text,
                         size_t size)
{
    static const struct {
        const char *column, *fmt;
    } shown[] = {
        { "source", "%s" },
        { "threads", "%s threads" },
        { "batch", "batch %s" },
        { "dtype", "%s" },
        { "impl", "%s" },
        { "form", "form %s" },
        { "weights", "weights %s" },
        { "graph", "%s" },
        { "pass", "%s" },
        { "state", "%s" },
    };
    char value[SLICE_TEXT], other[SLICE_TEXT];

    text[0] = '\0';
    for (size_t k = 0; list->n && k < sizeof(shown) / sizeof(shown[0]); k++) {
        bool same = true;

        slice_value(&list->at[0], shown[k].column, value);
        for (int i = 1; i < list->n && same; i++)
            same = !strcmp(value,
                           slice_value(&list->at[i], shown[k].column, other));
        if (!same || !strcmp(value, "attnbench") || !strcmp(value, "train") ||
            !strcmp(value, "seeded"))
            continue;
        if (!strcmp(shown[k].column, "threads") && !strcmp(value, "0"))
            snprintf(value, sizeof(value), "%d",
                     list->at[0].threads_used ? list->at[0].threads_used
                                              : c->cores);
        if (!strcmp(shown[k].column, "threads") && !strcmp(value, "1"))
            add(text, size, "%s", "1 thread");
        else
            add(text, size, shown[k].fmt, value);
    }
    for (char *at = text; *at; at++)
        if (*at == '_')
            *at = ' ';
}

void conditions_samples(const RunList *list, char *text, size_t size)
{
    int low = 0, high = 0;

    for (int i = 0; i < list->n; i++) {
        const int n = list->at[i].time.n;

        if (n && (!low || n < low))
            low = n;
        if (n > high)
            high = n;
    }
    if (low == high)
        snprintf(text, size, "n = %d", low);
    else
        snprintf(text, size, "n = %d to %d", low, high);
    if (low && low < INTERVAL_NEEDS)
        snprintf(text + strlen(text), size - strlen(text),
                 " (below %d the range stands for the interval)",
                 INTERVAL_NEEDS);
}
