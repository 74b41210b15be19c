/*
 * test_trial.c - one case on a device with dtypes, recordings and a thermometer:
 * what its row will say.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/measure/states.h"
#include "harness/measure/trial.h"
#include "harness/network/network.h"
#include "kernels/core/err.h"
#include "kernels/core/host.h"
#include "tests/fake_device.h"
#include "tests/stored.h"
#include "tests/test.h"

/* Prepares the case of these settings on the fake device, and takes n samples
 * if it is ok. */
static void run_arm(Trial *a, const Case *c, FakeDevice *fake, int n)
{
    trial_init(a, c, NULL, 0);
    trial_prepare(a, &(Checker){ &fake->base, NULL }, 0, NULL);
    for (int i = 0; i < n && trial_ok(a); i++)
        trial_sample(a, i, false);
}

static void end(Trial *a, FakeDevice *fake)
{
    trial_free(a);
    fake_backend.close(&fake->base);
}

/* ---- a device that evicts nothing --------------------------------------- */

enum { CACHE = 256 << 10 };
static size_t cache;

static size_t cache_bytes(Device *dev)
{
    (void)dev;
    return cache;
}

static Backend rotates_over(size_t bytes)
{
    Backend b = fake_backend;

    b.evict = NULL;
    b.cache_bytes = cache_bytes;
    cache = bytes;
    return b;
}

/* ---- state=graph ------------------------------------------------------ */

TEST(trial, in_the_state_graph_only_replays_are_timed)
{
    const Case c = stored_case("module=se channels=16 height=8 width=8 "
                               "state=graph");
    FakeDevice *fake = fake_open();
    int launches, replays;
    Trial a;

    run_arm(&a, &c, fake, 0);
    CHECK_MSG(trial_ok(&a), "%s: %s", status_name(a.status), a.message);
    CHECK_MSG(fake->replays > 0, "the comparison was not of a replay");
    launches = fake->launches;
    replays = fake->replays;
    for (int i = 0; i < 3; i++)
        trial_sample(&a, i, false);
    CHECK(a.n == 3 && fake->replays > replays);
    CHECK(fake->launches - launches ==
          (fake->replays - replays) * a.each * plan_steps(a.plan));
    CHECK(!strcmp(a.repeat, "attnbench run --module=se --channels=16 "
                            "--height=8 --width=8 --state=graph"));
    end(&a, fake);
}

static int up(int n, int by)
{
    return (n + by - 1) / by;
}

/* Its replays take 100 us, where a launch takes one; a sample is several. */
static void check_lengths(const char *what)
{
    const Case c = stored_case(what);
    FakeDevice *fake = fake_open();
    int steps, replays;
    Trial a;

    run_arm(&a, &c, fake, 0);
    REQUIRE(trial_ok(&a));
    steps = plan_steps(a.plan);
    CHECK_MSG(a.each == up(100, steps), "%d of %d steps", a.each, steps);
    CHECK(a.launches == up(400, a.each * steps));
    CHECK(trial_outcome(&a).reps == a.launches * a.each);
    replays = fake->replays;
    a.rewarm = 0;
    trial_sample(&a, 0, false);
    CHECK(fake->replays - replays == a.launches);
    CHECK_MSG(fabs(a.ns[0] - 1e3 * steps) < 1e-6, "%g ns", a.ns[0]);
    end(&a, fake);
}

TEST(trial, a_recording_is_of_so_many_runs_that_a_replay_is_long)
{
    check_lengths("module=se channels=16 height=8 width=8 state=graph");
    check_lengths("module=scsa channels=64 height=8 width=8 state=graph");
    check_lengths("module=scsa channels=64 height=8 width=8 batch=4 "
                  "pass=train state=graph");
}

/* A peer is compared with the first steps, whatever the state. */
static void check_first_steps(const char *state)
{
    Case c = stored_case("module=eca channels=16 height=8 width=8 batch=4 "
                         "pass=train");
    FakeDevice *fake[2] = { fake_open(), fake_open() };
    Backend rotating = rotates_over(64 << 10);
    Trial a[2];

    fake[1]->base.backend = &rotating;
    for (int i = 0; i < 2; i++) {
        Case as = c;

        REQUIRE(case_set(&as, "state", i ? state : "hot") == OK);
        run_arm(&a[i], &as, fake[i], 1);
        REQUIRE(trial_ok(&a[i]) && a[i].first);
    }
    for (int i = 0; i < graph_outputs(a[0].graph); i++)
        CHECK_MSG(!memcmp(a[0].first[i], a[1].first[i],
                          sizeof(float) * tensor_count(graph_output_at(
                                              a[0].graph, i, NULL))),
                  "%s: output %d differs", state, i);
    for (int i = 0; i < 2; i++)
        end(&a[i], fake[i]);
}

TEST(trial, training_begins_where_it_does_whatever_the_state)
{
    check_first_steps("graph");
    check_first_steps("cold");
}

TEST(trial, a_wrong_recording_is_not_timed)
{
    const Case c = stored_case("module=se channels=16 height=8 width=8 "
                               "state=graph");
    FakeDevice *fake = fake_open();
    Trial a;

    fake->factor = 1.001f;
    run_arm(&a, &c, fake, 3);
    CHECK(a.status == STATUS_WRONG && a.n == 0);
    CHECK(a.rel_l2 > 3e-6);
    end(&a, fake);
}

TEST(trial, without_recordings_graph_is_unsupported)
{
    const Case c = stored_case("module=se channels=16 height=8 width=8 "
                               "state=graph");
    FakeDevice *fake = fake_open();
    Trial a;

    fake->no_recording = true;
    run_arm(&a, &c, fake, 3);
    CHECK(a.status == STATUS_UNSUPPORTED && a.n == 0);
    CHECK(!strcmp(a.message, "fake has no state=graph today"));
    end(&a, fake);
}

TEST(trial, in_the_state_cold_every_run_follows_an_eviction)
{
    const Case c = stored_case("module=se channels=16 height=8 width=8 "
                               "state=cold");
    FakeDevice *fake = fake_open();
    int launches;
    Trial a;

    run_arm(&a, &c, fake, 0);
    REQUIRE(trial_ok(&a));
    fake->evictions = 0;
    launches = fake->launches;
    for (int i = 0; i < 5; i++)
        trial_sample(&a, i, false);
    CHECK(a.n == 5 && a.reps == 1 && fake->evictions == 5);
    CHECK(fake->launches - launches == 5 * plan_steps(a.plan));
    end(&a, fake);
}

/* The launches of one sample, and of what comes before it, went through the
 * copies: continuing to a whole round leads back to where they began. */
static void check_went_round(Trial *a)
{
    const Tensor *x = network_input(a->graph, 0);
    const void *from = x->data;
    const int runs = a->rewarm + a->launches, n = plan_ncopies(a->plan);

    trial_sample(a, 0, false);
    CHECK(runs % n == 0 || x->data != from);
    for (int i = runs % n; i < n; i++)
        plan_use_next(a->plan);
    CHECK(x->data == from);
}

TEST(trial, where_nothing_can_be_evicted_cold_runs_go_round_copies)
{
    const Case c = stored_case("module=se channels=16 height=8 width=8 "
                               "state=cold");
    FakeDevice *fake = fake_open();
    const Backend rotating = rotates_over(CACHE);
    double bytes;
    int steps, n;
    Trial a;

    fake->base.backend = &rotating;
    run_arm(&a, &c, fake, 0);
    REQUIRE(trial_ok(&a));
    steps = plan_steps(a.plan);
    n = plan_ncopies(a.plan);
    bytes = a.arena_bytes + graph_params(a.graph) * sizeof(float);
    CHECK_MSG(n * bytes >= 3 * CACHE && (n - 1) * bytes < 3 * CACHE,
              "%d copies of %g bytes", n, bytes);
    CHECK(a.launches == up(400, steps) && a.reps == a.launches);
    CHECK_MSG(a.rewarm >= a.launches && a.rewarm * bytes >= CACHE,
              "%d runs, %d before", a.launches, a.rewarm);
    check_went_round(&a);
    CHECK(a.n == 1 && a.ns[0] == 1e3 * steps && fake->evictions == 0);
    end(&a, fake);
}

TEST(trial, cold_runs_fill_the_cache_before_they_are_timed)
{
    const Case c = stored_case("module=se channels=16 height=8 width=8 "
                               "state=cold");
    FakeDevice *fake = fake_open();
    const Backend rotating = rotates_over(40 * CACHE);
    Trial a;

    fake->base.backend = &rotating;
    run_arm(&a, &c, fake, 0);
    REQUIRE(trial_ok(&a));
    CHECK_MSG(a.rewarm > a.launches && a.rewarm == plan_ncopies(a.plan) / 3 + 1,
              "%d before, of %d copies", a.rewarm, plan_ncopies(a.plan));
    end(&a, fake);
}

/* ---- for another program ------------------------------------------------ */

/* Evictions, replays and launches of that many runs, without a comparison with
 * the definition, which another program makes. */
static void time_built(const char *state, const Backend *on, PeerRuns runs,
                       FakeDevice *seen)
{
    Case c = stored_case("module=se channels=16 height=8 width=8");
    FakeDevice *fake = fake_open();
    Telemetry known = telemetry_unknown();
    double ns;
    Trial a;

    REQUIRE(case_set(&c, "state", state) == OK);
    fake->base.backend = on;
    trial_init(&a, &c, NULL, 0);
    CHECK_MSG(trial_build(&a, &(Checker){ &fake->base, NULL }) == OK, "%s",
              err_message());
    *seen = *fake;
    CHECK(trial_time(&a, runs, &ns, &known) == OK);
    CHECK(!fake->evictions == (known.device.throttle != NULL));
    free((char *)known.device.throttle);
    CHECK_MSG(ns == 1e3 * plan_steps(a.plan), "%s: %g ns", state, ns);
    seen->evictions = fake->evictions - seen->evictions;
    seen->replays = fake->replays - seen->replays;
    seen->launches =
        (fake->launches - seen->launches) / plan_steps(a.plan) - runs.reps;
    if (!strcmp(state, "graph"))
        CHECK(seen->replays == up(runs.warm, a.each) + up(runs.reps, a.each) &&
              a.each > 1);
    if (!strcmp(state, "cold") && on != &fake_backend)
        CHECK(seen->launches == cold_runs_to_fill(a.plan) &&
              seen->launches > 1);
    end(&a, fake);
}

TEST(trial, for_another_program_runs_are_what_its_state_says)
{
    const Backend rotating = rotates_over(CACHE);
    FakeDevice seen;

    time_built("hot", &fake_backend, (PeerRuns){ 0, 5 }, &seen);
    CHECK(seen.evictions == 0 && seen.launches == 0);
    time_built("hot", &fake_backend, (PeerRuns){ 3, 5 }, &seen);
    CHECK(seen.evictions == 0 && seen.launches == 3);
    time_built("cold", &fake_backend, (PeerRuns){ 3, 5 }, &seen);
    CHECK(seen.evictions == 5 && seen.launches == 0);
    time_built("cold", &rotating, (PeerRuns){ 0, 5 }, &seen);
    CHECK(seen.evictions == 0);
    time_built("graph", &fake_backend, (PeerRuns){ 3, 101 }, &seen);
}

static int small_alloc(Device *dev, void **out, size_t bytes)
{
    if (bytes > 3 * CACHE / 2)
        return fail(ERR_MEMORY, "no memory for %zu bytes", bytes);
    return host_alloc(dev, out, bytes);
}

/* The status and message of a cold case on a device that cannot. */
static void check_refused(const Backend *backend, int status, const char *why)
{
    const Case c = stored_case("module=se channels=16 height=8 width=8 "
                               "state=cold");
    FakeDevice *fake = fake_open();
    Trial a;

    fake->base.backend = backend;
    run_arm(&a, &c, fake, 2);
    CHECK_MSG(a.status == status && a.n == 0, "%s", status_name(a.status));
    CHECK_MSG(!strncmp(a.message, why, strlen(why)), "%s", a.message);
    end(&a, fake);
}

/* The largest allocation: the memory of copies. */
static char *largest;
static size_t largest_bytes;

static int watched_alloc(Device *dev, void **out, size_t bytes)
{
    TRY(host_alloc(dev, out, bytes));
    if (bytes >= largest_bytes) {
        largest = *out;
        largest_bytes = bytes;
    }
    return OK;
}

/* Nothing reaches the second half of the copies. */
static int half_copy(Device *dev, void *dst, const void *src, size_t bytes)
{
    const char *to = dst;

    if (to >= largest + largest_bytes / 2 && to < largest + largest_bytes)
        memset(dst, 0, bytes);
    else
        TRY(host_copy(dev, dst, src, bytes));
    return OK;
}

TEST(trial, cold_runs_of_wrong_copies_are_not_timed)
{
    Backend wrong = rotates_over(CACHE);

    wrong.alloc = watched_alloc;
    wrong.upload = half_copy;
    check_refused(&wrong, STATUS_WRONG,
                  "copies of it, which are run in turn to be cold, differ by "
                  "1; the limit is 3e-06");
}

TEST(trial, cold_needs_room_for_copies_and_the_size_of_the_cache)
{
    Backend full = rotates_over(CACHE), none;

    full.alloc = small_alloc;
    check_refused(&full, STATUS_OUT_OF_MEMORY, "state=cold: ");
    none = rotates_over(0);
    check_refused(&none, STATUS_UNSUPPORTED,
                  "fake has no state=cold: it does not say how large its "
                  "cache is");
    none.cache_bytes = NULL;
    check_refused(&none, STATUS_UNSUPPORTED, "fake has no state=cold: it does");
}

/* ---- times ------------------------------------------------------------- */

/* Events tell 500 ns: so 400 us are timed together; the host's clock, 20. */
TEST(trial, a_sample_is_long_enough_for_the_devices_clock)
{
    const Case c = stored_case("module=se channels=16 height=8 width=8");
    FakeDevice *fake = fake_open();
    int steps, timings;
    Trial a;

    run_arm(&a, &c, fake, 0);
    REQUIRE(trial_ok(&a));
    steps = plan_steps(a.plan);
    CHECK_MSG(a.reps == up(400, steps), "%d of %d steps", a.reps, steps);
    timings = fake->timings;
    for (int i = 0; i < 3; i++)
        trial_sample(&a, i, false);
    CHECK(a.n == 3 && a.ns[0] == 1e3 * steps && a.ns[2] == 1e3 * steps);
    CHECK_MSG(fake->timings == timings + 3, "what is not kept was timed");
    end(&a, fake);
}

/* ---- moments ----------------------------------------------------------- */

TEST(trial, after_each_sample_the_device_is_asked_how_it_is)
{
    const Case c = stored_case("module=se channels=16 height=8 width=8");
    FakeDevice *fake = fake_open();
    Samples o;
    Trial a;

    run_arm(&a, &c, fake, 3);
    o = trial_samples(&a);
    CHECK(fake->conditions == 3 && o.n == 3);
    CHECK(o.telemetry[0].device.clock_mhz == 1980 &&
          o.telemetry[2].device.clock_mhz == 1960);
    CHECK(o.telemetry[1].device.temperature_c == 41 &&
          isnan(o.telemetry[1].device.power_w));
    CHECK(!strcmp(o.telemetry[0].device.throttle, "none"));
    CHECK(!strcmp(o.telemetry[1].device.throttle, "power,thermal"));
    end(&a, fake);
}

/* ---- records ----------------------------------------------------------- */

static bool has_records;

/* A microsecond for each step, by the device's own records. */
static int count_steps(Device *dev, const Counting *c)
{
    (void)dev;
    CHECK(!c->metrics);
    for (int i = 0; i < c->steps && has_records; i++) {
        CHECK(c->launch(c->arg, i) == OK);
        c->take(c->arg, &(Counted){ .step = i,
                                    .quantity = "time_ns",
                                    .launch = "kernel",
                                    .value = 1e3,
                                    .reason = "",
                                    .timed = true });
    }
    c->take(c->arg, &(Counted){ .step = ALL_STEPS,
                                .quantity = "launches",
                                .value = has_records ? c->steps : NAN,
                                .reason = has_records ? "" : "no records" });
    return OK;
}

TEST(trial, a_gpus_records_say_what_share_the_modules_steps_have)
{
    const Case c = stored_case("backbone=resnet18 module=se height=32 "
                               "width=32");
    Backend counts = fake_backend;
    int modules = 0, steps;
    Samples o;
    Trial a;

    counts.count = count_steps;
    for (int k = 0; k < 2; k++) {
        FakeDevice *fake = fake_open();

        fake->base.backend = &counts;
        has_records = k;
        run_arm(&a, &c, fake, 3);
        REQUIRE(trial_ok(&a));
        steps = plan_steps(a.plan);
        for (int i = modules = 0; i < steps; i++)
            modules += plan_step(a.plan, i, NULL)->origin == ORIGIN_MODULE;
        CHECK(modules > 0 && modules < steps);
        trial_record_modules(&a);
        o = trial_samples(&a);
        for (int i = 0; i < 3; i++)
            CHECK(has_records ? fabs(o.telemetry[i].module_ns / o.ns[i] -
                                     (double)modules / steps) < 1e-9
                              : isnan(o.telemetry[i].module_ns));
        end(&a, fake);
    }
}

/* ---- dtypes ------------------------------------------------------------ */

/* A device that rounds where the definition is rounded is right, within the
 * limit; the error is what the dtype costs, far beyond that of f32. */
TEST(trial, below_f32_the_limit_is_twice_what_rounding_costs)
{
    static const char *const dtypes[] = { "tf32", "f16", "bf16" };

    for (int d = 0; d < 3; d++)
        for (int m = 0; zoo_at(m); m++) {
            FakeDevice *fake = fake_open();
            Case c = stored_case("module=se channels=128 height=8 width=8");
            Trial a;

            REQUIRE(case_set(&c, "module", zoo_name(m)) == OK);
            REQUIRE(case_set(&c, "dtype", dtypes[d]) == OK);
            run_arm(&a, &c, fake, 0);
            CHECK_MSG(trial_ok(&a), "%s %s: %s: %s", zoo_name(m), dtypes[d],
                      status_name(a.status), a.message);
            CHECK_MSG(a.rel_l2 <= a.limit && a.limit >= 3e-6 && a.limit < 0.2,
                      "%s %s: %g, limit %g", zoo_name(m), dtypes[d], a.rel_l2,
                      a.limit);
            CHECK_MSG(d == 0 || a.rel_l2 > 3e-6, "%s %s: only %g", zoo_name(m),
                      dtypes[d], a.rel_l2);
            end(&a, fake);
        }
}

TEST(trial, below_f32_more_than_rounding_is_wrong)
{
    const Case c = stored_case("module=eca channels=16 height=4 width=4 "
                               "dtype=f16");
    FakeDevice *fake = fake_open();
    Trial a;

    fake->factor = 1.5f;
    run_arm(&a, &c, fake, 1);
    CHECK_MSG(a.status == STATUS_WRONG, "%s, %g of %g", status_name(a.status),
              a.rel_l2, a.limit);
    CHECK(strstr(a.message, "differs from the reference"));
    end(&a, fake);
}
