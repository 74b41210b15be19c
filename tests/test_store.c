/*
 * test_store.c - what goes into the database comes out, and nothing else goes
 * in; a kill at any moment loses no run and halves none.
 */
#include "results/store.h"

#include <math.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/case.h"
#include "tests/test.h"

static const Machine machine = { "a cpu", 2, 8e9, "", "", "an os" };
static const Build build = { "unknown", 0, "gcc 12", "-O2", "sqlite" };
static const Sweep sweep = { .experiment = "e",
                             .question = "why?",
                             .cases_hash = "h",
                             .seed = 0xffffffffffffffff,
                             .load = 0.5,
                             .denormals = 1,
                             .source = "attnbench" };
static const double three_ns[] = { 5, 1.5, 3 };
static const int three_rounds[] = { 0, 0, 1 };

static Outcome outcome(const char *repeat)
{
    return (Outcome){ .status = "ok",
                      .message = "",
                      .repeat = repeat,
                      .verified_at = "1x64x56x56",
                      .rel_l2 = 1e-7,
                      .converged = 1,
                      .reps = 1,
                      .params = 10,
                      .macs = NAN,
                      .n = 3,
                      .ns = three_ns,
                      .round = three_rounds };
}

static const char *path_of(const char *name)
{
    static char path[256];

    snprintf(path, sizeof(path), "%s/%s", test_tmpdir(), name);
    return path;
}

/* A database of one sweep with n runs, closed. */
static int make(const char *path, int n)
{
    Store *s;
    Case c;
    int64_t id;
    bool resumed;
    char repeat[32];
    int err;

    case_defaults(&c);
    c.channels = c.height = c.width = 8;
    TRY(store_open(&s, path, STORE_WRITE));
    err = store_sweep_begin(s, &machine, &build, &sweep, false, &id, &resumed);
    for (int i = 0; i < n && !err; i++) {
        Outcome o = outcome(repeat);

        snprintf(repeat, sizeof(repeat), "case %d", i);
        err = store_run(s, id, case_params, &c, "{}", &o);
    }
    store_close(s);
    return err;
}

/* The first column of the first row as text; "none" if there is none. */
static const char *ask(const char *path, const char *sql)
{
    static char text[256];
    sqlite3_stmt *stmt;
    sqlite3 *db;

    snprintf(text, sizeof(text), "none");
    sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL);
    if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) != SQLITE_OK)
        snprintf(text, sizeof(text), "%s", sqlite3_errmsg(db));
    else if (sqlite3_step(stmt) == SQLITE_ROW)
        snprintf(text, sizeof(text), "%s",
                 (const char *)sqlite3_column_text(stmt, 0));
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return text;
}

#define CHECK_ASK(path, sql, wanted)                                           \
    do {                                                                       \
        const char *got_ = ask(path, sql);                                     \
                                                                               \
        CHECK_MSG(!strcmp(got_, wanted), "%s: %s, not %s", sql, got_, wanted); \
    } while (0)

TEST(store, keeps_every_setting_cost_and_sample)
{
    const char *path = path_of("a.db");

    REQUIRE(make(path, 2) == OK);
    CHECK_ASK(path, "SELECT count(*) FROM run", "2");
    CHECK_ASK(path, "SELECT count(*) FROM sample", "6");
    CHECK_ASK(path, "SELECT group_concat(ns) FROM sample WHERE run_id = 1",
              "5.0,1.5,3.0");
    CHECK_ASK(path, "SELECT group_concat(round) FROM sample WHERE run_id = 1",
              "0,0,1");
    CHECK_ASK(path, "SELECT median_ns FROM run_time WHERE run_id = 2", "3.0");
    CHECK_ASK(path, "SELECT backbone || module || channels || dtype FROM run",
              "nonenone8f32");
    CHECK_ASK(path, "SELECT params || ifnull(macs, '-') FROM run", "10.0-");
    CHECK_ASK(path, "SELECT seed FROM start", "-1");
    CHECK_ASK(path, "PRAGMA integrity_check", "ok");
}
