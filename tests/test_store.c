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

#include "results/erf.h"
#include "results/profile.h"
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

TEST(store, keeps_what_is_known_of_each_sample)
{
    static const double ns[] = { 5, 6, 7 };
    static const int round[] = { 0, 0, 0 };
    const char *path = temp_path("a.db");
    const Case c = a_case();
    const Outcome o = an_outcome("telemetry"), p = an_outcome("none");
    Telemetry t[] = { telemetry_unknown(), telemetry_unknown(),
                      telemetry_unknown() };
    bool resumed;
    Store *s;
    int64_t id;

    t[0].device = (Moment){ 1410, 35, 60.5, "power" };
    t[0].module_ns = 0.5;
    t[0].started_ns = 1e10;
    t[0].cpu_ns = 9;
    t[0].run_delay_ns = 1;
    t[0].steal_ns = 1e7;
    t[0].switches = 3;
    t[0].process = 1;
    t[2].switches = 0;
    REQUIRE(store_open(&s, path, STORE_WRITE) == OK);
    REQUIRE(store_sweep_begin(s, &a_machine, &a_build, &a_sweep, true, &id,
                              &resumed) == OK);
    CHECK(store_run(s, id, &c, &o, &(Samples){ 3, ns, round, t }) == OK);
    CHECK(store_run(s, id, &c, &p, &(Samples){ 3, ns, round, NULL }) == OK);
    store_close(s);
    CHECK_ASK(path,
              "SELECT clock_mhz || throttle || module_ns || ' ' || started_ns "
              "|| ' ' || cpu_ns || run_delay_ns || steal_ns || switches || "
              "process FROM sample",
              "1410.0power0.5 10000000000.0 9.01.010000000.031");
    CHECK_ASK(path,
              "SELECT group_concat(ifnull(switches, '-') || process || "
              "ifnull(module_ns, '-') || ifnull(throttle, '-')) FROM sample "
              "WHERE i > 0",
              "-0--,00--,-0--,-0--");
}

/* Every field of a record has its column; and every column is a field's, but
 * for the table's keys. */
static void check_columns(const char *path, const char *table,
                          const Param *const *fields, const char *keys)
{
    char sql[4096], none[] = "no row";
    size_t n = (size_t)snprintf(
        sql, sizeof(sql),
        "SELECT group_concat(name) FROM pragma_table_info('%s') WHERE name "
        "NOT IN (%s",
        table, keys);

    for (; *fields; fields++)
        for (const Param *p = *fields; p->name; p++) {
            char one[256];

            snprintf(one, sizeof(one),
                     "SELECT count(*) FROM pragma_table_info('%s') WHERE name "
                     "= '%s'",
                     table, p->name);
            CHECK_ASK(path, one, "1");
            n += (size_t)snprintf(sql + n, sizeof(sql) - n, ", '%s'", p->name);
        }
    snprintf(sql + n, sizeof(sql) - n, ") HAVING count(*) > 0");
    CHECK_ASK(path, sql, none);
}

TEST(store, has_a_column_for_every_field_of_a_record)
{
    const char *path = temp_path("a.db");

    REQUIRE(make_database(path, 0) == OK);
    check_columns(
        path, "run",
        (const Param *const[]){ case_params, case_settings, outcome_fields, 0 },
        "'id', 'sweep_id', 'start'");
    check_columns(path, "machine", (const Param *const[]){ machine_fields, 0 },
                  "'id'");
    check_columns(path, "build", (const Param *const[]){ build_fields, 0 },
                  "'id'");
    check_columns(path, "sweep", (const Param *const[]){ sweep_fields, 0 },
                  "'id', 'machine_id', 'build_id', 'ended_at'");
    check_columns(path, "start", (const Param *const[]){ start_fields, 0 },
                  "'sweep_id', 'start'");
    check_columns(path, "sample", (const Param *const[]){ telemetry_fields, 0 },
                  "'run_id', 'i', 'round', 'ns'");
    check_columns(path, "step", (const Param *const[]){ step_fields, 0 },
                  "'run_id', 'step'");
    check_columns(path, "quantity",
                  (const Param *const[]){ quantity_fields, 0 },
                  "'run_id', 'step'");
    check_columns(path, "roof", (const Param *const[]){ roof_fields, 0 },
                  "'machine_id'");
    check_columns(path, "erf", (const Param *const[]){ erf_fields, 0 },
                  "'id', 'run_id'");
    check_columns(path, "erf_number",
                  (const Param *const[]){ erf_number_fields, 0 },
                  "'erf_id', 'part'");
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
    strcpy(newer.program, "0123456789abcdef");
    CHECK(begin(s, &a_sweep, &newer, false, &resumed) != id && !resumed);
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
    CHECK(store_three(s, id, &c, &o) == OK);
    id = begin(s, &a_sweep, &newer, false, &resumed);
    REQUIRE(store_sweep_abandoned(s, id, &a) == OK);
    CHECK(a.runs == 1 && !a.other_machine);
    CHECK(!strcmp(a.git_commit, a_build.git_commit) && a.dirty == 0);
    CHECK(!a.other_tools);
    strcpy(newer.compiler, "clang 14");
    CHECK(store_three(s, id, &c, &o) == OK);
    id = begin(s, &a_sweep, &newer, false, &resumed);
    REQUIRE(store_sweep_abandoned(s, id, &a) == OK);
    CHECK(a.runs == 1 && a.other_tools && !strcmp(a.git_commit, "f00"));

    strcpy(newer.program, "0123456789abcdef");
    CHECK(store_three(s, id, &c, &o) == OK);
    id = begin(s, &a_sweep, &newer, false, &resumed);
    REQUIRE(store_sweep_abandoned(s, id, &a) == OK);
    CHECK(a.runs == 1 && !a.other_tools && !strcmp(a.git_commit, "f00"));

    CHECK(store_three(s, id, &c, &o) == OK);
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
    CHECK(store_three(s, id, &c, &o) == OK);
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
    CHECK(store_three(s, id, &c, &o) == OK);
    begin(s, &a_sweep, &a_build, false, &resumed);
    CHECK(store_three(s, id, &c, &p) == OK);
    store_close(s);
    CHECK_ASK(path, "SELECT group_concat(start) FROM run", "0,1");
}

/* 3. Nothing else goes in. */

/* Stores o with samples, wants to be refused with part of a sentence, and
 * nothing added. */
static void refuses(const Outcome *o, const Case *c, const Samples *x,
                    const char *part)
{
    const char *path = temp_path("refuses.db");
    bool resumed;
    Store *s;
    int64_t id;

    unlink(path);
    REQUIRE(store_open(&s, path, STORE_WRITE) == OK);
    id = begin(s, &a_sweep, &a_build, true, &resumed);
    CHECK_MSG(store_run(s, id, c, o, x) == ERR_INPUT,
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
    const Outcome o = an_outcome("case");
    const Case c = a_case();

    refuses(&o, &c, &(Samples){ 1, &ns, &round, NULL }, "ns");
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
    const double ns = 1;
    const int round = 0;
    const Samples one = { 1, &ns, &round, NULL }, none = { 0 };
    Outcome o = an_outcome("case");
    Case c = a_case();

    o.rel_l2 = NAN;
    refuses(&o, &c, &one, "a run that was not verified is not ok");
    o = an_outcome("case");
    refuses(&o, &c, &none, "'case' has status ok but no samples");
    o.status = STATUS_FAILED;
    refuses(&o, &c, &none, "message <> ''");
    o = an_outcome("case");
    o.reps = 0;
    refuses(&o, &c, &one, "reps > 0");
    o = an_outcome("case");
    o.bytes = -1;
    refuses(&o, &c, &one, "bytes >= 0");
    o = an_outcome("");
    refuses(&o, &c, &one, "repeat <> ''");
    o = an_outcome("case");
    snprintf(c.settings, sizeof(c.settings), "[1]");
    refuses(&o, &c, &one, "json_type(settings)");
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
    CHECK(store_three(s, id, &c, &o) == OK);
    CHECK(store_three(s, id, &c, &o) == ERR_INPUT);
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
    CHECK_MSG(store_three(s, id, &c, &o) == OK, "%s", err_message());
    store_close(s);
}

TEST(store, takes_failures_without_samples)
{
    const Case c = a_case();
    Outcome o = an_outcome("case");
    bool resumed;
    Store *s;
    int64_t id;

    REQUIRE(store_open(&s, temp_path("a.db"), STORE_WRITE) == OK);
    id = begin(s, &a_sweep, &a_build, false, &resumed);
    o.status = STATUS_OUT_OF_MEMORY;
    o.rel_l2 = NAN;
    o.verified_at[0] = '\0';
    snprintf(o.message, sizeof(o.message), "wants 3 GiB");
    CHECK_MSG(store_three(s, id, &c, &o) == OK, "%s", err_message());
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
    CHECK(store_three(s, id, &c, &o) == OK);
    CHECK(store_group_end(s, ERR_INPUT) == ERR_INPUT);
    CHECK_ASK(path, "SELECT count(*) FROM sweep", "0");
    CHECK(store_group_begin(s) == OK);
    begin(s, &a_sweep, &a_build, false, &resumed);
    CHECK(store_group_end(s, OK) == OK);
    store_close(s);
    CHECK_ASK(path, "SELECT count(*) FROM sweep", "1");
}
