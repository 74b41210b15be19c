/*
 * test_store.c - what goes into the database comes out, and nothing else goes
 * in; a kill at any moment loses no run and halves none.
 */
#include "results/store.h"

#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/databases.h"
#include "tests/test.h"

/* 1. What goes in comes out. */

TEST(store, keeps_every_setting_cost_and_sample)
{
    const char *path = temp_path("a.db");

    REQUIRE(make_database(path, 2) == OK);
    CHECK_ASK(path, "SELECT count(*) FROM run", "2");
    CHECK_ASK(path, "SELECT count(*) FROM sample", "6");
    CHECK_ASK(path, "SELECT group_concat(ns) FROM sample WHERE run_id = 1",
              "5.0,1.5,3.0");
    CHECK_ASK(path, "SELECT group_concat(round) FROM sample WHERE run_id = 1",
              "0,0,1");
    CHECK_ASK(path, "SELECT median_ns FROM run_time WHERE run_id = 2", "3.0");
    CHECK_ASK(path, "SELECT backbone || module || channels || dtype FROM run",
              "nonese64f32");
    CHECK_ASK(path, "SELECT params || ifnull(macs, '-') FROM run", "10.0-");
    CHECK_ASK(path, "SELECT seed FROM start", "-1"); /* all 64 bits */
    CHECK_ASK(path, "SELECT cpu || memory_bytes FROM machine",
              "a cpu8000000000.0");
    CHECK_ASK(path, "SELECT ended_at LIKE '20__-__-__T__:__:%Z' FROM sweep",
              "1");
    CHECK_ASK(path, "PRAGMA integrity_check", "ok");
    CHECK_ASK(path, "PRAGMA foreign_key_check", "none");
}

TEST(store, has_a_column_for_every_setting_of_a_case)
{
    const char *path = temp_path("a.db");

    REQUIRE(make_database(path, 0) == OK);
    for (const Param *p = case_params; p->name; p++) {
        char sql[256];

        snprintf(sql, sizeof(sql),
                 "SELECT count(*) FROM pragma_table_info('run') "
                 "WHERE name = '%s'",
                 p->name);
        CHECK_ASK(path, sql, "1");
    }
}

TEST(store, is_one_plain_file_when_closed)
{
    struct dirent *e;
    DIR *dir;

    REQUIRE(make_database(temp_path("a.db"), 3) == OK);
    dir = opendir(test_tmpdir());
    while ((e = readdir(dir)))
        CHECK_MSG(e->d_name[0] == '.' || !strcmp(e->d_name, "a.db"), "%s",
                  e->d_name);
    closedir(dir);
}

TEST(store, makes_its_folder)
{
    const char *path = temp_path("folder/a.db");

    CHECK(make_database(path, 1) == OK);
    CHECK_ASK(path, "SELECT count(*) FROM run", "1");
}

TEST(store, takes_an_empty_file_as_a_new_one)
{
    const char *path = temp_path("a.db");

    write_text(path, "");
    CHECK(make_database(path, 1) == OK);
    CHECK_ASK(path, "SELECT count(*) FROM run", "1");
}

TEST(store, keeps_machine_and_build_once)
{
    const char *path = temp_path("a.db");

    REQUIRE(make_database(path, 1) == OK);
    REQUIRE(make_database(path, 1) == OK);
    CHECK_ASK(path, "SELECT count(*) FROM machine", "1");
    CHECK_ASK(path, "SELECT count(*) FROM build", "1");
    CHECK_ASK(path, "SELECT count(*) FROM sweep", "2");
}

/* 2. Sweeps. */

static int64_t begin(Store *s, const Sweep *w, const Build *b, bool fresh,
                     bool *resumed)
{
    int64_t id = 0;

    CHECK_MSG(store_sweep_begin(s, &a_machine, b, w, fresh, &id, resumed) == OK,
              "%s", err_message());
    return id;
}

TEST(store, goes_on_with_an_unfinished_sweep_of_the_same_cases)
{
    const char *path = temp_path("a.db");
    Sweep other = a_sweep;
    Build newer = a_build;
    bool resumed;
    Store *s;
    int64_t id;

    REQUIRE(store_open(&s, path, STORE_WRITE) == OK);
    id = begin(s, &a_sweep, &a_build, false, &resumed);
    CHECK(!resumed);
    CHECK(begin(s, &a_sweep, &a_build, false, &resumed) == id && resumed);
    CHECK(begin(s, &a_sweep, &a_build, true, &resumed) != id && !resumed);

    strcpy(other.cases_hash, "g");
    CHECK(begin(s, &other, &a_build, false, &resumed) != id && !resumed);
    strcpy(newer.git_commit, "f00");
    CHECK(begin(s, &a_sweep, &newer, false, &resumed) != id && !resumed);
    store_close(s);
    CHECK_ASK(path, "SELECT group_concat(start) FROM start WHERE sweep_id = 1",
              "0,1");
}

TEST(store, does_not_go_on_with_a_sweep_that_has_ended)
{
    bool resumed;
    Store *s;
    int64_t id;

    REQUIRE(store_open(&s, temp_path("a.db"), STORE_WRITE) == OK);
    id = begin(s, &a_sweep, &a_build, false, &resumed);
    CHECK(store_sweep_end(s, id) == OK);
    CHECK(begin(s, &a_sweep, &a_build, false, &resumed) != id && !resumed);
    store_close(s);
}

TEST(store, knows_a_sweep_by_when_it_was_started)
{
    Sweep w = a_sweep;
    bool resumed, has;
    Store *s;

    strcpy(w.started_at, "2025-01-02T03:04:05.678Z");
    REQUIRE(store_open(&s, temp_path("a.db"), STORE_WRITE) == OK);
    CHECK(store_has_sweep(s, &w, &has) == OK && !has);
    begin(s, &w, &a_build, false, &resumed);
    CHECK(store_has_sweep(s, &w, &has) == OK && has);
    w.seed = 1;
    CHECK(store_has_sweep(s, &w, &has) == OK && !has);
    store_close(s);
}

TEST(store, says_which_runs_it_has)
{
    const Case c = a_case();
    const Outcome o = an_outcome("case");
    bool resumed, has;
    Store *s;
    int64_t id;

    REQUIRE(store_open(&s, temp_path("a.db"), STORE_WRITE) == OK);
    id = begin(s, &a_sweep, &a_build, false, &resumed);
    CHECK(store_has_run(s, id, "case", &has) == OK && !has);
    CHECK(store_run(s, id, case_params, &c, "{}", &o) == OK);
    CHECK(store_has_run(s, id, "case", &has) == OK && has);
    CHECK(store_has_run(s, id + 1, "case", &has) == OK && !has);
    store_close(s);
}

TEST(store, puts_a_run_under_the_latest_start)
{
    const char *path = temp_path("a.db");
    const Case c = a_case();
    const Outcome o = an_outcome("case"), p = an_outcome("later");
    bool resumed;
    Store *s;
    int64_t id;

    REQUIRE(store_open(&s, path, STORE_WRITE) == OK);
    id = begin(s, &a_sweep, &a_build, false, &resumed);
    CHECK(store_run(s, id, case_params, &c, "{}", &o) == OK);
    begin(s, &a_sweep, &a_build, false, &resumed);
    CHECK(store_run(s, id, case_params, &c, "{}", &p) == OK);
    store_close(s);
    CHECK_ASK(path, "SELECT group_concat(start) FROM run", "0,1");
}

/* 3. Nothing else goes in. */

/* Stores o, wants to be refused with part of a sentence, and nothing added. */
static void refuses(const Outcome *o, const char *settings, const char *part)
{
    const char *path = temp_path("refuses.db");
    const Case c = a_case();
    bool resumed;
    Store *s;
    int64_t id;

    unlink(path);
    REQUIRE(store_open(&s, path, STORE_WRITE) == OK);
    id = begin(s, &a_sweep, &a_build, true, &resumed);
    CHECK_MSG(store_run(s, id, case_params, &c, settings, o) == ERR_INPUT,
              "stored what should be refused: %s", part);
    CHECK_MSG(strstr(err_message(), part), "'%s' does not say '%s'",
              err_message(), part);
    store_close(s);
    CHECK_ASK(path, "SELECT count(*) FROM run", "0");
    CHECK_ASK(path, "SELECT count(*) FROM sample", "0");
}

static void refuses_ns(double ns)
{
    const int round = 0;
    Outcome o = an_outcome("case");

    o.ns = &ns;
    o.round = &round;
    o.n = 1;
    refuses(&o, "{}", "ns");
}

TEST(store, refuses_times_that_cannot_be)
{
    refuses_ns(0);
    refuses_ns(-1);
    refuses_ns(NAN);
    refuses_ns(INFINITY);
}

TEST(store, refuses_outcomes_that_cannot_be)
{
    Outcome o = an_outcome("case");

    o.rel_l2 = NAN;
    refuses(&o, "{}", "a run that was not verified is not ok");
    o = an_outcome("case");
    o.n = 0;
    refuses(&o, "{}", "'case' is said to be ok but has no samples");
    o = an_outcome("case");
    o.status = "fine";
    refuses(&o, "{}", "status IN");
    o = an_outcome("case");
    o.status = "failed";
    refuses(&o, "{}", "message <> ''");
    o = an_outcome("case");
    o.reps = 0;
    refuses(&o, "{}", "reps > 0");
    o = an_outcome("case");
    o.bytes = -1;
    refuses(&o, "{}", "bytes >= 0");
    o = an_outcome("case");
    refuses(&o, "[1]", "json_type(settings)");
    o = an_outcome("");
    refuses(&o, "{}", "repeat <> ''");
}

TEST(store, refuses_the_same_run_twice)
{
    const char *path = temp_path("a.db");
    const Case c = a_case();
    const Outcome o = an_outcome("case");
    bool resumed;
    Store *s;
    int64_t id;

    REQUIRE(store_open(&s, path, STORE_WRITE) == OK);
    id = begin(s, &a_sweep, &a_build, false, &resumed);
    CHECK(store_run(s, id, case_params, &c, "{}", &o) == OK);
    CHECK(store_run(s, id, case_params, &c, "{}", &o) == ERR_INPUT);
    CHECK(strstr(err_message(), "sweep 1 already holds 'case'"));
    store_close(s);
    CHECK_ASK(path, "SELECT count(*) FROM sample", "3");
}

TEST(store, takes_what_others_measured_without_our_verdict)
{
    const Case c = a_case();
    Sweep other = a_sweep;
    Outcome o = an_outcome("case");
    bool resumed;
    Store *s;
    int64_t id;

    strcpy(other.source, "pytorch");
    o.rel_l2 = NAN;
    REQUIRE(store_open(&s, temp_path("a.db"), STORE_WRITE) == OK);
    id = begin(s, &other, &a_build, false, &resumed);
    CHECK_MSG(store_run(s, id, case_params, &c, "{}", &o) == OK, "%s",
              err_message());
    store_close(s);
}

TEST(store, takes_failures_without_samples)
{
    const Case c = a_case();
    const Outcome o = { .status = "out_of_memory",
                        .message = "wants 3 GiB",
                        .repeat = "case",
                        .verified_at = "",
                        .rel_l2 = NAN };
    bool resumed;
    Store *s;
    int64_t id;

    REQUIRE(store_open(&s, temp_path("a.db"), STORE_WRITE) == OK);
    id = begin(s, &a_sweep, &a_build, false, &resumed);
    CHECK_MSG(store_run(s, id, case_params, &c, "{}", &o) == OK, "%s",
              err_message());
    store_close(s);
}

TEST(store, names_a_setting_that_has_no_column)
{
    typedef struct Odd {
        int colour;
    } Odd;
    static const Param params[] = {
        PARAM_INT(Odd, colour, 0, 0, 9, ""),
        PARAM_END,
    };
    const Odd odd = { 3 };
    const Outcome o = an_outcome("case");
    bool resumed;
    Store *s;
    int64_t id;

    REQUIRE(store_open(&s, temp_path("a.db"), STORE_WRITE) == OK);
    id = begin(s, &a_sweep, &a_build, false, &resumed);
    CHECK(store_run(s, id, params, &odd, "{}", &o) == ERR_IO);
    CHECK_MSG(strstr(err_message(), "colour"), "%s", err_message());
    store_close(s);
}

TEST(store, never_changes_a_run_a_sample_or_an_ended_sweep)
{
    const char *path = temp_path("a.db");

    REQUIRE(make_database(path, 1) == OK);
    CHECK(!alter(path, "UPDATE run SET status = 'wrong'"));
    CHECK(!alter(path, "UPDATE sample SET ns = 1"));
    CHECK(!alter(path, "UPDATE sweep SET question = ''"));
    CHECK(alter(path, "PRAGMA foreign_keys = ON; DELETE FROM sweep"));
    CHECK_ASK(path, "SELECT count(*) FROM sample", "0");
}

TEST(store, keeps_a_group_whole_or_not_at_all)
{
    const char *path = temp_path("a.db");
    const Case c = a_case();
    const Outcome o = an_outcome("case");
    bool resumed;
    Store *s;
    int64_t id;

    REQUIRE(store_open(&s, path, STORE_WRITE) == OK);
    CHECK(store_group_begin(s) == OK);
    id = begin(s, &a_sweep, &a_build, false, &resumed);
    CHECK(store_run(s, id, case_params, &c, "{}", &o) == OK);
    CHECK(store_group_end(s, ERR_INPUT) == ERR_INPUT);
    CHECK_ASK(path, "SELECT count(*) FROM sweep", "0");
    CHECK(store_group_begin(s) == OK);
    begin(s, &a_sweep, &a_build, false, &resumed);
    CHECK(store_group_end(s, OK) == OK);
    store_close(s);
    CHECK_ASK(path, "SELECT count(*) FROM sweep", "1");
}

/* 4. Files that are refused, and left as they are. */

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
    CHECK(alter(path, "PRAGMA user_version = 2"));
    store_refuses_both(path, "was written by a newer attnbench (schema 2; "
                             "this one knows 1)");
    CHECK(alter(path, "PRAGMA user_version = 0"));
    store_refuses_both(path, "has schema 0, which attnbench never wrote");
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

    store_refuses(path, STORE_READ, "there is no database");
    CHECK(access(path, F_OK) != 0);
    CHECK(store_open(&s, test_tmpdir(), STORE_WRITE) == ERR_INPUT);
    CHECK(strstr(err_message(), "is a folder; a database is one file"));
    CHECK(store_open(&s, test_tmpdir(), STORE_READ) == ERR_INPUT);
    path = temp_path("pipe");
    CHECK(mkfifo(path, 0600) == 0);
    CHECK(store_open(&s, path, STORE_READ) == ERR_INPUT);
    CHECK(strstr(err_message(), "is not a regular file"));
    CHECK(store_open(&s, "/dev/null", STORE_WRITE) == ERR_INPUT);
    path = temp_path("no/such/folder.db");
    CHECK(store_open(&s, path, STORE_WRITE) == ERR_IO);
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
    CHECK_MSG(strstr(err_message(), "you may read it but not write it"), "%s",
              err_message());
    CHECK(chmod(path, 0) == 0);
    CHECK(store_open(&s, path, STORE_READ) == ERR_IO);
    CHECK_MSG(strstr(err_message(), "Permission denied"), "%s", err_message());
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

/* 5. What the system does to it. */

TEST(store, says_so_when_the_disk_is_full)
{
    enum { N = 100000 };
    const char *path = temp_path("a.db");
    const Case c = a_case();
    Outcome o = an_outcome("big");
    double *ns = calloc(N, sizeof(*ns));
    int *round = calloc(N, sizeof(*round));
    bool resumed;
    Store *s;
    int64_t id;

    REQUIRE(make_database(path, 1) == OK);
    REQUIRE(store_open(&s, path, STORE_WRITE) == OK);
    id = begin(s, &a_sweep, &a_build, true, &resumed);
    CHECK(sqlite3_exec(store_sqlite(s), "PRAGMA max_page_count = 40", NULL,
                       NULL, NULL) == SQLITE_OK);
    for (int i = 0; i < N; i++)
        ns[i] = 1;
    o.ns = ns;
    o.round = round;
    o.n = N;
    CHECK(store_run(s, id, case_params, &c, "{}", &o) == ERR_IO);
    CHECK_MSG(strstr(err_message(), "the disk is full; nothing was added"),
              "%s", err_message());
    o = an_outcome("small");
    CHECK_MSG(store_run(s, id, case_params, &c, "{}", &o) == OK, "%s",
              err_message());
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
    bool resumed;
    Store *s;
    int64_t id;

    REQUIRE(store_open(&s, path, STORE_WRITE) == OK);
    id = begin(s, &a_sweep, &a_build, true, &resumed);
    sqlite3_open(path, &other);
    CHECK(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL) == 0);
    sqlite3_busy_timeout(store_sqlite(s), 10);
    CHECK(store_run(s, id, case_params, &c, "{}", &o) == ERR_IO);
    CHECK_MSG(strstr(err_message(), "is being written by another process"),
              "%s", err_message());
    CHECK(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL) == 0);
    CHECK(store_run(s, id, case_params, &c, "{}", &o) == OK);
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
        const Outcome o = an_outcome(repeat);

        snprintf(repeat, sizeof(repeat), "case %d", i);
        if (store_run(s, id, case_params, &c, "{}", &o) ||
            write(pipe, "", 1) != 1)
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
