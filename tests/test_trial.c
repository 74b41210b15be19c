/*
 * test_trial.c - one case on a device with dtypes, recordings and a thermometer:
 * what its row will say.
 */
#include <math.h>
#include <string.h>

#include "harness/measure/trial.h"
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
        trial_sample(a, i);
}

static void end(Trial *a, FakeDevice *fake)
{
    trial_free(a);
    fake_backend.close(&fake->base);
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
        trial_sample(&a, i);
    CHECK(a.n == 3 && fake->replays > replays);
    CHECK(fake->launches - launches ==
          (fake->replays - replays) * plan_steps(a.plan));
    CHECK(!strcmp(a.repeat, "attnbench run --module=se --channels=16 "
                            "--height=8 --width=8 --state=graph"));
    end(&a, fake);
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
        trial_sample(&a, i);
    CHECK(a.n == 5 && a.reps == 1 && fake->evictions == 5);
    CHECK(fake->launches - launches == 5 * plan_steps(a.plan));
    end(&a, fake);
}

/* ---- times ------------------------------------------------------------- */

/* Events tell 500 ns: so 100 us are timed together; the host's clock, 20. */
TEST(trial, a_sample_is_long_enough_for_the_devices_clock)
{
    const Case c = stored_case("module=se channels=16 height=8 width=8");
    FakeDevice *fake = fake_open();
    int steps, timings;
    Trial a;

    run_arm(&a, &c, fake, 0);
    REQUIRE(trial_ok(&a));
    steps = plan_steps(a.plan);
    CHECK_MSG(a.reps == (100 + steps - 1) / steps, "%d of %d steps", a.reps,
              steps);
    timings = fake->timings;
    for (int i = 0; i < 3; i++)
        trial_sample(&a, i);
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
    CHECK(o.moment[0].clock_mhz == 1980 && o.moment[2].clock_mhz == 1960);
    CHECK(o.moment[1].temperature_c == 41 && isnan(o.moment[1].power_w));
    CHECK(!strcmp(o.moment[0].throttle, "none"));
    CHECK(!strcmp(o.moment[1].throttle, "power,thermal"));
    end(&a, fake);
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
