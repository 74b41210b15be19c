/*
 * test_upgrade.c - a database of an older schema is read without being changed,
 * brought up to date when it is written to, whole or not at all, and merged.
 *
 * tests/schema_1.sql is one that an older attnbench made.
 */
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/cli/cmd.h"
#include "results/merge.h"
#include "results/store.h"
#include "tests/databases.h"
#include "tests/test.h"

/* A file of schema 1, in the journal mode that attnbench leaves or another. */
static void make_old(const char *path, const char *before, const char *after)
{
    size_t n;
    char *sql = read_bytes("tests/schema_1.sql", &n);
    char *all = sqlite3_mprintf("%s;%s;%s", before, sql, after);

    REQUIRE(sql && all);
    CHECK(alter(path, all));
    CHECK_ASK(path, "PRAGMA user_version", "1");
    sqlite3_free(all);
    free(sql);
}

static void make_older(const char *path)
{
    make_old(path, "PRAGMA journal_mode = WAL", "");
}

static void check_same_files(const char *path, const char *other)
{
    size_t n, m;
    char *a = read_bytes(path, &n), *b = read_bytes(other, &m);

    CHECK(n == m && !memcmp(a, b, n));
    free(a);
    free(b);
}

static void export_json(const char *db, const char *path)
{
    char flag[600];

    snprintf(flag, sizeof(flag), "--db=%s", db);
    CHECK_MSG(
        cmd_export(3, (char *[]){ flag, "--format=json", (char *)path }) == OK,
        "%s", err_message());
}

static void upgrade(const char *path)
{
    Store *s;

    CHECK_MSG(store_open(&s, path, STORE_WRITE) == OK, "%s", err_message());
    store_close(s);
}

/* The file of another name in the test's folder; to be freed. */
static char *named(const char *name)
{
    return strdup(temp_path(name));
}

/* ---- reading ------------------------------------------------------------ */

TEST(upgrade, reading_an_older_file_leaves_it_as_it_is)
{
    char *old = named("old.db"), *copy = named("copy.db");
    char flag[600];
    Store *s;

    make_older(old);
    make_older(copy);
    check_same_files(old, copy);
    REQUIRE(store_open(&s, old, STORE_READ) == OK);
    CHECK(!sqlite3_exec(store_sqlite(s),
                        "SELECT steps_ns, module_ns, process, program FROM run "
                        "JOIN sample, build; SELECT * FROM table2, latest",
                        NULL, NULL, NULL));
    CHECK(sqlite3_exec(store_sqlite(s), "DELETE FROM sample", NULL, NULL,
                       NULL) == SQLITE_READONLY);
    store_close(s);
    export_json(old, temp_path("a.json"));
    snprintf(flag, sizeof(flag), "--db=%s", old);
    CHECK_MSG(cmd_table(2, (char *[]){ "flags", flag }) == OK, "%s",
              err_message());
    check_same_files(old, copy);
    CHECK(access(temp_path("old.db-wal"), F_OK) != 0);
    free(old);
    free(copy);
}

TEST(upgrade, a_page_of_any_size_is_read)
{
    const char *old = temp_path("old.db");
    Store *s;

    make_old(old, "PRAGMA page_size = 16384", "PRAGMA journal_mode = WAL");
    CHECK_ASK(old, "PRAGMA page_size", "16384");
    CHECK_MSG(store_open(&s, old, STORE_READ) == OK, "%s", err_message());
    store_close(s);
}

/* ---- writing ------------------------------------------------------------- */

/* SQLite 3.40 finds a fault in roof, which was not touched, where there is
 * none: it takes columns of a table without rowid for others. */
static void check_sound(const char *path)
{
    CHECK_ASK(path, "PRAGMA integrity_check(sample)", "ok");
    CHECK_ASK(path, "PRAGMA integrity_check(run)", "ok");
    CHECK_ASK(path, "PRAGMA integrity_check(build)", "ok");
    CHECK_ASK(path, "PRAGMA foreign_key_check", "no row");
}

/* All that a file holds besides rows is what a new one holds. */
static void check_schema(const char *path)
{
    char sql[1024];
    const char *fresh = temp_path("fresh.db");

    REQUIRE(make_database(fresh, 0) == OK);
    snprintf(sql, sizeof(sql),
             "ATTACH '%s' AS fresh; CREATE TEMP TABLE differs AS SELECT * FROM "
             "(SELECT type, name, tbl_name, sql FROM main.sqlite_schema EXCEPT "
             "SELECT type, name, tbl_name, sql FROM fresh.sqlite_schema) UNION "
             "SELECT * FROM (SELECT type, name, tbl_name, sql FROM "
             "fresh.sqlite_schema EXCEPT SELECT type, name, tbl_name, sql FROM "
             "main.sqlite_schema); CREATE TEMP TABLE none (n CHECK (n = 0)); "
             "INSERT INTO none SELECT count(*) FROM differs",
             fresh);
    CHECK(alter(path, sql));
    CHECK_ASK(path, "PRAGMA user_version", "2");
    check_sound(path);
}

TEST(upgrade, writing_to_an_older_file_brings_it_up_to_date)
{
    char *old = named("old.db"), *read = named("a.json");
    char *written = named("b.json");

    make_older(old);
    export_json(old, read);
    upgrade(old);
    check_schema(old);
    export_json(old, written);
    check_same_files(read, written);
    CHECK_ASK(old,
              "SELECT count(*) FROM sample WHERE process = 0 AND "
              "module_ns IS NULL AND switches IS NULL",
              "14");
    CHECK_ASK(old, "SELECT group_concat(ns) FROM sample WHERE run_id = 5",
              "3.0,4.5");
    CHECK_ASK(old, "SELECT group_concat(id || program) FROM build", "1,2");
    CHECK_ASK(old, "SELECT value FROM note", "a value");
    CHECK_ASK(old, "SELECT host FROM at_work", "a host");
    CHECK_ASK(old, "SELECT repeat FROM begun", "a case");
    CHECK_ASK(old, "SELECT count(*) FROM erf_number", "6");
    CHECK(!alter(old, "UPDATE run SET status = 'wrong'"));
    free(old);
    free(read);
    free(written);
}

TEST(upgrade, an_older_file_takes_new_runs)
{
    const char *old = temp_path("old.db");

    make_older(old);
    REQUIRE(make_database(old, 2) == OK);
    check_schema(old);
    CHECK_ASK(old, "SELECT count(*) FROM run", "7");
    CHECK_ASK(old, "SELECT count(*) FROM sample", "20");
}

/* Additions of a user stay, if they are nothing that runs by itself. */
TEST(upgrade, tables_and_views_of_the_user_stay)
{
    const char *old = temp_path("old.db");

    make_old(old, "",
             "CREATE TABLE mine (run_id INTEGER REFERENCES run); INSERT INTO "
             "mine VALUES (1); CREATE VIEW slow AS SELECT * FROM run JOIN "
             "sample ON run_id = run.id WHERE ns > 4000");
    upgrade(old);
    CHECK_ASK(old, "SELECT count(*) FROM slow", "12");
    CHECK_ASK(old, "SELECT \"table\" FROM pragma_foreign_key_list('mine')",
              "run");
    CHECK_ASK(old, "PRAGMA foreign_key_check", "no row");
}

TEST(upgrade, what_does_not_fit_is_refused_and_stays)
{
    char *old = named("old.db"), *copy = named("copy.db");
    Store *s;

    for (int i = 0; i < 2; i++)
        make_old(i ? copy : old, "PRAGMA journal_mode = WAL",
                 "DROP TABLE sample; CREATE TABLE sample (run_id, i, ns)");
    CHECK(alter(old, "INSERT INTO sample VALUES (1, 0, -1)"));
    CHECK(alter(copy, "INSERT INTO sample VALUES (1, 0, -1)"));
    CHECK(store_open(&s, old, STORE_READ) == ERR_INPUT);
    CHECK(store_open(&s, old, STORE_WRITE) == ERR_INPUT);
    CHECK_MSG(strstr(err_message(), "upgrading it to schema 2: ") &&
                  strstr(err_message(), old) &&
                  strstr(err_message(), "constraint failed"),
              "%s", err_message());
    check_same_files(old, copy);
    free(old);
    free(copy);
}

/* ---- kills and other processes ------------------------------------------- */

static int die(void *unused)
{
    (void)unused;
    return raise(SIGKILL);
}

/* Makes a connection to a file spill pages into it early, and die at a commit.
 */
static int make_mortal(sqlite3 *db, const char **message,
                       const struct sqlite3_api_routines *api)
{
    (void)message;
    (void)api;
    if (!*sqlite3_db_filename(db, "main"))
        return SQLITE_OK; /* in memory */
    sqlite3_exec(db, "PRAGMA cache_size = 1", NULL, NULL, NULL);
    sqlite3_commit_hook(db, die, NULL);
    return SQLITE_OK;
}

static bool has_left(const char *path, const char *suffix)
{
    char name[600];
    struct stat st;

    snprintf(name, sizeof(name), "%s%s", path, suffix);
    return stat(name, &st) == 0 && st.st_size > 0;
}

TEST(upgrade, a_kill_before_its_end_leaves_the_older_file)
{
    static const char *const modes[] = { "PRAGMA journal_mode = WAL",
                                         "PRAGMA journal_mode = DELETE" };

    for (int i = 0; i < 2; i++) {
        char *old = named(i ? "b.db" : "a.db"), *before = named("a.json");
        char *after = named("b.json");
        int status = 0;
        Store *s;

        make_old(old, modes[i], "");
        export_json(old, before);
        if (fork() == 0) {
            sqlite3_auto_extension((void (*)(void))make_mortal);
            store_open(&s, old, STORE_WRITE);
            _exit(0);
        }
        wait(&status);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        CHECK(has_left(old, i ? "-journal" : "-wal"));
        export_json(old, after);
        check_same_files(before, after);
        CHECK_ASK(old, "PRAGMA user_version", "1");
        CHECK_ASK(old, "SELECT count(*) FROM pragma_table_info('sample')", "8");
        check_sound(old);
        upgrade(old);
        check_schema(old);
        unlink(temp_path("fresh.db"));
        free(old);
        free(before);
        free(after);
    }
}

TEST(upgrade, processes_that_come_at_once_upgrade_it_once)
{
    enum { PROCESSES = 4 };
    const char *old = temp_path("old.db");
    int status, failed = 0;

    make_older(old);
    for (int i = 0; i < PROCESSES; i++)
        if (fork() == 0) {
            const bool ok = make_database(old, 1) == OK;

            if (!ok)
                fprintf(stderr, "%s\n", err_message());
            _exit(!ok);
        }
    while (wait(&status) > 0)
        failed += status != 0;
    CHECK(failed == 0);
    check_schema(old);
    CHECK_ASK(old, "SELECT count(*) FROM run", "9");
}

/* ---- merging ------------------------------------------------------------- */

TEST(upgrade, an_older_file_is_merged)
{
    char *old = named("old.db"), *copy = named("copy.db");
    char *all = named("all.db"), *json = named("a.json");
    Added n;
    Store *s;

    make_older(old);
    make_older(copy);
    REQUIRE(make_database(all, 1) == OK);
    REQUIRE(store_open(&s, all, STORE_WRITE) == OK);
    CHECK_MSG(store_merge(s, old, &n) == OK, "%s", err_message());
    CHECK(n.sweeps == 4 && n.runs == 5 && n.samples == 14 && n.roofs == 1 &&
          n.erfs == 1 && n.profiles == 1);
    CHECK(store_merge(s, old, &n) == OK && n.sweeps == 0 && n.there == 4);
    store_close(s);
    check_same_files(old, copy);
    CHECK_ASK(all, "SELECT count(*) FROM sample WHERE process = 0", "17");
    CHECK_ASK(all, "SELECT count(*) FROM build", "3");
    CHECK_ASK(all, "PRAGMA foreign_key_check", "no row");
    export_json(all, json);

    REQUIRE(store_open(&s, old, STORE_WRITE) == OK); /* into an older one */
    CHECK_MSG(store_merge(s, copy, &n) == OK, "%s", err_message());
    CHECK(n.sweeps == 0 && n.there == 4);
    CHECK(store_merge(s, all, &n) == OK && n.sweeps == 1 && n.there == 4);
    store_close(s);
    check_schema(old);
    free(old);
    free(copy);
    free(all);
    free(json);
}
