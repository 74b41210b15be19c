/*
 * test_upgrade.c - databases of schema 1: read as they are, upgraded when they
 * are written, whole or not at all.
 */
#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/summary.h"
#include "harness/cli/cmd.h"
#include "harness/report/import.h"
#include "results/erf.h"
#include "results/profile.h"
#include "tests/databases.h"
#include "tests/stored.h"
#include "tests/test.h"

/* A file as attnbench wrote it before: one run of three samples. */
static const char *old_database(void)
{
    static const char rows[] =
        "INSERT INTO machine VALUES (1, 'a cpu', 2, 8e9, '', '', 'an os');"
        "INSERT INTO build VALUES (1, 'unknown', 0, 'gcc', '-O2', 'sqlite');"
        "INSERT INTO sweep VALUES (1, 1, 1, 'attnbench', 'e', 'why?', 'h', "
        "'2026-01-01T00:00:00Z');"
        "INSERT INTO start VALUES (1, 0, '2026-01-01T00:00:00Z', 7, '', '', "
        "NULL, NULL);"
        "INSERT INTO run VALUES (1, 1, 0, '2026-01-01T00:00:00Z', 'none', "
        "'se', 'composed', 'as_written', 'cpu', 'f32', 1, 64, 8, 8, 'forward', "
        "'hot', 0, 0, '{}', 'attnbench run --module=se', 'ok', '', "
        "'1x64x8x8', 1e-7, 1, 1, 10, 0, 0, 0, 0, 0, 0);"
        "INSERT INTO sample VALUES (1, 0, 0, 5), (1, 1, 0, 1.5), (1, 2, 1, 3);";
    const char *path = temp_path("old.db");
    size_t n;
    char *schema = read_bytes("tests/schema_1.sql", &n);

    if (!schema)
        test_skip("run me in the project's root folder");
    BUG_IF(!alter(path, schema) || !alter(path, rows));
    free(schema);
    return path;
}

static void check_unchanged(const char *path, const char *before, size_t n)
{
    size_t m;
    char *after = read_bytes(path, &m);

    CHECK_MSG(n == m && !memcmp(before, after, n), "%s was changed", path);
    free(after);
}

TEST(upgrade, a_database_of_schema_1_is_read_and_left_as_it_is)
{
    const char *db = old_database(), *out = temp_path("out.csv");
    char flag[600], *before, *text;
    RunList runs;
    size_t n, m;
    Store *s;

    before = read_bytes(db, &n);
    REQUIRE(store_open(&s, db, STORE_READ) == OK);
    REQUIRE(summary_read(&runs, s, &(RunFilter){ NULL, NULL, -1 }) == OK);
    CHECK(runs.n == 1 && runs.at[0].time.n == 3 && runs.at[0].time.median == 3);
    summary_free(&runs);
    store_close(s);

    snprintf(flag, sizeof(flag), "--db=%s", db);
    REQUIRE(cmd_export(3, (char *[]){ flag, "--samples", (char *)out }) == OK);
    text = read_bytes(out, &m);
    CHECK_MSG(!strcmp(text, "id,i,round,ns,clock_mhz,temperature_c,power_w,"
                            "throttle\n"
                            "1,0,0,5,,,,\n1,1,0,1.5,,,,\n1,2,1,3,,,,\n"),
              "%s", text);
    free(text);
    check_unchanged(db, before, n);
    free(before);
}

/* The columns of a table, in the order of the file. */
#define COLUMNS(table)                                                      \
    "SELECT group_concat(name || ' ' || type || ' ' || \"notnull\" || ' ' " \
    "|| pk, ', ') FROM (SELECT * FROM pragma_table_info('" table            \
    "') ORDER BY name)"

/* The statement that made it, to the letter. */
#define AS_WRITTEN(name) "SELECT sql FROM sqlite_schema WHERE name = '" name "'"

TEST(upgrade, a_database_of_schema_1_is_upgraded_when_it_is_written)
{
    static const char *const what[] = {
        COLUMNS("sample"),
        COLUMNS("run"),
        COLUMNS("start"),
        "SELECT group_concat(type || name) FROM (SELECT * FROM sqlite_schema "
        "ORDER BY type, name)",
        /* what the upgrades repeat of schema.sql */
        AS_WRITTEN("step"),
        AS_WRITTEN("quantity"),
        AS_WRITTEN("roof"),
        COLUMNS("erf"),
        AS_WRITTEN("erf_map"),
        AS_WRITTEN("erf_number"),
        AS_WRITTEN("at_work"),
        AS_WRITTEN("begun"),
        AS_WRITTEN("latest"),
        AS_WRITTEN("table2"),
        AS_WRITTEN("run_final"),
        AS_WRITTEN("erf_final"),
        "PRAGMA user_version",
    };
    const char *db = old_database(), *fresh = temp_path("fresh.db");
    Store *s;

    REQUIRE(make_database(fresh, 1) == OK);
    REQUIRE(store_open(&s, db, STORE_WRITE) == OK);
    store_close(s);
    for (size_t i = 0; i < sizeof(what) / sizeof(what[0]); i++) {
        char *wanted = strdup(ask(fresh, what[i]));

        CHECK_ASK(db, what[i], wanted);
        free(wanted);
    }
    CHECK_ASK(db, "SELECT group_concat(ns) FROM sample", "5.0,1.5,3.0");
    CHECK_ASK(db, "SELECT median_ns FROM run_time", "3.0");
    CHECK_ASK(db,
              "SELECT count(*) FROM sample WHERE coalesce(clock_mhz, "
              "temperature_c, power_w, throttle) IS NOT NULL",
              "0");
    CHECK(!alter(db, "UPDATE sample SET clock_mhz = 1"));
    CHECK(!alter(db, "INSERT INTO sample VALUES (1, 3, 1, 3, -1, 0, 0, 'x')"));
    REQUIRE(store_open(&s, db, STORE_WRITE) == OK); /* it is none any more */
    store_close(s);
}

/* A network's module stood where it was usual. */
TEST(upgrade, tells_where_modules_stood_before_that_could_be_chosen)
{
    static const char positions[] =
        "SELECT group_concat(module || ' ' || position || ' ' || form, ', ') "
        "FROM run";
    static const char before[] = "se auto train, se out train, ca mid train";
    const char *db = old_database();
    StoredProfile profile;
    RunList runs;
    ErfRows fields;
    Roofs roofs;
    Store *s;

    REQUIRE(alter(db,
                  "CREATE TEMP TABLE r AS SELECT * FROM run;"
                  "UPDATE r SET id = 2, backbone = 'resnet50', repeat = '2';"
                  "INSERT INTO run SELECT * FROM r;"
                  "UPDATE r SET id = 3, module = 'ca', repeat = '3';"
                  "INSERT INTO run SELECT * FROM r;"));
    REQUIRE(store_open(&s, db, STORE_READ) == OK);
    REQUIRE(summary_read(&runs, s, &(RunFilter){ NULL, NULL, -1 }) == OK);
    REQUIRE(runs.n == 3);
    CHECK(!strcmp(runs.at[0].position, "auto"));
    CHECK(!strcmp(runs.at[1].position, "out"));
    CHECK(!strcmp(runs.at[2].position, "mid"));
    CHECK(!strcmp(runs.at[2].form, "train"));
    CHECK(store_profile_read(&profile, s, 1) == OK && profile.nsteps == 0);
    CHECK(store_roofs_read(&roofs, s, &a_machine, "cpu", 2) == OK);
    CHECK(roofs.n == 0);
    CHECK(store_erf_read(&fields, s, true) == OK && fields.n == 0);
    summary_free(&runs);
    store_close(s);
    REQUIRE(store_open(&s, db, STORE_WRITE) == OK);
    store_close(s);
    CHECK_ASK(db, positions, before);
}

/* All that schema 6 has more. */
#define BEFORE_6                                \
    "ALTER TABLE run DROP COLUMN norm_gain;"    \
    "ALTER TABLE run DROP COLUMN threads_used;" \
    "ALTER TABLE erf DROP COLUMN norm_gain;"    \
    "ALTER TABLE start DROP COLUMN load_end;"   \
    "DROP TABLE at_work;"                       \
    "DROP TABLE begun;"

/* What a file held that weights came from was not noted then. */
TEST(upgrade, a_database_of_schema_4_knows_no_contents)
{
    static const char hashes[] =
        "SELECT count(*) FROM run WHERE weights_hash = ''";
    const char *db = temp_path("four.db");
    RunList runs;
    ErfRows fields;
    Store *s;

    REQUIRE(make_database(db, 1) == OK);
    stored_fields(db);
    REQUIRE(alter(db, "DROP VIEW latest;"
                      "ALTER TABLE run DROP COLUMN weights_hash;"
                      "ALTER TABLE erf DROP COLUMN weights_hash;"
                      "ALTER TABLE erf DROP COLUMN images_hash;" BEFORE_6
                      "CREATE VIEW latest AS SELECT 1;"
                      "PRAGMA user_version = 4;"));
    REQUIRE(store_open(&s, db, STORE_READ) == OK);
    REQUIRE(summary_read(&runs, s, &(RunFilter){ NULL, NULL, -1 }) == OK);
    CHECK(runs.n == 1 && !runs.at[0].weights_hash[0]);
    CHECK(runs.at[0].threads_used == 0);
    summary_free(&runs);
    REQUIRE(store_erf_read(&fields, s, true) == OK);
    CHECK(fields.n == 18 && !fields.at[0].images_hash[0]);
    erf_rows_free(&fields);
    store_close(s);
    CHECK_ASK(db, "PRAGMA user_version", "4");
    REQUIRE(store_open(&s, db, STORE_WRITE) == OK);
    store_close(s);
    CHECK_ASK(db, hashes, "1");
    CHECK_ASK(db, "SELECT count(*) FROM latest", "1");
}

/* Networks were seeded with a gain of 1 then; a module alone has no norms of a
 * network, and a file's are not seeded. */
TEST(upgrade, a_database_of_schema_5_has_the_gain_of_its_day)
{
    static const char gains[] =
        "SELECT group_concat(norm_gain) FROM (SELECT norm_gain FROM run "
        "ORDER BY id)";
    const char *db = temp_path("five.db");
    RunList runs;
    ErfRows fields;
    Store *s;

    REQUIRE(make_database(db, 3) == OK);
    stored_fields(db);
    REQUIRE(alter(db, BEFORE_6 "DROP TRIGGER run_final;"
                               "UPDATE run SET backbone = 'resnet50' "
                               "WHERE id > 1;"
                               "UPDATE run SET weights = 'r.safetensors' "
                               "WHERE id = 3;"
                               "CREATE TRIGGER run_final BEFORE UPDATE ON run "
                               "BEGIN SELECT 1; END;"
                               "PRAGMA user_version = 5;"));
    REQUIRE(store_open(&s, db, STORE_READ) == OK);
    REQUIRE(summary_read(&runs, s, &(RunFilter){ NULL, NULL, -1 }) == OK);
    REQUIRE(runs.n == 3);
    CHECK(runs.at[0].norm_gain == 0 && runs.at[1].norm_gain == 1 &&
          runs.at[2].norm_gain == 0);
    summary_free(&runs);
    REQUIRE(store_erf_read(&fields, s, false) == OK);
    CHECK(fields.n == 18 && fields.at[0].norm_gain == 1);
    erf_rows_free(&fields);
    store_close(s);
    REQUIRE(store_open(&s, db, STORE_WRITE) == OK);
    store_close(s);
    CHECK_ASK(db, gains, "0.0,1.0,0.0");
    CHECK_ASK(db, "SELECT min(norm_gain) FROM erf", "1.0");
    CHECK(!alter(db, "UPDATE run SET norm_gain = 2"));
    CHECK(!alter(db, "UPDATE erf SET norm_gain = 2"));
}

/* The last of the new columns is there already, under whatever circumstances:
 * the first ones must not stay. */
TEST(upgrade, is_whole_or_not_at_all)
{
    const char *db = old_database();
    Store *s;

    REQUIRE(alter(db, "ALTER TABLE sample ADD COLUMN throttle TEXT"));
    CHECK(store_open(&s, db, STORE_WRITE) == ERR_IO);
    CHECK_MSG(strstr(err_message(), db), "%s", err_message());
    CHECK_ASK(db, "PRAGMA user_version", "1");
    CHECK_ASK(db, "SELECT count(*) FROM pragma_table_info('sample')", "5");
}

/* Another process holds the old file open for reading. */
TEST(upgrade, does_not_disturb_a_reader)
{
    const char *db = old_database();
    RunList runs;
    Store *reader, *s;

    REQUIRE(store_open(&reader, db, STORE_READ) == OK);
    REQUIRE(store_open(&s, db, STORE_WRITE) == OK);
    CHECK_MSG(summary_read(&runs, reader, &(RunFilter){ NULL, NULL, -1 }) == OK,
              "%s", err_message());
    CHECK(runs.n == 1 && runs.at[0].time.n == 3);
    summary_free(&runs);
    store_close(reader);
    store_close(s);
}

/* ---- moments ----------------------------------------------------------- */

static int add_run_with_moments(const char *db)
{
    static const Moment moment[] = {
        { 1980, 40.5, 1.0 / 3, "none" },
        { NAN, -5, NAN, "power,thermal" },
        { 345, NAN, 0, NULL },
    };
    const Case c = a_case();
    Outcome o = an_outcome("with moments");
    bool resumed;
    int64_t id;
    Store *s;
    int err;

    o.moment = moment;
    TRY(store_open(&s, db, STORE_WRITE));
    err = store_sweep_begin(s, &a_machine, &a_build, &a_sweep, true, &id,
                            &resumed);
    if (!err)
        err = store_run(s, id, case_params, &c, "{\"reduction\":16}", &o);
    store_close(s);
    return err;
}

TEST(upgrade, what_the_device_knew_is_stored_and_exported)
{
    const char *db = temp_path("a.db"), *out = temp_path("out.csv");
    char flag[600], *text;
    size_t n;

    REQUIRE(add_run_with_moments(db) == OK);
    CHECK_ASK(db, "SELECT group_concat(coalesce(clock_mhz, '-')) FROM sample",
              "1980.0,-,345.0");
    CHECK_ASK(db,
              "SELECT group_concat(coalesce(throttle, '-'), ' ') FROM "
              "sample",
              "none power,thermal -");
    snprintf(flag, sizeof(flag), "--db=%s", db);
    REQUIRE(cmd_export(3, (char *[]){ flag, "--samples", (char *)out }) == OK);
    text = read_bytes(out, &n);
    CHECK_MSG(!strcmp(text, "id,i,round,ns,clock_mhz,temperature_c,power_w,"
                            "throttle\n"
                            "1,0,0,5,1980,40.5,0.33333333333333331,none\n"
                            "1,1,0,1.5,,-5,,\"power,thermal\"\n"
                            "1,2,1,3,345,,0,\n"),
              "%s", text);
    free(text);
}

TEST(upgrade, what_the_device_knew_survives_json)
{
    const char *db = temp_path("a.db"), *json = temp_path("a.json");
    const char *again = temp_path("b.db");
    static const char all[] = "SELECT json_group_array(json_array(clock_mhz, "
                              "temperature_c, power_w, throttle)) FROM sample";
    char flag[600], wanted[600];
    ImportCount count;
    Store *s;

    REQUIRE(add_run_with_moments(db) == OK);
    snprintf(flag, sizeof(flag), "--db=%s", db);
    REQUIRE(cmd_export(3, (char *[]){ flag, "--format=json", (char *)json }) ==
            OK);
    REQUIRE(store_open(&s, again, STORE_WRITE) == OK);
    CHECK_MSG(import_json(s, json, &count) == OK, "%s", err_message());
    store_close(s);
    snprintf(wanted, sizeof(wanted), "%s", ask(db, all));
    CHECK(strstr(wanted, "[1980.0,40.5,0.333"));
    CHECK_ASK(again, all, wanted);
}

TEST(upgrade, moments_come_from_csv_and_lists_must_be_as_long)
{
    const char *db = temp_path("a.db"), *csv = temp_path("a.csv");
    const char *json = temp_path("a.json");
    ImportCount count;
    Store *s;

    write_text(csv, "source,experiment,module,round,ns,power_w,throttle\n"
                    "me,x,se,0,10,250.5,none\n"
                    "me,x,se,1,11,,\n");
    write_text(json, "{\"source\": \"me\", \"experiment\": \"y\", \"runs\": "
                     "[{\"module\": \"se\", \"ns\": [3, 4, 5], "
                     "\"power_w\": [1, 2]}]}");
    REQUIRE(store_open(&s, db, STORE_WRITE) == OK);
    CHECK_MSG(import_csv(s, csv, &count) == OK, "%s", err_message());
    CHECK(count.runs == 1 && count.samples == 2);
    CHECK(import_json(s, json, &count) == ERR_INPUT);
    CHECK_MSG(strstr(err_message(), "power_w is shorter than ns"), "%s",
              err_message());
    write_text(json, "{\"source\": \"me\", \"experiment\": \"y\", \"runs\": "
                     "[{\"module\": \"se\", \"ns\": [3], "
                     "\"clock_mhz\": [\"fast\"]}]}");
    CHECK(import_json(s, json, &count) == ERR_INPUT);
    CHECK_MSG(strstr(err_message(), "clock_mhz: 'fast' is not a number"), "%s",
              err_message());
    store_close(s);
    CHECK_ASK(db, "SELECT group_concat(coalesce(power_w, '-')) FROM sample",
              "250.5,-");
}
