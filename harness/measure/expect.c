/*
 * expect.c - plans the quads of a sweep, and says what they will resolve.
 *
 * How long a pass takes is not known yet, and hardly matters: passes that are
 * four times as long vary half as much, and there is time for a quarter of
 * them.
 */
#include "harness/measure/expect.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "harness/devices/environment.h"
#include "harness/devices/others.h"
#include "harness/network/network.h"
#include "kernels/core/err.h"

/* A shorter sweep is not worth half a second more. */
static const double LEAST_SECONDS = 20;

/* FLOPs per second of one thread: between those of AVX2 and AVX-512, in f32. */
static const double GUESSED_SPEED = 8e10;

/* Networks whose FLOPs are counted, some milliseconds each. */
enum { MOST_COUNTED = 32 };

static bool is_on_cpu(const Case *c)
{
    return c->backend == ON_CPU && strcmp(c->backbone.text, "none") != 0;
}

static bool is_plain(const Case *c)
{
    return !strcmp(c->module.text, "none") && !c->copy;
}

/* FLOPs of a pass; NAN for a network that cannot be built. */
static double flops_of(const Case *c)
{
    double flops = NAN;
    Graph *g;

    if (network_build(&g, c, NULL, TAPS_NONE) == OK) {
        flops = network_cost(g, c).flops;
        graph_free(g);
    }
    return flops;
}

/* Pairs of that many networks, as pairs.c will find them. */
static int count_pairs(const Protocol *p, int lanes, int networks, int plain)
{
    const int across = lanes > 1 ? networks : 0; /* a peer's with ours */

    if (p->to_first)
        return lanes * (networks - 1) + across;
    return across + (plain ? lanes * (networks - plain) : 0);
}

void expect_plan(FloorPlan *plan, const Experiment *e, const Protocol *p,
                 int lanes, int threads)
{
    int networks = 0, plain = 0;
    double flops = 0;

    for (int i = 0; i < e->ncases; i++) {
        const Case *c = &e->cases[i];

        if (!is_on_cpu(c))
            continue;
        if (networks < MOST_COUNTED)
            flops += flops_of(c);
        networks++;
        plain += is_plain(c);
    }
    *plan = (FloorPlan){ .budget = p->budget, .limit = p->limit };
    if (!networks)
        return;
    plan->pairs = count_pairs(p, lanes, networks, plain);
    plan->pass_ns =
        flops / fmin(networks, MOST_COUNTED) / GUESSED_SPEED / threads * 1e9;
}

static int most_threads(const Experiment *e)
{
    int most = 0;

    for (int i = 0; i < e->ncases; i++) {
        if (!e->cases[i].threads)
            return 0;
        most = most > e->cases[i].threads ? most : e->cases[i].threads;
    }
    return most;
}

static void say_busy(FILE *out, int threads, double load)
{
    char text[OTHERS_TEXT];

    if (!others_are_busy(load))
        return;
    if (others_doubt(text, others_now(), environment_cores(), threads != 1)[0])
        fprintf(out, "%s\n", text);
}

void expect_say(FILE *out, const Experiment *e, const Protocol *p, int lanes,
                double load)
{
    const int threads = most_threads(e);
    char text[FLOOR_TEXT];
    FloorPlan plan;
    Floor f;

    expect_plan(&plan, e, p, lanes, 1);
    if (!plan.pairs || floor_most_seconds(&plan) < LEAST_SECONDS ||
        isnan(plan.pass_ns)) {
        say_busy(out, threads, load);
        return;
    }
    if (floor_measure(&f, threads))
        return; /* as the cases will be */
    expect_plan(&plan, e, p, lanes, f.threads);
    if (floor_say(text, &f, &plan, p->target)[0])
        fprintf(out, "%s\n", text);
}
