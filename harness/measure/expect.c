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
#include <stdlib.h>
#include <string.h>

#include "harness/devices/environment.h"
#include "harness/devices/others.h"
#include "harness/measure/block.h"
#include "harness/network/network.h"
#include "kernels/core/err.h"

/* A shorter sweep is not worth half a second more. */
static const double LEAST_SECONDS = 20;

/* FLOPs per second of one thread: between those of AVX2 and AVX-512, in f32. */
static const double GUESSED_SPEED = 8e10;

/* Networks whose FLOPs are counted, some milliseconds each. */
enum { MOST_COUNTED = 32 };

/* Cases among which pairs are found. */
enum { MOST_PAIRED = 1024 };

static bool is_on_cpu(const Case *c)
{
    return c->backend == ON_CPU && strcmp(c->backbone.text, "none") != 0;
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

/* Pairs of networks on the CPU, if all cases were in one block. */
static int count_pairs(const Experiment *e, const Protocol *p, int lanes)
{
    Block b = { .n = e->ncases * lanes };
    int pairs = 0;

    if (b.n > MOST_PAIRED)
        return b.n; /* finding them takes the square of that */

    b.at = calloc((size_t)b.n + 1, sizeof(*b.at));
    BUG_IF(!b.at);
    for (int i = 0; i < b.n; i++) {
        b.at[i].lane = i % lanes;
        trial_init(&b.at[i].arm, &e->cases[i / lanes], NULL, i);
    }
    pairs_find(&b, p);
    for (const Pair *pair = b.pair; pair < b.pair + b.npairs; pair++)
        pairs += pair->a != ALONE && is_on_cpu(b.at[pair->b].arm.c);
    block_free(&b);
    return pairs;
}

void expect_plan(FloorPlan *plan, const Experiment *e, const Protocol *p,
                 int lanes, int threads)
{
    double flops = 0;
    int networks = 0;

    for (int i = 0; i < e->ncases; i++) {
        const Case *c = &e->cases[i];

        if (!is_on_cpu(c))
            continue;
        if (networks < MOST_COUNTED)
            flops += flops_of(c);
        networks++;
    }
    *plan = (FloorPlan){ .budget = p->budget, .limit = p->limit };
    if (!networks)
        return;
    plan->pairs = count_pairs(e, p, lanes);
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
