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
    static const double ns[] = { 5, 1.5, 3 };
    static const int round[] = { 0, 0, 1 };

    return (Outcome){ .status = "ok",
                      .message = "",
                      .repeat = repeat,
                      .verified_at = "1x64x8x8",
                      .rel_l2 = 1e-7,
                      .converged = 1,
                      .reps = 1,
                      .params = 10,
                      .macs = NAN,
                      .n = 3,
                      .ns = ns,
                      .round = round };
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
        const Outcome o = an_outcome(repeat);

        snprintf(repeat, sizeof(repeat), "case %d", i);
        err = store_run(s, id, case_params, &c, "{\"reduction\":16}", &o);
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
