/*
 * profile.c - keeps profiles with the runs they belong to, and roofs.
 */
#include "results/profile.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"
#include "results/sql.h"

CHOICES(source, "counted", "modelled", "timed")

/* clang-format off */
const Param step_fields[] = {
    FIELD(StoredStep, op, TEXT),
    FIELD(StoredStep, kernel, TEXT),
    FIELD(StoredStep, scope, TEXT),
    FIELD(StoredStep, shape, TEXT),
    PARAM_END,
};

const Param quantity_fields[] = {
    FIELD(Quantity, launch, TEXT),
    FIELD(Quantity, name, TEXT),
    FIELD(Quantity, source, CHOICE, .choice = source_choice),
    FIELD(Quantity, value, REAL, .min = INT_MIN),
    FIELD(Quantity, reason, TEXT, .role = SAYS_PROSE),
    PARAM_END,
};

const Param roof_fields[] = {
    FIELD(Roof, backend, TEXT),
    FIELD(Roof, threads, INT, .max = INT_MAX),
    FIELD(Roof, name, TEXT),
    FIELD(Roof, unit, TEXT),
    FIELD(Roof, value, REAL),
    FIELD(Roof, lo, REAL),
    FIELD(Roof, hi, REAL),
    FIELD(Roof, n, INT, .max = INT_MAX),
    FIELD(Roof, clock_mhz, REAL),
    FIELD(Roof, measured_at, TEXT),
    PARAM_END,
};
/* clang-format on */

static int add(const Store *s, const char *table, const Param *fields,
               const void *record, int64_t run_id, int step)
{
    const Stored parts[] = { { fields, record }, { NULL, NULL } };
    char ids[64];

    snprintf(ids, sizeof(ids), "%lld, %d", (long long)run_id, step);
    return sql_insert(s, "INSERT", table, parts, "run_id, step", ids);
}

static int add_all(const Store *s, int64_t run_id, const StoredProfile *p)
{
    for (int i = 0; i < p->nsteps; i++)
        TRY(add(s, "step", step_fields, &p->step[i], run_id, i));
    for (int i = 0; i < p->nquantities; i++)
        TRY(add(s, "quantity", quantity_fields, &p->quantity[i], run_id,
                p->quantity[i].step));
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
    int err = OK;

    TRY(sql_select(&row, s, step_fields,
                   "FROM step WHERE run_id = ? ORDER BY step", run_id));
    while (!err && sqlite3_step(row) == SQLITE_ROW) {
        p->step = grown(p->step, p->nsteps, sizeof(*p->step));
        err = sql_read_fields(row, 0, step_fields, &p->step[p->nsteps++]);
    }
    return sqlite3_finalize(row) == SQLITE_OK ? err : sql_refused(s);
}

static int read_quantities(StoredProfile *p, const Store *s, int64_t run_id)
{
    sqlite3_stmt *row;
    int err = OK;

    TRY(sql_select(&row, s, quantity_fields,
                   ", step FROM quantity WHERE run_id = ? "
                   "ORDER BY step, launch, name, source",
                   run_id));
    while (!err && sqlite3_step(row) == SQLITE_ROW) {
        Quantity *q;

        p->quantity = grown(p->quantity, p->nquantities, sizeof(*q));
        q = &p->quantity[p->nquantities++];
        err = sql_read_fields(row, 0, quantity_fields, q);
        q->step = sqlite3_column_int(row, sqlite3_column_count(row) - 1);
    }
    return sqlite3_finalize(row) == SQLITE_OK ? err : sql_refused(s);
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

static int add_roof(const Store *s, int64_t machine, const Roof *roof)
{
    Roof r = *roof;
    const Stored parts[] = { { roof_fields, &r }, { NULL, NULL } };
    char id[32];

    TRY(sql_now(s, r.measured_at));
    snprintf(id, sizeof(id), "%lld", (long long)machine);
    return sql_insert(s, "INSERT", "roof", parts, "machine_id", id);
}

int store_roofs(Store *s, const Machine *m, const Roofs *roofs)
{
    int64_t machine = 0;

    TRY(sql_machine_id(s, m, &machine));
    for (int i = 0; i < roofs->n; i++)
        TRY(add_roof(s, machine, &roofs->at[i]));
    return OK;
}

int store_has_roof(Store *s, const Machine *m, const Roof *r, bool *has)
{
    int64_t machine = 0, n = 0;

    TRY(sql_find(s, "machine", machine_fields, m, &machine));
    TRY(sql_query(s, &n,
                  "SELECT 1 FROM roof WHERE machine_id = ? AND backend = ? "
                  "AND threads = ? AND name = ? AND measured_at = ?",
                  "ititt", machine, r->backend, (int64_t)r->threads, r->name,
                  r->measured_at));
    *has = n > 0;
    return OK;
}

/* All rows, the latest of each name, and ends the query. */
static int read_roofs(Roofs *out, sqlite3_stmt *row)
{
    int err = OK;

    out->n = 0;
    while (!err && out->n < ROOFS_MAX && sqlite3_step(row) == SQLITE_ROW)
        err = sql_read_fields(row, 0, roof_fields, &out->at[out->n++]);
    sqlite3_finalize(row);
    return err;
}

int store_roofs_read(Roofs *out, Store *s, const Machine *m,
                     const char *backend, int threads)
{
    sqlite3_stmt *row;

    out->n = 0;
    TRY(sql_select(&row, s, roof_fields,
                   "FROM (SELECT roof.*, max(measured_at) FROM roof "
                   "JOIN machine ON machine.id = machine_id "
                   "WHERE threads = ?1 AND cpu = ?2 AND cores = ?3 "
                   "AND gpu = ?4 AND backend = ?5 GROUP BY name) ORDER BY name",
                   threads));
    sqlite3_bind_text(row, 2, m->cpu, -1, SQLITE_STATIC);
    sqlite3_bind_int(row, 3, m->cores);
    sqlite3_bind_text(row, 4, m->gpu, -1, SQLITE_STATIC);
    sqlite3_bind_text(row, 5, backend, -1, SQLITE_STATIC);
    return read_roofs(out, row);
}

int store_roofs_of_run(Roofs *out, Store *s, int64_t run_id)
{
    sqlite3_stmt *row;

    TRY(sql_select(
        &row, s, roof_fields,
        "FROM (SELECT roof.*, max(measured_at) FROM run "
        "JOIN sweep ON sweep.id = run.sweep_id "
        "JOIN machine AS its ON its.id = sweep.machine_id "
        "JOIN machine ON machine.cpu = its.cpu "
        "AND machine.cores = its.cores AND machine.gpu = its.gpu "
        "JOIN roof ON roof.machine_id = machine.id "
        "AND roof.backend = run.backend "
        "WHERE run.id = ? AND roof.threads = coalesce("
        "nullif(run.threads_used, 0), nullif(run.threads, 0), "
        "(SELECT max(threads) FROM roof AS any WHERE any.backend = run.backend "
        "AND any.machine_id = machine.id)) GROUP BY name) ORDER BY name",
        run_id));
    return read_roofs(out, row);
}
