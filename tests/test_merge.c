/*
 * test_merge.c - what is merged is all there, once, and belongs together.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/cli/cmd.h"
#include "results/merge.h"
#include "tests/databases.h"
#include "tests/program.h"
#include "tests/stored.h"
#include "tests/test.h"

static const char *const tables[] = { "machine", "build",    "sweep",
                                      "start",   "run",      "sample",
                                      "step",    "quantity", "roof",
                                      "erf",     "erf_map",  "erf_number" };
enum { TABLES = sizeof(tables) / sizeof(tables[0]) };

static int merge(const char *db, const char *other, Added *added)
{
    Store *s;
    int err;

    TRY(store_open(&s, db, STORE_WRITE));
    err = store_merge(s, other, added);
    store_close(s);
    return err;
}

/* Runs of several sweeps, profiles, roofs, receptive fields. */
static void make_everything(const char *db)
{
    stored_profiles(db);
    stored_fields(db);
    stored_bench(db);
}

/* Rows of the table that one has and the other has not. */
static int differences(const char *path, const char *other, const char *table)
{
    char sql[256];
    sqlite3_stmt *stmt = NULL;
    sqlite3 *db;
    int n = -1;

    sqlite3_open(path, &db);
    snprintf(sql, sizeof(sql), "ATTACH '%s' AS other", other);
    BUG_IF(sqlite3_exec(db, sql, NULL, NULL, NULL));
    snprintf(sql, sizeof(sql),
             "SELECT (SELECT count(*) FROM (SELECT * FROM main.%s EXCEPT "
             "SELECT * FROM other.%s)) + (SELECT count(*) FROM (SELECT * FROM "
             "other.%s EXCEPT SELECT * FROM main.%s))",
             table, table, table, table);
    BUG_IF(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL));
    if (sqlite3_step(stmt) == SQLITE_ROW)
        n = sqlite3_column_int(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return n;
}

TEST(merge, an_empty_database_becomes_the_same)
{
    const char *db = temp_path("a.db"), *all = temp_path("all.db");
    Added n;

    make_everything(db);
    REQUIRE(merge(all, db, &n) == OK);
    for (int i = 0; i < TABLES; i++)
        CHECK_MSG(differences(db, all, tables[i]) == 0, "%s", tables[i]);
    CHECK(n.sweeps == 3 && n.runs == 27 && n.samples == 90 && n.profiles == 4);
    CHECK(n.roofs == 4 && n.erfs == 18 && n.there == 0);
    CHECK_ASK(all,
              "SELECT group_concat(part) FROM (SELECT part FROM erf_map WHERE "
              "erf_id = 6 ORDER BY rowid)",
              "whole,past_gates,gates"); /* in the order stored */
}

/* Where ids are taken, all that belongs together still does. */
TEST(merge, gives_new_ids_to_what_others_have_numbered_alike)
{
    static const char owners[] =
        "SELECT (SELECT count(*) FROM run JOIN sweep ON sweep.id = sweep_id "
        "WHERE (experiment = 'profile') <> (run.id IN (SELECT run_id FROM "
        "step))) || ' ' || (SELECT count(*) FROM run WHERE 10 <> (SELECT "
        "count(*) FROM sample WHERE run_id = run.id) AND kind <> 'erf')";
    static const char maps[] =
        "SELECT count(*) FROM erf_map JOIN erf ON erf.id = erf_id "
        "JOIN run ON run.id = run_id WHERE length(map) = 4 * height * width";
    const char *db = temp_path("a.db"), *all = temp_path("all.db");
    Added n;

    stored_channels(all);
    stored_trained_fields(all);
    CHECK_ASK(all, maps, "17");
    make_everything(db);
    REQUIRE(merge(all, db, &n) == OK);
    CHECK(n.sweeps == 3 && n.runs == 27 && n.erfs == 18);
    CHECK_ASK(all, "SELECT count(*) FROM sweep", "5");
    CHECK_ASK(all, "SELECT count(*) FROM machine", "1");
    CHECK_ASK(all, "SELECT count(*) FROM build", "1");
    CHECK_ASK(all, "SELECT count(*) FROM pragma_foreign_key_check", "0");
    CHECK_ASK(all, maps, "59");
    /* a run of stored_channels is unsupported, and has no samples */
    CHECK_ASK(all, owners, "0 1");
}

TEST(merge, twice_adds_nothing)
{
    const char *db = temp_path("a.db"), *all = temp_path("all.db");
    Added n;

    make_everything(db);
    REQUIRE(merge(all, db, &n) == OK);
    REQUIRE(merge(all, db, &n) == OK);
    CHECK(n.sweeps + n.runs + n.samples + n.profiles + n.roofs + n.erfs == 0);
    CHECK(n.there == 3);
    for (int i = 0; i < TABLES; i++)
        CHECK_MSG(differences(db, all, tables[i]) == 0, "%s", tables[i]);
}

/* A database of one sweep; n starts, each with one run. */
static void resumed_sweep(const char *db, int n, bool ended)
{
    Stored s = stored_begin(db, "bench", "attnbench");
    const Case first = stored_case("module=se");
    const Case second = stored_case("module=eca");

    stored_add(&s, &first, 1000, "ok");
    if (n > 1) {
        stored_restart(&s);
        stored_add(&s, &second, 2000, "ok");
    }
    if (ended)
        BUG_IF(store_sweep_end(s.store, s.sweep));
    store_close(s.store);
}

TEST(merge, adds_the_runs_of_a_sweep_that_was_resumed_since)
{
    const char *before = temp_path("a.db"), *db = temp_path("b.db");
    const char *all = temp_path("all.db");
    Added n;

    resumed_sweep(before, 1, false);
    resumed_sweep(db, 2, true);
    stored_channels(all);
    REQUIRE(merge(all, before, &n) == OK);
    REQUIRE(merge(all, db, &n) == OK);
    CHECK(n.sweeps == 0 && n.there == 1 && n.runs == 1 && n.samples == 10);
    CHECK_ASK(all,
              "SELECT group_concat(module || start) FROM (SELECT * FROM run "
              "WHERE sweep_id = 2 ORDER BY id)",
              "se0,eca1");
    CHECK_ASK(all, "SELECT count(*) FROM start WHERE sweep_id = 2", "2");
    CHECK_ASK(all, "SELECT count(ended_at) FROM sweep", "2");
    REQUIRE(merge(all, before, &n) == OK); /* the older copy says no more */
    CHECK(n.runs == 0);
    REQUIRE(alter(before, "INSERT INTO start SELECT sweep_id, 1, "
                          "'2026-11-25T00:00:00Z', seed, argv, governor, load, "
                          "denormals, load_end FROM start"));
    CHECK(merge(all, before, &n) == ERR_INPUT);
    CHECK_MSG(strstr(err_message(), "resumed in both"), "%s", err_message());
}

TEST(merge, leaves_notes_and_what_is_at_work)
{
    const char *db = temp_path("a.db"), *all = temp_path("all.db");
    Added n;

    REQUIRE(make_database(db, 1) == OK);
    REQUIRE(alter(db, "INSERT INTO note VALUES (1, 'k', 'v', "
                      "'2026-11-25T00:00:00Z'); INSERT INTO at_work VALUES (1, "
                      "'h', 1, 1, '2026-11-25T00:00:00Z'); INSERT INTO begun "
                      "VALUES (1, 'r', 0, 0, 0)"));
    REQUIRE(merge(all, db, &n) == OK);
    CHECK_ASK(all,
              "SELECT (SELECT count(*) FROM note) + (SELECT count(*) FROM "
              "at_work) + (SELECT count(*) FROM begun)",
              "0");
}

/* Half of a database is none. */
TEST(merge, takes_all_of_a_database_or_nothing)
{
    const char *db = temp_path("a.db"), *all = temp_path("all.db");
    Added n;

    make_everything(db);
    REQUIRE(alter(db, "PRAGMA ignore_check_constraints = ON; INSERT INTO "
                      "quantity VALUES (1, 0, '', 'x', 'guessed', 1, '')"));
    CHECK(merge(all, db, &n) == ERR_INPUT);
    CHECK_MSG(strstr(err_message(), "a.db"), "%s", err_message());
    for (int i = 0; i < TABLES; i++) {
        char sql[64];

        snprintf(sql, sizeof(sql), "SELECT count(*) FROM %s", tables[i]);
        CHECK_ASK(all, sql, "0");
    }
}

TEST(merge, reads_a_database_that_may_not_be_written)
{
    char folder[600];
    const char *all = temp_path("all.db"), *db;
    Added n;

    if (geteuid() == 0)
        SKIP("root may write anything");
    snprintf(folder, sizeof(folder), "%s", temp_path("fixed"));
    REQUIRE(mkdir(folder, 0700) == 0);
    db = temp_path("fixed/a%41.db");
    REQUIRE(make_database(db, 2) == OK);
    REQUIRE(chmod(db, 0400) == 0 && chmod(folder, 0500) == 0);
    CHECK_MSG(merge(all, db, &n) == OK, "%s", err_message());
    CHECK(n.runs == 2);
    chmod(folder, 0700);
}

/* The command, onto all.db. */
static int command(const char *other, const char *third)
{
    char flag[600], *argv[] = { flag, (char *)other, (char *)third };

    snprintf(flag, sizeof(flag), "--db=%s", temp_path("all.db"));
    return cmd_merge(third ? 3 : 2, argv);
}

TEST(merge, refuses_what_is_no_database_before_one_is_made)
{
    char *db = strdup(temp_path("a.db")), *text = strdup(temp_path("a.txt"));
    static const struct {
        const char *sql, *says;
    } bad[] = {
        { "PRAGMA user_version = 9", "was written by a newer attnbench" },
        { "PRAGMA user_version = 0", "unknown schema" },
        { "PRAGMA application_id = 7", "a database of another program" },
    };

    write_text(text, "not a database, though it is longer than the hundred "
                     "bytes with which one begins, as each of them must be");
    CHECK(command(text, NULL) == ERR_INPUT);
    CHECK_MSG(strstr(err_message(), "is not an attnbench database"), "%s",
              err_message());
    CHECK(command(temp_path("none.db"), NULL) == ERR_INPUT);
    REQUIRE(make_database(db, 1) == OK);
    CHECK(command(db, text) == ERR_INPUT);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        REQUIRE(alter(db, bad[i].sql));
        CHECK(command(db, NULL) == ERR_INPUT);
        CHECK_MSG(strstr(err_message(), bad[i].says), "%s", err_message());
        REQUIRE(alter(db, "PRAGMA user_version = 2; PRAGMA application_id = "
                          "1635021922"));
    }
    CHECK(access(temp_path("all.db"), F_OK) != 0);
    free(db);
    free(text);
}

TEST(merge, refuses_a_file_twice_or_onto_itself)
{
    char *db = strdup(temp_path("a.db")), *link = strdup(temp_path("link.db"));
    char *all = strdup(temp_path("all.db"));

    REQUIRE(make_database(db, 1) == OK && symlink(db, link) == 0);
    CHECK(command(db, link) == ERR_INPUT);
    CHECK_MSG(strstr(err_message(), "are the same file"), "%s", err_message());
    REQUIRE(make_database(all, 1) == OK);
    CHECK(command(all, NULL) == ERR_INPUT);
    CHECK_MSG(strstr(err_message(), "is the database to add to"), "%s",
              err_message());
    CHECK_ASK(all, "SELECT count(*) FROM sweep", "1");
    free(db);
    free(link);
    free(all);
}

TEST(merge, adds_every_database_that_is_named)
{
    char *bench = strdup(temp_path("a.db")), *other = strdup(temp_path("b.db"));

    stored_bench(bench);
    stored_channels(other);
    CHECK_MSG(command(bench, other) == OK, "%s", err_message());
    CHECK_ASK(temp_path("all.db"),
              "SELECT group_concat(experiment) FROM (SELECT experiment FROM "
              "sweep ORDER BY id)",
              "bench,channels");
    free(bench);
    free(other);
}

TEST(merge, says_what_was_added)
{
    char *db = strdup(temp_path("a.db")), *said, want[1400];
    char *all = strdup(temp_path("all.db"));

    make_everything(db);
    CHECK(program(&said, "merge --db='%s' '%s'", all, db) == 0);
    snprintf(want, sizeof(want),
             "%s: 3 sweeps, 27 runs, 90 samples, 4 profiles, 4 roofs, 18 "
             "receptive fields into %s\n",
             db, all);
    CHECK_MSG(!strcmp(said, want), "%s", said);
    free(said);
    CHECK(program(&said, "merge --db='%s' '%s'", all, db) == 0);
    CHECK_MSG(strstr(said, ": 0 sweeps, 0 runs,") &&
                  strstr(said, "; 3 sweeps were already there\n"),
              "%s", said);
    free(said);
    free(db);
    free(all);
}
