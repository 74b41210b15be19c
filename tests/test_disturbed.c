/*
 * test_disturbed.c - samples count as disturbed by what the scheduler says, and
 * so do those that began soon after one, whichever case it was of.
 */
#include "analysis/disturbed.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "tests/databases.h"
#include "tests/test.h"

TEST(disturbed, a_sample_is_by_switches_and_by_more_than_a_share_of_its_time)
{
    Telemetry t = telemetry_unknown();

    CHECK(!sample_disturbed(&t, 1e6)); /* nothing is known */
    t.switches = 0;
    t.run_delay_ns = t.steal_ns = 0;
    CHECK(!sample_disturbed(&t, 1e6));
    t.run_delay_ns = 1999;
    CHECK(!sample_disturbed(&t, 1e6));
    t.run_delay_ns = 2001;
    CHECK(sample_disturbed(&t, 1e6) && !sample_disturbed(&t, 1.1e6));
    t.run_delay_ns = NAN;
    t.steal_ns = 1e7;
    CHECK(sample_disturbed(&t, 1e6) && !sample_disturbed(&t, 1e10));
    t.steal_ns = 0;
    t.switches = 1; /* for who knows how long */
    CHECK(sample_disturbed(&t, 1e12));
    t.run_delay_ns = 0;
    CHECK(sample_disturbed(&t, 4.9e6) && !sample_disturbed(&t, 5.1e6));
}

enum { MS = 1000000 };

/* Stores a run of n samples of 2 ms, two runs in each, which begin at these
 * milliseconds; a '!' in states is a switch, '?' is not known. */
static void add_run(Store *s, int64_t sweep, const char *repeat,
                    const double *at_ms, const char *states)
{
    const Case c = a_case();
    Outcome o = an_outcome(repeat);
    double ns[8];
    int round[8];
    Telemetry t[8];
    const int n = (int)strlen(states);

    o.reps = 2;
    for (int i = 0; i < n; i++) {
        ns[i] = MS;
        round[i] = i;
        t[i] = telemetry_unknown();
        if (at_ms)
            t[i].started_ns = at_ms[i] * MS;
        if (states[i] != '?')
            t[i].switches = states[i] == '!';
    }
    CHECK_MSG(store_run(s, sweep, &c, &o, &(Samples){ n, ns, round, t }) == OK,
              "%s", err_message());
}

static int64_t begin(Store *s, int64_t seed)
{
    Sweep w = a_sweep;
    bool resumed;
    int64_t id = 0;

    w.seed = seed;
    strcpy(w.started_at, "2025-01-02T03:04:05.678Z");
    CHECK(store_sweep_begin(s, &a_machine, &a_build, &w, true, &id, &resumed) ==
          OK);
    return id;
}

static void check_run(const Run *r, const char *wanted)
{
    char got[9] = "";

    for (int i = 0; r->disturbed && i < r->time.n; i++)
        got[i] = r->disturbed[i] ? '!' : '.';
    CHECK_MSG(!strcmp(got, wanted), "%s: %s, not %s", r->o.repeat, got, wanted);
}

TEST(disturbed, so_are_samples_soon_after_of_all_runs_of_the_start)
{
    static const double first[] = { 0, 10, 23, 24.5, 40 };
    static const double second[] = { 5, 22, 31.9, 32.1, 33 };
    static const RunFilter all = { .sweep = -1 };
    int64_t sweep;
    RunList list;
    Store *s;

    REQUIRE(store_open(&s, temp_path("a.db"), STORE_WRITE) == OK);
    sweep = begin(s, 1);
    add_run(s, sweep, "first", first, ".!...");    /* from 10 until 12 ms */
    add_run(s, sweep, "second", second, ".....");  /* of the same start   */
    add_run(s, sweep, "unknown", second, "?????"); /* known is when       */
    add_run(s, sweep, "nothing", NULL, "?????");
    sweep = begin(s, 2);
    add_run(s, sweep, "other", second, "....!");
    REQUIRE(summary_read(&list, s, &all) == OK && list.n == 5);
    check_run(&list.at[0], ".!!!.");
    check_run(&list.at[1], ".!!..");
    check_run(&list.at[2], ".!!..");
    check_run(&list.at[3], "");
    CHECK(!list.at[3].disturbed && !list.at[3].started_ns);
    check_run(&list.at[4], "....!");
    CHECK(list.at[0].started_ns[3] == 24.5 * MS);
    summary_free(&list);
    store_close(s);
}

/* A sample that was marked for what came before it marks no further one. */
TEST(disturbed, the_time_after_one_ends)
{
    static const double at[] = { 0, 20, 21, 40, 60, 80 };
    static const RunFilter all = { .sweep = -1 };
    RunList list;
    Store *s;

    REQUIRE(store_open(&s, temp_path("a.db"), STORE_WRITE) == OK);
    add_run(s, begin(s, 1), "first", at, "!.....");
    REQUIRE(summary_read(&list, s, &all) == OK && list.n == 1);
    check_run(&list.at[0], "!!!...");
    summary_free(&list);
    store_close(s);
}
