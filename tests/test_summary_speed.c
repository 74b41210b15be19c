/*
 * test_summary_speed.c - a million samples: what reading, exporting and the
 * view of medians take next to SQLite's own way through the table; in
 * make speed alone.
 *
 * All interleaved, medians; a ratio is of processor times of one run.
 */
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "analysis/stats.h"
#include "analysis/summary.h"
#include "harness/cli/cmd.h"
#include "tests/databases.h"
#include "tests/test.h"

enum { RUNS = 500, ROUNDS = 5 };

/* 500 runs of 2000 samples: a file of 25 MB. */
static bool make_million(const char *path)
{
    return make_database(path, RUNS) == OK &&
           alter(path,
                 "DROP TRIGGER IF EXISTS sample_final;"
                 "DELETE FROM sample;"
                 "WITH RECURSIVE k (i) AS (VALUES (0) UNION ALL"
                 "    SELECT i + 1 FROM k WHERE i < 1999)"
                 "INSERT INTO sample (run_id, i, round, ns)"
                 "    SELECT run.id, i, i, 1000 + (i * 7919 + run.id) % 1000 "
                 "    + 0.125 FROM run, k ORDER BY run.id, i");
}

/* The least that all of them do: every sample is fetched once. */
static void sum(const char *path, const char *out)
{
    (void)out;
    CHECK(strtod(ask(path, "SELECT count(ns), sum(ns) FROM sample"), NULL) ==
          2000 * RUNS);
}

static void read_runs(const char *path, const char *out)
{
    const RunFilter everything = { .sweep = -1 };
    RunList list;
    Store *s;

    (void)out;
    REQUIRE(store_open(&s, path, STORE_READ) == OK);
    REQUIRE(summary_read(&list, s, &everything) == OK);
    CHECK(list.n == RUNS && list.at[RUNS - 1].time.n == 2000);
    summary_free(&list);
    store_close(s);
}

static void export(const char *path, const char *out, char *how)
{
    char db[600], file[600];

    snprintf(db, sizeof(db), "--db=%s", path);
    snprintf(file, sizeof(file), "%s", out);
    CHECK(cmd_export(how ? 3 : 2, (char *[]){ db, file, how }) == OK);
}

static void export_runs(const char *path, const char *out)
{
    export(path, out, NULL);
}

static void export_samples(const char *path, const char *out)
{
    char how[] = "--samples";

    export(path, out, how);
}

static void export_json(const char *path, const char *out)
{
    char how[] = "--format=json";

    export(path, out, how);
}

static void view(const char *path, const char *out)
{
    (void)out;
    CHECK(strtod(ask(path, "SELECT count(*) FROM run_time"), NULL) == RUNS);
}

static const struct {
    const char *name;
    void (*run)(const char *path, const char *out);
} lanes[] = {
    { "SELECT sum(ns)", sum },        { "summary_read", read_runs },
    { "export", export_runs },        { "export --samples", export_samples },
    { "export --json", export_json }, { "view run_time", view },
};
enum { NLANES = sizeof(lanes) / sizeof(lanes[0]) };

static double cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

TEST(summary_speed, a_million_samples_beside_sqlite_s_way_through_them)
{
    const char *path = temp_path("a.db"), *out = temp_path("out");
    static double ns[NLANES][ROUNDS];

    if (!getenv("SPEED"))
        SKIP("a benchmark: make speed");
    REQUIRE(make_million(path));
    for (int r = 0; r < ROUNDS; r++)
        for (int k = 0; k < NLANES; k++) {
            const double start = cpu_ns();

            lanes[k].run(path, out);
            ns[k][r] = cpu_ns() - start;
        }
    printf("    a million samples      s   times SELECT\n");
    for (int k = 0; k < NLANES; k++) {
        const double median = stats_of(ns[k], ROUNDS).median;

        printf("    %-18s %5.2f %14.1f\n", lanes[k].name, median / 1e9,
               median / stats_of(ns[0], ROUNDS).median);
    }
}
