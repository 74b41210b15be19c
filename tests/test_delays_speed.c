/*
 * test_delays_speed.c - whether the protocol finds what is there and nothing
 * that is not: the same network against itself, and against itself with a known
 * delay in the place of a module.
 *
 *     SPEED=1 DELAYS=200 build/run_tests delays_speed.
 *
 * The delay is a share of the pass that it stands in, measured by the clock
 * from the first step on, so that the true ratio is known exactly, however fast
 * the machine is at that moment.  What is printed is how often the 95 % interval
 * held the truth, of DELAYS comparisons (20) of LIMIT (1) seconds at most.  A
 * test may take 300 s: SHARE=2 takes the delay of 2 % only, EACH=1 prints each.
 * Timed
 * bounds are no tests: the checks here only want half of what should be.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/cost.h"
#include "analysis/summary.h"
#include "harness/devices/backends.h"
#include "harness/measure/block.h"
#include "harness/network/network.h"
#include "kernels/core/host.h"
#include "kernels/core/ticks.h"
#include "kernels/cpu/cpu.h"
#include "kernels/ops/ops.h"
#include "tests/stored.h"
#include "tests/test.h"

enum { MOST_KERNELS = 512, SIDE = 64, LOGITS = 2, MAP = 4 };

/* Calling the delay and reading the clock in it are not in its share. */
#define OVERHEAD_NS 300

static TickClock ticks;
static uint64_t pass_began; /* of the run that is under way */
static bool was_here;       /* in that run: see delay()     */
static double delay_share;  /* of it until the delay        */

/* ---- two kernels -------------------------------------------------------- */

static bool is_first(const Tensor *out)
{
    return out->rank == MAP && out->dim[1] == 3;
}

static int note_beginning(Device *dev, const Tensor *out, void *state)
{
    (void)dev;
    (void)state;
    pass_began = ticks_now(&ticks);
    was_here = false;
    return relu_def.ref(out);
}

static bool is_last(const Tensor *out)
{
    return out->rank == LOGITS;
}

/* The logits stay as they are: nobody looks at them.  The first in a run, which
 * is not the module's, only brings code and data into the caches: behind a
 * convolution that takes some microseconds, which no share knows of. */
static int delay(Device *dev, const Tensor *out, void *state)
{
    const uint64_t now = ticks_now(&ticks);
    const double share = was_here ? delay_share : 0;
    const uint64_t until = now + (uint64_t)((double)(now - pass_began) * share);

    (void)dev;
    (void)out;
    (void)state;
    was_here = true;
    while (ticks_now(&ticks) < until)
        ;
    return OK;
}

static const Kernel first = { .op = &relu_def,
                              .name = "first",
                              .supports = is_first,
                              .run = note_beginning };
static const Kernel last = { .op = &relu_def,
                             .name = "delay",
                             .supports = is_last,
                             .run = delay,
                             .inplace = 1 };

/* The device with these before its own. */
static void add_kernels(Device *dev, const Kernel *list[MOST_KERNELS])
{
    int n = 0;

    list[n++] = &first;
    list[n++] = &last;
    for (const Kernel *const *k = dev->kernels; *k; k++) {
        REQUIRE(n < MOST_KERNELS - 1);
        list[n++] = *k;
    }
    list[n] = NULL;
    dev->kernels = list;
}

/* ---- two networks ------------------------------------------------------- */

static void network(Graph **folded, bool delayed)
{
    const Plug plain = { 0 };
    Tensor *stage[4], *y;
    Graph *g = graph_new();

    y = op_relu(g, graph_input(g, "input", DIMS(1, 3, SIDE, SIDE)));
    y = backbone_find("resnet18")->build(g, y, FORM_TRAIN, &plain, stage);
    y = op_relu(g, y);
    if (delayed) {
        const int before = graph_size(g);

        y = op_relu(g, y);
        graph_set_origin(g, before, ORIGIN_MODULE);
    }
    /* what ends a pass is of the last step, and not to be the delay's */
    y = op_scale_shift(g, y, 1, 0);
    graph_output(g, "output", y);
    REQUIRE(weight_values_give(g, &(WeightValues){ .seed = 1 }) == OK);
    REQUIRE(graph_fold(folded, g) == OK);
    graph_free(g);
}

static void begin_arm(Trial *a, const Case *c, Device *dev, bool delayed)
{
    static float x[3 * SIDE * SIDE];

    trial_init(a, c, NULL, 0);
    a->dev = dev;
    network(&a->graph, delayed);
    REQUIRE(plan_new(&a->plan, dev, a->graph) == OK);
    network_seed_input(x, network_input(a->graph, 0), 1);
    REQUIRE(plan_set(a->plan, network_input(a->graph, 0), x) == OK);
    a->steps = steps_new(a->plan);
    trial_warm_up(a, 2e7);
    REQUIRE(trial_ok(a));
}

/* ---- comparisons -------------------------------------------------------- */

typedef struct Found {
    int n; /* comparisons                                                   */
    int paired, direct, steps;                   /* intervals that held the
                       truth: of quads, of single passes, of steps' medians */
    double half_paired, half_direct, half_steps; /* sums of half widths     */
    int wrong; /* verdicts where there is nothing         */
    double quads, left_out;
} Found;

static double number(const char *name, double otherwise)
{
    return getenv(name) ? atof(getenv(name)) : otherwise;
}

static void on_step(void *arg, const Step *step)
{
    (void)arg;
    (void)step;
}

/* slack: relative, of what is taken for the truth. */
static bool holds(const Ratio *r, double truth, double slack)
{
    return r->lo <= truth * (1 + slack) && truth * (1 - slack) <= r->hi;
}

static Series series_of(const Trial *a, double *module_ns)
{
    Series s = trial_series(a);

    for (int i = 0; i < a->n; i++)
        module_ns[i] = a->telemetry[i].module_ns;
    s.module_ns = module_ns;
    return s;
}

static void judge(Found *f, const Trial *plain, const Trial *with, double share)
{
    double *ns[2] = { calloc((size_t)plain->n + 1, sizeof(double)),
                      calloc((size_t)with->n + 1, sizeof(double)) };
    const Series a = series_of(plain, ns[0]), b = series_of(with, ns[1]);
    const ModuleCost c = cost_of(&a, &b);
    const Outcome o = trial_outcome(with);
    const Ratio *r = &c.paired.ratio;
    const Ratio of_steps = summary_direct_of_steps(&o, with->n, &c.direct);

    if (getenv("EACH"))
        printf("    %.4f [%.4f, %.4f] of %d; single passes %.5f [%.5f, %.5f] "
               "of %d; steps %.5f [%.5f, %.5f]; truth %.5f\n",
               r->ratio, r->lo, r->hi, r->n, c.direct.ratio, c.direct.lo,
               c.direct.hi, c.direct.n, of_steps.ratio, of_steps.lo,
               of_steps.hi, 1 / (1 + share));
    f->n++;
    f->paired += holds(r, 1 / (1 + share), 0);
    f->direct += holds(&c.direct, 1 / (1 + share), OVERHEAD_NS / with->ns[0]);
    f->steps += holds(&of_steps, 1 / (1 + share), OVERHEAD_NS / with->ns[0]);
    f->half_steps += (of_steps.hi - of_steps.lo) / 2 / of_steps.ratio;
    f->wrong += ratio_verdict(r) != NOT_RESOLVED;
    f->half_paired += (r->hi - r->lo) / 2 / r->ratio;
    f->half_direct += (c.direct.hi - c.direct.lo) / 2 / c.direct.ratio;
    f->quads += r->n + c.paired.left_out;
    f->left_out += c.paired.left_out;
    free(ns[0]);
    free(ns[1]);
}

/* One comparison by the loop that measures sweeps. */
static void compare(Found *f, Device *dev, Entry at[2], double share)
{
    const Protocol protocol = { .target = number("TARGET", 0.01),
                                .limit = number("LIMIT", 1),
                                .min_samples = 12,
                                .max_samples = 100000,
                                .to_first = true,
                                .started_ns = host_now_ns() };
    const Listener listener = { .step = on_step };
    Sched *sched = sched_open("/proc");
    Sweeper s = { .protocol = &protocol,
                  .listener = &listener,
                  .nlanes = 1,
                  .dev = dev,
                  .random = (uint64_t)f->n * 77 + 1 };
    Block b = { .at = at, .n = 2, .until = INFINITY };

    for (int i = 0; i < 2; i++)
        trial_watch(&at[i].arm, sched, protocol.started_ns);
    REQUIRE(block_sample(&s, &b) == OK);
    judge(f, &at[0].arm, &at[1].arm, share);
    for (int i = 0; i < 2; i++) {
        at[i].arm.n = 0;
        steps_free(at[i].arm.steps);
        at[i].arm.steps = steps_new(at[i].arm.plan);
    }
    free(b.pair);
    free(b.list);
    sched_close(sched);
}

static void compare_all(Found *f, double share)
{
    const Case c = stored_case("backbone=resnet18 graph=folded");
    const int n = (int)number("DELAYS", 20);
    const Kernel *list[MOST_KERNELS];
    Entry at[2] = { 0 };
    Device *dev;

    memset(f, 0, sizeof(*f));
    REQUIRE(
        backend_open(&dev, "cpu",
                     &(DeviceSettings){ .threads = (int)number("THREADS", 0),
                                        .isa = "" }) == OK);
    add_kernels(dev, list);
    ticks = ticks_find();
    delay_share = share;
    begin_arm(&at[0].arm, &c, dev, false);
    begin_arm(&at[1].arm, &c, dev, share > 0);
    while (f->n < n)
        compare(f, dev, at, share);
    printf(
        "    delay %.0f %%, %d comparisons: paired holds it %d times, +-%.2f "
        "%%; single passes %d times, +-%.3f %%; the steps' medians %d times, "
        "+-%.3f %%; a difference is claimed %d times; "
        "%.0f quads, of which %.1f %% are disturbed\n",
        100 * share, f->n, f->paired, 100 * f->half_paired / f->n, f->direct,
        100 * f->half_direct / f->n, f->steps, 100 * f->half_steps / f->n,
        f->wrong, f->quads / f->n, 100 * f->left_out / f->quads);
    for (int i = 0; i < 2; i++)
        trial_free(&at[i].arm);
    backend_close(dev);
}

TEST(delays_speed, a_network_is_as_fast_as_itself)
{
    Found f;

    if (!getenv("SPEED"))
        SKIP("a benchmark: SPEED=1 runs it");
    compare_all(&f, 0);
    CHECK(2 * f.wrong < f.n);
}

TEST(delays_speed, a_known_delay_is_found)
{
    static const double shares[] = { 0.01, 0.02, 0.05 };

    if (!getenv("SPEED"))
        SKIP("a benchmark: SPEED=1 runs it");
    for (int i = 0; i < 3; i++) {
        Found f;

        if (getenv("SHARE") && number("SHARE", 0) != 100 * shares[i])
            continue;
        compare_all(&f, shares[i]);
        CHECK(2 * f.paired > f.n && 2 * f.direct > f.n);
    }
}

/* Rounds of a pass without marks and one with, the order changing: as few steps
 * as short as here are in no other network. */
TEST(delays_speed, marks_cost_little)
{
    enum { ROUNDS = 4000 };
    const Case c =
        stored_case("backbone=mobilenetv2_100 graph=folded module=se "
                    "height=32 width=32 threads=1");
    double y[ROUNDS], mean = 0;
    Trial a;
    Ratio r;

    if (!getenv("SPEED"))
        SKIP("a benchmark: SPEED=1 runs it");
    trial_init(&a, &c, NULL, 0);
    REQUIRE(backend_open(&a.dev, "cpu",
                         &(DeviceSettings){ .threads = 1, .isa = "" }) == OK);
    REQUIRE(network_build(&a.graph, &c, &(WeightValues){ .seed = 1 },
                          TAPS_NONE) == OK);
    REQUIRE(plan_new(&a.plan, a.dev, a.graph) == OK);
    a.steps = steps_new(a.plan);
    for (int i = -100; i < ROUNDS; i++) {
        double ns[2];

        for (int k = 0; k < 2; k++) {
            const bool marked = (i + k) % 2;

            REQUIRE(a.dev->backend->clock_start(a.dev) == OK);
            REQUIRE((marked ? steps_run(a.steps, a.plan) : plan_run(a.plan)) ==
                    OK);
            REQUIRE(a.dev->backend->clock_stop(a.dev, &ns[marked]) == OK);
        }
        if (i < 0)
            continue;
        y[i] = log(ns[1] / ns[0]);
        mean += ns[0] / ROUNDS;
    }
    r = ratio_of_logs(y, ROUNDS);
    printf("    %d steps in %.3f ms: with marks %.5f [%.5f, %.5f] of the time, "
           "%.0f [%.0f, %.0f] ns a step\n",
           plan_steps(a.plan), mean * 1e-6, r.ratio, r.lo, r.hi,
           (r.ratio - 1) * mean / plan_steps(a.plan),
           (r.lo - 1) * mean / plan_steps(a.plan),
           (r.hi - 1) * mean / plan_steps(a.plan));
    CHECK(r.lo < 1.02);
    trial_free(&a);
    backend_close(a.dev);
}
