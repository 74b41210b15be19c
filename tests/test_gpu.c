/*
 * test_gpu.c - what only a GPU can show of the backend "cuda": that copies,
 * times, recordings and conditions are what they say.  Skipped without one;
 * test_plugin.c has the same code over a fake CUDA, cuda_kernels the kernels.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/devices/backends.h"
#include "harness/measure/states.h"
#include "kernels/core/host.h"
#include "kernels/core/plan.h"
#include "kernels/ops/ops.h"
#include "tests/eval.h"
#include "tests/test.h"

static Device *opened(void)
{
    Device *dev;

    if (backend_open(&dev, "cuda", NULL))
        SKIP(err_message());
    return dev;
}

/* A graph of n relus of a map with this many channels, and its plan. */
typedef struct Chain {
    Graph *g;
    Tensor *x, *y;
    Plan *plan;
    size_t count;
} Chain;

static Chain chain_of(Device *dev, int n, int channels)
{
    Chain c = { .g = graph_new() };

    c.x = graph_input(c.g, "x", DIMS(8, channels, 64, 64));
    c.y = c.x;
    for (int i = 0; i < n; i++)
        c.y = op_relu(c.g, c.y);
    graph_output(c.g, "y", c.y);
    c.count = tensor_count(c.x);
    CHECK_MSG(plan_new(&c.plan, dev, c.g) == OK, "%s", err_message());
    return c;
}

static void chain_free(Chain *c)
{
    plan_free(c->plan);
    graph_free(c->g);
}

static void set(Chain *c, const char *seed)
{
    float *x = malloc(c->count * sizeof(*x));

    BUG_IF(!x);
    eval_values(x, c->count, seed);
    CHECK(plan_set(c->plan, c->x, x) == OK);
    free(x);
}

/* True if y is relu(x) for the x of that seed. */
static bool is_relu_of(Chain *c, const char *seed)
{
    float *x = malloc(c->count * sizeof(*x)),
          *y = malloc(c->count * sizeof(*y));
    bool right = true;

    BUG_IF(!x || !y);
    eval_values(x, c->count, seed);
    CHECK_MSG(plan_get(c->plan, c->y, y) == OK, "%s", err_message());
    for (size_t i = 0; i < c->count; i++)
        right &= y[i] == (x[i] < 0 ? 0 : x[i]);
    free(x);
    free(y);
    return right;
}

static double time_of(Device *dev, Chain *c, int runs)
{
    double ns = NAN;

    CHECK_MSG(dev->backend->clock_start(dev) == OK, "%s", err_message());
    for (int i = 0; i < runs; i++)
        CHECK_MSG(plan_run(c->plan) == OK, "%s", err_message());
    CHECK_MSG(dev->backend->clock_stop(dev, &ns) == OK, "%s", err_message());
    return ns;
}

static double fastest(Device *dev, Chain *c, int runs)
{
    double least = INFINITY;

    time_of(dev, c, runs);
    for (int i = 0; i < 20; i++)
        least = fmin(least, time_of(dev, c, runs));
    return least;
}

TEST(gpu, a_recording_computes_with_what_its_input_is_now)
{
    Device *dev = opened();
    Chain c = chain_of(dev, 3, 4);

    set(&c, "first");
    CHECK(plan_run(c.plan) == OK);
    CHECK(is_relu_of(&c, "first"));
    CHECK_MSG(plan_record(c.plan, 1) == OK, "%s", err_message());
    set(&c, "second");
    CHECK(is_relu_of(&c, "first"));
    CHECK(plan_run(c.plan) == OK);
    CHECK(is_relu_of(&c, "second"));
    chain_free(&c);
    backend_close(dev);
}

TEST(gpu, two_devices_may_be_open)
{
    Device *a = opened(), *b = opened();
    Chain c = chain_of(a, 1, 4), d = chain_of(b, 1, 4);

    set(&c, "a");
    set(&d, "b");
    CHECK(time_of(a, &c, 1) > 0);
    CHECK(time_of(b, &d, 1) > 0);
    CHECK(is_relu_of(&c, "a") && is_relu_of(&d, "b"));
    chain_free(&c);
    backend_close(a);
    CHECK(plan_run(d.plan) == OK);
    chain_free(&d);
    backend_close(b);
}

/* 64 MiB in and out, so that what a launch costs does not count. */
TEST(gpu, ten_runs_take_ten_times_as_long_as_one)
{
    Device *dev = opened();
    Chain c = chain_of(dev, 1, 512);
    const double one = fastest(dev, &c, 1);
    const double ten = fastest(dev, &c, 10);

    CHECK_MSG(ten > 8 * one && ten < 12 * one, "%g ns, ten: %g ns", one, ten);
    chain_free(&c);
    backend_close(dev);
}

/* Nanoseconds of a run, of many that rotate through the plan's copies. */
static double round_time(Device *dev, Chain *c, int runs)
{
    double least = INFINITY, ns;

    for (int i = 0; i < 5; i++) {
        CHECK(dev->backend->clock_start(dev) == OK);
        for (int k = 0; k < runs; k++) {
            plan_use_next(c->plan);
            CHECK_MSG(plan_run(c->plan) == OK, "%s", err_message());
        }
        CHECK(dev->backend->clock_stop(dev, &ns) == OK);
        least = fmin(least, ns / runs);
    }
    return least;
}

/* 8 MiB in and out, which stay in the cache unless there are copies. */
TEST(gpu, cold_takes_longer_than_hot)
{
    Device *dev = opened();
    Chain c = chain_of(dev, 1, 64);
    const double hot = round_time(dev, &c, 50);
    double cold;

    CHECK_MSG(cold_prepare(c.plan, dev) == OK, "%s", err_message());
    cold = round_time(dev, &c, 50);
    CHECK_MSG(cold > 1.1 * hot, "hot %g ns, cold %g ns", hot, cold);
    set(&c, "cold");
    for (int i = 0; i < plan_ncopies(c.plan); i++) {
        plan_use(c.plan, i);
        CHECK(plan_run(c.plan) == OK && is_relu_of(&c, "cold"));
    }
    chain_free(&c);
    backend_close(dev);
}

/* Small kernels one after another: were the stream not held back, each would
 * take as long as the host needs to launch it. */
TEST(gpu, launches_are_not_part_of_the_time)
{
    Device *dev = opened();
    Chain c = chain_of(dev, 200, 1);
    Moment now;
    double ns, host;

    fastest(dev, &c, 1);
    host = host_now_ns();
    ns = time_of(dev, &c, 1);
    host = host_now_ns() - host;
    CHECK_MSG(ns < 0.8 * host, "%g ns of the card, %g ns of the host", ns,
              host);
    CHECK(dev->backend->moment(dev, &now) == OK);
    CHECK_MSG(!now.throttle || !strstr(now.throttle, "launches"), "%s",
              now.throttle);
    chain_free(&c);
    backend_close(dev);
}

/* More launches than any queue holds end all the same. */
TEST(gpu, a_full_queue_is_no_deadlock)
{
    Device *dev = opened();
    Chain c = chain_of(dev, 200, 1);

    time_of(dev, &c, 1);
    CHECK(time_of(dev, &c, 100) > 0);
    chain_free(&c);
    backend_close(dev);
}

TEST(gpu, conditions_are_those_of_a_gpu)
{
    Device *dev = opened();
    Moment c;

    REQUIRE(dev->backend->moment(dev, &c) == OK);
    CHECK_MSG(c.clock_mhz > 100 && c.clock_mhz < 5000, "%g MHz", c.clock_mhz);
    CHECK_MSG(isnan(c.temperature_c) ||
                  (c.temperature_c > 5 && c.temperature_c < 120),
              "%g C", c.temperature_c);
    CHECK_MSG(isnan(c.power_w) || (c.power_w > 1 && c.power_w < 2000), "%g W",
              c.power_w);
    backend_close(dev);
}

TEST(gpu, memory_that_there_is_not_is_no_end)
{
    Device *dev = opened();
    Chain c;
    void *p;

    CHECK(dev->backend->alloc(dev, &p, (size_t)1 << 44) == ERR_MEMORY && !p);
    CHECK_MSG(strstr(err_message(), "are free"), "%s", err_message());
    c = chain_of(dev, 1, 4);
    set(&c, "x");
    CHECK(plan_run(c.plan) == OK);
    CHECK(is_relu_of(&c, "x"));
    chain_free(&c);
    backend_close(dev);
}
