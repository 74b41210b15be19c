/*
 * test_store.c - what goes into the database comes out, and nothing else goes
 * in.  (Files that are refused, and kills: test_store_files.c.)
 */
#include "results/store.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
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
    CHECK_ASK(path, "PRAGMA foreign_key_check", "no row");
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
    const char *path = temp_path("folder/in/folder/a.db");

    CHECK(make_database(path, 1) == OK);
    CHECK_ASK(path, "SELECT count(*) FROM run", "1");
    write_text(temp_path("file"), "");
    CHECK(make_database(temp_path("file/a.db"), 1) < 0);
    CHECK(make_database(temp_path("file/in/a.db"), 1) < 0);
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

TEST(store, knows_the_unfinished_sweep_that_it_does_not_go_on_with)
{
    const Case c = a_case();
    const Outcome o = an_outcome("case");
    Machine elsewhere = a_machine;
    Build newer = a_build;
    Abandoned a;
    bool resumed;
    int64_t id;
    Store *s;

    strcpy(newer.git_commit, "f00");
    elsewhere.cores = 64;
    REQUIRE(store_open(&s, temp_path("a.db"), STORE_WRITE) == OK);
    id = begin(s, &a_sweep, &a_build, false, &resumed);
    CHECK(store_sweep_abandoned(s, id, &a) == OK && a.runs == 0);
    CHECK(store_run(s, id, case_params, &c, "{}", &o) == OK);
    id = begin(s, &a_sweep, &newer, false, &resumed);
    REQUIRE(store_sweep_abandoned(s, id, &a) == OK);
    CHECK(a.runs == 1 && !a.other_machine);
    CHECK(!strcmp(a.git_commit, a_build.git_commit) && a.dirty == 0);

    CHECK(store_run(s, id, case_params, &c, "{}", &o) == OK);
    CHECK(store_sweep_begin(s, &elsewhere, &newer, &a_sweep, false, &id,
                            &resumed) == OK);
    REQUIRE(store_sweep_abandoned(s, id, &a) == OK);
    CHECK(a.runs == 1 && a.other_machine);
    CHECK(store_sweep_end(s, id) == OK);
    id = begin(s, &a_sweep, &newer, true, &resumed);
    CHECK(store_sweep_abandoned(s, id, &a) == OK && a.runs == 0);
    store_close(s);
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
