/*
 * profile.c - keeps profiles with the runs they belong to, and roofs.
 */
#include "results/profile.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"
#include "results/sql.h"

static const char *const sources[] = {
    [SOURCE_COUNTED] = "counted",
    [SOURCE_MODELLED] = "modelled",
    [SOURCE_TIMED] = "timed",
};

static int add_step(const Store *s, int64_t run_id, int i, const StoredStep *t)
{
    return sql_query(s, NULL,
                     "INSERT INTO step (run_id, step, op, kernel, scope, "
                     "shape) VALUES (?, ?, ?, ?, ?, ?)",
                     "iitttt", run_id, (int64_t)i, t->op, t->kernel, t->scope,
                     t->shape);
}

static int add_quantity(const Store *s, int64_t run_id, const Quantity *q)
{
    return sql_query(s, NULL,
                     "INSERT INTO quantity (run_id, step, launch, name, "
                     "source, value, reason) VALUES (?, ?, ?, ?, ?, ?, ?)",
                     "iitttdt", run_id, (int64_t)q->step, q->launch, q->name,
                     sources[q->source], q->value, q->reason);
}

static int add_all(const Store *s, int64_t run_id, const StoredProfile *p)
{
    for (int i = 0; i < p->nsteps; i++)
        TRY(add_step(s, run_id, i, &p->step[i]));
    for (int i = 0; i < p->nquantities; i++)
        TRY(add_quantity(s, run_id, &p->quantity[i]));
    return OK;
}

int store_profile(Store *s, int64_t run_id, const StoredProfile *p)
{
    int err;

    TRY(sql_exec(s, "SAVEPOINT profile"));
    err = add_all(s, run_id, p);
    if (!err)
        err = sql_exec(s, "RELEASE profile");
    if (err)
        sqlite3_exec(s->db, "ROLLBACK TO profile; RELEASE profile", NULL, NULL,
                     NULL);
    return err;
}

/* ---- reading --------------------------------------------------------- */

static void text_at(sqlite3_stmt *row, int column, char *to, size_t size)
{
    const unsigned char *text = sqlite3_column_text(row, column);

    snprintf(to, size, "%s", text ? (const char *)text : "");
}

static double real_at(sqlite3_stmt *row, int column)
{
    return sqlite3_column_type(row, column) == SQLITE_NULL
               ? NAN
               : sqlite3_column_double(row, column);
}

#define TEXT_AT(row, column, field) text_at(row, column, field, sizeof(field))

static int prepare(sqlite3_stmt **out, const Store *s, const char *sql,
                   int64_t run_id)
{
    if (sqlite3_prepare_v2(s->db, sql, -1, out, NULL) != SQLITE_OK)
        return sql_refused(s);
    sqlite3_bind_int64(*out, 1, run_id);
    return OK;
}

/* Room for one more of n items. */
static void *grown(void *items, int n, size_t size)
{
    if (n & (n - 1)) /* no power of two: there is room */
        return items;
    items = realloc(items, (size_t)(n ? 2 * n : 1) * size);
    BUG_IF(!items);
    return items;
}

static int read_steps(StoredProfile *p, const Store *s, int64_t run_id)
{
    sqlite3_stmt *row;

    TRY(prepare(&row, s,
                "SELECT op, kernel, scope, shape FROM step WHERE run_id = ? "
                "ORDER BY step",
                run_id));
    while (sqlite3_step(row) == SQLITE_ROW) {
        StoredStep *t;

        p->step = grown(p->step, p->nsteps, sizeof(*p->step));
        t = &p->step[p->nsteps++];
        TEXT_AT(row, 0, t->op);
        TEXT_AT(row, 1, t->kernel);
        TEXT_AT(row, 2, t->scope);
        TEXT_AT(row, 3, t->shape);
    }
    return sqlite3_finalize(row) == SQLITE_OK ? OK : sql_refused(s);
}

static Source source_of(const char *name)
{
    Source source = SOURCE_COUNTED;

    while (source < SOURCE_TIMED && strcmp(sources[source], name))
        source++;
    return source;
}

static int read_quantities(StoredProfile *p, const Store *s, int64_t run_id)
{
    sqlite3_stmt *row;

    TRY(prepare(&row, s,
                "SELECT step, launch, name, source, value, reason "
                "FROM quantity WHERE run_id = ? "
                "ORDER BY step, launch, name, source",
                run_id));
    while (sqlite3_step(row) == SQLITE_ROW) {
        Quantity *q;

        p->quantity = grown(p->quantity, p->nquantities, sizeof(*q));
        q = &p->quantity[p->nquantities++];
        q->step = sqlite3_column_int(row, 0);
        TEXT_AT(row, 1, q->launch);
        TEXT_AT(row, 2, q->name);
        q->source = source_of((const char *)sqlite3_column_text(row, 3));
        q->value = real_at(row, 4);
        TEXT_AT(row, 5, q->reason);
    }
    return sqlite3_finalize(row) == SQLITE_OK ? OK : sql_refused(s);
}

int store_profile_read(StoredProfile *out, Store *s, int64_t run_id)
{
    int err;

    *out = (StoredProfile){ NULL };
    err = read_steps(out, s, run_id);
    if (!err)
        err = read_quantities(out, s, run_id);
    if (err)
        stored_profile_free(out);
    return err;
}

void stored_profile_free(StoredProfile *p)
{
    free(p->step);
    free(p->quantity);
    *p = (StoredProfile){ NULL };
}

int store_run_id(Store *s, int64_t sweep_id, const char *repeat, int64_t *id)
{
    *id = 0;
    return sql_query(s, id,
                     "SELECT id FROM run WHERE sweep_id = ? AND repeat = ?",
                     "it", sweep_id, repeat);
}

/* ---- roofs ----------------------------------------------------------- */

const Roof *roofs_find(const Roofs *roofs, const char *name)
{
    for (int i = 0; i < roofs->n; i++)
        if (strcmp(roofs->at[i].name, name) == 0)
            return &roofs->at[i];
    return NULL;
}

static int add_roof(const Store *s, int64_t machine, const Roof *r)
{
    return sql_query(s, NULL,
                     "INSERT INTO roof (machine_id, backend, threads, name, "
                     "unit, value, lo, hi, n, clock_mhz, measured_at) "
                     "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "
                     "coalesce(nullif(?, ''), "
                     "strftime('%Y-%m-%dT%H:%M:%fZ')))",
                     "ititt"
                     "dddidt",
                     machine, r->backend, (int64_t)r->threads, r->name, r->unit,
                     r->value, r->lo, r->hi, (int64_t)r->n, r->clock_mhz,
                     r->measured_at);
}

int store_roofs(Store *s, const Machine *m, const Roofs *roofs)
{
    int64_t machine = 0;

    TRY(sql_machine_id(s, m, &machine));
    for (int i = 0; i < roofs->n; i++)
        TRY(add_roof(s, machine, &roofs->at[i]));
    return OK;
}

static void read_roof(Roof *r, sqlite3_stmt *row)
{
    *r = (Roof){ .threads = sqlite3_column_int(row, 1),
                 .value = sqlite3_column_double(row, 4),
                 .lo = sqlite3_column_double(row, 5),
                 .hi = sqlite3_column_double(row, 6),
                 .n = sqlite3_column_int(row, 7),
                 .clock_mhz = real_at(row, 8) };
    TEXT_AT(row, 0, r->backend);
    TEXT_AT(row, 2, r->name);
    TEXT_AT(row, 3, r->unit);
    TEXT_AT(row, 9, r->measured_at);
}

/* All rows, and ends the query. */
static void read_roofs(Roofs *out, sqlite3_stmt *row)
{
    out->n = 0;
    while (out->n < ROOFS_MAX && sqlite3_step(row) == SQLITE_ROW)
        read_roof(&out->at[out->n++], row);
    sqlite3_finalize(row);
}

int store_roofs_read(Roofs *out, Store *s, const Machine *m,
                     const char *backend, int threads)
{
    static const char sql[] =
        "SELECT backend, threads, name, unit, value, lo, hi, roof.n, "
        "clock_mhz, max(measured_at) FROM roof "
        "JOIN machine ON machine.id = machine_id "
        "WHERE cpu = ? AND cores = ? AND gpu = ? AND backend = ? "
        "AND threads = ? GROUP BY name ORDER BY name";
    sqlite3_stmt *row;

    out->n = 0;
    if (sqlite3_prepare_v2(s->db, sql, -1, &row, NULL) != SQLITE_OK)
        return sql_refused(s);
    sqlite3_bind_text(row, 1, m->cpu, -1, SQLITE_STATIC);
    sqlite3_bind_int(row, 2, m->cores);
    sqlite3_bind_text(row, 3, m->gpu, -1, SQLITE_STATIC);
    sqlite3_bind_text(row, 4, backend, -1, SQLITE_STATIC);
    sqlite3_bind_int(row, 5, threads);
    read_roofs(out, row);
    return OK;
}

int store_roofs_of_run(Roofs *out, Store *s, int64_t run_id)
{
    static const char sql[] =
        "SELECT roof.backend, roof.threads, name, unit, value, lo, hi, roof.n, "
        "clock_mhz, max(measured_at) FROM run "
        "JOIN sweep ON sweep.id = run.sweep_id "
        "JOIN machine AS its ON its.id = sweep.machine_id "
        "JOIN machine ON machine.cpu = its.cpu "
        "AND machine.cores = its.cores AND machine.gpu = its.gpu "
        "JOIN roof ON roof.machine_id = machine.id "
        "AND roof.backend = run.backend "
        "WHERE run.id = ? AND roof.threads = coalesce("
        "nullif(run.threads_used, 0), nullif(run.threads, 0), "
        "(SELECT max(threads) FROM roof AS any WHERE any.backend = run.backend "
        "AND any.machine_id = machine.id)) GROUP BY name ORDER BY name";
    sqlite3_stmt *row;

    TRY(prepare(&row, s, sql, run_id));
    read_roofs(out, row);
    return OK;
}
