/*
 * profile.c - times the steps of a plan apart, and the plan as a whole.
 *
 * A clock between the steps costs little, but what a step leaves in the caches
 * for the next one it leaves in either case; so the sum of the steps should be
 * near the whole, and both are told.
 */
#include "harness/explain/profile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/stats.h"
#include "harness/devices/interrupt.h"
#include "harness/measure/states.h"
#include "harness/network/network.h"
#include "kernels/core/err.h"
#include "kernels/core/host.h"
#include "kernels/ops/ops.h"

enum { MIN_ROUNDS = 5, MAX_ROUNDS = 200 };

static int run_whole(const Profiling *how, double *ns)
{
    const Backend *backend = how->dev->backend;

    if (how->cold)
        TRY(cold_next(how->plan, how->dev));
    TRY(backend->clock_start(how->dev));
    TRY(plan_run(how->plan));
    return backend->clock_stop(how->dev, ns);
}

static int run_by_step(const Profiling *how, double *ns)
{
    if (how->cold)
        TRY(cold_next(how->plan, how->dev));
    return plan_run_timed(how->plan, ns);
}

/* times holds the steps of a round one after the other, round by round. */
static int run_rounds(const Profiling *how, double *times, double *whole,
                      int *rounds)
{
    const int n = plan_steps(how->plan);
    const double end = host_now_ns() + how->seconds * 1e9;
    int r = 0;

    while (r < MAX_ROUNDS && (r < MIN_ROUNDS || host_now_ns() < end)) {
        if (interrupt_asked())
            return interrupt_fail();
        TRY(run_whole(how, &whole[r]));
        TRY(run_by_step(how, times + (size_t)r * (size_t)n));
        r++;
    }
    *rounds = r;
    return OK;
}

static void summarise(Profile *p, const Plan *plan, const double *times)
{
    double of_step[MAX_ROUNDS];

    for (int i = 0; i < p->n; i++) {
        ProfileStep *s = &p->step[i];

        for (int r = 0; r < p->rounds; r++)
            of_step[r] = times[(size_t)r * (size_t)p->n + (size_t)i];
        s->out = plan_step(plan, i, &s->kernel);
        s->ns = stats_of(of_step, p->rounds).median;
        s->cost = s->out->op->cost(s->out);
        p->sum_ns += s->ns;
        if (!s->out->op->layer)
            p->outside_ns += s->ns;
    }
}

int profile_plan(Profile *p, const Profiling *how)
{
    const size_t n = (size_t)plan_steps(how->plan);
    double *times = malloc((n + 1) * MAX_ROUNDS * sizeof(*times));
    int err;

    memset(p, 0, sizeof(*p));
    p->n = (int)n;
    p->step = calloc(n + 1, sizeof(*p->step));
    p->whole = malloc(MAX_ROUNDS * sizeof(*p->whole));
    BUG_IF(!times || !p->step || !p->whole);
    err = run_rounds(how, times, p->whole, &p->rounds);
    if (!err) {
        p->whole_ns = stats_of(p->whole, p->rounds).median;
        summarise(p, how->plan, times);
    }
    free(times);
    if (err)
        profile_free(p);
    return err;
}

void profile_free(Profile *p)
{
    free(p->step);
    free(p->whole);
    memset(p, 0, sizeof(*p));
}

/* The larger first. */
static int order(double x, double y)
{
    return x < y ? 1 : x > y ? -1 : 0;
}

static int steps_by_time(const void *a, const void *b)
{
    return order((*(ProfileStep *const *)a)->ns,
                 (*(ProfileStep *const *)b)->ns);
}

const ProfileStep **profile_slowest(const Profile *p)
{
    const ProfileStep **steps = calloc((size_t)p->n + 1, sizeof(*steps));

    BUG_IF(!steps);
    for (int i = 0; i < p->n; i++)
        steps[i] = &p->step[i];
    qsort(steps, (size_t)p->n, sizeof(*steps), steps_by_time);
    return steps;
}

static int kinds_by_time(const void *a, const void *b)
{
    return order(((const ProfileKind *)a)->ns, ((const ProfileKind *)b)->ns);
}

int profile_kinds(const Profile *p, ProfileKind *kinds)
{
    int n = 0;

    for (int i = 0; i < p->n; i++) {
        const ProfileStep *s = &p->step[i];
        int k = 0;

        while (k < n && kinds[k].op != s->out->op)
            k++;
        if (k == n)
            kinds[n++] = (ProfileKind){ .op = s->out->op };
        kinds[k].steps++;
        kinds[k].ns += s->ns;
        cost_add(&kinds[k].cost, &s->cost);
    }
    qsort(kinds, (size_t)n, sizeof(*kinds), kinds_by_time);
    return n;
}

static const double GAP_ALLOWED = 1.2;

char *profile_gap(const Profile *p, char text[PROFILE_GAP])
{
    const double times = p->whole_ns / p->sum_ns;

    text[0] = '\0';
    if (times > GAP_ALLOWED)
        snprintf(text, PROFILE_GAP,
                 "the whole run takes %.2f times the sum of its steps: other "
                 "programs kept its threads waiting, so the shares are "
                 "unreliable; try --threads=1",
                 times);
    else if (times < 1 / GAP_ALLOWED)
        snprintf(text, PROFILE_GAP,
                 "the sum of the steps takes %.2f times the whole run: steps "
                 "were disturbed, or overlap in the whole run, so the shares "
                 "are unreliable",
                 1 / times);
    return text;
}
