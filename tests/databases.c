/*
 * databases.c - databases and files for the tests of what reads them.
 */
#include "tests/databases.h"

#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/test.h"

enum { PATHS = 4, TEXT_SIZE = 4096 };

const Machine a_machine = { "a cpu", 2, 8e9, "", "", "an os" };
const Build a_build = { "unknown", 0, "gcc 12", "-O2", "sqlite" };
const Sweep a_sweep = { .experiment = "e",
                        .question = "why?",
                        .cases_hash = "h",
                        .seed = 0xffffffffffffffff,
                        .load = 0.5,
                        .denormals = 1,
                        .source = "attnbench" };

const char *temp_path(const char *name)
{
    static char paths[PATHS][TEXT_SIZE];
    static int at;
    char *path = paths[at++ % PATHS];

    snprintf(path, TEXT_SIZE, "%s/%s", test_tmpdir(), name);
    return path;
}

Outcome an_outcome(const char *repeat)
{
    Outcome o = outcome_of_nothing();

    snprintf(o.repeat, sizeof(o.repeat), "%s", repeat);
    snprintf(o.verified_at, sizeof(o.verified_at), "1x64x8x8");
    o.rel_l2 = 1e-7;
    o.converged = 1;
    o.params = 10;
    o.flops = o.paper_flops = o.transcendentals = 0;
    o.bytes = o.arena_bytes = 0;
    return o;
}

int store_three(Store *s, int64_t sweep_id, const Case *c, const Outcome *o)
{
    static const double ns[] = { 5, 1.5, 3 };
    static const int round[] = { 0, 0, 1 };

    return store_run(
        s, sweep_id, c, o,
        &(Samples){ o->status == STATUS_OK ? 3 : 0, ns, round, NULL });
}

int store_erf_alone(Store *s, const ErfRow *row)
{
    Sweep w = a_sweep;
    bool resumed;
    int64_t id;
    int err;

    snprintf(w.experiment, sizeof(w.experiment), "erf");
    TRY(store_sweep_begin(s, &a_machine, &a_build, &w, true, &id, &resumed));
    err = store_erf(s, id, row, 1);
    store_sweep_end(s, id);
    return err;
}

Case a_case(void)
{
    Case c;

    case_defaults(&c);
    BUG_IF(case_set(&c, "module", "se") || case_set(&c, "height", "8") ||
           case_set(&c, "width", "8") || case_complete(&c));
    return c;
}

int make_database(const char *path, int n)
{
    const Case c = a_case();
    char repeat[32];
    bool resumed;
    int64_t id;
    Store *s;
    int err;

    TRY(store_open(&s, path, STORE_WRITE));
    err = store_sweep_begin(s, &a_machine, &a_build, &a_sweep, true, &id,
                            &resumed);
    for (int i = 0; i < n && !err; i++) {
        Outcome o;

        snprintf(repeat, sizeof(repeat), "case %d", i);
        o = an_outcome(repeat);
        err = store_three(s, id, &c, &o);
    }
    if (!err)
        err = store_sweep_end(s, id);
    store_close(s);
    return err;
}

const char *ask(const char *path, const char *sql)
{
    static char text[TEXT_SIZE];
    sqlite3_stmt *stmt = NULL;
    sqlite3 *db;
    int code;

    sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL);
    sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);
    code = sqlite3_step(stmt);
    snprintf(text, TEXT_SIZE, "%s",
             code == SQLITE_ROW    ? (const char *)sqlite3_column_text(stmt, 0)
             : code == SQLITE_DONE ? "no row"
                                   : sqlite3_errmsg(db));
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return text;
}

bool alter(const char *path, const char *sql)
{
    sqlite3 *db;
    int code;

    sqlite3_open(path, &db);
    code = sqlite3_exec(db, sql, NULL, NULL, NULL);
    sqlite3_close(db);
    return code == SQLITE_OK;
}

void write_bytes(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");

    BUG_IF(!f || fwrite(bytes, 1, n, f) != n || fclose(f));
}

void write_text(const char *path, const char *text)
{
    write_bytes(path, text, strlen(text));
}

char *read_bytes(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    char *bytes = NULL;

    *n = 0;
    if (!f)
        return NULL;
    fseek(f, 0, SEEK_END);
    *n = (size_t)ftell(f);
    rewind(f);
    bytes = calloc(1, *n + 1);
    BUG_IF(!bytes || fread(bytes, 1, *n, f) != *n);
    fclose(f);
    return bytes;
}
