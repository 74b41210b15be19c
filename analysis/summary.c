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

#include "analysis/disturbed.h"
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

/* A sample while its run is read. */
typedef struct Sample {
    double ns, module_ns, started_ns;
    int round, process;
    bool disturbed;
} Sample;

/* Samples of one run while they are read; grown, and used again. */
typedef struct Read {
    Sample *at;
    int n, room;
    bool modules, starts, processes, states; /* one of them is known */
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
    Sample *at = realloc(s->at, (size_t)room * sizeof(*at));

    if (!at)
        return fail(ERR_MEMORY, "no memory for %d samples", s->n);
    s->at = at;
    s->room = room;
    return OK;
}

static double real(sqlite3_stmt *row, int column)
{
    return sqlite3_column_type(row, column) == SQLITE_NULL
               ? NAN
               : sqlite3_column_double(row, column);
}

/* The columns of sample_columns. */
static void read_sample(Read *s, sqlite3_stmt *row, int reps)
{
    Telemetry t = telemetry_unknown();
    Sample *x = &s->at[s->n++];

    x->ns = sqlite3_column_double(row, 0);
    x->round = sqlite3_column_int(row, 1);
    x->process = sqlite3_column_int(row, 2);
    x->module_ns = real(row, 3);
    x->started_ns = real(row, 4);
    t.run_delay_ns = real(row, 5);
    t.steal_ns = real(row, 6);
    if (sqlite3_column_type(row, 7) != SQLITE_NULL)
        t.switches = sqlite3_column_int(row, 7);
    x->disturbed = sample_disturbed(&t, x->ns * reps);
    s->modules |= !isnan(x->module_ns);
    s->starts |= !isnan(x->started_ns);
    s->processes |= x->process > 0;
    s->states |= !isnan(t.run_delay_ns) || !isnan(t.steal_ns) ||
                 t.switches >= 0 || !isnan(x->started_ns);
}

static const char sample_columns[] =
    "SELECT ns, round, process, module_ns, started_ns, run_delay_ns, steal_ns, "
    "switches FROM sample WHERE run_id = ? ORDER BY i";

/* An array of n, if it is wanted; *ok is no more if there is no memory. */
static void *array(bool wanted, int n, size_t size, bool *ok)
{
    void *x = wanted ? malloc((size_t)n * size) : NULL;

    *ok &= x || !wanted;
    return x;
}

/* The median's interval is at least that of the processes' medians. */
static bool allow_for_processes(Run *run)
{
    double *logs = malloc((size_t)(run->time.n + 1) * sizeof(*logs)), half;

    if (!logs)
        return false;
    for (int i = 0; i < run->time.n; i++)
        logs[i] = log(run->ns[i]);
    half = processes_half(logs, run->process, run->time.n);
    run->time.lo = fmin(run->time.lo, run->time.median * exp(-half));
    run->time.hi = fmax(run->time.hi, run->time.median * exp(half));
    free(logs);
    return true;
}

/* Gives the samples to the run. */
static int keep_samples(Run *run, const Read *s)
{
    const int n = s->n;
    bool ok = true;

    run->ns = array(n > 0, n, sizeof(*run->ns), &ok);
    run->round = array(n > 0, n, sizeof(*run->round), &ok);
    run->module_ns = array(s->modules, n, sizeof(*run->module_ns), &ok);
    run->started_ns = array(s->starts, n, sizeof(*run->started_ns), &ok);
    run->process = array(s->processes, n, sizeof(*run->process), &ok);
    run->disturbed = array(s->states, n, sizeof(*run->disturbed), &ok);
    for (int i = 0; ok && i < n; i++) {
        run->ns[i] = s->at[i].ns;
        run->round[i] = s->at[i].round;
        if (s->modules)
            run->module_ns[i] = s->at[i].module_ns;
        if (s->starts)
            run->started_ns[i] = s->at[i].started_ns;
        if (s->processes)
            run->process[i] = s->at[i].process;
        if (s->states)
            run->disturbed[i] = s->at[i].disturbed;
    }
    if (ok)
        run->time = stats_of(run->ns, n);
    if (ok && s->processes)
        ok = allow_for_processes(run);
    return ok && run->time.n == n
               ? OK
               : fail(ERR_MEMORY, "no memory for %d samples", n);
}

static int read_samples(Run *run, sqlite3 *db, sqlite3_stmt *rows, Read *s)
{
    int code;

    s->n = 0;
    s->modules = s->starts = s->processes = s->states = false;
    sqlite3_reset(rows);
    sqlite3_bind_int64(rows, 1, run->id);
    while ((code = sqlite3_step(rows)) == SQLITE_ROW) {
        if (s->n == s->room)
            TRY(grow(s));
        read_sample(s, rows, run->o.reps);
    }
    return code == SQLITE_DONE ? keep_samples(run, s) : refused(db);
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
    if (!err && sqlite3_prepare_v2(db, sample_columns, -1, &rows, NULL))
        err = refused(db);
    if (!err)
        err = read_runs(out, db, runs, rows, &samples);
    if (!err)
        err = disturbed_spread(out);
    sqlite3_finalize(runs);
    sqlite3_finalize(rows);
    free(samples.at);
    if (err)
        summary_free(out);
    return err;
}

void run_free_samples(Run *r)
{
    free(r->ns);
    free(r->round);
    free(r->module_ns);
    free(r->started_ns);
    free(r->process);
    free(r->disturbed);
}

void summary_free(RunList *list)
{
    for (int i = 0; i < list->n; i++)
        run_free_samples(&list->at[i]);
    free(list->at);
    *list = (RunList){ 0 };
}

Series run_series(const Run *r)
{
    return (Series){ .n = r->time.n,
                     .ns = r->ns,
                     .round = r->round,
                     .module_ns = r->module_ns,
                     .disturbed = r->disturbed,
                     .process = r->process };
}

bool run_is_ok(const Run *r)
{
    return r->o.status == STATUS_OK && r->time.n > 0;
}

int run_compare_start(const Run *a, const Run *b)
{
    const int experiment = strcmp(a->experiment, b->experiment);
    const int started_at = strcmp(a->started_at, b->started_at);

    return experiment   ? experiment
           : started_at ? started_at
                        : (a->seed > b->seed) - (a->seed < b->seed);
}

/* The widest that the intervals of both medians allow. */
static Ratio ratio_apart(const Run *a, const Run *b)
{
    return (Ratio){ 0, a->time.median / b->time.median, a->time.lo / b->time.hi,
                    a->time.hi / b->time.lo };
}

static const Ratio unknown = { 0, NAN, NAN, NAN };

static bool is_mostly_disturbed(const Run *r)
{
    int n = 0;

    for (int i = 0; r->disturbed && i < r->time.n; i++)
        n += r->disturbed[i];
    return 2 * n > r->time.n;
}

Ratio summary_direct_of_steps(const Outcome *o, int n, const Ratio *passes)
{
    Ratio r = { n, 1 - o->module_steps_ns / o->steps_ns,
                1 - o->module_steps_hi_ns / o->steps_ns,
                1 - o->module_steps_lo_ns / o->steps_ns };

    if (isnan(o->module_steps_ns))
        return unknown;
    if (passes->n) {
        r.lo = fmin(r.lo, passes->ratio);
        r.hi = fmax(r.hi, passes->ratio);
    }
    return r;
}

ModuleCost summary_cost(const Run *plain, const Run *with)
{
    const Series w = run_series(with);
    const Ratio passes = direct_of(&w);
    const Ratio steps =
        is_mostly_disturbed(with)
            ? summary_direct_of_steps(&with->o, with->time.n, &passes)
            : unknown;
    ModuleCost c = { .paired = { unknown, unknown, 0, 0, NAN },
                     .indirect = unknown };

    if (plain && run_compare_start(plain, with) == 0) {
        const Series p = run_series(plain);

        c = cost_of(&p, &w);
    }
    if (plain && !c.paired.all.n)
        c.paired.ratio = c.paired.all = ratio_apart(plain, with);
    if (!c.paired.all.n)
        c.direct = passes;
    if (steps.n) {
        c.direct = steps;
        if (c.paired.all.n)
            c.indirect = ratio_over(&c.paired.ratio, &steps);
    }
    return c;
}

Ratio summary_ratio(const Run *a, const Run *b)
{
    if (run_compare_start(a, b) == 0) {
        const Ratio r = ratio_paired(a->ns, a->round, a->time.n, b->ns,
                                     b->round, b->time.n);

        if (r.n)
            return r;
    }
    return ratio_apart(a, b);
}
