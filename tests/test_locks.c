/*
 * test_locks.c - the database among other processes: a lock is waited for, a
 * reader does not hold up a writer, and a file system without shared memory is
 * no reason to lose anything.
 */
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/report/foreign.h"
#include "results/store.h"
#include "tests/databases.h"
#include "tests/test.h"

static int said;
static volatile sig_atomic_t stop;

static void count_words(const char *path)
{
    said += path[0] != '\0';
}

static void stop_at_a_word(const char *path)
{
    count_words(path);
    stop = 1;
}

static const StoreWait patient = { count_words, &stop };

/* The process that has the file locked, and how long it is waited for: the
 * sleeps are counted instead of slept. */
static pid_t locker;
static int waited_ms, unlock_after_ms;

static void unlock(void)
{
    if (locker) {
        kill(locker, SIGKILL);
        waitpid(locker, NULL, 0);
    }
    locker = 0;
}

static int count_sleep(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    waited_ms += us / 1000;
    if (waited_ms >= unlock_after_ms)
        unlock();
    return us;
}

static void count_sleeps(void)
{
    static sqlite3_vfs counting;

    if (!counting.zName) {
        counting = *sqlite3_vfs_find(NULL);
        counting.zName = "counting";
        counting.xSleep = count_sleep;
        BUG_IF(sqlite3_vfs_register(&counting, 1));
    }
    waited_ms = 0;
}

enum { FOR_GOOD = 1000 * 1000 };

/* Another process has it locked until it was waited for so long; it is locked
 * on return. */
static void lock(const char *path, const char *how, int ms)
{
    int ends[2];
    char byte;

    count_sleeps();
    unlock_after_ms = ms;
    BUG_IF(pipe(ends));
    locker = fork();
    if (locker == 0) {
        sqlite3 *db;

        alarm(60); /* if the test ends without it */
        sqlite3_open(path, &db);
        BUG_IF(sqlite3_exec(db, how, NULL, NULL, NULL));
        BUG_IF(write(ends[1], "", 1) != 1);
        pause();
    }
    BUG_IF(read(ends[0], &byte, 1) != 1);
    close(ends[0]);
    close(ends[1]);
}

static int64_t begin(Store *s)
{
    bool resumed;
    int64_t id = 0;

    CHECK_MSG(store_sweep_begin(s, &a_machine, &a_build, &a_sweep, true, &id,
                                &resumed) == OK,
              "%s", err_message());
    return id;
}

static int add(Store *s, int64_t id, const char *repeat)
{
    const Case c = a_case();
    const Outcome o = an_outcome(repeat);

    return store_three(s, id, &c, &o);
}

/* 1. Locks. */

/* Longer than what was waited for before: 5 s. */
TEST(locks, a_lock_is_waited_for_and_said_once)
{
    const char *path = temp_path("a.db");
    int64_t id;
    Store *s;

    REQUIRE(store_open_waiting(&s, path, STORE_WRITE, &patient) == OK);
    id = begin(s);
    lock(path, "BEGIN IMMEDIATE", 7000);
    CHECK_MSG(add(s, id, "case") == OK, "%s", err_message());
    CHECK_MSG(said == 1, "said %d times", said);
    CHECK_MSG(!locker && waited_ms >= 7000, "waited %d ms", waited_ms);
    store_close(s);
    CHECK_ASK(path, "SELECT count(*) FROM run", "1");
}

TEST(locks, a_short_lock_is_not_worth_a_word)
{
    const char *path = temp_path("a.db");
    int64_t id;
    Store *s;

    REQUIRE(store_open_waiting(&s, path, STORE_WRITE, &patient) == OK);
    id = begin(s);
    lock(path, "BEGIN IMMEDIATE", 200);
    CHECK(add(s, id, "case") == OK && said == 0);
    CHECK_MSG(!locker && waited_ms >= 200, "waited %d ms", waited_ms);
    store_close(s);
}

TEST(locks, readers_and_openers_wait_too)
{
    const char *path = temp_path("a.db");
    Store *s;

    REQUIRE(make_database(path, 1) == OK);
    CHECK(alter(path, "PRAGMA journal_mode = DELETE"));
    lock(path, "BEGIN EXCLUSIVE", 1500);
    CHECK_MSG(store_open_waiting(&s, path, STORE_READ, &patient) == OK, "%s",
              err_message());
    CHECK_MSG(said == 1, "said %d times", said);
    store_close(s);
    lock(path, "BEGIN EXCLUSIVE", 1500);
    CHECK_MSG(store_open_waiting(&s, path, STORE_WRITE, &patient) == OK, "%s",
              err_message());
    CHECK_MSG(said == 2, "said %d times", said);
    store_close(s);
}

TEST(locks, a_signal_ends_the_wait)
{
    const StoreWait impatient = { stop_at_a_word, &stop };
    const char *path = temp_path("a.db");
    int64_t id;
    Store *s;

    REQUIRE(store_open_waiting(&s, path, STORE_WRITE, &impatient) == OK);
    id = begin(s);
    lock(path, "BEGIN IMMEDIATE", FOR_GOOD);
    CHECK(add(s, id, "case") == ERR_STOPPED);
    CHECK_MSG(strstr(err_message(), "stopped while waiting for"), "%s",
              err_message());
    store_close(s);
    unlock();
    CHECK_ASK(path, "SELECT count(*) FROM run", "0");
}

/* Who does not wait for good is told so: here 5 s. */
TEST(locks, a_locked_database_is_said_to_be_locked)
{
    const StoreWait impatient = { stop_at_a_word, &stop };
    const char *path = temp_path("a.db");
    Store *s;

    REQUIRE(make_database(path, 1) == OK);
    CHECK(alter(path, "PRAGMA journal_mode = DELETE"));
    lock(path, "BEGIN EXCLUSIVE", FOR_GOOD);
    for (int mode = STORE_READ; mode <= STORE_WRITE; mode++) {
        stop = 0;
        CHECK(store_open_waiting(&s, path, (StoreMode)mode, &impatient) ==
              ERR_STOPPED);
        CHECK_MSG(strstr(err_message(), "stopped while waiting for") &&
                      strstr(err_message(), "locked by another process"),
                  "%d: %s", mode, err_message());
    }
    waited_ms = 0;
    CHECK(foreign_file(path) == ERR_IO); /* as import looks at a file */
    CHECK_MSG(waited_ms > 4900 && waited_ms < 5200, "%d ms", waited_ms);
    CHECK_MSG(strstr(err_message(), "a.db is locked by another process; wait"),
              "%s", err_message());
    unlock();
}

/* A browser of databases that is left open. */
TEST(locks, a_reader_does_not_hold_up_the_next_writer)
{
    const char *path = temp_path("a.db");
    int64_t id;
    Store *s;

    REQUIRE(make_database(path, 1) == OK);
    lock(path, "BEGIN; SELECT count(*) FROM run", FOR_GOOD);
    REQUIRE(store_open_waiting(&s, path, STORE_WRITE, &patient) == OK);
    id = begin(s);
    CHECK(add(s, id, "case") == OK && said == 0);
    store_close(s);
    unlock();
    CHECK_ASK(path, "SELECT count(*) FROM run", "2");
}

TEST(locks, a_reader_leaves_nothing_beside_the_file)
{
    const char *path = temp_path("a.db");
    char extra[600];
    Store *s;

    REQUIRE(make_database(path, 1) == OK);
    REQUIRE(store_open(&s, path, STORE_READ) == OK);
    store_close(s);
    for (int i = 0; i < 2; i++) {
        snprintf(extra, sizeof(extra), "%s%s", path, i ? "-wal" : "-shm");
        CHECK_MSG(access(extra, F_OK), "%s was left", extra);
    }
}

/* 2. A file system without shared memory: SQLite's own without that. */

static sqlite3_vfs without;
static sqlite3_io_methods methods;
static bool cannot_lock; /* else it cannot be mapped */

static int no_map(sqlite3_file *f, int region, int size, int extend,
                  void volatile **at)
{
    (void)f, (void)region, (void)size, (void)extend, (void)at;
    return SQLITE_IOERR_SHMMAP;
}

/* As SQLite has it when fcntl says that there are no locks. */
static int no_lock(sqlite3_file *f, int offset, int n, int flags)
{
    (void)f, (void)offset, (void)n;
    return flags & SQLITE_SHM_UNLOCK ? SQLITE_OK : SQLITE_BUSY;
}

static int open_without(sqlite3_vfs *vfs, const char *name, sqlite3_file *f,
                        int flags, int *out)
{
    sqlite3_vfs *real = vfs->pAppData;
    const int code = real->xOpen(real, name, f, flags, out);

    if (code == SQLITE_OK && flags & SQLITE_OPEN_MAIN_DB) {
        methods = *f->pMethods;
        if (cannot_lock)
            methods.xShmLock = no_lock;
        else
            methods.xShmMap = no_map;
        f->pMethods = &methods;
    }
    return code;
}

/* SQLite tries for ten seconds before it believes that there are none. */
static int no_sleep(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    return us;
}

static void lose_shared_memory(void)
{
    sqlite3_vfs *real = sqlite3_vfs_find(NULL);

    without = *real;
    without.zName = "without";
    without.pAppData = real;
    without.xOpen = open_without;
    without.xSleep = no_sleep;
    BUG_IF(sqlite3_vfs_register(&without, 1));
}

/* Byte 18 of the file: 2 where it is in WAL mode. */
static int mode_of(const char *path)
{
    size_t n;
    char *bytes = read_bytes(path, &n);
    const int mode = bytes && n > 18 ? bytes[18] : -1;

    free(bytes);
    return mode;
}

static void use_without_shared_memory(void)
{
    const char *path = temp_path("a.db"), *here = temp_path("here.db");
    int64_t id;
    Store *s;

    REQUIRE(make_database(here, 1) == OK);
    REQUIRE(make_database(path, 1) == OK);
    CHECK(mode_of(path) == 2);
    lose_shared_memory();
    CHECK_MSG(store_open_waiting(&s, path, STORE_READ, &patient) == OK, "%s",
              err_message());
    store_close(s);
    CHECK_MSG(make_database(temp_path("new.db"), 2) == OK, "%s", err_message());
    REQUIRE(store_open_waiting(&s, path, STORE_WRITE, &patient) == OK);
    id = begin(s);
    CHECK_MSG(add(s, id, "case") == OK, "%s", err_message());
    store_close(s);
    CHECK(mode_of(path) == 1 && mode_of(temp_path("new.db")) == 1);
    CHECK_MSG(store_open_waiting(&s, path, STORE_READ, &patient) == OK, "%s",
              err_message());
    store_close(s);
    CHECK(said == 0);
    CHECK_ASK(path, "SELECT count(*) FROM run", "2");
}

TEST(locks, without_memory_to_share_there_is_another_journal)
{
    use_without_shared_memory();
}

TEST(locks, without_locks_of_such_memory_there_is_another_journal)
{
    cannot_lock = true;
    use_without_shared_memory();
}

/* The file next to it holds what a killed process had committed. */
TEST(locks, what_a_kill_left_in_a_wal_is_read_without_shared_memory)
{
    const char *path = temp_path("a.db");
    int status;
    Store *s;

    REQUIRE(make_database(path, 1) == OK);
    if (fork() == 0) {
        if (store_open(&s, path, STORE_WRITE) == OK)
            add(s, begin(s), "case");
        kill(getpid(), SIGKILL);
    }
    wait(&status);
    REQUIRE(WIFSIGNALED(status));
    lose_shared_memory();
    CHECK_MSG(store_open(&s, path, STORE_READ) == OK, "%s", err_message());
    store_close(s);
    CHECK_ASK(path, "SELECT count(*) FROM run", "2");
}

/* 3. Databases that somebody made to be read. */

TEST(locks, a_view_in_place_of_a_table_is_refused)
{
    static const char *const bad[] = {
        "ALTER TABLE sample RENAME TO s; CREATE VIEW sample AS WITH RECURSIVE "
        "c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT 1 AS run_id, "
        "x AS i, 0 AS round, 1.0 AS ns FROM c",
        "DROP TABLE at_work; CREATE VIEW at_work AS SELECT 1",
        "DROP TABLE note; CREATE VIRTUAL TABLE note USING fts5(key)",
    };
    const char *path = temp_path("a.db");
    Store *s;

    for (int i = 0; i < 3; i++) {
        unlink(path);
        REQUIRE(make_database(path, 1) == OK);
        if (!alter(path, bad[i])) /* this SQLite may lack fts5 */
            continue;
        for (int mode = STORE_READ; mode <= STORE_WRITE; mode++) {
            CHECK(store_open(&s, path, (StoreMode)mode) == ERR_INPUT);
            CHECK_MSG(strstr(err_message(), "was changed by another program"),
                      "%s", err_message());
        }
    }
}

/* It would run when the first row is added. */
TEST(locks, a_trigger_of_somebodys_is_not_run)
{
    const char *path = temp_path("a.db");
    Store *s;

    REQUIRE(make_database(path, 1) == OK);
    REQUIRE(alter(path, "CREATE TRIGGER t BEFORE INSERT ON start BEGIN SELECT "
                        "count(*) FROM run; END"));
    CHECK(store_open(&s, path, STORE_WRITE) == ERR_INPUT);
    CHECK_MSG(strstr(err_message(), "its trigger 't'"), "%s", err_message());
    CHECK(store_open(&s, path, STORE_READ) == OK);
    store_close(s);
}

/* A researcher may add a view of their own. */
TEST(locks, a_view_next_to_the_tables_is_welcome)
{
    const char *path = temp_path("a.db");
    Store *s;

    REQUIRE(make_database(path, 1) == OK);
    REQUIRE(alter(path, "CREATE VIEW mine AS SELECT * FROM run"));
    CHECK(store_open(&s, path, STORE_WRITE) == OK);
    store_close(s);
}

/* Every table there is is one that may not be a view. */
TEST(locks, no_table_is_forgotten)
{
    const char *path = temp_path("a.db"), *names;
    char list[2048], *rest = list;
    Store *s;

    REQUIRE(make_database(path, 1) == OK);
    names = ask(path, "SELECT group_concat(name) FROM sqlite_schema WHERE "
                      "type = 'table' AND name NOT LIKE 'sqlite%'");
    snprintf(list, sizeof(list), "%s", names);
    for (char *name; (name = strtok_r(rest, ",", &rest));) {
        char sql[256];

        unlink(path);
        REQUIRE(make_database(path, 0) == OK);
        snprintf(sql, sizeof(sql),
                 "PRAGMA legacy_alter_table = ON; ALTER TABLE %s RENAME TO x; "
                 "CREATE VIEW %s AS SELECT * FROM x",
                 name, name);
        REQUIRE(alter(path, sql));
        CHECK_MSG(store_open(&s, path, STORE_READ) == ERR_INPUT, "%s", name);
    }
}
