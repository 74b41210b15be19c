/*
 * test_store_files.c - files that are no database are refused and left as they
 * are; a full disk, other processes and kills lose no run and halve none.
 */
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "results/store.h"
#include "tests/databases.h"
#include "tests/test.h"

static int64_t begin_sweep(Store *s)
{
    bool resumed;
    int64_t id = 0;

    CHECK(store_sweep_begin(s, &a_machine, &a_build, &a_sweep, true, &id,
                            &resumed) == OK);
    return id;
}

/* 1. Files that are refused, and left as they are. */

static void store_refuses(const char *path, StoreMode mode, const char *part)
{
    size_t n, m;
    char *before = read_bytes(path, &n), *after;
    Store *s;

    if (store_open(&s, path, mode) == OK) {
        test_failed(__FILE__, __LINE__, "%s was opened", path);
        store_close(s);
    }
    CHECK_MSG(strstr(err_message(), part), "'%s' does not say '%s'",
              err_message(), part);
    CHECK_MSG(strstr(err_message(), path), "'%s' does not name the file",
              err_message());
    after = read_bytes(path, &m);
    CHECK_MSG(n == m && (!n || !memcmp(before, after, n)), "%s was changed",
              path);
    free(before);
    free(after);
}

static void store_refuses_both(const char *path, const char *part)
{
    char extra[600];

    store_refuses(path, STORE_READ, part);
    store_refuses(path, STORE_WRITE, part);
    for (int i = 0; i < 3; i++) {
        snprintf(extra, sizeof(extra), "%s%s", path,
                 i == 0   ? "-wal"
                 : i == 1 ? "-shm"
                          : "-journal");
        CHECK_MSG(access(extra, F_OK), "%s was left", extra);
    }
}

/* A good database with one byte of it changed. */
static const char *spoiled(size_t at, char byte)
{
    const char *path = temp_path("spoiled.db");
    char *bytes;
    size_t n;

    unlink(path);
    BUG_IF(make_database(path, 20) != OK);
    bytes = read_bytes(path, &n);
    bytes[at] = byte;
    write_bytes(path, bytes, n);
    free(bytes);
    return path;
}

TEST(store, refuses_files_that_are_no_database)
{
    const char *path = temp_path("file");
    char header[200] = "SQLite format 3";

    write_text(path, "id,ns\n1,2\n");
    store_refuses_both(path, "is not an attnbench database");
    write_bytes(path, header, 50);
    store_refuses_both(path, "is not an attnbench database");
    write_bytes(path, "\0\0\0\0", 4);
    store_refuses_both(path, "is not an attnbench database");
    write_text(path, "");
    store_refuses(path, STORE_READ, "is empty; 'attnbench run' fills it");
    store_refuses_both(spoiled(5, 'x'), "is not an attnbench database");
}

TEST(store, refuses_databases_of_others)
{
    const char *path = temp_path("others.db");

    CHECK(alter(path, "CREATE TABLE run (id INTEGER)"));
    store_refuses_both(path, "is a database of another program");
    CHECK(alter(path, "PRAGMA application_id = 1196444487")); /* GeoPackage */
    store_refuses_both(path, "is a database of another program");
    CHECK(alter(path, "PRAGMA journal_mode = WAL"));
    store_refuses_both(path, "is a database of another program");
}

TEST(store, refuses_schemas_it_does_not_know)
{
    const char *path = temp_path("a.db");

    REQUIRE(make_database(path, 1) == OK);
    CHECK(alter(path, "PRAGMA application_id = 1635020386"));
    store_refuses_both(path, "was written before the first release");
    CHECK(alter(path, "PRAGMA application_id = 1635021922"));
    CHECK(alter(path, "PRAGMA user_version = 99"));
    store_refuses_both(path, "was written by a newer attnbench (schema 99; "
                             "this one knows 2)");
    CHECK(alter(path, "PRAGMA user_version = 0"));
    store_refuses_both(path, "has unknown schema 0");
}

/* At a page and within one; before and behind the header. */
TEST(store, refuses_truncated_databases)
{
    static const size_t cuts[] = { 100, 4096, 8192, 20000 };
    const char *path = temp_path("cut.db");
    char *bytes;
    size_t n;

    REQUIRE(make_database(path, 20) == OK);
    bytes = read_bytes(path, &n);
    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        REQUIRE(cuts[i] < n);
        write_bytes(path, bytes, cuts[i]);
        store_refuses_both(path, "damaged or truncated");
    }
    write_bytes(path, bytes, 99);
    store_refuses_both(path, "is not an attnbench database");
    free(bytes);
}

TEST(store, refuses_damaged_databases)
{
    store_refuses_both(spoiled(100, 0), "damaged or truncated"); /* the root */
    store_refuses_both(spoiled(17, 3), ""); /* its page size */
    store_refuses_both(spoiled(21, 9), ""); /* payload fractions */
}

TEST(store, refuses_what_is_not_there_or_no_file)
{
    const char *path = temp_path("none.db");
    Store *s;

    store_refuses(path, STORE_READ, "no database");
    CHECK(access(path, F_OK) != 0);
    CHECK(store_open(&s, test_tmpdir(), STORE_WRITE) == ERR_INPUT);
    CHECK(strstr(err_message(), "is a folder; a database is one file"));
    CHECK(store_open(&s, test_tmpdir(), STORE_READ) == ERR_INPUT);
    path = temp_path("pipe");
    CHECK(mkfifo(path, 0600) == 0);
    CHECK(store_open(&s, path, STORE_READ) == ERR_INPUT);
    CHECK(strstr(err_message(), "is not a regular file"));
    CHECK(store_open(&s, "/dev/null", STORE_WRITE) == ERR_INPUT);
    store_refuses_both("", "names no file");
    store_refuses_both(":memory:", "names no file");
    CHECK(store_open(&s, "/proc/no/folder.db", STORE_WRITE) == ERR_IO);
    CHECK(strstr(err_message(), "cannot make the folder"));
}

/* A database in a folder that may not be written, as nobody sees it: root may
 * write anywhere, so as root the rest of the test is another user's. */
static void lock_folder(const char *path)
{
    CHECK(chmod(path, 0644) == 0);
    if (geteuid() == 0)
        CHECK(chown(path, 65534, 65534) == 0 &&
              chown(test_tmpdir(), 65534, 65534) == 0);
    CHECK(chmod(test_tmpdir(), 0555) == 0);
    if (geteuid() == 0)
        CHECK(setregid(65534, 65534) == 0 && setreuid(65534, 65534) == 0);
}

TEST(store, reads_where_nothing_may_be_written)
{
    const char *path = temp_path("a ?#%.db");
    sqlite3_stmt *stmt = NULL;
    Store *s;

    REQUIRE(make_database(path, 4) == OK);
    CHECK(alter(path, "PRAGMA journal_mode = WAL"));
    lock_folder(path);
    CHECK_MSG(store_open(&s, path, STORE_READ) == OK, "%s", err_message());
    if (s) {
        CHECK(sqlite3_prepare_v2(store_sqlite(s), "SELECT count(*) FROM run",
                                 -1, &stmt, NULL) == SQLITE_OK);
        CHECK(sqlite3_step(stmt) == SQLITE_ROW);
        CHECK(sqlite3_column_int(stmt, 0) == 4);
        sqlite3_finalize(stmt);
        store_close(s);
    }
    CHECK(chmod(path, 0444) == 0);
    CHECK(store_open(&s, path, STORE_WRITE) == ERR_IO);
    CHECK_MSG(strstr(err_message(), "you can read it but not write it"), "%s",
              err_message());
    CHECK(chmod(path, 0) == 0);
    CHECK(store_open(&s, path, STORE_READ) == ERR_IO);
    CHECK_MSG(strstr(err_message(), "Permission denied"), "%s", err_message());
    CHECK(chmod(test_tmpdir(), 0755) == 0);
}

/* A child that is killed while a big change is partly in the file. */
static void die_within_a_change(const char *path, const char *mode)
{
    sqlite3 *db;
    int status;

    if (fork() == 0) {
        sqlite3_open(path, &db);
        sqlite3_exec(db, mode, NULL, NULL, NULL);
        sqlite3_exec(db,
                     "PRAGMA cache_size = 2; BEGIN;"
                     "WITH RECURSIVE k (i) AS (VALUES (3) UNION ALL SELECT "
                     "i + 1 FROM k WHERE i < 20000) INSERT INTO sample "
                     "(run_id, i, round, ns) SELECT 1, i, 0, 1 FROM k",
                     NULL, NULL, NULL);
        kill(getpid(), SIGKILL);
    }
    wait(&status);
    CHECK(WIFSIGNALED(status));
}

TEST(store, reads_past_what_a_kill_left_half_done)
{
    const char *path = temp_path("a.db");
    char journal[600];
    Store *s;

    REQUIRE(make_database(path, 1) == OK);
    snprintf(journal, sizeof(journal), "%s-journal", path);
    die_within_a_change(path, "PRAGMA journal_mode = DELETE");
    CHECK(access(journal, F_OK) == 0);
    CHECK_MSG(store_open(&s, path, STORE_READ) == OK, "%s", err_message());
    store_close(s);
    CHECK_ASK(path, "SELECT count(*) FROM sample", "3");

    die_within_a_change(path, "PRAGMA journal_mode = WAL");
    CHECK_MSG(store_open(&s, path, STORE_READ) == OK, "%s", err_message());
    store_close(s);
    CHECK_ASK(path, "SELECT count(*) FROM sample", "3");
    CHECK_ASK(path, "PRAGMA integrity_check", "ok");
}

TEST(store, says_that_changes_are_beside_a_file_nobody_may_write)
{
    const char *path = temp_path("a.db");
    char shm[600];
    Store *s;

    REQUIRE(make_database(path, 1) == OK);
    die_within_a_change(path, "PRAGMA journal_mode = WAL");
    snprintf(shm, sizeof(shm), "%s-shm", path);
    unlink(shm);
    lock_folder(path);
    CHECK(store_open(&s, path, STORE_READ) == ERR_IO);
    CHECK_MSG(strstr(err_message(), "-wal, and its folder is not writable"),
              "%s", err_message());
    CHECK(chmod(test_tmpdir(), 0755) == 0);
}

TEST(store, reads_without_writing)
{
    const char *path = temp_path("a.db");
    Store *s;

    REQUIRE(make_database(path, 1) == OK);
    REQUIRE(store_open(&s, path, STORE_READ) == OK);
    CHECK(sqlite3_exec(store_sqlite(s), "DELETE FROM run", NULL, NULL, NULL) ==
          SQLITE_READONLY);
    store_close(s);
}

/* 2. What the system does to it. */

TEST(store, says_so_when_the_disk_is_full)
{
    enum { N = 100000 };
    const char *path = temp_path("a.db");
    const Case c = a_case();
    Outcome o = an_outcome("big");
    double *ns = calloc(N, sizeof(*ns));
    int *round = calloc(N, sizeof(*round));
    Store *s;
    int64_t id;

    REQUIRE(make_database(path, 1) == OK);
    REQUIRE(store_open(&s, path, STORE_WRITE) == OK);
    id = begin_sweep(s);
    CHECK(sqlite3_exec(store_sqlite(s), "PRAGMA max_page_count = 40", NULL,
                       NULL, NULL) == SQLITE_OK);
    for (int i = 0; i < N; i++)
        ns[i] = 1;
    CHECK(store_run(s, id, &c, &o, &(Samples){ N, ns, round, NULL }) == ERR_IO);
    CHECK_MSG(strstr(err_message(), "the disk is full; nothing was added"),
              "%s", err_message());
    o = an_outcome("small");
    CHECK_MSG(store_three(s, id, &c, &o) == OK, "%s", err_message());
    store_close(s);
    free(ns);
    free(round);
    CHECK_ASK(path, "SELECT group_concat(repeat) FROM run", "case 0,small");
    CHECK_ASK(path, "SELECT count(*) FROM sample", "6");
    CHECK_ASK(path, "PRAGMA integrity_check", "ok");
}

TEST(store, says_so_when_another_process_writes)
{
    const char *path = temp_path("a.db");
    const Case c = a_case();
    const Outcome o = an_outcome("case");
    sqlite3 *other;
    Store *s;
    int64_t id;

    REQUIRE(store_open(&s, path, STORE_WRITE) == OK);
    id = begin_sweep(s);
    sqlite3_open(path, &other);
    CHECK(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL) == 0);
    sqlite3_busy_timeout(store_sqlite(s), 10);
    CHECK(store_three(s, id, &c, &o) == ERR_IO);
    CHECK_MSG(strstr(err_message(), "is locked by another process"), "%s",
              err_message());
    CHECK(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL) == 0);
    CHECK(store_three(s, id, &c, &o) == OK);
    sqlite3_close(other);
    store_close(s);
    CHECK_ASK(path, "SELECT count(*) FROM run", "1");
}

/* Eight processes find no file and make it, each adding one sweep. */
TEST(store, is_made_once_by_many)
{
    const char *path = temp_path("a.db");

    for (int i = 0; i < 8; i++)
        if (fork() == 0) {
            const int err = make_database(path, 3);

            CHECK_MSG(err == OK, "%s", err_message());
            fflush(stdout);
            _exit(err != OK);
        }
    for (int i = 0; i < 8; i++) {
        int status;

        wait(&status);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    CHECK_ASK(path, "SELECT count(*) FROM sweep", "8");
    CHECK_ASK(path, "SELECT count(*) FROM sample", "72");
    CHECK_ASK(path, "PRAGMA integrity_check", "ok");
}

/* Adds runs without end, and a byte to the pipe after each. */
static void add_runs(const char *path, int from, int pipe)
{
    const Case c = a_case();
    char repeat[32];
    bool resumed;
    int64_t id;
    Store *s;

    if (store_open(&s, path, STORE_WRITE) ||
        store_sweep_begin(s, &a_machine, &a_build, &a_sweep, false, &id,
                          &resumed))
        _exit(1);
    for (int i = from;; i++) {
        Outcome o;

        snprintf(repeat, sizeof(repeat), "case %d", i);
        o = an_outcome(repeat);
        if (store_three(s, id, &c, &o) || write(pipe, "", 1) != 1)
            _exit(1);
    }
}

TEST(store, loses_nothing_when_it_is_killed)
{
    const char *path = temp_path("a.db");
    int committed = 0;

    srand(20);
    for (int k = 0; k < 20; k++) {
        const struct timespec a_while = { 0, rand() % 20 * 1000000 };
        char byte[4096], sql[128];
        int ends[2], status;
        ssize_t n;
        pid_t pid;
        Store *s;

        REQUIRE(pipe(ends) == 0);
        pid = fork();
        if (pid == 0)
            add_runs(path, k * 1000000, ends[1]);
        close(ends[1]);
        if (k % 4) /* else it may not even have a schema */
            committed += (int)read(ends[0], byte, 1);
        nanosleep(&a_while, NULL);
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        CHECK(WIFSIGNALED(status));
        while ((n = read(ends[0], byte, sizeof(byte))) > 0)
            committed += (int)n;
        close(ends[0]);

        /* At most one was committed whose byte was not sent. */
        REQUIRE(store_open(&s, path, STORE_WRITE) == OK);
        store_close(s);
        snprintf(sql, sizeof(sql), "SELECT count(*) BETWEEN %d AND %d FROM run",
                 committed, committed + k + 1);
        CHECK_ASK(path, sql, "1");
        CHECK_ASK(path,
                  "SELECT count(*) FROM run WHERE 3 <> "
                  "(SELECT count(*) FROM sample WHERE run_id = run.id)",
                  "0");
        CHECK_ASK(path, "PRAGMA integrity_check", "ok");
    }
    CHECK_MSG(committed >= 15, "only %d runs were stored", committed);
    CHECK_ASK(path, "SELECT count(*) FROM sweep", "1");
}
