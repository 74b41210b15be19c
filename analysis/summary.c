/*
 * summary.c - reads runs and their samples, and does the statistics.
 */
#include "analysis/summary.h"

#include <math.h>
#include <sqlite3.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"
#include "results/sql.h"

enum { SQL_SIZE = 2048 };

/* clang-format off */
static const Param run_own[] = {
    FIELD(Run, id, LONG), FIELD(Run, sweep_id, LONG), FIELD(Run, start, INT),
    FIELD(Run, seed, LONG), FIELD(Run, started_at, TEXT),
    FIELD(Run, load, REAL), FIELD(Run, load_end, REAL),
    FIELD(Run, experiment, TEXT),
    FIELD(Run, source, TEXT, .usual = "attnbench"),
    FIELD(Run, cpu, TEXT), FIELD(Run, gpu, TEXT), FIELD(Run, cores, INT),
    FIELD(Run, git_commit, TEXT), FIELD(Run, dirty, INT),
    FIELD(Run, program, TEXT),
    PARAM_END,
};

static const struct {
    const Param *fields;
    size_t at;
} tables[] = {
    { run_own, 0 },
    { case_params, offsetof(Run, c) },
    { case_settings, offsetof(Run, c) },
    { outcome_fields, offsetof(Run, o) },
};
/* clang-format on */
enum { NTABLES = sizeof(tables) / sizeof(tables[0]) };

const Param *run_field(int i, size_t *at)
{
    for (int k = 0; k < NTABLES; k++)
        for (const Param *p = tables[k].fields; p->name; p++)
            if (i-- == 0) {
                *at = tables[k].at;
                return p;
            }
    return NULL;
}

const Param *run_field_find(const char *name, size_t *at)
{
    for (int k = 0; k < NTABLES; k++) {
        const Param *p = param_find(tables[k].fields, name);

        *at = tables[k].at;
        if (p)
            return p;
    }
    return NULL;
}

/* Samples of one run while they are read; grown, and used again. */
typedef struct Read {
    double *ns;
    int *round;
    int n, room;
} Read;

static int refused(sqlite3 *db)
{
    return fail(ERR_IO, "the database: %s", sqlite3_errmsg(db));
}

void filter_bind(sqlite3_stmt *stmt, const RunFilter *f)
{
    if (f->experiment && *f->experiment)
        sqlite3_bind_text(stmt, 1, f->experiment, -1, SQLITE_STATIC);
    if (f->source && *f->source)
        sqlite3_bind_text(stmt, 2, f->source, -1, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 3, f->sweep);
}

static int prepare_runs(sqlite3 *db, const RunFilter *f, sqlite3_stmt **out)
{
    char sql[SQL_SIZE] = "SELECT ";
    size_t n = strlen(sql), at;
    const Param *p;

    for (int i = 0; (p = run_field(i, &at)); i++)
        n += (size_t)snprintf(sql + n, sizeof(sql) - n, "%s%s",
                              i ? ", " : "run.", p->name);
    n += (size_t)snprintf(sql + n, sizeof(sql) - n,
                          " FROM run JOIN sweep ON sweep.id = sweep_id"
                          " JOIN start USING (sweep_id, start)"
                          " JOIN machine ON machine.id = machine_id"
                          " JOIN build ON build.id = build_id"
                          " WHERE kind <> 'erf' AND " SWEEP_FILTER
                          " ORDER BY run.id");
    BUG_IF(n >= sizeof(sql));
    if (sqlite3_prepare_v2(db, sql, -1, out, NULL) != SQLITE_OK)
        return refused(db);
    filter_bind(*out, f);
    return OK;
}

static int read_columns(Run *run, sqlite3_stmt *row)
{
    const Param *p;
    size_t at;

    memset(run, 0, sizeof(*run));
    for (int i = 0; (p = run_field(i, &at)); i++)
        TRY(sql_read(row, i, p, (char *)run + at));
    return OK;
}

static int grow(Read *s)
{
    const int room = s->room ? 2 * s->room : 1024;
    double *ns = realloc(s->ns, (size_t)room * sizeof(*ns));
    int *round;

    if (!ns)
        return fail(ERR_MEMORY, "no memory for %d samples", s->n);
    s->ns = ns;
    round = realloc(s->round, (size_t)room * sizeof(*round));
    if (!round)
        return fail(ERR_MEMORY, "no memory for %d samples", s->n);
    s->round = round;
    s->room = room;
    return OK;
}

static int read_samples(Run *run, sqlite3 *db, sqlite3_stmt *rows, Read *s)
{
    int code;

    s->n = 0;
    sqlite3_reset(rows);
    sqlite3_bind_int64(rows, 1, run->id);
    while ((code = sqlite3_step(rows)) == SQLITE_ROW) {
        if (s->n == s->room)
            TRY(grow(s));
        s->ns[s->n] = sqlite3_column_double(rows, 0);
        s->round[s->n++] = sqlite3_column_int(rows, 1);
    }
    if (code != SQLITE_DONE)
        return refused(db);
    run->time = stats_of(s->ns, s->n);
    if (!s->n)
        return OK;
    run->ns = malloc((size_t)s->n * sizeof(*run->ns));
    run->round = malloc((size_t)s->n * sizeof(*run->round));
    if (!run->ns || !run->round || run->time.n != s->n)
        return fail(ERR_MEMORY, "no memory for %d samples", s->n);
    memcpy(run->ns, s->ns, (size_t)s->n * sizeof(*run->ns));
    memcpy(run->round, s->round, (size_t)s->n * sizeof(*run->round));
    return OK;
}

static int read_runs(RunList *out, sqlite3 *db, sqlite3_stmt *runs,
                     sqlite3_stmt *rows, Read *samples)
{
    int room = 0, code;

    while ((code = sqlite3_step(runs)) == SQLITE_ROW) {
        if (out->n == room) {
            Run *more;

            room = room ? 2 * room : 64;
            more = realloc(out->at, (size_t)room * sizeof(*more));
            if (!more)
                return fail(ERR_MEMORY, "no memory for %d runs", out->n);
            out->at = more;
        }
        TRY(read_columns(&out->at[out->n], runs));
        TRY(read_samples(&out->at[out->n++], db, rows, samples));
    }
    return code == SQLITE_DONE ? OK : refused(db);
}

int summary_read(RunList *out, Store *s, const RunFilter *filter)
{
    sqlite3 *db = store_sqlite(s);
    sqlite3_stmt *runs = NULL, *rows = NULL;
    Read samples = { 0 };
    int err;

    *out = (RunList){ 0 };
    err = prepare_runs(db, filter, &runs);
    if (!err && sqlite3_prepare_v2(db,
                                   "SELECT ns, round FROM sample "
                                   "WHERE run_id = ? ORDER BY i",
                                   -1, &rows, NULL) != SQLITE_OK)
        err = refused(db);
    if (!err)
        err = read_runs(out, db, runs, rows, &samples);
    sqlite3_finalize(runs);
    sqlite3_finalize(rows);
    free(samples.ns);
    free(samples.round);
    if (err)
        summary_free(out);
    return err;
}

void summary_free(RunList *list)
{
    for (int i = 0; i < list->n; i++) {
        free(list->at[i].ns);
        free(list->at[i].round);
    }
    free(list->at);
    *list = (RunList){ 0 };
}

bool run_is_ok(const Run *r)
{
    return r->o.status == STATUS_OK && r->time.n > 0;
}

Ratio summary_ratio(const Run *a, const Run *b)
{
    if (!strcmp(a->experiment, b->experiment) && a->seed == b->seed &&
        !strcmp(a->started_at, b->started_at)) {
        const Ratio r = ratio_paired(a->ns, a->round, a->time.n, b->ns,
                                     b->round, b->time.n);

        if (r.n)
            return r;
    }
    return (Ratio){ 0, a->time.median / b->time.median, a->time.lo / b->time.hi,
                    a->time.hi / b->time.lo };
}
