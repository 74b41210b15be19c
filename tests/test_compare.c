/*
 * test_compare.c - two cases, databases or sweeps against each other: what is
 * said, and the exit status.
 */
#include "analysis/compare.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/report/compare.h"
#include "tests/databases.h"
#include "tests/program.h"
#include "tests/sample.h"
#include "tests/stored.h"
#include "tests/test.h"
#include "tests/texts.h"

/* ---- runs that are made up ------------------------------------------------ */

enum { ROUNDS = 40, LATE = 12 };

typedef struct Made {
    Run run;
    double ns[ROUNDS], module_ns[ROUNDS];
    int round[ROUNDS];
    bool disturbed[ROUNDS];
} Made;

/* One sample a round, of ns and up to 2 % more. */
static void make(Made *m, const char *settings, double ns, uint64_t seed)
{
    memset(m, 0, sizeof(*m));
    m->run.c = stored_case(settings);
    m->run.o = outcome_of_nothing();
    m->run.o.status = STATUS_OK;
    m->run.o.reps = 3;
    case_print(&m->run.c, m->run.o.repeat);
    snprintf(m->run.source, sizeof(m->run.source), "attnbench");
    snprintf(m->run.cpu, sizeof(m->run.cpu), "a cpu");
    for (int i = 0; i < ROUNDS; i++) {
        m->round[i] = i;
        m->ns[i] = ns * (1 + 0.02 * sample_uniform(&seed));
    }
    m->run.ns = m->ns;
    m->run.round = m->round;
    m->run.time = stats_of(m->ns, ROUNDS);
}

static const RatioGate open = { .delta = 0.01 };
static const RatioGate five = { .limited = true,
                                .fail_above = 0.05,
                                .delta = 0.01 };

TEST(compare, the_time_of_b_is_over_that_of_a)
{
    Compared c;
    Made a, b;

    make(&a, "module=se", 1000, 1);
    make(&b, "module=ca", 1500, 2);
    compare_runs(&c, &a.run, &b.run, &five);
    CHECK(c.apart == INTERLEAVED && c.verdict == SLOWER);
    CHECK_MSG(fabs(c.ratio.ratio - 1.5) < 0.01, "%g", c.ratio.ratio);
    CHECK(c.answer == GATE_FAILED && c.more == 0);
    compare_runs(&c, &b.run, &a.run, &five);
    CHECK(c.verdict == FASTER && c.answer == GATE_PASSED);
    compare_runs(&c, &a.run, &a.run, &five);
    CHECK(c.verdict == SAME && c.answer == GATE_PASSED);
}

/* Rounds in which b was disturbed took four times as long. */
TEST(compare, disturbed_rounds_are_left_out_and_counted)
{
    Compared c;
    Made a, b;

    make(&a, "module=se", 1000, 1);
    make(&b, "module=ca", 1030, 2);
    b.run.disturbed = b.disturbed;
    for (int i = 0; i < ROUNDS; i += 4) {
        b.ns[i] *= 4;
        b.disturbed[i] = true;
    }
    compare_runs(&c, &a.run, &b.run, &five);
    CHECK(c.paired.left_out == ROUNDS / 4 && c.ratio.n == 3 * ROUNDS / 4);
    CHECK_MSG(fabs(c.ratio.ratio - 1.03) < 0.01 &&
                  c.paired.all.ratio > c.ratio.ratio + 0.003,
              "%g %g", c.ratio.ratio, c.paired.all.ratio);
    CHECK(c.answer == GATE_PASSED);
}

/* The limit is within an interval that many rounds would narrow. */
TEST(compare, an_ambiguous_answer_says_how_many_rounds_are_lacking)
{
    uint64_t seed = 5;
    Compared c;
    Made a, b;

    make(&a, "module=se", 1000, 1);
    make(&b, "module=ca", 1000, 2);
    for (int i = 0; i < ROUNDS; i++)
        b.ns[i] = 1070 * exp(0.2 * (2 * sample_uniform(&seed) - 1));
    compare_runs(&c, &a.run, &b.run, &five);
    CHECK(c.answer == GATE_AMBIGUOUS && c.more > 0);
    /* A round holds three runs of each, of a microsecond. */
    CHECK_MSG(fabs(c.more_s / (c.more * 6.2e-6) - 1) < 0.05, "%g s of %d",
              c.more_s, c.more);
}

/* Without a limit, until there is a verdict. */
TEST(compare, what_is_not_resolved_says_how_many_rounds_are_lacking)
{
    uint64_t seed = 5;
    Compared c;
    Made a, b;

    make(&a, "module=se", 1000, 1);
    make(&b, "module=ca", 1000, 2);
    for (int i = 0; i < ROUNDS; i++)
        b.ns[i] = 1040 * exp(0.2 * (2 * sample_uniform(&seed) - 1));
    compare_runs(&c, &a.run, &b.run, &open);
    CHECK_MSG(c.verdict == NOT_RESOLVED && c.more > 10 && c.more_s > 0,
              "%d: %g [%g, %g]", c.more, c.ratio.ratio, c.ratio.lo, c.ratio.hi);
}

TEST(compare, a_module_s_cost_is_direct_and_indirect)
{
    Made plain, with, other;
    Compared c;

    make(&plain, "backbone=resnet18", 1000, 1);
    make(&with, "backbone=resnet18 module=se", 1100, 2);
    make(&other, "backbone=resnet18 module=se batch=2", 1100, 3);
    for (int i = 0; i < ROUNDS; i++)
        with.module_ns[i] = 0.05 * with.ns[i];
    with.run.module_ns = with.module_ns;
    compare_runs(&c, &plain.run, &with.run, &open);
    CHECK(c.direct_a.n == 0 && c.direct_b.n == ROUNDS);
    CHECK_MSG(fabs(c.direct_b.ratio - 0.95) < 1e-9, "%g", c.direct_b.ratio);
    CHECK_MSG(fabs(c.indirect.ratio - 1 / 1.1 / 0.95) < 0.01, "%g",
              c.indirect.ratio);
    compare_runs(&c, &with.run, &plain.run, &open);
    CHECK(c.direct_a.n == ROUNDS && c.indirect.n == ROUNDS);
    /* With another batch it is not the plain network. */
    compare_runs(&c, &plain.run, &other.run, &open);
    CHECK(c.indirect.n == 0);
}

static void check_apart(Made *a, Made *b, Apart wanted)
{
    Compared c;

    compare_runs(&c, &a->run, &b->run, &five);
    CHECK_MSG(c.apart == wanted, "%d, not %d", c.apart, wanted);
    CHECK(c.verdict == NOT_RESOLVED && c.ratio.n == 0);
    CHECK(c.answer == GATE_AMBIGUOUS && c.more == -1);
    CHECK(c.ratio.lo < c.ratio.ratio && c.ratio.ratio < c.ratio.hi);
}

/* However far apart the times are. */
TEST(compare, what_was_not_interleaved_has_no_verdict)
{
    Made a, b;

    make(&a, "module=se", 1000, 1);
    make(&b, "module=ca", 5000, 2);
    b.run.cores = 64;
    check_apart(&a, &b, OTHER_MACHINE);
    b.run.cores = 0;
    b.run.seed = 1;
    check_apart(&a, &b, OTHER_TIME);
    snprintf(b.run.program, sizeof(b.run.program), "1613d864");
    check_apart(&a, &b, OTHER_BUILD);
    b.run.seed = 0;
    for (int i = 0; i < ROUNDS; i++)
        b.round[i] += ROUNDS;
    check_apart(&a, &b, OTHER_BUILD);
}

TEST(compare, names_are_what_differs)
{
    char text[COMPARE_NAME];
    Made a, b;

    make(&a, "module=se channels=64", 1, 1);
    make(&b, "module=scsa impl=fused channels=64", 1, 2);
    CHECK(!strcmp(compare_name(&a.run, &b.run, text), "se impl=composed"));
    CHECK(!strcmp(compare_name(&b.run, &a.run, text), "scsa impl=fused"));
    make(&a, "backbone=resnet50", 1, 1);
    make(&b, "backbone=resnet50 module=se reduction=4", 1, 2);
    CHECK(!strcmp(compare_name(&a.run, &b.run, text), "plain"));
    CHECK(!strcmp(compare_name(&b.run, &a.run, text), "se reduction=4"));
    make(&a, "module=se", 1, 1);
    make(&b, "module=se reduction=4", 1, 2);
    CHECK(!strcmp(compare_name(&a.run, &b.run, text), "default settings"));
    CHECK(!strcmp(compare_case(&b.run), "--module=se --reduction=4"));
}

TEST(compare, runs_match_by_case_weights_and_source_and_the_latest_counts)
{
    static const char *const repeats[] = { "x", "y", "y", "z", "y" };
    Run *run = calloc(10, sizeof(*run));
    const RunList a = { run, 5 }, b = { run + 5, 5 };
    int n, alone[2];
    Match *m;

    for (int i = 0; run && i < 10; i++) {
        run[i].id = i % 5;
        run[i].time.n = 6;
        snprintf(run[i].o.repeat, sizeof(run[i].o.repeat), "%s",
                 i == 5 ? "w" : repeats[i % 5]);
    }
    run[4].o.status = STATUS_FAILED;
    snprintf(run[8].o.weights_hash, sizeof(run[8].o.weights_hash), "f00");
    REQUIRE(compare_match(&m, &n, alone, &a, &b, true) == OK);
    CHECK(n == 1 && m[0].a == &run[2] && m[0].b == &run[9]);
    CHECK(alone[0] == 2 && alone[1] == 2);
    free(m);
    snprintf(run[9].source, sizeof(run[9].source), "other");
    REQUIRE(compare_match(&m, &n, alone, &a, &b, true) == OK);
    CHECK(n == 1 && m[0].b == &run[7]);
    free(m);
    REQUIRE(compare_match(&m, &n, alone, &a, &b, false) == OK);
    CHECK(n == 1 && m[0].b == &run[9]);
    free(m);
    free(run);
}

/* ---- two cases, measured -------------------------------------------------- */

#define TINY                                                        \
    "--channels=16 --height=8 --width=8 --backend=ref --threads=1 " \
    "--target=20 --limit=2 --db=%s"

TEST(compare, a_larger_module_is_slower_and_fails)
{
    char *said;

    CHECK(program(&said,
                  "compare --module=se --module=cpca --fail-above=5%% " TINY,
                  temp_path("live.db")) == 1);
    check_holds(said, "cpca takes ");
    check_holds(said, " times the time of se: slower\n");
    check_holds(said, "  fails: the whole interval is above +5 %");
    free(said);
    /* Faster is no failure, and without a limit nothing is. */
    CHECK(program(&said,
                  "compare --module=cpca --fail_above 5 --module=se " TINY,
                  temp_path("live.db")) == 0);
    check_holds(said, ": faster\n");
    check_holds(said, "  passes: none of the interval is above +5 %");
    free(said);
    CHECK(program(&said, "compare --module=se --module=cpca " TINY,
                  temp_path("live.db")) == 0);
    check_holds(said, ": slower\n");
    free(said);
    CHECK_ASK(temp_path("live.db"),
              "SELECT count(*) || min(experiment) FROM sweep", "3compare");
}

/* No time is spent on a case once the other has failed. */
TEST(compare, a_case_that_nothing_is_compared_with_is_not_measured_long)
{
    const char *db = temp_path("alone.db");
    char *said;

    CHECK(program(&said,
                  "compare --module=se \"--module=cpca --impl=fused\" "
                  "--max_samples=1000 --min_samples=500 " TINY,
                  db) == 3);
    check_holds(said,
                "'--module=cpca --impl=fused' has no time: unsupported: ");
    free(said);
    CHECK_ASK(db, "SELECT count(*) FROM sample", "3");
}

/* Its own copy is slower by half only by chance, which is next to none. */
TEST(compare, a_case_against_itself_is_not_slower)
{
    for (int copy = 0; copy < 2; copy++) {
        char *said;
        const int status =
            program(&said,
                    "compare --module=se \"--module=se%s\" --fail-above=50%% "
                    "--delta=50%% " TINY,
                    copy ? " --copy=1" : "", temp_path("same.db"));

        CHECK_MSG(status == 0 || status == 2, "%d: %s", status, said);
        CHECK_MSG(!strstr(said, ": slower"), "%s", said);
        check_holds(said, "copy=1 takes ");
        CHECK((strstr(said, "measured twice (A/A)") == NULL) == copy);
        free(said);
    }
}

TEST(compare, shared_settings_are_for_the_modules_that_have_them)
{
    const char *db = temp_path("shared.db");
    char *said;

    CHECK(program(&said,
                  "compare \"--module=se --batch=2\" --module=eca "
                  "--reduction=4 " TINY,
                  db) == 0);
    check_holds(said, "eca batch=1 takes ");
    check_holds(said, " times the time of se batch=2 reduction=4: ");
    free(said);
}

/* ---- what is stored ------------------------------------------------------- */

/* Adds a run of 40 rounds that scatter by so much. */
static void add_noisy(Stored *s, const Case *c, double ns, double noise,
                      uint64_t seed)
{
    double times[ROUNDS];
    int round[ROUNDS];
    char repeat[CASE_TEXT];
    Outcome o = an_outcome(case_print(c, repeat));

    o.reps = 1;
    for (int i = 0; i < ROUNDS; i++) {
        times[i] = ns * exp(noise * (2 * sample_uniform(&seed) - 1));
        round[i] = i;
    }
    BUG_IF(store_run(s->store, s->sweep, c, &o,
                     &(Samples){ ROUNDS, times, round, NULL }));
}

/* Two sweeps of one start, as a peer's lane is: b takes factor times as long. */
static void store_lanes(const char *db, double factor, double noise)
{
    const Case c = stored_case("module=se channels=32");
    Stored s = stored_begin(db, "lanes", "attnbench");

    add_noisy(&s, &c, 1e6, noise, 1);
    stored_end(&s);
    s = stored_begin(db, "lanes", "attnbench 058b563 1613d864");
    add_noisy(&s, &c, factor * 1e6, noise, 2);
    stored_end(&s);
}

TEST(compare, sweeps_of_one_start_are_judged)
{
    static const struct {
        double factor, noise;
        int status;
        const char *says[2];
    } of[] = {
        { 1.2, 0.01, 1, { ": slower\n", "fails: the whole interval" } },
        { 1.002, 0.001, 0, { ": same within 1 %\n", "passes: none of" } },
        { 0.8, 0.01, 0, { ": faster\n", "passes: none of the interval" } },
        { 1.06, 0.2, 2, { ": not resolved\n", " more rounds (" } },
    };

    for (int i = 0; i < 4; i++) {
        char name[32], *said;

        snprintf(name, sizeof(name), "lanes%d.db", i);
        store_lanes(temp_path(name), of[i].factor, of[i].noise);
        CHECK_MSG(program(&said, "compare 1 2 --fail-above=5%% --db=%s",
                          temp_path(name)) == of[i].status,
                  "%s", said);
        check_holds(said, "A: sweep 1\nB: sweep 2\n\n--module=se "
                          "--channels=32\n  B takes ");
        for (int k = 0; k < 2; k++)
            check_holds(said, of[i].says[k]);
        check_holds(said, "  40 rounds\n");
        check_holds(said, "\n1 case: 1 ");
        free(said);
    }
}

static void store_networks(const char *db, const char *experiment, double ns)
{
    Stored s = stored_begin(db, experiment, "attnbench");

    stored_network(&s, "backbone=resnet18 batch=4", ns, 1, 1);
    stored_network(&s, "backbone=resnet18 batch=4 module=se", 1.25 * ns, 1, 1);
    if (ns > 1e6)
        stored_network(&s, "module=eca channels=32", ns, 1, 1);
    stored_end(&s);
}

/* The second is three times as slow, in a sweep of its own. */
TEST(compare, databases_are_matched_and_what_is_apart_is_marked)
{
    char old[256], new[256], *said;

    snprintf(old, sizeof(old), "%s", temp_path("old.db"));
    snprintf(new, sizeof(new), "%s", temp_path("new.db"));
    store_networks(old, "before", 1e6);
    store_networks(new, "after", 3e6);
    CHECK(program(&said, "compare %s %s", old, new) == 0);
    check_holds(said, "--backbone=resnet18 --module=se --batch=4\n  B takes "
                      "3.000 [");
    check_holds(said, "not interleaved (measured at another time), no verdict");
    check_holds(said, "are left: A 0.800 [0.800, 0.800], B 0.800 [0.800, "
                      "0.800]; each is interleaved");
    check_holds(said, "\n2 cases: 2 not interleaved\n");
    check_holds(said, "not compared: 0 that only A has, 1 that only B has");
    CHECK(!strstr(said, "slower") && !strstr(said, "faster"));
    free(said);
    CHECK(program(&said, "compare %s %s --fail-above=5%% --module=se", old,
                  new) == 2);
    check_holds(said, "ambiguous: not interleaved");
    check_holds(said, "\n1 case: 1 not interleaved\n");
    free(said);
    CHECK(alter(new, "UPDATE build SET git_commit = '058b563'"));
    CHECK(program(&said, "compare %s %s", old, new) == 0);
    check_holds(said, "(measured by another build)");
    check_holds(said, "--peer=\"OTHER/attnbench serve\"");
    free(said);
    CHECK(alter(new, "UPDATE machine SET cores = 64"));
    CHECK(program(&said, "compare %s %s", old, new) == 0);
    check_holds(said, "(measured on another machine)");
    CHECK(!strstr(said, "--peer="));
    free(said);
}

TEST(compare, the_worst_of_several_rows_decides)
{
    const Case se = stored_case("module=se"), ca = stored_case("module=ca");
    const char *db = temp_path("worst.db");
    Stored s = stored_begin(db, "lanes", "attnbench");
    char *said;

    add_noisy(&s, &se, 1e6, 0.2, 1);
    add_noisy(&s, &ca, 1e6, 0.01, 2);
    stored_end(&s);
    s = stored_begin(db, "lanes", "other");
    add_noisy(&s, &se, 1.06e6, 0.2, 3);
    add_noisy(&s, &ca, 1.2e6, 0.01, 4);
    stored_end(&s);
    CHECK(program(&said, "compare 1 2 --fail-above=5%% --db=%s", db) == 1);
    check_holds(said, "\n2 cases: 1 not resolved, 1 slower\n");
    free(said);
    CHECK(program(&said, "compare 1 2 --fail-above=5%% --module=se --db=%s",
                  db) == 2);
    free(said);
    CHECK(program(&said, "compare 1 2 --fail-above=90%% --db=%s", db) == 0);
    free(said);
}

TEST(compare, history_marks_another_machine)
{
    const Case c = stored_case("backbone=resnet18 batch=4 module=se");
    const char *db = temp_path("history.db");
    char *said;
    Stored s;

    store_networks(db, "first", 1e6);
    s = stored_begin(db, "second", "attnbench");
    stored_add(&s, &c, 2e6, "ok");
    stored_end(&s);
    CHECK(program(&said,
                  "compare --history --backbone=resnet18 --module=se --batch=4 "
                  "--db=%s",
                  db) == 0);
    check_holds(said, "2026-11-22T10:00  0123456  attnbench  1.31 ms [");
    check_holds(said, "0.800 [0.800, 0.800]  a cpu, 2 cores\n");
    check_holds(said, "attnbench  2.09 ms [");
    CHECK(!strstr(said, "* ") && !strstr(said, "slower"));
    free(said);
    CHECK(alter(db, "DROP TRIGGER sweep_final; INSERT INTO machine SELECT 2, "
                    "cpu, 64, memory_bytes, gpu, driver, os FROM machine; "
                    "UPDATE sweep SET machine_id = 2 WHERE id = 2"));
    CHECK(program(&said,
                  "compare \"--backbone=resnet18 --module=se\" --history "
                  "--batch=4 --db=%s",
                  db) == 0);
    check_holds(said, "  * a cpu, 64 cores\n* another machine than the row");
    free(said);
    CHECK(program(&said, "compare --history --module=se --db=%s", db) == 3);
    check_holds(said, "the database has no time of this case; measure it: ");
    free(said);
}

/* ---- errors --------------------------------------------------------------- */

/* They are no answers. */
TEST(compare, errors_have_a_status_of_their_own)
{
    static const struct {
        const char *arguments, *says;
    } of[] = {
        { "", "two cases, each in quotes (\"--module=se\"" },
        { "--module=se", "cannot compare '--module=se' with ''" },
        { "--module=se 3", "or two databases that there are, or the numbers" },
        { "no/such.db %s", "cannot compare 'no/such.db' with '" },
        { "0 1 --db=%s", "cannot compare '0' with '1'" },
        { "1 9 --db=%s", "sweep 9 holds no runs" },
        { "1 2 --db=none.db", "no database none.db" },
        { "1 2 3 --db=%s", "unexpected argument '3'" },
        { "1 2 --fail-above=x --db=%s", "fail_above='x' is not a percentage" },
        { "1 2 --delta=-1 --db=%s", "delta='-1' is not a percentage" },
        { "--module=se --modul=ca", "'--modul=ca': unknown setting 'modul'" },
        { "--module=se --module=se,ca", "unknown module 'se,ca'" },
        { "--module=se --module=ca --head_num=3", "no module here has" },
        { "--module=se \"--module=ca --threads=2\"", "differ in backend or" },
        { "--module=se --module=ca --peer=x", "unknown setting 'peer'" },
        { "--module=cpca --module=eca --impl=fused --channels=16 --height=8 "
          "--width=8 --limit=1 --db=%s",
          "'--module=cpca' has no time: unsupported: " },
    };
    char db[256];

    snprintf(db, sizeof(db), "%s", temp_path("errors.db"));
    REQUIRE(make_database(db, 1) == OK);
    for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
        char line[512], *said;
        int status;

        snprintf(line, sizeof(line), of[i].arguments, db);
        status = program(&said, "compare %s", line);
        CHECK_MSG(status == 3, "compare %s: %d", line, status);
        check_holds(said, of[i].says);
        free(said);
    }
}
