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

enum { SQL_SIZE = 2048 };

#define COLUMN(field, kind)                                           \
    {                                                                 \
#field, kind, offsetof(Run, field), sizeof(((Run *)0)->field) \
    }
#define ID(field)   COLUMN(field, COLUMN_ID)
#define INT(field)  COLUMN(field, COLUMN_INT)
#define REAL(field) COLUMN(field, COLUMN_REAL)
#define TEXT(field) COLUMN(field, COLUMN_TEXT)

/* clang-format off */
const RunColumn run_columns[] = {
    ID(id), ID(sweep_id), INT(start), ID(seed), TEXT(started_at),
    TEXT(stored_at), REAL(load), REAL(load_end),
    TEXT(experiment), TEXT(source),
    TEXT(cpu), TEXT(gpu), INT(cores), TEXT(git_commit), INT(dirty),
    TEXT(backbone), TEXT(module), TEXT(impl), TEXT(position), TEXT(form),
    TEXT(weights), TEXT(weights_hash), REAL(norm_gain), TEXT(graph),
    TEXT(backend), TEXT(dtype),
    INT(batch), INT(channels), INT(height), INT(width),
    TEXT(pass), TEXT(state), INT(threads), INT(arm), TEXT(settings),
    TEXT(repeat),
    TEXT(status), TEXT(message), TEXT(verified_at), REAL(rel_l2),
    INT(converged), INT(reps), INT(threads_used),
    REAL(params), REAL(macs), REAL(flops), REAL(paper_flops),
    REAL(transcendentals), REAL(bytes), REAL(arena_bytes),
    { NULL },
};
/* clang-format on */

/* Samples of one run while they are read; grown, and used again. */
typedef struct Samples {
    double *ns;
    int *round;
    int n, room;
} Samples;

static int refused(sqlite3 *db)
{
    return fail(ERR_IO, "the database: %s", sqlite3_errmsg(db));
}

static int prepare_runs(sqlite3 *db, const RunFilter *f, sqlite3_stmt **out)
{
    const bool all_experiments = !f->experiment || !*f->experiment;
    const bool all_sources = !f->source || !*f->source;
    char sql[SQL_SIZE] = "SELECT ";
    size_t n = strlen(sql);

    for (const RunColumn *c = run_columns; c->name; c++)
        n += (size_t)snprintf(sql + n, sizeof(sql) - n, "%s%s",
                              c == run_columns ? "run." : ", ", c->name);
    n += (size_t)snprintf(
        sql + n, sizeof(sql) - n,
        " FROM run JOIN sweep ON sweep.id = sweep_id"
        " JOIN start USING (sweep_id, start)"
        " JOIN machine ON machine.id = machine_id"
        " JOIN build ON build.id = build_id"
        " WHERE (?1 IS NULL OR experiment = ?1)"
        " AND (?2 IS NULL OR source = ?2)"
        " AND (?3 = -1 OR sweep_id = ?3 OR ?3 = 0 AND sweep_id IN"
        "   (SELECT max(sweep_id) FROM run JOIN sweep ON sweep.id = sweep_id"
        "    GROUP BY experiment, source))"
        " ORDER BY run.id");
    BUG_IF(n >= sizeof(sql));
    if (sqlite3_prepare_v2(db, sql, -1, out, NULL) != SQLITE_OK)
        return refused(db);
    if (!all_experiments)
        sqlite3_bind_text(*out, 1, f->experiment, -1, SQLITE_STATIC);
    if (!all_sources)
        sqlite3_bind_text(*out, 2, f->source, -1, SQLITE_STATIC);
    sqlite3_bind_int64(*out, 3, f->sweep);
    return OK;
}

static void read_columns(Run *run, sqlite3_stmt *row)
{
    int i = 0;

    memset(run, 0, sizeof(*run));
    for (const RunColumn *c = run_columns; c->name; c++, i++) {
        char *field = (char *)run + c->offset;
        const bool null = sqlite3_column_type(row, i) == SQLITE_NULL;

        switch (c->kind) {
        case COLUMN_ID:
            *(int64_t *)field = sqlite3_column_int64(row, i);
            break;
        case COLUMN_INT:
            *(int *)field = sqlite3_column_int(row, i);
            break;
        case COLUMN_REAL:
            *(double *)field = null ? NAN : sqlite3_column_double(row, i);
            break;
        case COLUMN_TEXT:
            snprintf(field, c->size, "%s",
                     null ? "" : (const char *)sqlite3_column_text(row, i));
            break;
        }
    }
}

static int grow(Samples *s)
{
    const int room = s->room ? 2 * s->room : 1024;
    double *ns = realloc(s->ns, (size_t)room * sizeof(*ns));
    int *round;

    if (!ns)
        return fail(ERR_MEMORY, "memory ran out at %d samples", s->n);
    s->ns = ns;
    round = realloc(s->round, (size_t)room * sizeof(*round));
    if (!round)
        return fail(ERR_MEMORY, "memory ran out at %d samples", s->n);
    s->round = round;
    s->room = room;
    return OK;
}

static int read_samples(Run *run, sqlite3 *db, sqlite3_stmt *rows, Samples *s)
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
        return fail(ERR_MEMORY, "memory ran out at %d samples", s->n);
    memcpy(run->ns, s->ns, (size_t)s->n * sizeof(*run->ns));
    memcpy(run->round, s->round, (size_t)s->n * sizeof(*run->round));
    return OK;
}

static int read_runs(RunList *out, sqlite3 *db, sqlite3_stmt *runs,
                     sqlite3_stmt *rows, Samples *samples)
{
    int room = 0, code;

    while ((code = sqlite3_step(runs)) == SQLITE_ROW) {
        if (out->n == room) {
            Run *more;

            room = room ? 2 * room : 64;
            more = realloc(out->at, (size_t)room * sizeof(*more));
            if (!more)
                return fail(ERR_MEMORY, "memory ran out at %d runs", out->n);
            out->at = more;
        }
        read_columns(&out->at[out->n], runs);
        TRY(read_samples(&out->at[out->n++], db, rows, samples));
    }
    return code == SQLITE_DONE ? OK : refused(db);
}

int summary_read(RunList *out, Store *s, const RunFilter *filter)
{
    sqlite3 *db = store_sqlite(s);
    sqlite3_stmt *runs = NULL, *rows = NULL;
    Samples samples = { 0 };
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
    return strcmp(r->status, "ok") == 0 && r->time.n > 0;
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
