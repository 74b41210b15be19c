/*
 * test_plan_run.c - a run with a clock between its steps computes what a run
 * without does, and each step has its own time.
 */
#include <math.h>
#include <string.h>

#include "kernels/core/err.h"
#include "kernels/core/host.h"
#include "kernels/core/plan.h"
#include "kernels/core/ticks.h"
#include "tests/eval.h"
#include "tests/test.h"

static const double SLOW_NS = 1e6;

static int run_definition(Device *dev, const Tensor *out, void *state)
{
    (void)dev;
    (void)state;
    return out->op->ref(out);
}

static int run_slowly(Device *dev, const Tensor *out, void *state)
{
    const double end = host_now_ns() + SLOW_NS;

    while (host_now_ns() < end)
        ;
    return run_definition(dev, out, state);
}

static int run_fails(Device *dev, const Tensor *out, void *state)
{
    (void)dev;
    (void)out;
    (void)state;
    return fail(ERR_DEVICE, "nothing to add with");
}

static const Kernel slow = { .op = &sigmoid_def,
                             .name = "slow",
                             .run = run_slowly };
static const Kernel broken = { .op = &add_def,
                               .name = "broken",
                               .run = run_fails };
static const Kernel definition = { .name = "definition",
                                   .run = run_definition };

enum { N = 8, STEPS = 4 };

typedef struct Net {
    Device *dev;
    Graph *g;
    Tensor *x, *y;
    Plan *plan;
} Net;

/* relu, a view, sigmoid, relu, add: four steps. */
static Net net_new(const Kernel *const *kernels)
{
    Net n = { .g = graph_new() };
    Tensor *t;

    BUG_IF(ref_backend.open(&n.dev, NULL));
    n.dev->kernels = kernels;
    n.x = graph_input(n.g, "x", DIMS(2, 4));
    t = op_relu(n.g, n.x);
    t = op_sigmoid(n.g, op_view(n.g, t, DIMS(4, 2)));
    n.y = op_add(n.g, t, op_relu(n.g, t));
    graph_output(n.g, "y", n.y);
    BUG_IF(plan_new(&n.plan, n.dev, n.g));
    return n;
}

static void net_free(Net *n)
{
    plan_free(n->plan);
    graph_free(n->g);
    ref_backend.close(n->dev);
}

static void set_input(const Net *n)
{
    float x[N];

    eval_values(x, N, "x");
    BUG_IF(plan_set(n->plan, n->x, x));
}

TEST(plan_run, marks_stand_around_the_steps_and_change_nothing)
{
    static const Kernel *const kernels[] = { &slow, &definition, NULL };
    Net n = net_new(kernels);
    float plain[N], marked[N] = { 0 };
    double before, at[STEPS + 1], ns[STEPS] = { 0 };

    REQUIRE(plan_steps(n.plan) == STEPS);
    set_input(&n);
    CHECK(plan_run(n.plan) == OK && plan_get(n.plan, n.y, plain) == OK);
    set_input(&n);
    before = host_now_ns();
    REQUIRE(plan_run_marked(n.plan, at) == OK);
    CHECK(at[0] == 0 && at[STEPS] <= 1.001 * (host_now_ns() - before));
    for (int i = 0; i < STEPS; i++)
        CHECK(at[i + 1] >= at[i]);
    CHECK(at[2] - at[1] >= SLOW_NS);
    CHECK(plan_get(n.plan, n.y, marked) == OK);
    CHECK(memcmp(plain, marked, sizeof(plain)) == 0);
    REQUIRE(plan_run_timed(n.plan, ns) == OK);
    CHECK(ns[1] >= SLOW_NS && ns[0] >= 0 && ns[2] >= 0 && ns[3] >= 0);
    net_free(&n);
}

/* A kernel's own clock is the caller's: marks may be within it. */
TEST(plan_run, marks_leave_the_clock_of_the_device_alone)
{
    static const Kernel *const kernels[] = { &slow, &definition, NULL };
    Net n = net_new(kernels);
    double at[STEPS + 1], ns;

    set_input(&n);
    CHECK(n.dev->backend->clock_start(n.dev) == OK);
    CHECK(plan_run_marked(n.plan, at) == OK);
    CHECK(plan_run_marked(n.plan, at) == OK);
    CHECK(n.dev->backend->clock_stop(n.dev, &ns) == OK);
    CHECK(ns >= 2 * SLOW_NS);
    net_free(&n);
}

TEST(plan_run, a_step_that_fails_ends_the_run_and_is_named)
{
    static const Kernel *const kernels[] = { &broken, &definition, NULL };
    Net n = net_new(kernels);
    double at[STEPS + 1], ns[STEPS];

    set_input(&n);
    CHECK(plan_run_marked(n.plan, at) == ERR_DEVICE);
    CHECK_MSG(!strcmp(err_message(), "add (broken): nothing to add with"), "%s",
              err_message());
    CHECK(plan_run_timed(n.plan, ns) == ERR_DEVICE);
    net_free(&n);
}

/* The CPU's counter, where it is the clock, and the host's own clock: over 30 ms
 * they agree to what two readings are apart. */
TEST(plan_run, ticks_are_as_long_as_they_are_said_to_be)
{
    const TickClock clock = ticks_find();
    const double from_ns = host_now_ns();
    const uint64_t from = ticks_now(&clock);
    double ns, ticks, took;

    do { /* again where the scheduler came between two readings */
        const double before = host_now_ns();

        ticks = (double)(ticks_now(&clock) - from) * clock.ns;
        ns = host_now_ns() - from_ns;
        took = host_now_ns() - before;
    } while (ns < 3e7 || took > 2e3);
    CHECK_MSG(fabs(ticks / ns - 1) < 1e-3, "%g ns, %g", ticks, ns);
    CHECK(ticks_find().ns == clock.ns);
}
