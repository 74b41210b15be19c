/*
 * test_measure.c - the protocol over a sweep: what it keeps, what it survives.
 * (When it stops: test_measure_converged.c.)
 *
 * Cases run on the backend "ref": what is tested here is the harness, and it
 * needs no fast kernel.
 */
#include <math.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/devices/environment.h"
#include "harness/measure/measure.h"
#include "kernels/core/host.h"
#include "tests/test.h"

static const Protocol quick = { .target = 0.5,
                                .limit = 60,
                                .min_samples = 6,
                                .max_samples = 12,
                                .block = 4,
                                .seed = 7 };

/* ---- a sweep ------------------------------------------------------------ */

typedef struct Run {
    char path[256];
    Experiment e;
    Store *store;
    Lanes lanes;
    Tally tally;
    int done;
    volatile sig_atomic_t stop;
    int stop_after; /* steps; 0: never */
    bool stop_when_done;
    int steps;
} Run;

static void on_step(void *arg, const Step *step)
{
    Run *r = arg;

    CHECK(step->settled >= 0 && step->settled <= step->n);
    if (++r->steps == r->stop_after)
        r->stop = 1;
}

static void on_done(void *arg, const Trial *a)
{
    Run *r = arg;

    (void)a;
    r->done++;
    if (r->stop_when_done)
        r->stop = 1;
}

/* Opens a database of the test's own and begins, or resumes, a sweep. */
static int begin(Run *r, const char *db, const Flag *flags, int nflags)
{
    Machine m;
    Build b;
    Sweep s = { .seed = 7, .argv = "test", .source = "attnbench" };
    bool resumed;

    memset(r, 0, sizeof(*r));
    snprintf(r->path, sizeof(r->path), "%s/%s", test_tmpdir(), db);
    TRY(experiment_read(&r->e, NULL, flags, nflags));
    snprintf(s.experiment, sizeof(s.experiment), "%s", r->e.experiment);
    snprintf(s.cases_hash, sizeof(s.cases_hash), "%s", r->e.cases_hash);
    environment_machine(&m);
    environment_build(&b);
    environment_start(&s);
    TRY(store_open(&r->store, r->path, STORE_WRITE));
    r->lanes.n = 1;
    return store_sweep_begin(r->store, &m, &b, &s, false,
                             &r->lanes.at[0].sweep_id, &resumed);
}

static int go(Run *r, const Protocol *protocol)
{
    const Listener listener = { r, on_step, on_done };
    Protocol p = *protocol;

    p.started_ns = host_now_ns();
    p.stop = &r->stop;
    return measure(&r->e, &p, r->store, &r->lanes, &listener, &r->tally);
}

static void end(Run *r)
{
    store_close(r->store);
    experiment_free(&r->e);
}

/* The first column of the first row; NAN if there is none. */
static double ask(Store *s, const char *sql)
{
    sqlite3_stmt *q;
    double v = NAN;

    if (sqlite3_prepare_v2(store_sqlite(s), sql, -1, &q, NULL))
        return NAN;
    if (sqlite3_step(q) == SQLITE_ROW)
        v = sqlite3_column_double(q, 0);
    sqlite3_finalize(q);
    return v;
}

static const Flag six[] = { { "module", "se,eca" },
                            { "channels", "16,32,48" },
                            { "height", "8" },
                            { "width", "8" },
                            { "backend", "ref" } };

TEST(measure, each_case_becomes_a_row_with_its_samples)
{
    Run r;

    REQUIRE(begin(&r, "a.db", six, 5) == OK);
    REQUIRE(go(&r, &quick) == OK);
    CHECK(r.done == 6 && r.tally.ok == 6 && r.tally.bad == 0);
    CHECK(ask(r.store, "SELECT count(*) FROM run WHERE status = 'ok' AND "
                       "rel_l2 <= 3e-6 AND verified_at = '1x' || channels || "
                       "'x8x8' AND reps > 0 AND params > 0 AND flops > 0 AND "
                       "bytes > 0 AND arena_bytes > 0") == 6);
    CHECK(ask(r.store, "SELECT min(n) FROM (SELECT count(*) AS n FROM sample "
                       "GROUP BY run_id)") >= 6);
    CHECK(ask(r.store, "SELECT max(n) FROM (SELECT count(*) AS n FROM sample "
                       "GROUP BY run_id)") <= 12);
    CHECK(ask(r.store, "SELECT count(*) FROM sweep WHERE ended_at IS NOT "
                       "NULL") == 1);
    end(&r);
}

/* Four cases a block: two groups of two share the first, the third is alone.
 * Within a block every round has every case; rounds of two blocks differ. */
TEST(measure, cases_of_a_block_share_their_rounds)
{
    Run r;

    REQUIRE(begin(&r, "a.db", six, 5) == OK);
    REQUIRE(go(&r, &quick) == OK);
    CHECK(ask(r.store, "SELECT count(DISTINCT c) FROM (SELECT count(*) AS c, "
                       "round FROM sample GROUP BY round HAVING c <> 4 AND "
                       "c <> 2)") == 0);
    CHECK(ask(r.store, "SELECT count(*) FROM sample AS a JOIN sample AS b "
                       "USING (round) JOIN run AS x ON x.id = a.run_id JOIN "
                       "run AS y ON y.id = b.run_id WHERE x.channels = 48 AND "
                       "y.channels <> 48") == 0);
    CHECK(ask(r.store, "SELECT count(*) FROM sample AS a JOIN sample AS b "
                       "USING (round) JOIN run AS x ON x.id = a.run_id JOIN "
                       "run AS y ON y.id = b.run_id WHERE x.channels = 16 AND "
                       "x.module = 'se' AND y.channels = 32 AND "
                       "y.module = 'eca'") >= 6);
    end(&r);
}

/* Two and four cases at one shape, five a block: what is compared, a module's
 * own cases, stays together. */
TEST(measure, a_module_is_not_torn_between_blocks)
{
    static const Flag flags[] = {
        { "module", "cpca,scsa" }, { "impl", "composed,fused" },
        { "copy", "0,1" },         { "channels", "16" },
        { "height", "8" },         { "width", "8" },
        { "backend", "ref" },
    };
    Protocol p = quick;
    Run r;

    p.block = 5;
    REQUIRE(begin(&r, "a.db", flags, 7) == OK);
    REQUIRE(go(&r, &p) == OK);
    CHECK(r.tally.ok == 6);
    CHECK(ask(r.store, "SELECT count(DISTINCT n) = 2 AND min(n) = 2 AND "
                       "max(n) = 4 FROM (SELECT count(*) AS n FROM sample "
                       "GROUP BY round)") == 1);
    CHECK(ask(r.store, "SELECT count(*) FROM sample AS a JOIN sample AS b "
                       "USING (round) JOIN run AS x ON x.id = a.run_id JOIN "
                       "run AS y ON y.id = b.run_id WHERE x.module <> "
                       "y.module") == 0);
    end(&r);
}

/* A target that nothing meets, not even samples that are equal, and next to no
 * time. */
TEST(measure, what_does_not_converge_says_so)
{
    Protocol p = quick;
    Run r;

    p.target = -1;
    p.limit = 1e-6;
    REQUIRE(begin(&r, "a.db", six, 5) == OK);
    REQUIRE(go(&r, &p) == OK);
    CHECK(r.tally.ok == 6 && r.tally.not_converged == 6);
    CHECK(ask(r.store, "SELECT count(*) FROM run WHERE converged = 0 AND "
                       "status = 'ok'") == 6);
    CHECK(ask(r.store, "SELECT min(n) FROM (SELECT count(*) AS n FROM sample "
                       "GROUP BY run_id)") == 3);
    end(&r);
}

/* A target that nothing meets again: only the budget ends it. */
TEST(measure, a_budget_is_kept)
{
    Protocol p = quick;
    Run r;

    p.target = -1;
    p.limit = 3600;
    p.max_samples = 1000000;
    p.budget = 1;
    REQUIRE(begin(&r, "a.db", six, 5) == OK);
    REQUIRE(go(&r, &p) == OK);
    CHECK(r.tally.ok == 6);
    CHECK(ask(r.store, "SELECT sum(converged) FROM run") == 0);
    CHECK(ask(r.store, "SELECT max(n) FROM (SELECT count(*) AS n FROM sample "
                       "GROUP BY run_id)") < p.max_samples);
    end(&r);
}

/* The middle one of three is too large to be prepared next to the first, which
 * cuts the block: the last case must find its share of the time. */
TEST(measure, a_block_that_is_cut_leaves_the_others_their_time)
{
    static const char three[] =
        "{\"experiment\": \"cut\", \"module\": \"eca\", "
        "\"backend\": \"ref\", \"height\": 8, \"cases\": ["
        "{\"channels\": 16, \"width\": 8}, "
        "{\"channels\": 4096, \"width\": 16384, \"batch\": 65536}, "
        "{\"channels\": 4097, \"width\": 1}]}";
    Protocol p = quick;
    char path[256];
    FILE *f;
    Run r;

    snprintf(path, sizeof(path), "%s/cut.json", test_tmpdir());
    f = fopen(path, "w");
    REQUIRE(f && fputs(three, f) >= 0 && fclose(f) == 0);
    p.target = -1;
    p.limit = 3600;
    p.max_samples = 1000000;
    p.budget = 1;
    REQUIRE(begin(&r, "a.db", six, 5) == OK);
    experiment_free(&r.e);
    REQUIRE(experiment_read(&r.e, path, NULL, 0) == OK);
    REQUIRE(go(&r, &p) == OK);
    CHECK(r.tally.ok == 2 && r.tally.out_of_memory == 1);
    CHECK(ask(r.store, "SELECT count(*) FROM sample JOIN run ON run.id = "
                       "run_id WHERE channels = 4097") > 10);
    end(&r);
}

/* ---- quads ---------------------------------------------------------------- */

static const Flag networks[] = {
    { "backbone", "resnet18" }, { "module", "none,se,eca" },
    { "height", "32" },         { "width", "32" },
    { "threads", "1" },         { "graph", "folded" },
};

/* Each quad is of the plain network and one other, two samples of each, and
 * they lie a b b a in time. */
TEST(measure, a_network_and_the_plain_one_are_neighbours_in_quads)
{
    Run r;

    REQUIRE(begin(&r, "quads.db", networks, 6) == OK);
    REQUIRE(go(&r, &quick) == OK);
    CHECK(r.tally.ok == 3);
    CHECK(ask(r.store,
              "SELECT count(*) FROM (SELECT round FROM sample GROUP BY round "
              "HAVING count(*) <> 4 OR count(DISTINCT run_id) <> 2)") == 0);
    CHECK(ask(r.store, "SELECT count(DISTINCT round) FROM sample") >= 12);
    CHECK(ask(r.store,
              "SELECT count(*) FROM (SELECT group_concat(module, ' ') AS line "
              "FROM (SELECT round, module FROM sample JOIN run ON run.id = "
              "run_id ORDER BY started_ns) GROUP BY round) WHERE line NOT IN "
              "('none se se none', 'none eca eca none')") == 0);
    end(&r);
}

/* Their modules' steps are timed in every pass, and the steps of all of them
 * add up to what a pass takes. */
TEST(measure, the_steps_of_a_network_are_timed_in_its_passes)
{
    Run r;

    REQUIRE(begin(&r, "steps.db", networks, 6) == OK);
    REQUIRE(go(&r, &quick) == OK);
    CHECK(ask(r.store, "SELECT count(*) FROM sample JOIN run ON run.id = "
                       "run_id WHERE (module = 'none') = (module_ns IS NOT "
                       "NULL) OR module_ns >= ns OR module_ns <= 0") == 0);
    CHECK(ask(r.store, "SELECT count(*) FROM run WHERE steps_ns > 0 AND "
                       "steps_lo_ns <= steps_ns AND steps_ns <= steps_hi_ns "
                       "AND (module = 'none') = (module_steps_ns IS NULL) AND "
                       "coalesce(module_steps_lo_ns <= module_steps_ns AND "
                       "module_steps_ns <= module_steps_hi_ns AND "
                       "module_steps_hi_ns < steps_ns, 1) "
                       "AND steps_ns <= (SELECT 2 * max(ns) FROM sample WHERE "
                       "run_id = run.id) AND 2 * steps_ns >= (SELECT min(ns) "
                       "FROM sample WHERE run_id = run.id)") == 3);
    end(&r);
}

/* Without a plain network the first with a module takes its place. */
TEST(measure, networks_without_a_plain_one_are_compared_with_the_first)
{
    static const Flag flags[] = {
        { "backbone", "resnet18" }, { "threads", "1" },
        { "module", "se,eca,ca" },  { "height", "32" },
        { "width", "32" },          { "graph", "folded" },
    };
    Run r;

    REQUIRE(begin(&r, "first.db", flags, 6) == OK);
    REQUIRE(go(&r, &quick) == OK);
    CHECK(r.tally.ok == 3);
    CHECK(ask(r.store, "SELECT count(*) FROM (SELECT round FROM sample JOIN "
                       "run ON run.id = run_id GROUP BY round HAVING count(*) "
                       "<> 4 OR sum(module = 'se') <> 2)") == 0);
    end(&r);
}

/* A second copy of the plain network is compared with the first. */
TEST(measure, copies_of_the_plain_network_are_a_pair)
{
    static const Flag flags[] = {
        { "backbone", "resnet18" }, { "threads", "1" }, { "copy", "0,1" },
        { "height", "32" },         { "width", "32" },  { "graph", "folded" },
    };
    Run r;

    REQUIRE(begin(&r, "copies.db", flags, 6) == OK);
    REQUIRE(go(&r, &quick) == OK);
    CHECK(r.tally.ok == 2);
    CHECK(ask(r.store, "SELECT min(n) = 4 AND max(n) = 4 AND count(*) >= 6 "
                       "FROM (SELECT count(*) AS n FROM sample GROUP BY "
                       "round)") == 1);
    end(&r);
}

/* Interrupted between two quads: what is compared is stored together. */
TEST(measure, a_stop_does_not_part_a_network_from_the_plain_one)
{
    for (int after = 20; after < 120; after += 17) {
        char db[32];
        Run r;

        snprintf(db, sizeof(db), "part%d.db", after);
        REQUIRE(begin(&r, db, networks, 6) == OK);
        r.stop_after = after;
        REQUIRE(go(&r, &quick) == OK);
        CHECK_MSG(r.done == 0 || r.done == 3, "%d after %d", r.done, after);
        end(&r);
    }
}

/* ---- cases that cannot be ------------------------------------------------ */

TEST(measure, what_cannot_run_is_a_row_and_the_sweep_goes_on)
{
    const Flag flags[] = { { "module", "sa,eca" },  { "channels", "64" },
                           { "height", "4" },       { "width", "4" },
                           { "dtype", "f32,bf16" }, { "backend", "ref" } };
    Run r;

    REQUIRE(begin(&r, "a.db", flags, 6) == OK);
    REQUIRE(go(&r, &quick) == OK);
    CHECK(r.tally.ok == 1 && r.tally.unsupported == 3 && r.tally.bad == 0);
    CHECK(ask(r.store,
              "SELECT count(*) FROM run WHERE module = 'sa' AND dtype = 'f32' "
              "AND message LIKE '%channels%64%'") == 1);
    CHECK(ask(r.store, "SELECT count(*) FROM run WHERE dtype = 'bf16' AND "
                       "status = 'unsupported'") == 2);
    /* A case that was never planned has no known cost: NULL, not 0. */
    CHECK(ask(r.store, "SELECT count(*) FROM run WHERE status <> 'ok' AND "
                       "coalesce(flops, bytes, arena_bytes) IS NULL") == 3);
    end(&r);
}

TEST(measure, too_many_threads_are_a_row)
{
    const Flag flags[] = { { "module", "eca" },
                           { "threads", "1,1024" },
                           { "height", "8" },
                           { "width", "8" } };
    Run r;

    if (environment_cores() >= 1024)
        SKIP("this machine has 1024 cores");
    REQUIRE(begin(&r, "a.db", flags, 4) == OK);
    REQUIRE(go(&r, &quick) == OK);
    CHECK(r.tally.ok == 1 && r.tally.unsupported == 1);
    CHECK(ask(r.store, "SELECT count(*) FROM run WHERE threads = 1024 AND "
                       "message <> ''") == 1);
    end(&r);
}

/* 65536 x 4096 x 1024 x 1024 floats are a petabyte. */
TEST(measure, what_does_not_fit_is_out_of_memory)
{
    const Flag flags[] = { { "module", "eca" },    { "channels", "4096" },
                           { "height", "8,1024" }, { "width", "1024" },
                           { "batch", "65536" },   { "backend", "ref" } };
    Run r;

    REQUIRE(begin(&r, "a.db", flags, 6) == OK);
    REQUIRE(go(&r, &quick) == OK);
    CHECK(r.tally.out_of_memory == 2);
    CHECK(ask(r.store, "SELECT count(*) FROM run WHERE status = "
                       "'out_of_memory' AND message LIKE '%GiB%'") == 2);
    end(&r);
}

/* ---- interruption --------------------------------------------------------- */

TEST(measure, a_stop_keeps_whole_cases_and_a_second_start_the_rest)
{
    for (int after = 1; after < 60; after += 11) {
        char db[32];
        int first;
        Run r;

        snprintf(db, sizeof(db), "stop%d.db", after);
        REQUIRE(begin(&r, db, six, 5) == OK);
        r.stop_after = after;
        REQUIRE(go(&r, &quick) == OK);
        first = r.done;
        CHECK(r.tally.interrupted == (r.stop != 0));
        CHECK(ask(r.store, "SELECT count(*) FROM run") == first);
        CHECK(first == 0 ||
              ask(r.store, "SELECT min(n) FROM (SELECT count(*) "
                           "AS n FROM sample GROUP BY run_id)") >= 6);
        end(&r);

        REQUIRE(begin(&r, db, six, 5) == OK);
        REQUIRE(go(&r, &quick) == OK);
        CHECK_MSG(first == 6 || first + r.done == 6, "%d then %d", first,
                  r.done);
        CHECK(ask(r.store, "SELECT count(DISTINCT repeat) FROM run WHERE "
                           "sweep_id = 1") == 6);
        end(&r);
    }
}

/* ---- peers ---------------------------------------------------------------- */

static const PeerLimits patient = { 60, NULL };

static int fake_peer(Peer **peer, char log[256], int params, int bytes)
{
    char command[512];

    snprintf(log, 256, "%s/peer.log", test_tmpdir());
    snprintf(command, sizeof(command), "exec sh tests/fake_peer.sh %s %d %d",
             log, params, bytes);
    return peer_open(peer, command, &patient);
}

static int lines_with(const char *path, const char *word)
{
    FILE *f = fopen(path, "r");
    char line[256];
    int n = 0;

    while (f && fgets(line, sizeof(line), f))
        n += strncmp(line, word, strlen(word)) == 0;
    if (f)
        fclose(f);
    return n;
}

/* eca at 16 channels has one parameter; 16 x 8 x 8 floats are 4096 bytes. */
static void measure_with_peer(Run *r, int params, int bytes, char log[256])
{
    const Flag flags[] = { { "module", "eca" },
                           { "channels", "16" },
                           { "height", "8" },
                           { "width", "8" },
                           { "backend", "ref" } };
    Peer *peer = NULL;

    REQUIRE(fake_peer(&peer, log, params, bytes) == OK);
    REQUIRE(begin(r, "peer.db", flags, 5) == OK);
    r->lanes.at[1] = r->lanes.at[0];
    r->lanes.at[1].peer = peer;
    r->lanes.n = 2;
    {
        Machine m;
        Build b;
        Sweep s = { .seed = 7, .argv = "test", .experiment = "flags" };
        bool resumed;

        snprintf(s.cases_hash, sizeof(s.cases_hash), "%s", r->e.cases_hash);
        snprintf(s.source, sizeof(s.source), "%s", peer_name(peer));
        environment_machine(&m);
        environment_build(&b);
        environment_start(&s);
        REQUIRE(store_sweep_begin(r->store, &m, &b, &s, true,
                                  &r->lanes.at[1].sweep_id, &resumed) == OK);
    }
    REQUIRE(go(r, &quick) == OK);
    peer_close(peer);
}

TEST(measure, a_peer_with_another_output_is_not_timed)
{
    char log[256];
    Run r;

    measure_with_peer(&r, 1, 4096, log);
    CHECK(r.tally.ok == 1 && r.tally.bad == 1);
    CHECK(ask(r.store, "SELECT count(*) FROM run WHERE status = 'wrong' AND "
                       "rel_l2 > 0.9 AND message LIKE '%output%'") == 1);
    CHECK(lines_with(log, "run") == 0);
    CHECK(lines_with(log, "drop") == 1);
    end(&r);
}

TEST(measure, a_peer_with_other_parameters_is_not_timed)
{
    char log[256];
    Run r;

    measure_with_peer(&r, 2, 4096, log);
    CHECK(r.tally.ok == 1 && r.tally.unsupported == 1);
    CHECK(ask(r.store, "SELECT count(*) FROM run WHERE message LIKE "
                       "'has 2 parameters where ours has 1'") == 1);
    CHECK(lines_with(log, "run") == 0);
    end(&r);
}

TEST(measure, a_peer_with_an_output_of_another_size_is_not_timed)
{
    char log[256];
    Run r;

    measure_with_peer(&r, 1, 4100, log);
    CHECK(r.tally.ok == 1 && r.tally.unsupported == 1);
    CHECK(ask(r.store,
              "SELECT count(*) FROM run WHERE message LIKE 'its output "
              "''output'' does not have 1024 numbers%'") == 1);
    CHECK(lines_with(log, "run") == 0);
    end(&r);
}

/* Ours was stored before the peer's turn came: it is prepared once more, to
 * compare with, and neither sampled nor stored again. */
TEST(measure, a_peers_row_can_come_later_than_ours)
{
    const Flag flags[] = { { "module", "eca" },
                           { "channels", "16" },
                           { "height", "8" },
                           { "width", "8" },
                           { "backend", "ref" } };
    char log[256];
    Run r;

    REQUIRE(begin(&r, "peer.db", flags, 5) == OK);
    r.stop_when_done = true; /* stored, but not the end of the sweep */
    REQUIRE(go(&r, &quick) == OK);
    CHECK(r.tally.ok == 1 && r.tally.interrupted);
    end(&r);

    measure_with_peer(&r, 1, 4096, log);
    CHECK(r.tally.ok == 0 && r.tally.bad == 1);
    CHECK(ask(r.store, "SELECT count(*) FROM run WHERE status = 'ok'") == 1);
    CHECK(ask(r.store, "SELECT count(*) FROM run WHERE status = 'wrong' AND "
                       "rel_l2 > 0.9") == 1);
    end(&r);
}

TEST(measure, a_peer_that_is_none_is_an_error)
{
    Peer *peer;

    CHECK(peer_open(&peer, "exit 3", &patient) == ERR_IO);
    CHECK_MSG(strstr(err_message(), "the peer process exited without replying "
                                    "(exit status 3)"),
              "%s", err_message());
    CHECK(peer_open(&peer, "echo what; cat >/dev/null", &patient) == ERR_IO);
    CHECK(strstr(err_message(), "answered 'what'"));
}

/* ---- all against the first ----------------------------------------------- */

static const Flag batches[] = { { "module", "se" },   { "channels", "16" },
                                { "height", "8" },    { "width", "8" },
                                { "backend", "ref" }, { "batch", "8,1,2" } };

/* Sorted, the one of batch 1 would be the first. */
TEST(measure, cases_are_compared_with_the_first_that_is_given)
{
    Protocol to_first = quick;
    Run r;

    to_first.to_first = true;
    REQUIRE(begin(&r, "first.db", batches, 6) == OK);
    REQUIRE(go(&r, &to_first) == OK);
    CHECK(r.tally.ok == 3);
    CHECK(ask(r.store,
              "SELECT count(*) FROM (SELECT group_concat(batch, ' ') AS line "
              "FROM (SELECT round, batch FROM sample JOIN run ON run.id = "
              "run_id ORDER BY started_ns) GROUP BY round) WHERE line NOT IN "
              "('8 1 1 8', '8 2 2 8')") == 0);
    end(&r);
}

/* One image takes far less than eight: that is known at the first look, long
 * before the ratio is known to a millionth. */
TEST(measure, a_question_that_is_answered_ends_the_pair)
{
    Protocol asked = quick;
    Run r;

    asked.to_first = true;
    asked.target = 1e-6;
    asked.max_samples = 200;
    for (int limited = 0; limited < 2; limited++) {
        asked.gate = (RatioGate){ .limited = limited, .fail_above = 0.05 };
        REQUIRE(begin(&r, limited ? "asked.db" : "not.db", batches, 6) == OK);
        REQUIRE(go(&r, &asked) == OK);
        CHECK(ask(r.store, "SELECT min(converged) FROM run") == limited);
        CHECK(ask(r.store, "SELECT max(n) >= 200 FROM (SELECT count(*) AS n "
                           "FROM sample JOIN run ON run.id = run_id WHERE "
                           "batch < 8 GROUP BY run_id)") == !limited);
        end(&r);
    }
}
