/*
 * run.c - adds sweeps, their starts, and runs with their samples.
 *
 * Each change is one savepoint: it is there whole or not at all, also when the
 * process is killed, and also within a transaction of the caller's.
 */
#include "results/store.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"
#include "results/sql.h"

enum { RUN_SQL_SIZE = 4096 };

int sql_finish(const Store *s, int err)
{
    if (!err)
        err = sql_exec(s, "RELEASE change");
    if (err)
        sqlite3_exec(s->db, "ROLLBACK TO change; RELEASE change", NULL, NULL,
                     NULL);
    return err;
}

int sql_machine_id(const Store *s, const Machine *m, int64_t *id)
{
    static const char types[] = "tidttt";

    TRY(sql_query(
        s, NULL,
        "INSERT OR IGNORE INTO machine (cpu, cores, memory_bytes, gpu, "
        "driver, os) VALUES (?, ?, ?, ?, ?, ?)",
        types, m->cpu, (int64_t)m->cores, m->memory_bytes, m->gpu, m->driver,
        m->os));
    return sql_query(
        s, id,
        "SELECT id FROM machine WHERE (cpu, cores, memory_bytes, gpu, "
        "driver, os) = (?, ?, ?, ?, ?, ?)",
        types, m->cpu, (int64_t)m->cores, m->memory_bytes, m->gpu, m->driver,
        m->os);
}

int sql_build_id(const Store *s, const Build *b, int64_t *id)
{
    static const char types[] = "tittt";

    TRY(sql_query(s, NULL,
                  "INSERT OR IGNORE INTO build (git_commit, dirty, compiler, "
                  "flags, libraries) VALUES (?, ?, ?, ?, ?)",
                  types, b->git_commit, (int64_t)b->dirty, b->compiler,
                  b->flags, b->libraries));
    return sql_query(s, id,
                     "SELECT id FROM build WHERE (git_commit, dirty, compiler, "
                     "flags, libraries) = (?, ?, ?, ?, ?)",
                     types, b->git_commit, (int64_t)b->dirty, b->compiler,
                     b->flags, b->libraries);
}

static int add_sweep(const Store *s, const Sweep *w, int64_t machine,
                     int64_t build, int64_t *id)
{
    TRY(sql_query(
        s, NULL,
        "INSERT INTO sweep (machine_id, build_id, source, experiment, "
        "question, cases_hash) VALUES (?, ?, ?, ?, ?, ?)",
        "iitttt", machine, build, w->source, w->experiment, w->question,
        w->cases_hash));
    *id = sqlite3_last_insert_rowid(s->db);
    return OK;
}

static int add_start(const Store *s, const Sweep *w, int64_t id)
{
    sqlite3_stmt *stmt;
    int err = OK;

    if (sqlite3_prepare_v2(
            s->db,
            "INSERT INTO start (sweep_id, start, started_at, seed, argv, "
            "governor, load, denormals) VALUES (?1, "
            "(SELECT count(*) FROM start WHERE sweep_id = ?1), "
            "coalesce(nullif(?2, ''), strftime('%Y-%m-%dT%H:%M:%fZ')), "
            "?3, ?4, ?5, ?6, ?7)",
            -1, &stmt, NULL) != SQLITE_OK)
        return sql_refused(s);
    sqlite3_bind_int64(stmt, 1, id);
    sqlite3_bind_text(stmt, 2, w->started_at, -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 3, (int64_t)w->seed);
    sqlite3_bind_text(stmt, 4, w->argv, -1, SQLITE_STATIC);
    sqlite3_bind_text(stmt, 5, w->governor, -1, SQLITE_STATIC);
    sqlite3_bind_double(stmt, 6, w->load);
    if (w->denormals >= 0)
        sqlite3_bind_int(stmt, 7, w->denormals);
    if (sqlite3_step(stmt) != SQLITE_DONE)
        err = sql_refused(s);
    sqlite3_finalize(stmt);
    return err;
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
        "       old.machine_id <> new.machine_id, git_commit, dirty "
        "FROM sweep AS new JOIN sweep AS old "
        "     USING (source, experiment, cases_hash) "
        "JOIN build ON build.id = old.build_id "
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
    }
    sqlite3_finalize(stmt);
    return code == SQLITE_ROW || code == SQLITE_DONE ? OK : sql_refused(s);
}

int store_sweep_end(Store *s, int64_t sweep_id)
{
    return sql_query(
        s, NULL,
        "UPDATE sweep SET ended_at = strftime('%Y-%m-%dT%H:%M:%fZ') "
        "WHERE id = ?",
        "i", sweep_id);
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

/* Writes "INSERT INTO run (<fixed>, <settings of the case>) VALUES (...)". */
static void run_sql(const Param *case_params, char text[RUN_SQL_SIZE])
{
    size_t n = (size_t)snprintf(
        text, RUN_SQL_SIZE,
        "INSERT INTO run (sweep_id, start, stored_at, settings, repeat, "
        "status, message, verified_at, rel_l2, converged, reps, threads_used, "
        "params, macs, flops, paper_flops, transcendentals, bytes, "
        "arena_bytes, weights_hash");
    int values = 0;

    for (const Param *p = case_params; p->name && n < RUN_SQL_SIZE; p++) {
        n += (size_t)snprintf(text + n, RUN_SQL_SIZE - n, ", %s", p->name);
        values++;
    }
    BUG_IF(n + 256 + 3 * (size_t)values > RUN_SQL_SIZE);
    n += (size_t)snprintf(
        text + n, RUN_SQL_SIZE - n,
        ") VALUES (?1, (SELECT max(start) FROM start WHERE sweep_id = ?1), "
        "coalesce(?2, strftime('%%Y-%%m-%%dT%%H:%%M:%%fZ'))");
    for (int i = 0; i < 17 + values; i++)
        n += (size_t)snprintf(text + n, RUN_SQL_SIZE - n, ", ?");
    snprintf(text + n, RUN_SQL_SIZE - n, ")");
}

static int add_run(const Store *s, int64_t sweep_id, const Param *case_params,
                   const void *c, const char *settings_json, const Outcome *o)
{
    const char *const texts[] = { o->stored_at, settings_json, o->repeat,
                                  o->status,    o->message,    o->verified_at };
    const double costs[] = { o->params,          o->macs,
                             o->flops,           o->paper_flops,
                             o->transcendentals, o->bytes,
                             o->arena_bytes };
    char sql[RUN_SQL_SIZE], value[PARAM_TEXT_MAX];
    sqlite3_stmt *stmt = NULL;
    int at = 1, err = OK;

    run_sql(case_params, sql);
    if (sqlite3_prepare_v2(s->db, sql, -1, &stmt, NULL) != SQLITE_OK)
        return sql_refused(s);
    sqlite3_bind_int64(stmt, at++, sweep_id);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        sqlite3_bind_text(stmt, at++, texts[i], -1, SQLITE_STATIC);
    sqlite3_bind_double(stmt, at++, o->rel_l2);
    sqlite3_bind_int(stmt, at++, o->converged);
    sqlite3_bind_int(stmt, at++, o->reps);
    sqlite3_bind_int(stmt, at++, o->threads_used);
    for (size_t i = 0; i < sizeof(costs) / sizeof(costs[0]); i++)
        sqlite3_bind_double(stmt, at++, costs[i]);
    sqlite3_bind_text(stmt, at++, o->weights_hash ? o->weights_hash : "", -1,
                      SQLITE_STATIC);
    for (const Param *p = case_params; p->name; p++, at++) {
        param_text(p, c, value);
        if (p->kind == PARAM_KIND_INT)
            sqlite3_bind_int64(stmt, at, strtoll(value, NULL, 10));
        else if (p->kind == PARAM_KIND_REAL)
            sqlite3_bind_double(stmt, at, strtod(value, NULL));
        else
            sqlite3_bind_text(stmt, at, value, -1, SQLITE_TRANSIENT);
    }
    if (sqlite3_step(stmt) != SQLITE_DONE)
        err = sqlite3_extended_errcode(s->db) == SQLITE_CONSTRAINT_UNIQUE
                  ? fail(ERR_INPUT,
                         "%s: sweep %lld already holds '%s'; is the same "
                         "experiment running twice?",
                         s->path, (long long)sweep_id, o->repeat)
                  : sql_refused(s);
    sqlite3_finalize(stmt);
    return err;
}

/* NAN and NULL are both stored as NULL. */
static void bind_moment(sqlite3_stmt *stmt, int at, const Moment *m)
{
    sqlite3_bind_double(stmt, at, m->clock_mhz);
    sqlite3_bind_double(stmt, at + 1, m->temperature_c);
    sqlite3_bind_double(stmt, at + 2, m->power_w);
    sqlite3_bind_text(stmt, at + 3, m->throttle, -1, SQLITE_STATIC);
}

static int add_samples(const Store *s, const Outcome *o)
{
    const sqlite3_int64 run_id = sqlite3_last_insert_rowid(s->db);
    sqlite3_stmt *stmt = NULL;
    int err = OK;

    if (sqlite3_prepare_v2(s->db,
                           "INSERT INTO sample (run_id, i, round, ns, "
                           "clock_mhz, temperature_c, power_w, throttle) "
                           "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                           -1, &stmt, NULL) != SQLITE_OK)
        return sql_refused(s);
    for (int i = 0; i < o->n && !err; i++) {
        sqlite3_bind_int64(stmt, 1, run_id);
        sqlite3_bind_int(stmt, 2, i);
        sqlite3_bind_int(stmt, 3, o->round[i]);
        sqlite3_bind_double(stmt, 4, o->ns[i]);
        if (o->moment)
            bind_moment(stmt, 5, &o->moment[i]);
        if (sqlite3_step(stmt) != SQLITE_DONE)
            err = sql_refused(s);
        sqlite3_reset(stmt);
    }
    sqlite3_finalize(stmt);
    return err;
}

int store_run(Store *s, int64_t sweep_id, const Param *case_params,
              const void *c, const char *settings_json, const Outcome *o)
{
    int err;

    if (strcmp(o->status, "ok") == 0 && o->n <= 0)
        return fail(ERR_INPUT, "%s: '%s' is said to be ok but has no samples",
                    s->path, o->repeat);
    TRY(sql_exec(s, "SAVEPOINT change"));
    err = add_run(s, sweep_id, case_params, c, settings_json, o);
    if (!err)
        err = add_samples(s, o);
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
