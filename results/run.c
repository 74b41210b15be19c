/*
 * run.c - adds sweeps, their starts, and runs with their samples.
 *
 * Each change is one savepoint: it is there whole or not at all, also when the
 * process is killed, and also within a transaction of the caller's.
 */
#include "results/store.h"

#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"
#include "results/sql.h"

int sql_finish(const Store *s, int err)
{
    if (!err)
        err = sql_exec(s, "RELEASE change");
    if (err)
        sqlite3_exec(s->db, "ROLLBACK TO change; RELEASE change", NULL, NULL,
                     NULL);
    return err;
}

static int found_or_added(const Store *s, const char *table,
                          const Param *fields, const void *record, int64_t *id)
{
    const Stored parts[] = { { fields, record }, { NULL } };

    TRY(sql_insert(s, "INSERT OR IGNORE", table, parts, "", ""));
    return sql_find(s, table, fields, record, id);
}

int sql_machine_id(const Store *s, const Machine *m, int64_t *id)
{
    return found_or_added(s, "machine", machine_fields, m, id);
}

int sql_build_id(const Store *s, const Build *b, int64_t *id)
{
    return found_or_added(s, "build", build_fields, b, id);
}

static int add_sweep(const Store *s, const Sweep *w, int64_t machine,
                     int64_t build, int64_t *id)
{
    const Stored parts[] = { { sweep_fields, w }, { NULL } };
    char ids[64];

    snprintf(ids, sizeof(ids), "%lld, %lld", (long long)machine,
             (long long)build);
    TRY(sql_insert(s, "INSERT", "sweep", parts, "machine_id, build_id", ids));
    *id = sqlite3_last_insert_rowid(s->db);
    return OK;
}

static int add_start(const Store *s, const Sweep *w, int64_t id)
{
    Sweep start = *w;
    const Stored parts[] = { { start_fields, &start }, { NULL } };
    char values[128];

    start.load_end = NAN; /* store_start_end's to say */
    TRY(sql_now(s, start.started_at));
    snprintf(values, sizeof(values),
             "%lld, (SELECT count(*) FROM start WHERE sweep_id = %lld)",
             (long long)id, (long long)id);
    return sql_insert(s, "INSERT", "start", parts, "sweep_id, start", values);
}

static int begin(const Store *s, const Machine *m, const Build *b,
                 const Sweep *w, bool fresh, int64_t *id)
{
    int64_t machine = 0, build = 0;

    TRY(sql_machine_id(s, m, &machine));
    TRY(sql_build_id(s, b, &build));
    if (!fresh)
        TRY(sql_query(s, id,
                      "SELECT max(id) FROM sweep WHERE machine_id = ? AND "
                      "build_id = ? AND source = ? AND experiment = ? AND "
                      "cases_hash = ? AND ended_at IS NULL",
                      "iittt", machine, build, w->source, w->experiment,
                      w->cases_hash));
    if (!*id)
        TRY(add_sweep(s, w, machine, build, id));
    return add_start(s, w, *id);
}

int store_sweep_begin(Store *s, const Machine *m, const Build *b,
                      const Sweep *sweep, bool fresh, int64_t *sweep_id,
                      bool *resumed)
{
    int64_t starts = 0;
    int err;

    *sweep_id = 0;
    TRY(sql_exec(s, "SAVEPOINT change"));
    err = begin(s, m, b, sweep, fresh, sweep_id);
    if (!err)
        err = sql_query(s, &starts,
                        "SELECT count(*) FROM start WHERE sweep_id = ?", "i",
                        *sweep_id);
    *resumed = starts > 1;
    return sql_finish(s, err);
}

int store_sweep_abandoned(Store *s, int64_t sweep_id, Abandoned *out)
{
    static const char sql[] =
        "SELECT (SELECT count(*) FROM run WHERE sweep_id = old.id),"
        "       old.machine_id <> new.machine_id, build.git_commit,"
        "       build.dirty, (build.compiler, build.flags, build.libraries)"
        "       <> (now.compiler, now.flags, now.libraries) "
        "FROM sweep AS new JOIN sweep AS old "
        "     USING (source, experiment, cases_hash) "
        "JOIN build ON build.id = old.build_id "
        "JOIN build AS now ON now.id = new.build_id "
        "WHERE new.id = ? AND old.id < new.id AND old.ended_at IS NULL "
        "AND old.id = (SELECT max(id) FROM sweep WHERE id < new.id AND"
        "    (source, experiment, cases_hash)"
        "    = (new.source, new.experiment, new.cases_hash))";
    sqlite3_stmt *stmt = NULL;
    int code;

    *out = (Abandoned){ .runs = 0 };
    if (sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL) != SQLITE_OK)
        return sql_refused(s);
    sqlite3_bind_int64(stmt, 1, sweep_id);
    code = sqlite3_step(stmt);
    if (code == SQLITE_ROW) {
        out->runs = sqlite3_column_int(stmt, 0);
        out->other_machine = sqlite3_column_int(stmt, 1);
        snprintf(out->git_commit, sizeof(out->git_commit), "%s",
                 (const char *)sqlite3_column_text(stmt, 2));
        out->dirty = sqlite3_column_int(stmt, 3);
        out->other_tools = sqlite3_column_int(stmt, 4);
    }
    sqlite3_finalize(stmt);
    return code == SQLITE_ROW || code == SQLITE_DONE ? OK : sql_refused(s);
}

int store_sweep_ended(Store *s, int64_t sweep_id, const char *ended_at)
{
    return sql_query(s, NULL, "UPDATE sweep SET ended_at = ? WHERE id = ?",
                     "ti", ended_at, sweep_id);
}

int store_sweep_end(Store *s, int64_t sweep_id)
{
    char now[32] = "";

    TRY(sql_now(s, now));
    return store_sweep_ended(s, sweep_id, now);
}

int store_start_end(Store *s, int64_t sweep_id, double load_end)
{
    return sql_query(s, NULL,
                     "UPDATE start SET load_end = ?2 WHERE sweep_id = ?1 AND "
                     "start = (SELECT max(start) FROM start WHERE "
                     "sweep_id = ?1)",
                     "id", sweep_id, load_end);
}

int store_has_sweep(Store *s, const Sweep *sweep, bool *has)
{
    int64_t n = 0;

    TRY(sql_query(s, &n,
                  "SELECT 1 FROM sweep JOIN start ON sweep_id = sweep.id "
                  "WHERE experiment = ? AND source = ? AND started_at = ? "
                  "AND seed = ?",
                  "ttti", sweep->experiment, sweep->source, sweep->started_at,
                  (int64_t)sweep->seed));
    *has = n > 0;
    return OK;
}

int store_has_run(Store *s, int64_t sweep_id, const char *repeat, bool *has)
{
    int64_t n = 0;

    TRY(sql_query(s, &n, "SELECT 1 FROM run WHERE sweep_id = ? AND repeat = ?",
                  "it", sweep_id, repeat));
    *has = n > 0;
    return OK;
}

static int add_run(const Store *s, int64_t sweep_id, const Case *c,
                   const Outcome *outcome)
{
    Outcome o = *outcome;
    const Stored parts[] = { { case_params, c },
                             { case_settings, c },
                             { outcome_fields, &o },
                             { NULL } };
    char values[128];
    int err;

    TRY(sql_now(s, o.stored_at));
    snprintf(values, sizeof(values),
             "%lld, (SELECT max(start) FROM start WHERE sweep_id = %lld)",
             (long long)sweep_id, (long long)sweep_id);
    err = sql_insert(s, "INSERT", "run", parts, "sweep_id, start", values);
    if (err && sqlite3_extended_errcode(s->db) == SQLITE_CONSTRAINT_UNIQUE)
        return fail(ERR_INPUT,
                    "%s: sweep %lld already holds '%s'; is the same experiment "
                    "running twice?",
                    s->path, (long long)sweep_id, o.repeat);
    return err;
}

static int add_samples(const Store *s, const Samples *x)
{
    const sqlite3_int64 run_id = sqlite3_last_insert_rowid(s->db);
    const Telemetry unknown = telemetry_unknown();
    sqlite3_stmt *stmt = NULL;
    int err = OK;

    TRY(sql_prepare_insert(&stmt, s, "INSERT INTO sample (run_id, i, round, ns",
                           "?, ?, ?, ?", telemetry_fields));
    for (int i = 0; i < x->n && !err; i++) {
        const Telemetry *t = x->telemetry ? &x->telemetry[i] : &unknown;

        sqlite3_bind_int64(stmt, 1, run_id);
        sqlite3_bind_int(stmt, 2, i);
        sqlite3_bind_int(stmt, 3, x->round[i]);
        sqlite3_bind_double(stmt, 4, x->ns[i]);
        for (int k = 0; telemetry_fields[k].name; k++)
            sql_bind(stmt, 5 + k, &telemetry_fields[k], t);
        if (sqlite3_step(stmt) != SQLITE_DONE)
            err = sql_refused(s);
        sqlite3_reset(stmt);
    }
    sqlite3_finalize(stmt);
    return err;
}

int store_run(Store *s, int64_t sweep_id, const Case *c, const Outcome *o,
              const Samples *samples)
{
    int err;

    if (o->status == STATUS_OK && o->kind != KIND_ERF && samples->n <= 0)
        return fail(ERR_INPUT, "%s: '%s' has status ok but no samples", s->path,
                    o->repeat);
    TRY(sql_exec(s, "SAVEPOINT change"));
    err = add_run(s, sweep_id, c, o);
    if (!err)
        err = add_samples(s, samples);
    if (!err)
        err = sql_query(s, NULL,
                        "DELETE FROM begun WHERE sweep_id = ? AND repeat = ?",
                        "it", sweep_id, o->repeat);
    return sql_finish(s, err);
}

int store_group_begin(Store *s)
{
    return sql_exec(s, "BEGIN IMMEDIATE");
}

int store_group_end(Store *s, int err)
{
    if (!err)
        err = sql_exec(s, "COMMIT");
    if (err)
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    return err;
}
