/*
 * profile.c - times the steps of a plan apart, and the plan as a whole.
 *
 * A clock between the steps costs little, but what a step leaves in the caches
 * for the next one it leaves in either case; so the sum of the steps should be
 * near the whole, and both are told.
 */
#include "harness/explain/profile.h"

#include <math.h>
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

/* Another plan has run since: what it left in the caches is not this one's. */
static int run_again(const Profiling *how)
{
    int runs = 1;
    double ns;

    if (how->cold)
        runs = cold_rotates(how->dev) ? cold_runs_to_fill(how->plan) : 0;
    for (int i = 0; i < runs; i++)
        TRY(run_whole(how, &ns));
    return OK;
}

static int turn(Profile *p, const Profiling *how, bool others)
{
    const size_t r = (size_t)p->rounds;

    if (interrupt_asked())
        return interrupt_fail();
    if (others)
        TRY(run_again(how));
    TRY(run_whole(how, &p->whole[r]));
    TRY(run_by_step(how, p->times + r * (size_t)p->n));
    p->rounds++;
    return OK;
}

static int run_rounds(Profile *const *p, const Profiling *how, int n)
{
    const int least = n > 1 ? STATS_LEAST : MIN_ROUNDS;
    double end = host_now_ns();

    for (int i = 0; i < n; i++)
        end += how[i].seconds * 1e9;
    for (int r = 0; r < MAX_ROUNDS && (r < least || host_now_ns() < end); r++)
        for (int i = 0; i < n; i++) {
            const int k = r % 2 ? n - 1 - i : i;

            TRY(turn(p[k], &how[k], n > 1));
        }
    return OK;
}

static void summarise(Profile *p, const Plan *plan)
{
    double of_step[MAX_ROUNDS];

    p->whole_ns = stats_of(p->whole, p->rounds).median;
    for (int i = 0; i < p->n; i++) {
        ProfileStep *s = &p->step[i];

        for (int r = 0; r < p->rounds; r++)
            of_step[r] = p->times[(size_t)r * (size_t)p->n + (size_t)i];
        s->out = plan_step(plan, i, &s->kernel);
        s->ns = stats_of(of_step, p->rounds).median;
        s->cost = s->out->op->cost(s->out);
        p->sum_ns += s->ns;
        if (!s->out->op->layer)
            p->outside_ns += s->ns;
    }
}

static void allot(Profile *p, const Plan *plan)
{
    const size_t n = (size_t)plan_steps(plan);

    *p = (Profile){ .n = (int)n };
    p->step = calloc(n + 1, sizeof(*p->step));
    p->times = malloc((n + 1) * MAX_ROUNDS * sizeof(*p->times));
    p->whole = malloc(MAX_ROUNDS * sizeof(*p->whole));
    BUG_IF(!p->step || !p->times || !p->whole);
}

int profile_together(Profile *const *out, const Profiling *how, int n)
{
    int err;

    for (int i = 0; i < n; i++)
        allot(out[i], how[i].plan);
    err = run_rounds(out, how, n);
    for (int i = 0; i < n; i++)
        if (err)
            profile_free(out[i]);
        else
            summarise(out[i], how[i].plan);
    return err;
}

int profile_plan(Profile *out, const Profiling *how)
{
    return profile_together(&out, how, 1);
}

void profile_free(Profile *p)
{
    free(p->step);
    free(p->times);
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

static const double GAP_ALLOWED = 1.2;

static const char *why_longer(const Device *dev)
{
    if (!dev->backend->host_memory)
        return "the device waited between steps, or was shared, so the shares "
               "are unreliable";
    return dev->threads > 1
               ? "other programs kept its threads waiting, so the shares are "
                 "unreliable; try --threads=1"
               : "other programs disturbed it, so the shares are unreliable; "
                 "try again when the machine is less busy";
}

Ratio profile_direct(const Profile *p)
{
    double *logs = malloc((size_t)(p->rounds + 1) * sizeof(*logs));
    int n = 0; /* rounds; of a profile without modules, none */
    Ratio r;

    BUG_IF(!logs);
    for (int k = 0; k < p->n; k++)
        if (p->step[k].out->origin == ORIGIN_MODULE)
            n = p->rounds;
    for (int k = 0; k < p->n; k++)
        if (p->step[k].out->origin == ORIGIN_MIXED)
            n = 0;
    for (int i = 0; i < n; i++) {
        double all = 0, modules = 0;

        for (int k = 0; k < p->n; k++) {
            const double ns = p->times[(size_t)i * (size_t)p->n + (size_t)k];

            all += ns;
            if (p->step[k].out->origin == ORIGIN_MODULE)
                modules += ns;
        }
        logs[i] = log(1 - modules / all);
    }
    r = ratio_of_logs(logs, n);
    free(logs);
    return r;
}

char *profile_gap(const Profile *p, const Device *dev, char text[PROFILE_GAP])
{
    const double times = p->whole_ns / p->sum_ns;

    text[0] = '\0';
    if (times > GAP_ALLOWED)
        snprintf(text, PROFILE_GAP,
                 "the whole run takes %.2f times the sum of its steps: %s",
                 times, why_longer(dev));
    else if (times < 1 / GAP_ALLOWED)
        snprintf(text, PROFILE_GAP,
                 "the sum of the steps takes %.2f times the whole run: steps "
                 "were disturbed, or %s, so the shares are unreliable",
                 1 / times,
                 dev->backend->host_memory
                     ? "are hardly longer than a look at the clock"
                     : "overlap in the whole run");
    return text;
}
