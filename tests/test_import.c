/*
 * test_import.c - what is exported comes back the same, and files that are
 * wrong in any one place are refused whole, with a sentence that says where.
 */
#include "harness/report/import.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "harness/cli/cmd.h"
#include "tests/databases.h"
#include "tests/program.h"
#include "tests/stored.h"
#include "tests/test.h"

static int import(const char *db, const char *path, Added *count)
{
    Store *s;
    int err;

    TRY(store_open(&s, db, STORE_WRITE));
    err = import_json(s, path, count);
    store_close(s);
    return err;
}

static int export_json(const char *db, const char *path)
{
    char flag[600];

    snprintf(flag, sizeof(flag), "--db=%s", db);
    return cmd_export(3, (char *[]){ flag, "--format=json", (char *)path });
}

/* A database in which everything that can differ does. */
static int make_varied_database(const char *path)
{
    static const double ns[] = { 1.0 / 3, 12345678.9, 1e17, 5e-3 };
    static const int round[] = { 0, 7, 7, 2147483647 };
    Case c = a_case();
    Outcome o = an_outcome("say \"x\",\n\ttab \\ \xc3\xa9");
    Sweep w = a_sweep;
    bool resumed;
    int64_t id;
    Store *s;

    TRY(case_set(&c, "reduction", "4"));
    o.flops = 0.1 + 0.2;
    TRY(store_open(&s, path, STORE_WRITE));
    CHECK(!store_sweep_begin(s, &a_machine, &a_build, &w, true, &id, &resumed));
    CHECK(!store_run(s, id, &c, &o, &(Samples){ 4, ns, round, NULL }));
    CHECK(!store_start_end(s, id, 1.5));
    w.load = NAN; /* a second start, of which less is known */
    w.denormals = -1;
    w.seed = 5;
    CHECK(
        !store_sweep_begin(s, &a_machine, &a_build, &w, false, &id, &resumed));
    CHECK(resumed);
    o = an_outcome("b");
    o.status = STATUS_FAILED;
    o.rel_l2 = NAN;
    o.verified_at[0] = '\0';
    snprintf(o.message, sizeof(o.message), "why \x01");
    CHECK(!store_three(s, id, &c, &o));
    CHECK(!store_sweep_end(s, id));
    store_close(s);
    return OK;
}

TEST(import, gives_back_what_was_exported)
{
    const char *db = temp_path("a.db"), *again = temp_path("b.db");
    const char *json = temp_path("a.json"), *json2 = temp_path("b.json");
    Added count;
    size_t n, n2;
    char *text, *text2;

    REQUIRE(make_varied_database(db) == OK);
    REQUIRE(export_json(db, json) == OK);
    REQUIRE(import(again, json, &count) == OK);
    CHECK(count.sweeps == 1 && count.runs == 2 && count.samples == 4);
    REQUIRE(export_json(again, json2) == OK);
    text = read_bytes(json, &n);
    text2 = read_bytes(json2, &n2);
    CHECK_MSG(n == n2 && !memcmp(text, text2, n), "%s%s", text, text2);
    free(text);
    free(text2);
    CHECK_ASK(again, "SELECT group_concat(start) FROM run", "0,1");
    CHECK_ASK(again, "SELECT ns = 1.0 / 3 FROM sample", "1");
    CHECK_ASK(again, "SELECT seed FROM start", "-1");
    CHECK_ASK(again, "SELECT load_end FROM start", "1.5");
    CHECK_ASK(again, "SELECT load_end IS NULL FROM start WHERE start = 1", "1");
}

static void check_same_bytes(const char *path, const char *other)
{
    size_t n, n2;
    char *text = read_bytes(path, &n), *text2 = read_bytes(other, &n2);

    REQUIRE(text && text2);
    for (size_t i = 0; i < n; i++)
        if (text[i] != text2[i]) {
            CHECK_MSG(false, "%.200s\n%.200s", text + i, text2 + i);
            break;
        }
    CHECK(n == n2);
    free(text);
    free(text2);
}

/* A profile, and telemetry, of the second run. */
static void add_profile(const char *db)
{
    REQUIRE(alter(
        db, "INSERT INTO step VALUES (2, 0, 'mul', 'k', 'a.b', '(1,2)'), "
            "(2, 1, 'relu', 'k', 'a.c', '(1,2)'); INSERT INTO quantity VALUES "
            "(2, -1, '', 'time_ns', 'timed', 1e9 / 3, ''), (2, 0, 'void "
            "k<1>(int)', "
            "'l2_bytes', 'counted', NULL, 'say \"why\"'), (2, 0, '', 'x', "
            "'modelled', -0.1, ''); INSERT INTO sample VALUES "
            "(2, 0, 3, 1.1, 1410.5, -3.25, NULL, 'none', 0.1, 1e9 / 7, 2.5, "
            "0, 1e7, 3, 0), "
            "(2, 1, 3, 2.2, NULL, NULL, NULL, 'power', NULL, NULL, NULL, "
            "NULL, NULL, NULL, 2)"));
}

TEST(import, gives_back_infinite_numbers)
{
    char *db = strdup(temp_path("a.db")), *again = strdup(temp_path("b.db"));
    char *json = strdup(temp_path("a.json")),
         *json2 = strdup(temp_path("b.json"));
    Added n;

    REQUIRE(make_varied_database(db) == OK);
    add_profile(db);
    REQUIRE(alter(db, "DROP TRIGGER run_final; DROP TRIGGER sample_final; "
                      "DROP TRIGGER IF EXISTS quantity_final; "
                      "UPDATE run SET rel_l2 = 9e999 WHERE id = 2; "
                      "UPDATE quantity SET value = -9e999 WHERE name = 'x'; "
                      "UPDATE sample SET power_w = 9e999 WHERE i = 1 AND "
                      "run_id = 2"));
    REQUIRE(export_json(db, json) == OK);
    CHECK_MSG(import(again, json, &n) == OK, "%s", err_message());
    REQUIRE(export_json(again, json2) == OK);
    check_same_bytes(json, json2);
    CHECK_ASK(again, "SELECT rel_l2 = 9e999 FROM run WHERE id = 2", "1");
    CHECK_ASK(again, "SELECT value = -9e999 FROM quantity WHERE name = 'x'",
              "1");
    CHECK_ASK(again,
              "SELECT power_w = 9e999 FROM sample WHERE i = 1 AND run_id = 2",
              "1");
    free(db);
    free(again);
    free(json);
    free(json2);
}

/* All tables that are moved, in two sweeps, one of which has not ended. */
static void make_everything(const char *db)
{
    REQUIRE(make_varied_database(db) == OK);
    add_profile(db);
    stored_profiles(db);
    stored_fields(db);
    stored_trained_fields(db);
    REQUIRE(alter(db,
                  "DROP TRIGGER sweep_final; UPDATE sweep SET ended_at = NULL "
                  "WHERE id = 1; INSERT INTO roof VALUES (1, 'cuda', 0, 'fma', "
                  "'flop/s', 1e13 / 3, 1e12, 1e14, 7, 1410.25, "
                  "'2026-11-30T00:00:00Z')"));
}

TEST(import, gives_back_everything)
{
    char *db = strdup(temp_path("a.db")), *again = strdup(temp_path("b.db"));
    char *json = strdup(temp_path("a.json")),
         *json2 = strdup(temp_path("b.json"));
    Added n;

    make_everything(db);
    REQUIRE(export_json(db, json) == OK);
    REQUIRE(import(again, json, &n) == OK);
    CHECK(n.sweeps == 4 && n.runs == 31 && n.profiles == 5 && n.roofs == 5 &&
          n.erfs == 25 && n.samples == 46);
    REQUIRE(export_json(again, json2) == OK);
    check_same_bytes(json, json2);
    CHECK_ASK(again, "SELECT value = 1e9 / 3 FROM quantity WHERE step = -1",
              "1");
    CHECK_ASK(again,
              "SELECT group_concat(part) FROM (SELECT part FROM erf_map "
              "WHERE erf_id = 6 ORDER BY rowid)",
              "whole,past_gates,gates");
    CHECK_ASK(again,
              "SELECT module_ns = 0.1 AND started_ns = 1e9 / 7 AND cpu_ns = "
              "2.5 AND run_delay_ns = 0 AND steal_ns = 1e7 AND switches = 3 "
              "AND process = 0 FROM sample WHERE run_id = 2 AND i = 0",
              "1");
    CHECK_ASK(again,
              "SELECT module_ns IS NULL AND started_ns IS NULL AND switches "
              "IS NULL AND process = 2 FROM sample WHERE run_id = 2 AND i = 1",
              "1");
    free(db);
    free(again);
    free(json);
    free(json2);
}

/* A JSON file says as much as a merge moves. */
TEST(import, gives_what_merge_gives)
{
    char *db = strdup(temp_path("a.db")), *json = strdup(temp_path("a.json"));
    char *flag = strdup(temp_path("b.db")),
         *json2 = strdup(temp_path("b.json"));
    Stored other = stored_begin(flag, "other", "attnbench");
    char set[700];

    stored_end(&other); /* without runs, but with an id */
    make_everything(db);
    snprintf(set, sizeof(set), "--db=%s", flag);
    REQUIRE(cmd_merge(2, (char *[]){ set, db }) == OK);
    REQUIRE(export_json(db, json) == OK && export_json(flag, json2) == OK);
    check_same_bytes(json, json2);
    free(db);
    free(flag);
    free(json);
    free(json2);
}

/* As those of a machine are in each file of a sweep of it. */
TEST(import, of_roofs_twice_adds_nothing)
{
    const char *db = temp_path("a.db"), *json = temp_path("a.json");
    const char *again = temp_path("b.db");
    Added n;

    stored_profiles(db);
    REQUIRE(alter(db, "DELETE FROM sweep"));
    REQUIRE(export_json(db, json) == OK);
    REQUIRE(import(again, json, &n) == OK && n.roofs == 4);
    REQUIRE(import(again, json, &n) == OK && n.roofs == 0);
    CHECK_ASK(again, "SELECT count(*) FROM roof", "4");
}

TEST(export, of_some_runs_has_the_roofs_of_their_machines)
{
    const char *db = temp_path("a.db"), *json = temp_path("a.json");
    char flag[600], *text;
    size_t n;

    make_everything(db);
    snprintf(flag, sizeof(flag), "--db=%s", db);
    REQUIRE(cmd_export(4, (char *[]){ flag, "--format=json",
                                      "--experiment=profile", (char *)json }) ==
            OK);
    text = read_bytes(json, &n);
    REQUIRE(text);
    CHECK(strstr(text, "\"experiment\": \"profile\"") &&
          !strstr(text, "\"experiment\": \"e\""));
    CHECK(strstr(text, "\"dram_copy\"") && !strstr(text, "\"erf\": ["));
    free(text);
}

TEST(export, a_later_sweep_of_fields_does_not_hide_one_of_times)
{
    const char *db = temp_path("a.db"), *out = temp_path("a.csv");
    Stored s = stored_begin(db, "erf", "attnbench");
    const Case c = stored_case("module=se");
    char flag[600];

    stored_add(&s, &c, 1000, "ok");
    stored_end(&s);
    stored_fields(db);
    snprintf(flag, sizeof(flag), "--db=%s", db);
    CHECK_MSG(cmd_export(3, (char *[]){ flag, "--sweep=0", (char *)out }) == OK,
              "%s", err_message());
}

TEST(import, refuses_a_sweep_that_is_there)
{
    const char *db = temp_path("a.db"), *json = temp_path("a.json");
    Added count;

    REQUIRE(make_varied_database(db) == OK);
    REQUIRE(export_json(db, json) == OK);
    CHECK(import(db, json, &count) == ERR_INPUT);
    CHECK_MSG(strstr(err_message(), "is there already"), "%s", err_message());
    CHECK_ASK(db, "SELECT count(*) FROM sweep", "1");
}

TEST(import, takes_the_least_that_makes_sense)
{
    const char *db = temp_path("a.db"), *json = temp_path("a.json");
    Added count;

    write_text(json, "{\"source\": \"me\", \"experiment\": \"x\", \"runs\": "
                     "[{\"module\": \"se\", \"ns\": [3, 4, 5]}]}");
    REQUIRE(import(db, json, &count) == OK);
    CHECK_ASK(db, "SELECT repeat FROM run", "attnbench run --module=se");
    CHECK_ASK(db, "SELECT channels || status || reps FROM run", "64ok1");
    CHECK_ASK(db, "SELECT group_concat(round) FROM sample", "0,1,2");
    CHECK_ASK(db, "SELECT cpu <> '' AND cores > 0 FROM machine", "1");
}

TEST(import, runs_without_rounds_share_none)
{
    const char *db = temp_path("a.db"), *json = temp_path("a.json");
    Added count;

    write_text(json, "{\"source\": \"me\", \"experiment\": \"x\", \"runs\": "
                     "[{\"module\": \"se\", \"ns\": [3, 4, 5]}, "
                     "{\"module\": \"ca\", \"ns\": [3, 4, 5]}, "
                     "{\"module\": \"ela\", \"ns\": [3], \"round\": [1]}]}");
    REQUIRE(import(db, json, &count) == OK);
    CHECK_ASK(db, "SELECT count(DISTINCT round) FROM sample", "7");
    CHECK_ASK(db, "SELECT round FROM sample WHERE run_id = 3", "1");
}

TEST(import, takes_settings_wherever_the_module_stands)
{
    const char *db = temp_path("a.db"), *json = temp_path("a.json");
    Added count;

    write_text(json, "{\"sweeps\": [{\"runs\": [{\"settings\": "
                     "{\"reduction\": 8}, \"module\": \"se\", \"ns\": [3]}], "
                     "\"experiment\": \"x\", \"source\": \"me\"}]}");
    REQUIRE(import(db, json, &count) == OK);
    CHECK_ASK(db, "SELECT settings FROM run", "{\"reduction\":8}");
    CHECK_ASK(db, "SELECT repeat FROM run",
              "attnbench run --module=se --reduction=8");
}

/* A file that is refused, and why.  HEAD is a good sweep up to its runs. */
#define HEAD "{\"source\": \"me\", \"experiment\": \"x\", "
#define RUN(text) \
    HEAD "\"runs\": [{\"module\": \"se\", \"ns\": [1], " text "}]}"

#define ERF(keys, map)                                                        \
    HEAD "\"runs\": [{\"module\": \"se\", \"height\": 1, \"width\": 2, " keys \
         "\"erf\": [{\"parts\": [{\"part\": \"whole\", \"map\": " map         \
         "}]}]}]}"
#define OF_ERF "\"kind\": \"erf\", "

typedef struct Bad {
    const char *text, *part;
} Bad;

static void all_refused(const Bad *bad, int n, const char *name)
{
    const char *db = temp_path("a.db"), *path = temp_path(name);
    Added count;

    for (int i = 0; i < n; i++) {
        write_text(path, bad[i].text);
        CHECK_MSG(import(db, path, &count) == ERR_INPUT, "was taken: %s",
                  bad[i].text);
        CHECK_MSG(strstr(err_message(), bad[i].part), "'%s' does not say '%s'",
                  err_message(), bad[i].part);
        CHECK_MSG(strstr(err_message(), path), "'%s' does not name the file",
                  err_message());
        CHECK_ASK(db, "SELECT count(*) FROM sweep", "0");
        CHECK_ASK(db, "SELECT count(*) FROM machine", "0");
    }
}

/* clang-format off */
static const Bad bad_json[] = {
    { "{\"source\": \"me\",\n \"runs\": [}", ".json:2:" },
    { "[1, 2]", "expected an object, not a list" },
    { "{\"source\": \"me\", \"runs\": [{\"ns\": [1], \"module\": \"se\"}]}",
      "experiment is missing" },
    { "{\"experiment\": \"x\", \"runs\": [{\"ns\": [1], \"module\": \"se\"}]}",
      "source is missing" },
    { HEAD "\"machine\": {}, \"runs\": []}", "cpu and cores are required" },
    { HEAD "\"machine\": {\"cpu\": \"c\", \"cores\": 0}, \"runs\": []}",
      "cores=0 is out of range" },
    { HEAD "\"question\": \"y\"}", "runs is missing" },
    { HEAD "\"runs\": []}", "there are no runs" },
    { HEAD "\"runs\": 3}", "runs: expected a list, not a number" },
    { HEAD "\"runs\": [3]}", "expected an object, not a number" },
    { HEAD "\"run\": []}", "unknown key 'run'; did you mean 'runs'?" },
    { HEAD "\"machine\": [], \"runs\": []}",
      "machine: expected an object, not a list" },
    { HEAD "\"build\": {\"dirty\": 2}, \"runs\": []}",
      "dirty=2 is out of range: 0 to 1" },
    { HEAD "\"starts\": [{\"seed\": \"1e3\"}], \"runs\": []}",
      "seed: '1e3' is not an integer of 64 bits" },
    { HEAD "\"starts\": [{\"started_at\": \"today\"}], \"runs\": "
      "[{\"module\": \"se\", \"ns\": [1]}]}", "started_at" },
    { "{\"sweeps\": [], \"source\": \"me\"}", "may have no other key" },
    { "{\"sweeps\": {}}", "sweeps: expected a list, not an object" },
    { HEAD "\"runs\": [{\"ns\": [1]}]}", "nothing to run" },
    { HEAD "\"runs\": [{\"module\": \"se\"}]}", "there are no samples" },
    { HEAD "\"runs\": [{\"module\": \"see\", \"ns\": [1]}]}",
      "unknown module 'see'; did you mean 'se'?" },
    { HEAD "\"runs\": [{\"module\": \"se\", \"ns\": [1, 0]}]}",
      "ns=0: a time is above 0" },
    { HEAD "\"runs\": [{\"module\": \"se\", \"ns\": [-4]}]}", "ns=-4" },
    { HEAD "\"runs\": [{\"module\": \"se\", \"ns\": [1e400]}]}", "ns=inf" },
    { HEAD "\"runs\": [{\"module\": \"se\", \"ns\": [\"1\"]}]}",
      "expected a number, not a string" },
    { HEAD "\"runs\": [{\"module\": \"se\", \"ns\": 1}]}",
      "ns: expected a list, not a number" },
    { RUN("\"round\": []"), "round is shorter than ns" },
    { RUN("\"round\": [1, 2]"), "round is longer than ns" },
    { RUN("\"round\": [0.5]"), "round=0.5: a round is an integer from 0" },
    { RUN("\"switches\": [0.5]"), "switches=0.5: it must be an integer from 0" },
    { RUN("\"process\": [-1]"), "process=-1: it must be an integer from 0" },
    { RUN("\"steal_ns\": [\"x\"]"), "steal_ns: expected a number" },
    { RUN("\"steal_ns\": [-1]"), "CHECK constraint failed: steal_ns" },
    { RUN("\"cpu_ns\": [1, 2]"), "cpu_ns is longer than ns" },
    { RUN("\"chanels\": 3"), "unknown key 'chanels'; did you mean 'channels'?" },
    { RUN("\"batch\": 0"), "batch=0 is out of range" },
    { RUN("\"batch\": 1.5"), "'1.5' is not an integer" },
    { RUN("\"batch\": {}"), "batch: expected text or a number" },
    { RUN("\"batch\": true"), "batch: expected text or a number" },
    { RUN("\"batch\": 1, \"batch\": 2"), "duplicate key 'batch'" },
    { RUN("\"settings\": [1]"), "settings: expected an object" },
    { RUN("\"settings\": {\"ratio\": 4}"), "module se has no 'ratio'" },
    { RUN("\"settings\": {\"reduction\": 0}"), "reduction=0 is out of range" },
    { RUN("\"status\": \"good\""), "unknown status 'good'; choose from ok, "
                                   "wrong" },
    { RUN("\"status\": \"failed\""), "but no message says why" },
    { RUN("\"reps\": 0"), "status is ok, but reps is 0" },
    { RUN("\"rel_l2\": -1"), "rel_l2=-1: it must be 0 or more" },
    { RUN("\"rel_l2\": -9e999"), "rel_l2=-inf: it must be 0 or more" },
    { RUN("\"norm_gain\": 9e999"), "norm_gain: 'inf' is not a number" },
    { RUN("\"rel_l2\": \"small\""), "rel_l2: 'small' is not a number" },
    { RUN("\"converged\": 2"), "converged=2 is out of range: 0 to 1" },
    { RUN("\"start\": 1"), "start=1, but there are 1" },
    { RUN("\"steps\": [{\"ops\": \"mul\"}]"), "unknown key 'ops'; did you "
                                                "mean 'op'?" },
    { RUN("\"steps\": {}"), "steps: expected a list, not an object" },
    { RUN("\"steps\": [{}]"), "CHECK constraint failed: op" },
    { RUN("\"quantities\": [{\"name\": \"x\", \"source\": \"said\"}]"),
      "unknown source 'said'; choose from counted" },
    { RUN("\"quantities\": [{\"name\": \"x\", \"step\": -2}]"),
      "step=-2 is out of range" },
    { RUN("\"quantities\": [{\"name\": \"x\"}]"), "CHECK constraint failed" },
    { HEAD "\"ended_at\": \"soon\", \"runs\": [{\"module\": \"se\", "
      "\"ns\": [1]}]}",
      "CHECK constraint failed: ended_at" },
    { "{\"roofs\": {}}", "roofs: expected a list, not an object" },
    { "{\"roofs\": [{\"name\": \"a\", \"unit\": \"m/s\", \"n\": 1, "
      "\"value\": 1, \"lo\": 1, \"hi\": 1}]}",
      ".json:1:12: " },
    { "{\"roofs\": [], \"runs\": []}", "unknown key 'runs'; a file with" },
    { ERF(OF_ERF, "\"00\""), "map: expected 16 hexadecimal digits" },
    { ERF(OF_ERF, "\"000000000000000g\""), "map: '0g' is not hexadecimal" },
    { ERF(OF_ERF, "7"), "map: expected a string, not a number" },
    { ERF(OF_ERF, "\"0000000000000000\""), "constraint failed: erf." },
    { ERF(OF_ERF "\"ns\": [1], ", "7"), "expected a run of kind erf" },
    { ERF("\"ns\": [1], ", "7"), "expected a run of kind erf" },
    { HEAD "\"runs\": [{\"module\": \"se\", \"kind\": \"erf\", \"erf\": "
      "[{\"tap\": \"a\"}]}]}",
      "there are no parts" },
    { RUN("\"stored_at\": \"yesterday, or the day before that, perhaps\""),
      "stored_at is longer than 31 bytes" },
    { HEAD "\"runs\": [{\"module\": \"se\", \"ns\": [1]}, "
      "{\"module\": \"se\", \"ns\": [2]}]}",
      "runs[1]: " },
    { "{\"source\": \"attnbench\", \"experiment\": \"x\", \"runs\": "
      "[{\"module\": \"se\", \"ns\": [1]}]}",
      "a run that was not verified is not ok" },
};

/* clang-format on */

TEST(import, refuses_json_that_is_wrong_in_one_place)
{
    all_refused(bad_json, sizeof(bad_json) / sizeof(bad_json[0]), "bad.json");
}

TEST(import, names_the_line_of_the_fault)
{
    const char *db = temp_path("a.db"), *path = temp_path("bad.json");
    Added count;

    write_text(path, HEAD "\n\"runs\": [{\"module\": \"se\",\n \"ns\": [1,\n"
                          "  2, -3]}]}");
    CHECK(import(db, path, &count) == ERR_INPUT);
    CHECK_MSG(strstr(err_message(), "bad.json:4:6: ns=-3"), "%s",
              err_message());
}

TEST(import, refuses_files_that_are_not_there)
{
    char flag[600];
    const char *db = temp_path("a.db");
    Added count;

    CHECK(import(db, temp_path("none.json"), &count) == ERR_IO);
    CHECK(import(db, "tests", &count) < 0);
    snprintf(flag, sizeof(flag), "--db=%s", temp_path("b.db"));
    CHECK(cmd_import(2, (char *[]){ flag, "none.json" }) == ERR_IO);
    CHECK(cmd_import(2, (char *[]){ flag, "runs.csv" }) == ERR_INPUT);
    CHECK(strstr(err_message(), "only JSON is imported"));
    CHECK(access(flag + strlen("--db="), F_OK) != 0);
}

TEST(export, says_what_it_cannot_find_or_write)
{
    const char *db = temp_path("a.db");
    char flag[600];

    REQUIRE(make_database(db, 1) == OK);
    snprintf(flag, sizeof(flag), "--db=%s", db);
    CHECK(cmd_export(2, (char *[]){ flag, "--experiment=none" }) == ERR_INPUT);
    CHECK_MSG(strstr(err_message(), "has no such runs"), "%s", err_message());
    CHECK(cmd_export(2, (char *[]){ flag, (char *)db }) == ERR_INPUT);
    CHECK_MSG(strstr(err_message(), "the database itself"), "%s",
              err_message());
    CHECK_ASK(db, "SELECT count(*) FROM run", "1");
    CHECK(cmd_export(2, (char *[]){ flag, "/no/such/file" }) == ERR_IO);
    CHECK(cmd_export(2, (char *[]){ flag, "/dev/full" }) == ERR_IO);
    CHECK_MSG(strstr(err_message(), "No space left"), "%s", err_message());
    CHECK(cmd_export(1, (char *[]){ "--format=xml" }) == ERR_INPUT);
    CHECK(cmd_export(1, (char *[]){ "--db=none.db" }) == ERR_INPUT);
}

TEST(export, writes_a_row_for_each_run_or_sample)
{
    const char *db = temp_path("a.db"), *out = temp_path("out.csv");
    char flag[600], *text;
    size_t n;

    REQUIRE(make_database(db, 2) == OK);
    snprintf(flag, sizeof(flag), "--db=%s", db);
    REQUIRE(cmd_export(3, (char *[]){ flag, "--samples", (char *)out }) == OK);
    text = read_bytes(out, &n);
    CHECK_MSG(!strcmp(text, "id,i,round,ns,clock_mhz,temperature_c,power_w,"
                            "throttle,module_ns,started_ns,cpu_ns,run_delay_ns,"
                            "steal_ns,switches,process\n"
                            "1,0,0,5,,,,,,,,,,,0\n1,1,0,1.5,,,,,,,,,,,0\n"
                            "1,2,1,3,,,,,,,,,,,0\n2,0,0,5,,,,,,,,,,,0\n"
                            "2,1,0,1.5,,,,,,,,,,,0\n2,2,1,3,,,,,,,,,,,0\n"),
              "%s", text);
    free(text);
    REQUIRE(cmd_export(2, (char *[]){ flag, (char *)out }) == OK);
    text = read_bytes(out, &n);
    CHECK_MSG(
        strstr(text,
               ",case 1,ok,,1x64x8x8,"
               ",1e-07,1,1,0,,,,,,,10,,0,0,0,0,0,3,3,1.5,5,2.25,4,1.5,5,0\n"),
        "%s", text);
    free(text);
}

/* ---- as large as an export ------------------------------------------------ */

/* Times that an import takes, in seconds of this process. */
static double import_seconds(const char *db, const char *path, int wanted)
{
    const double start = (double)clock();
    Added count;
    const int err = import(db, path, &count);

    CHECK_MSG(err == wanted, "%s", err_message());
    return ((double)clock() - start) / CLOCKS_PER_SEC;
}

static void write_json_of(const char *path, int keys)
{
    FILE *f = fopen(path, "w");

    BUG_IF(!f);
    for (int i = 0; i < keys; i++)
        fprintf(f, "%c\"a key of some length %d\": %d", i ? ',' : '{', i, i);
    fprintf(f, "}\n");
    BUG_IF(fclose(f));
}

/* Eight times the keys take eight times as long, and not sixty-four. */
TEST(import_speed, takes_time_in_proportion)
{
    const char *json = temp_path("a.json");
    double few, many;

    if (!getenv("SPEED"))
        SKIP("a benchmark: make speed");
    write_json_of(json, 20000);
    few = import_seconds(temp_path("a.db"), json, ERR_INPUT);
    write_json_of(json, 160000);
    many = import_seconds(temp_path("a.db"), json, ERR_INPUT);
    CHECK_MSG(many < 24 * few + 0.1, "%.2f s, then %.2f s", few, many);
}

/* Larger than what was read once: 64 MiB of JSON.  Blanks are as long. */
TEST(import, has_no_limit_below_what_export_writes)
{
    enum { BLANKS = 65 << 20 };
    const char *path = temp_path("big.json");
    static const char run[] = "{\"source\": \"me\", \"experiment\": \"x\", "
                              "\"runs\": [{\"module\": \"se\", \"ns\": [1]}]}";
    char *text = malloc(BLANKS + sizeof(run));

    REQUIRE(text);
    memset(text, ' ', BLANKS);
    memcpy(text + BLANKS, run, sizeof(run));
    write_bytes(path, text, BLANKS + sizeof(run) - 1);
    free(text);
    import_seconds(temp_path("a.db"), path, OK);
}

/* ---- other files ----------------------------------------------------------- */

static int import_command(const char *path)
{
    char flag[600];

    snprintf(flag, sizeof(flag), "--db=%s", temp_path("into.db"));
    return cmd_import(2, (char *[]){ flag, (char *)path });
}

TEST(import, names_what_a_file_is_instead)
{
    static const struct {
        const char *start;
        size_t n;
        const char *is;
    } files[] = {
        { "\x1F\x8B\x08", 3, "is compressed by gzip; unpack it first" },
        { "PK\x03\x04", 4, "is a zip archive" },
        { "\x93NUMPY\x01", 7, "is a NumPy array" },
        { "\x80\x02}", 3, "is a Python pickle" },
        { "<html>", 6, "is XML or HTML" },
        { "SQLite format 3\0junk", 20,
          "is an SQLite database that attnbench "
          "cannot read" },
        { "{\"context\": {}, \"benchmarks\": []}", 33,
          "looks like the output of Google Benchmark" },
        { "{\"results\": [{\"command\": \"ls\"}]}", 32,
          "looks like the output of hyperfine" },
    };
    char *path = strdup(temp_path("file.json"));
    char *db = strdup(temp_path("mine.db"));

    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        write_bytes(path, files[i].start, files[i].n);
        CHECK_MSG(import_command(path) == ERR_INPUT, "%s", files[i].is);
        CHECK_MSG(strstr(err_message(), files[i].is), "'%s' does not say '%s'",
                  err_message(), files[i].is);
    }
    REQUIRE(make_database(db, 1) == OK);
    CHECK(import_command(db) == ERR_INPUT);
    CHECK_MSG(strstr(err_message(),
                     "mine.db is a database, not JSON; to add what "
                     "it holds: attnbench merge "),
              "%s", err_message());
    free(path);
    free(db);
}

/* Two colleagues' files can be told apart. */
TEST(import, csv_says_on_which_machine_and_by_which_build)
{
    const char *db = temp_path("where.db"), *out = temp_path("where.csv");
    char flag[600], *text;
    size_t n;

    REQUIRE(make_varied_database(db) == OK);
    snprintf(flag, sizeof(flag), "--db=%s", db);
    REQUIRE(cmd_export(2, (char *[]){ flag, (char *)out }) == OK);
    text = read_bytes(out, &n);
    REQUIRE(text);
    CHECK_MSG(strstr(text, ",cpu,gpu,cores,git_commit,dirty,"), "%.400s", text);
    CHECK_MSG(strstr(text, ",a cpu,,2,unknown,0,"), "%s", text);
    free(text);
}
