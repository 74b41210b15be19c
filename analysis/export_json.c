/*
 * export_json.c - all that is known of sweeps as JSON, for attnbench import.
 *
 * SQLite writes it, by one SELECT per level: sweeps, their runs with all that
 * belongs to a run, roofs.  The SELECTs are made from the
 * tables of fields.  SQLite prints numbers with 15 digits, so the function
 * exact() prints those; integers of 64 bits are texts, for JSON's numbers are
 * doubles; maps are hexadecimal.
 */
#include <math.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/export.h"
#include "analysis/units.h"
#include "kernels/core/err.h"
#include "results/erf.h"
#include "results/profile.h"
#include "results/sql.h"

/* ---- functions of SQL --------------------------------------------------- */

static void exact(sqlite3_context *to, int n, sqlite3_value **x)
{
    char text[NUMBER_TEXT];

    (void)n;
    if (sqlite3_value_type(*x) == SQLITE_NULL)
        sqlite3_result_text(to, "null", -1, SQLITE_STATIC);
    else
        sqlite3_result_text(to,
                            number_text(sqlite3_value_double(*x), EXACT, text),
                            -1, SQLITE_TRANSIENT);
}

/* The times that time_stats() was given; room is a power of two. */
typedef struct Times {
    double *ns;
    int n, room;
} Times;

static void add_time(sqlite3_context *to, int n, sqlite3_value **x)
{
    Times *t = sqlite3_aggregate_context(to, sizeof(*t));

    (void)n;
    if (t && t->n == t->room) {
        const int room = t->room ? 2 * t->room : 64;
        double *more = realloc(t->ns, (size_t)room * sizeof(*more));

        if (more) {
            t->ns = more;
            t->room = room;
        }
    }
    if (!t || t->n == t->room)
        sqlite3_result_error_nomem(to);
    else
        t->ns[t->n++] = sqlite3_value_double(*x);
}

static void end_times(sqlite3_context *to)
{
    Times *t = sqlite3_aggregate_context(to, 0);
    const Stats stats = stats_of(t ? t->ns : NULL, t ? t->n : 0);
    sqlite3_str *text = sqlite3_str_new(NULL);
    char number[NUMBER_TEXT];

    sqlite3_str_appendf(text, "{\"n\": %d", stats.n);
    for (int i = 0; export_stat(i); i++) {
        const double x = export_stat_value(&stats, i);

        sqlite3_str_appendf(text, ", \"%s\": %s", export_stat(i),
                            isnan(x) ? "null" : number_text(x, EXACT, number));
    }
    sqlite3_str_appendf(text, ", \"outliers\": %d}", stats.outliers);
    sqlite3_result_text(to, sqlite3_str_finish(text), -1, sqlite3_free);
    free(t ? t->ns : NULL);
}

static int add_functions(const Store *s)
{
    const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC;

    if (sqlite3_create_function(s->db, "exact", 1, flags, NULL, exact, NULL,
                                NULL) ||
        sqlite3_create_function(s->db, "time_stats", 1, flags, NULL, NULL,
                                add_time, end_times))
        return sql_refused(s);
    return OK;
}

/* ---- parts of a SELECT --------------------------------------------------- */

/* "'"cpu": ' || json_quote(machine.cpu)", and so on. */
static void add_fields(sqlite3_str *sql, const char *of, const Param *fields)
{
    for (const Param *p = fields; p->name; p++) {
        const char *fmt =
            p->kind == PARAM_KIND_REAL   ? "exact(%s.%s)"
            : p->kind == PARAM_KIND_LONG ? "json_quote(printf('%%llu', %s.%s))"
            : strcmp(p->name, "settings") == 0 ? "%s.%s" /* JSON already */
                                               : "json_quote(%s.%s)";

        sqlite3_str_appendf(sql, "'%s\"%s\": ' || ", p == fields ? "" : ", ",
                            p->name);
        sqlite3_str_appendf(sql, fmt, of, p->name);
        sqlite3_str_appendall(sql, p[1].name ? " || " : "");
    }
}

/* An object, written in SQL: '{' || first || fields || '}'. */
static void add_object(sqlite3_str *sql, const char *first, const char *of,
                       const Param *fields)
{
    sqlite3_str_appendf(sql, "'{' || %s", first);
    add_fields(sql, of, fields);
    sqlite3_str_appendall(sql, " || '}'");
}

/* A key and the list of those rows of a table that from selects; left out if
 * there are none and it may be. */
static void add_list(sqlite3_str *sql, const char *key, const char *first,
                     const char *of, const Param *fields, const char *from)
{
    sqlite3_str_appendf(sql,
                        " || (SELECT iif(count(*), ', \"%s\": [' || "
                        "group_concat(",
                        key);
    add_object(sql, first, of, fields);
    sqlite3_str_appendf(
        sql, ", ', ') || ']', '') FROM (SELECT * FROM %s) AS %s)", from, of);
}

/* ---- levels -------------------------------------------------------------- */

static void select_sweeps(sqlite3_str *sql)
{
    sqlite3_str_appendall(sql, "SELECT sweep.id, ");
    sqlite3_str_appendall(sql, "'{' || ");
    add_fields(sql, "sweep", sweep_fields);
    sqlite3_str_appendall(sql,
                          " || ', \"ended_at\": ' || json_quote(ended_at) || "
                          "', \"machine\": ' || ");
    add_object(sql, "", "machine", machine_fields);
    sqlite3_str_appendall(sql, " || ', \"build\": ' || ");
    add_object(sql, "", "build", build_fields);
    add_list(sql, "starts", "", "x", start_fields,
             "start WHERE sweep_id = sweep.id ORDER BY start");
    sqlite3_str_appendall(
        sql, " FROM sweep JOIN machine ON machine.id = machine_id JOIN build "
             "ON build.id = build_id JOIN run ON run.sweep_id = sweep.id "
             "WHERE " SWEEP_FILTER " GROUP BY sweep.id ORDER BY min(run.id)");
}

/* A column of the samples as a list; what telemetry has only if one of them is
 * not what it is by default, or NULL. */
static void add_samples(sqlite3_str *sql)
{
    sqlite3_str_appendall(
        sql, " || (SELECT ',\n    \"time\": ' || time_stats(ns) || "
             "',\n    \"ns\": [' || coalesce(group_concat(exact(ns)), '') || "
             "'],\n    \"round\": [' || coalesce(group_concat(round), '') || "
             "']'");
    for (const Param *p = telemetry_fields; p->name; p++)
        sqlite3_str_appendf(sql,
                            " || iif(count(nullif(%s, %s)), ',\n    \"%s\": "
                            "[' || group_concat(%s(%s)) || ']', '')",
                            p->name, p->initial ? p->initial : "NULL", p->name,
                            p->kind == PARAM_KIND_REAL ? "exact" : "json_quote",
                            p->name);
    sqlite3_str_appendall(sql, " FROM (SELECT * FROM sample WHERE run_id = "
                               "run.id ORDER BY i))");
}

/* The receptive field at each tap, with the maps of its parts. */
static void add_erf(sqlite3_str *sql)
{
    sqlite3_str_appendall(sql,
                          " || (SELECT iif(count(*), ',\n    \"erf\": [' || "
                          "group_concat('{' || ");
    add_fields(sql, "e", erf_fields);
    sqlite3_str_appendall(
        sql, " || ',\n     \"parts\": [' || (SELECT group_concat('{\"part\": ' "
             "|| json_quote(part) || ', \"map\": \"' || hex(map) || '\"'");
    add_list(sql, "numbers", "", "x", erf_number_fields,
             "erf_number WHERE erf_id = m.erf_id AND part = m.part "
             "ORDER BY name");
    sqlite3_str_appendall(
        sql, " || '}', ',\n      ') FROM (SELECT * FROM erf_map WHERE erf_id = "
             "e.id ORDER BY rowid) AS m) || ']}', ',\n     ') || ']', '') "
             "FROM (SELECT * FROM erf WHERE run_id = run.id ORDER BY id) "
             "AS e)");
}

static void select_runs(sqlite3_str *sql)
{
    static const Param *const tables[] = { case_params, case_settings,
                                           outcome_fields };

    sqlite3_str_appendall(sql, "SELECT '{\"start\": ' || start");
    for (int i = 0; i < 3; i++) {
        sqlite3_str_appendall(sql, " || ', ' || ");
        add_fields(sql, "run", tables[i]);
    }
    add_samples(sql);
    add_list(sql, "steps", "", "x", step_fields,
             "step WHERE run_id = run.id ORDER BY step");
    add_list(sql, "quantities", "'\"step\": ' || x.step || ', ' || ", "x",
             quantity_fields,
             "quantity WHERE run_id = run.id ORDER BY step, launch, name, "
             "source");
    add_erf(sql);
    sqlite3_str_appendall(sql,
                          " || '}' FROM run WHERE sweep_id = ?1 ORDER BY id");
}

/* ?4: there is no filter. */
static void select_roofs(sqlite3_str *sql)
{
    sqlite3_str_appendall(sql, "SELECT '{\"machine\": ' || ");
    add_object(sql, "", "machine", machine_fields);
    sqlite3_str_appendall(sql, " || ', ' || ");
    add_fields(sql, "roof", roof_fields);
    sqlite3_str_appendall(
        sql, " || '}' FROM roof JOIN machine ON machine.id = machine_id "
             "WHERE ?4 OR machine_id IN (SELECT machine_id FROM sweep "
             "WHERE " SWEEP_FILTER ") ORDER BY measured_at, 1");
}

static int prepare(sqlite3_stmt **out, const Store *s,
                   void (*select)(sqlite3_str *sql))
{
    sqlite3_str *text = sqlite3_str_new(s->db);
    char *sql;
    int code;

    select(text);
    sql = sqlite3_str_finish(text);
    code = sqlite3_prepare_v2(s->db, sql, -1, out, NULL);
    sqlite3_free(sql);
    return sql && code == SQLITE_OK ? OK : sql_refused(s);
}

/* The rows of a statement, which ends. */
static int write_rows(FILE *out, const Store *s, sqlite3_stmt *rows)
{
    const char *separator = "";

    while (sqlite3_step(rows) == SQLITE_ROW) {
        fprintf(out, "%s\n   %s", separator,
                (const char *)sqlite3_column_text(rows, 0));
        separator = ",";
    }
    return sqlite3_finalize(rows) == SQLITE_OK ? OK : sql_refused(s);
}

static int write_sweeps(FILE *out, const Store *s, const RunFilter *filter)
{
    const char *separator = "";
    sqlite3_stmt *sweeps, *runs;
    int err = OK;

    TRY(prepare(&sweeps, s, select_sweeps));
    filter_bind(sweeps, filter);
    while (!err && sqlite3_step(sweeps) == SQLITE_ROW) {
        err = prepare(&runs, s, select_runs);
        if (err)
            break;
        sqlite3_bind_int64(runs, 1, sqlite3_column_int64(sweeps, 0));
        fprintf(out, "%s\n %s,\n  \"runs\": [", separator,
                (const char *)sqlite3_column_text(sweeps, 1));
        err = write_rows(out, s, runs);
        fputs("]}", out);
        separator = ",";
    }
    return sqlite3_finalize(sweeps) == SQLITE_OK ? err : sql_refused(s);
}

static bool is_for_all(const RunFilter *f)
{
    return f->sweep == -1 && (!f->experiment || !*f->experiment) &&
           (!f->source || !*f->source);
}

/* A key, and the list of rows that are not of a sweep. */
static int write_list(FILE *out, const Store *s, const char *key,
                      void (*select)(sqlite3_str *sql), const RunFilter *filter)
{
    sqlite3_stmt *rows;
    int err;

    TRY(prepare(&rows, s, select));
    filter_bind(rows, filter);
    sqlite3_bind_int(rows, 4, is_for_all(filter));
    fprintf(out, ",\n\"%s\": [", key);
    err = write_rows(out, s, rows);
    fputs("]", out);
    return err;
}

static int count(int64_t *n, const Store *s, const RunFilter *filter)
{
    sqlite3_stmt *stmt;

    if (sqlite3_prepare_v2(s->db,
                           "SELECT count(*) + iif(?4, (SELECT count(*) FROM "
                           "roof), 0) FROM sweep WHERE " SWEEP_FILTER
                           " AND id IN (SELECT sweep_id "
                           "FROM run)",
                           -1, &stmt, NULL) != SQLITE_OK)
        return sql_refused(s);
    filter_bind(stmt, filter);
    sqlite3_bind_int(stmt, 4, is_for_all(filter));
    if (sqlite3_step(stmt) == SQLITE_ROW)
        *n = sqlite3_column_int64(stmt, 0);
    return sqlite3_finalize(stmt) == SQLITE_OK ? OK : sql_refused(s);
}

/* One transaction, so that all levels see the same rows. */
static int write_all(FILE *out, const Store *s, const RunFilter *filter,
                     bool *any)
{
    int64_t n = 0;

    TRY(count(&n, s, filter));
    *any = n > 0;
    if (!n)
        return OK;
    fputs("{\"sweeps\": [", out);
    TRY(write_sweeps(out, s, filter));
    fputs("]", out);
    TRY(write_list(out, s, "roofs", select_roofs, filter));
    fputs("}\n", out);
    return OK;
}

int export_json(FILE *out, Store *s, const RunFilter *filter, bool *any)
{
    int err;

    TRY(add_functions(s));
    TRY(sql_exec(s, "BEGIN"));
    err = write_all(out, s, filter, any);
    sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    return err;
}
