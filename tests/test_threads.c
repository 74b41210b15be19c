/*
 * test_threads.c - one thread against several: by clocks that are made up, and
 * what is said of it.
 */
#include "harness/explain/threads.h"

#include <math.h>
#include <string.h>

#include "harness/devices/backends.h"
#include "kernels/core/err.h"
#include "tests/fake_device.h"
#include "tests/stored.h"
#include "tests/test.h"

/* A device's clock that is as much faster than the other's. */
static double factor;

static int stop_clock(Device *dev, double *ns)
{
    const int err = fake_backend.clock_stop(dev, ns);

    *ns *= factor;
    return err;
}

/* Builds c on a device of this backend. */
static FakeDevice *build(Trial *t, const Case *c, const Backend *backend)
{
    FakeDevice *fake = fake_open();

    fake->base.backend = backend;
    trial_init(t, c, NULL, 0);
    BUG_IF(trial_build(t, &(Checker){ &fake->base, NULL }));
    trial_warm_up(t, 1);
    BUG_IF(!trial_ok(t));
    return fake;
}

static Ratio ratio_of(double slower)
{
    const Case c = stored_case("module=se channels=16 height=8 width=8");
    Backend other = fake_backend;
    FakeDevice *a, *b;
    Trial many, one;
    Ratio r;

    factor = slower;
    other.clock_stop = stop_clock;
    a = build(&many, &c, &other);
    b = build(&one, &c, &fake_backend);
    trial_add(&many, 5e9, 0); /* of a profile before */
    CHECK(threads_compare(&r, &many, &one, 0) == OK);
    CHECK(one.n == 6 && many.n == 7);
    trial_free(&one);
    trial_free(&many);
    fake_backend.close(&b->base);
    fake_backend.close(&a->base);
    return r;
}

TEST(threads, several_are_compared_with_one_in_rounds)
{
    const Ratio slower = ratio_of(2), faster = ratio_of(0.5);

    CHECK(slower.n == 6 && slower.ratio > 1.999 && slower.ratio < 2.001);
    CHECK(faster.n == 6 && faster.ratio > 0.499 && faster.ratio < 0.501);
}

TEST(threads, one_is_advised_only_where_the_whole_interval_says_so)
{
    char text[THREADS_TEXT];

    CHECK(!strcmp(threads_advice(text, &(Ratio){ 9, 1.3, 1.2, 1.4 }, 2),
                  "1 thread is 1.30 [1.20, 1.40] times as fast as 2: try "
                  "--threads=1"));
    CHECK(!threads_advice(text, &(Ratio){ 9, 1.3, 0.9, 1.8 }, 2)[0]);
    CHECK(!threads_advice(text, &(Ratio){ 9, 0.7, 0.6, 0.8 }, 2)[0]);
    CHECK(!threads_advice(text, &(Ratio){ 3, 1.3, 1.2, 1.4 }, 2)[0]);
    CHECK(!threads_advice(text, &(Ratio){ 0 }, 2)[0]);
}

/* A GPU has no threads, a cold case is not tried, and six rounds take time. */
TEST(threads, nothing_is_tried_where_it_says_nothing)
{
    static const struct {
        const char *state;
        bool host_memory;
        int threads;
        double seconds;
    } none[] = {
        { "hot", false, 4, 1 },
        { "cold", true, 4, 1 },
        { "hot", true, 1, 1 },
        { "hot", true, 4, 0 },
    };

    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        Case c = stored_case("module=se channels=16 height=8 width=8");
        Backend backend = fake_backend;
        FakeDevice *fake;
        Trial many;
        Ratio r;

        fake = build(&many, &c, &fake_backend);
        CHECK(case_set(&c, "state", none[i].state) == OK);
        backend.host_memory = none[i].host_memory;
        fake->base.backend = &backend;
        fake->base.threads = none[i].threads;
        CHECK(threads_try(&r, &many, none[i].seconds) == OK && r.n == 0);
        CHECK(many.n == 0);
        fake->base.backend = &fake_backend;
        trial_free(&many);
        fake_backend.close(&fake->base);
    }
}

/* The real thing: what comes out depends on the machine. */
TEST(threads, of_a_case_on_two_have_a_ratio)
{
    const Case c = stored_case("module=se channels=16 height=8 width=8 "
                               "threads=2");
    Device *dev = NULL;
    Trial many;
    Ratio r;

    if (backend_open(&dev, "cpu", &(DeviceSettings){ 2, "" }) != OK)
        SKIP("one CPU");
    trial_init(&many, &c, NULL, 0);
    REQUIRE(trial_build(&many, &(Checker){ dev, NULL }) == OK);
    while (trial_ok(&many) && isinf(many.fastest_ns))
        trial_warm_up(&many, 1e6);
    CHECK(threads_try(&r, &many, 1e-6 * many.fastest_ns * many.launches) == OK);
    CHECK_MSG(r.n >= 6 && r.ratio > 0 && r.lo <= r.ratio && r.ratio <= r.hi,
              "%d rounds, %g", r.n, r.ratio);
    trial_free(&many);
    backend_close(dev);
}
