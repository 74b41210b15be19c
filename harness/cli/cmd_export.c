/*
 * cmd_export.c - attnbench export [--format=csv|json] [FILE]
 *
 * CSV is one row a run with its statistics, or one row a sample.  JSON is all
 * that is known of a sweep, raw samples included: attnbench import takes it.
 */
#include "harness/cli/cmd.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/csv.h"
#include "analysis/summary.h"
#include "harness/cli/flags.h"
#include "harness/files/file.h"
#include "harness/measure/db.h"
#include "kernels/core/err.h"
#include "results/outfile.h"

typedef struct ExportSettings {
    ParamName experiment, source, format;
    const char *db;
    int sweep, samples;
} ExportSettings;

static const char *format_choice(int i)
{
    static const char *const names[] = { "csv", "json", NULL };

    return names[i];
}

static const Param export_params[] = {
    PARAM_NAME(ExportSettings, experiment, "", NULL,
               "only runs of this experiment; default: all"),
    PARAM_NAME(ExportSettings, source, "", NULL,
               "only runs that this program measured; default: all"),
    PARAM_INT(ExportSettings, sweep, -1, -1, INT_MAX,
              "only this sweep; 0: the latest of each experiment and source; "
              "-1: all"),
    PARAM_NAME(ExportSettings, format, "csv", format_choice,
               "csv: one row per run; json: runs with every sample, for "
               "attnbench import; profiles, roofs and receptive fields are "
               "not exported"),
    PARAM_INT(ExportSettings, samples, 0, 0, 1,
              "csv with one row per sample, with the device's clock and "
              "temperature; id is the run's"),
    PARAM_PATH(ExportSettings, db, STORE_PATH, "the database"),
    PARAM_END,
};

static const Usage usage = {
    .name = "export",
    .args = "[FILE]",
    .max_args = 1,
    .what = "Writes stored runs to FILE, or to standard output.\n"
            "Times are nanoseconds of one run: the median, its 95 % interval\n"
            "(lo, hi), the quartiles, and the extremes.",
    .params = export_params,
    .exits = "Exit status: 0 if runs were written; 1 if a file or the "
             "database cannot be read or written; 2 if there are no such "
             "runs.",
    .examples = "  attnbench export --experiment=bench --sweep=0 runs.csv\n"
                "  attnbench export --format=json all.json\n",
};

/* The statistics, in the order of the columns. */
static const struct {
    const char *name;
    size_t offset; /* of a double in Stats */
} stats_columns[] = {
    { "median_ns", offsetof(Stats, median) },
    { "lo_ns", offsetof(Stats, lo) },
    { "hi_ns", offsetof(Stats, hi) },
    { "q1_ns", offsetof(Stats, q1) },
    { "q3_ns", offsetof(Stats, q3) },
    { "min_ns", offsetof(Stats, min) },
    { "max_ns", offsetof(Stats, max) },
};
enum { NSTATS = sizeof(stats_columns) / sizeof(stats_columns[0]) };

static double stats_value(const Stats *s, int column)
{
    return *(const double *)((const char *)s + stats_columns[column].offset);
}

/* A decimal that reads back as the same number; NAN is missing. */
static const char *exact(double x, const char *missing, char *text)
{
    if (isnan(x))
        return missing;
    if (x == rint(x) && fabs(x) < 1e15)
        snprintf(text, 32, "%.0f", x);
    else if (snprintf(text, 32, "%.15g", x) && strtod(text, NULL) != x)
        snprintf(text, 32, "%.17g", x);
    return text;
}

/* A field of a run as text; NULL where the database has NULL. */
static const char *field_text(const Run *r, const Param *p, size_t at,
                              char text[PARAM_TEXT_MAX])
{
    const char *record = (const char *)r + at;

    if (p->kind == PARAM_KIND_REAL)
        return exact(*(const double *)(const void *)(record + p->offset), NULL,
                     text);
    return param_text(p, record, text);
}

static void write_csv(FILE *out, const RunList *list)
{
    char text[PARAM_TEXT_MAX];
    const Param *p;
    size_t at;

    for (int i = 0; (p = run_field(i, &at)); i++)
        fprintf(out, "%s,", p->name);
    fputs("n", out);
    for (int i = 0; i < NSTATS; i++)
        fprintf(out, ",%s", stats_columns[i].name);
    fputs(",outliers\n", out);
    for (const Run *r = list->at; r < list->at + list->n; r++) {
        for (int i = 0; (p = run_field(i, &at)); i++) {
            const char *value = field_text(r, p, at, text);

            csv_write(out, value ? value : "");
            fputc(',', out);
        }
        fprintf(out, "%d", r->time.n);
        for (int i = 0; i < NSTATS; i++)
            fprintf(out, ",%s", exact(stats_value(&r->time, i), "", text));
        fprintf(out, ",%d\n", r->time.outliers);
    }
}

/* A sample's own columns, in the order of the table. */
static const char samples_sql[] =
    "SELECT i, round, ns, clock_mhz, temperature_c, power_w, throttle "
    "FROM sample WHERE run_id = ? ORDER BY i";
enum { SAMPLE_I, SAMPLE_ROUND, SAMPLE_NS, SAMPLE_MOMENT, SAMPLE_COLUMNS = 7 };

static int prepare(Store *s, sqlite3_stmt **out, const char *sql)
{
    if (sqlite3_prepare_v2(store_sqlite(s), sql, -1, out, NULL))
        return fail(ERR_IO, "%s", sqlite3_errmsg(store_sqlite(s)));
    return OK;
}

/* A value of the row at hand; NULL where the database has NULL. */
static const char *sample_text(sqlite3_stmt *q, int column, char text[32])
{
    if (sqlite3_column_type(q, column) == SQLITE_FLOAT)
        return exact(sqlite3_column_double(q, column), NULL, text);
    return (const char *)sqlite3_column_text(q, column);
}

static int write_csv_samples(FILE *out, const RunList *list, Store *s)
{
    sqlite3_stmt *q = NULL;
    char text[32];

    TRY(prepare(s, &q, samples_sql));
    fputs("id", out);
    for (int c = 0; c < SAMPLE_COLUMNS; c++)
        fprintf(out, ",%s", sqlite3_column_name(q, c));
    fputc('\n', out);
    for (const Run *r = list->at; r < list->at + list->n; r++) {
        sqlite3_reset(q);
        sqlite3_bind_int64(q, 1, r->id);
        while (sqlite3_step(q) == SQLITE_ROW) {
            fprintf(out, "%lld", (long long)r->id);
            for (int c = 0; c < SAMPLE_COLUMNS; c++) {
                const char *value = sample_text(q, c, text);

                fputc(',', out);
                csv_write(out, value ? value : "");
            }
            fputc('\n', out);
        }
    }
    sqlite3_finalize(q);
    return OK;
}

static void write_json_string(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20)
            fprintf(out, "\\u%04x", *text);
        else
            fprintf(out, *text == '"' || *text == '\\' ? "\\%c" : "%c", *text);
    }
    fputc('"', out);
}

/* A column of a run's samples as a list.  Moments of which nothing is known
 * are left out. */
static void write_json_column(FILE *out, sqlite3_stmt *q, int column)
{
    const char *separator = "";
    bool known = column < SAMPLE_MOMENT;
    char text[32];

    sqlite3_reset(q);
    while (!known && sqlite3_step(q) == SQLITE_ROW)
        known = sqlite3_column_type(q, column) != SQLITE_NULL;
    if (!known)
        return;
    fprintf(out, ",\n    \"%s\": [", sqlite3_column_name(q, column));
    sqlite3_reset(q);
    while (sqlite3_step(q) == SQLITE_ROW) {
        const char *value = sample_text(q, column, text);

        fputs(separator, out);
        if (sqlite3_column_type(q, column) == SQLITE_TEXT)
            write_json_string(out, value);
        else
            fputs(value ? value : "null", out);
        separator = ",";
    }
    fputs("]", out);
}

static void write_json_samples(FILE *out, const Run *r, sqlite3_stmt *samples)
{
    static const int columns[] = { SAMPLE_NS, SAMPLE_ROUND };

    sqlite3_reset(samples);
    sqlite3_bind_int64(samples, 1, r->id);
    for (int i = 0; i < 2; i++)
        write_json_column(out, samples, columns[i]);
    for (int c = SAMPLE_MOMENT; c < SAMPLE_COLUMNS; c++)
        write_json_column(out, samples, c);
}

static bool is_number(const Param *p)
{
    return p->kind == PARAM_KIND_INT || p->kind == PARAM_KIND_REAL;
}

/* The case and its outcome; all else the sweep says for all its runs. */
static void write_json_run(FILE *out, const Run *r, sqlite3_stmt *samples)
{
    const char *separator = ", ";
    char text[PARAM_TEXT_MAX];
    const Param *p;
    size_t at;

    fprintf(out, "{\"start\": %d", r->start);
    for (int i = 0; (p = run_field(i, &at)); i++) {
        const char *value = at ? field_text(r, p, at, text) : NULL;

        if (!at)
            continue;
        fprintf(out, "%s\"%s\": ", separator, p->name);
        if (is_number(p) || p == case_settings)
            fputs(value ? value : "null", out);
        else
            write_json_string(out, value);
    }
    fprintf(out, ",\n    \"time\": {\"n\": %d", r->time.n);
    for (int i = 0; i < NSTATS; i++)
        fprintf(out, ", \"%s\": %s", stats_columns[i].name,
                exact(stats_value(&r->time, i), "null", text));
    fprintf(out, ", \"outliers\": %d}", r->time.outliers);
    write_json_samples(out, r, samples);
    fputs("}", out);
}

/* A sweep without its runs, as SQLite writes JSON: "{...}".  Numbers of 64
 * bits are texts, for JSON's numbers are doubles. */
static const char sweep_sql[] =
    "SELECT json_object('source', source, 'experiment', experiment,"
    " 'question', question, 'cases_hash', cases_hash,"
    " 'machine', json_object('cpu', cpu, 'cores', cores,"
    "   'memory_bytes', memory_bytes, 'gpu', gpu, 'driver', driver,"
    "   'os', os),"
    " 'build', json_object('git_commit', git_commit, 'dirty', dirty,"
    "   'compiler', compiler, 'flags', flags, 'libraries', libraries),"
    " 'starts', (SELECT json_group_array(json_object("
    "   'started_at', started_at, 'seed', printf('%llu', seed),"
    "   'argv', argv, 'governor', governor, 'load', load,"
    "   'denormals', denormals, 'load_end', load_end))"
    "   FROM (SELECT * FROM start WHERE sweep_id = sweep.id"
    "         ORDER BY start))) "
    "FROM sweep JOIN machine ON machine.id = machine_id "
    "JOIN build ON build.id = build_id WHERE sweep.id = ?";

/* Queries other than that of the runs. */
typedef struct Queries {
    sqlite3_stmt *sweep, *samples;
} Queries;

static int write_json_sweep(FILE *out, const Queries *q, const RunList *list,
                            int64_t id)
{
    const char *separator = "", *head;
    sqlite3_stmt *row = q->sweep;

    sqlite3_reset(row);
    sqlite3_bind_int64(row, 1, id);
    if (sqlite3_step(row) != SQLITE_ROW)
        return fail(ERR_IO, "sweep %lld cannot be read", (long long)id);
    head = (const char *)sqlite3_column_text(row, 0);
    fprintf(out, "%.*s,\n  \"runs\": [", (int)strlen(head) - 1, head);
    for (int i = 0; i < list->n; i++) {
        if (list->at[i].sweep_id != id)
            continue;
        fprintf(out, "%s\n   ", separator);
        write_json_run(out, &list->at[i], q->samples);
        separator = ",";
    }
    fputs("]}", out);
    return OK;
}

/* Sweeps in the order of their first runs; runs of two may alternate. */
static int write_json(FILE *out, const RunList *list, Store *s)
{
    Queries q = { NULL, NULL };
    const char *separator = "";
    int err = prepare(s, &q.sweep, sweep_sql);

    if (!err)
        err = prepare(s, &q.samples, samples_sql);
    fputs("{\"sweeps\": [", out);
    for (int i = 0; i < list->n && !err; i++) {
        int first = 0;

        while (list->at[first].sweep_id != list->at[i].sweep_id)
            first++;
        if (first < i)
            continue;
        fprintf(out, "%s\n ", separator);
        err = write_json_sweep(out, &q, list, list->at[i].sweep_id);
        separator = ",";
    }
    fputs("]}\n", out);
    sqlite3_finalize(q.sweep);
    sqlite3_finalize(q.samples);
    return err;
}

static int write_to(FILE *out, const ExportSettings *set, const RunList *list,
                    Store *s)
{
    if (strcmp(set->format.text, "json") == 0)
        return write_json(out, list, s);
    if (set->samples)
        return write_csv_samples(out, list, s);
    write_csv(out, list);
    return OK;
}

/* NULL: to standard output. */
static int write_all(const char *path, const ExportSettings *set,
                     const RunList *list, Store *s)
{
    Outfile out;
    int err;

    if (!path) {
        err = write_to(stdout, set, list, s);
        if (!err && (fflush(stdout) || ferror(stdout)))
            err = fail(ERR_IO, "standard output: %s", strerror(errno));
        return err;
    }
    TRY(outfile_open(&out, path));
    return outfile_close(&out, write_to(out.file, set, list, s));
}

static int64_t count_of(Store *s, const char *sql)
{
    sqlite3_stmt *q = NULL;
    int64_t n = 0;

    if (sqlite3_prepare_v2(store_sqlite(s), sql, -1, &q, NULL) == SQLITE_OK &&
        sqlite3_step(q) == SQLITE_ROW)
        n = sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    return n;
}

/* Names what an import of the file will lack. */
static void say_left_out(Store *s)
{
    static const struct {
        const char *sql, *name;
    } of[] = {
        { "SELECT count(DISTINCT run_id) FROM step", "profiles" },
        { "SELECT count(*) FROM roof", "roofs" },
        { "SELECT count(*) FROM erf", "receptive fields" },
    };
    const char *separator = "not exported:";

    for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
        const int64_t n = count_of(s, of[i].sql);

        if (n)
            fprintf(stderr, "%s %lld %s", separator, (long long)n, of[i].name);
        if (n)
            separator = ",";
    }
    if (*separator == ',')
        fputs("; copy the database to keep them\n", stderr);
}

int cmd_export(int argc, char **argv)
{
    ExportSettings set;
    RunFilter filter;
    RunList list;
    Flags flags;
    Store *s;
    int err;

    TRY(flags_parse(&flags, &usage, &set, argc, argv));
    if (flags.help)
        return flags_help(&flags, &usage, stdout);
    /* Nobody means to lose what was measured. */
    if (flags.nargs && file_is_same(flags.arg[0], set.db))
        return fail(ERR_INPUT,
                    "%s is the database itself; name another file to write to",
                    flags.arg[0]);
    TRY(db_open(&s, set.db, STORE_READ));
    filter = (RunFilter){ .experiment = set.experiment.text,
                          .source = set.source.text,
                          .sweep = set.sweep };
    err = summary_read(&list, s, &filter);
    if (!err && list.n == 0)
        err = fail(ERR_INPUT, "%s has no such runs", set.db);
    if (!err)
        err = write_all(flags.nargs ? flags.arg[0] : NULL, &set, &list, s);
    if (!err && strcmp(set.format.text, "json") == 0)
        say_left_out(s);
    summary_free(&list);
    store_close(s);
    return err;
}
