/*
 * export.c - stored runs as CSV: a row per run, or per sample.
 */
#include "analysis/export.h"

#include <sqlite3.h>
#include <stddef.h>

#include "analysis/csv.h"
#include "analysis/units.h"
#include "kernels/core/err.h"
#include "results/sql.h"

/* In the order of the columns. */
static const struct {
    const char *name;
    size_t offset; /* in Stats, of a double */
} stats[] = {
    { "median_ns", offsetof(Stats, median) },
    { "lo_ns", offsetof(Stats, lo) },
    { "hi_ns", offsetof(Stats, hi) },
    { "q1_ns", offsetof(Stats, q1) },
    { "q3_ns", offsetof(Stats, q3) },
    { "min_ns", offsetof(Stats, min) },
    { "max_ns", offsetof(Stats, max) },
    { NULL, 0 },
};

const char *export_stat(int i)
{
    return stats[i].name;
}

double export_stat_value(const Stats *s, int i)
{
    return *(const double *)(const void *)((const char *)s + stats[i].offset);
}

static void write_head(CsvRow *row)
{
    const Param *p;
    size_t at;

    for (int i = 0; (p = run_field(i, &at)); i++)
        csv_write(row, p->name);
    csv_write(row, "n");
    for (int i = 0; stats[i].name; i++)
        csv_write(row, stats[i].name);
    csv_write(row, "outliers");
    csv_end(row);
}

static void write_run(CsvRow *row, const Run *r)
{
    char text[PARAM_TEXT_MAX];
    const Param *p;
    size_t at;

    for (int i = 0; (p = run_field(i, &at)); i++) {
        const char *record = (const char *)r + at;

        if (p->kind == PARAM_KIND_REAL)
            csv_number(row, *(const double *)(const void *)(record + p->offset),
                       EXACT);
        else
            csv_write(row, param_text(p, record, text));
    }
    csv_print(row, "%d", r->time.n);
    for (int i = 0; stats[i].name; i++)
        csv_number(row, export_stat_value(&r->time, i), EXACT);
    csv_print(row, "%d", r->time.outliers);
    csv_end(row);
}

void export_csv(FILE *out, const RunList *list)
{
    CsvRow row = { .out = out };

    write_head(&row);
    for (const Run *r = list->at; r < list->at + list->n; r++)
        write_run(&row, r);
}

static void write_sample(CsvRow *row, sqlite3_stmt *q)
{
    for (int i = 0; i < sqlite3_column_count(q); i++) {
        const char *text = (const char *)sqlite3_column_text(q, i);

        if (sqlite3_column_type(q, i) == SQLITE_FLOAT)
            csv_number(row, sqlite3_column_double(q, i), EXACT);
        else
            csv_write(row, text ? text : "");
    }
    csv_end(row);
}

int export_samples(FILE *out, const RunList *list, Store *s)
{
    CsvRow row = { .out = out };
    sqlite3_stmt *q;

    if (sqlite3_prepare_v2(s->db,
                           "SELECT * FROM sample WHERE run_id = ? ORDER BY i",
                           -1, &q, NULL) != SQLITE_OK)
        return sql_refused(s);
    csv_write(&row, "id");
    for (int i = 1; i < sqlite3_column_count(q); i++)
        csv_write(&row, sqlite3_column_name(q, i));
    csv_end(&row);
    for (const Run *r = list->at; r < list->at + list->n; r++) {
        sqlite3_reset(q);
        sqlite3_bind_int64(q, 1, r->id);
        while (sqlite3_step(q) == SQLITE_ROW)
            write_sample(&row, q);
    }
    return sqlite3_finalize(q) == SQLITE_OK ? OK : sql_refused(s);
}
