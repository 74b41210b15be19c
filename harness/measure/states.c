/*
 * states.c - runs that find nothing of theirs in the caches, and recordings of
 * many runs.
 *
 * A GPU's cache is not emptied by overwriting it: it would be full of lines
 * that are yet to be written, and the run that follows pays for that, but not
 * for its own.  So there the plan is copied until all copies are three times as
 * large as the cache, and they are run in turn, many in a sample.
 */
#include "harness/measure/states.h"

#include <math.h>
#include <stdlib.h>

#include "harness/check/verify.h"
#include "harness/network/network.h"
#include "kernels/core/err.h"

/* Three times the cache: it is not always the oldest line that is replaced. */
enum { COLD_TIMES = 3 };

/* Two replays of a graph are a few microseconds apart, as long as a small
 * module takes; so a replay is at least this long. */
#define REPLAY_NS 100e3
enum { MOST_RECORDED = 1000, TRIES = 3 };

bool cold_rotates(const Device *dev)
{
    return !dev->backend->evict;
}

int cold_prepare(Plan *plan, Device *dev)
{
    const Backend *backend = dev->backend;
    const size_t bytes = backend->cache_bytes ? backend->cache_bytes(dev) : 0;
    int err;

    if (!cold_rotates(dev))
        return OK;
    if (!bytes)
        return fail(ERR_UNSUPPORTED,
                    "%s has no state=cold: it does not say how large its cache "
                    "is",
                    backend->name);
    err = plan_copies(plan, COLD_TIMES * bytes);
    return err ? fail_within(err, "state=cold") : OK;
}

static void forget(float **values, int n)
{
    for (int i = 0; values && i < n; i++)
        free(values[i]);
    free(values);
}

/* The outputs of the i-th copy's first run, from malloc. */
static int outputs_of(float ***values, Plan *plan, const Graph *g, int i)
{
    *values = calloc((size_t)graph_outputs(g) + 1, sizeof(**values));
    BUG_IF(!*values);
    plan_use(plan, i);
    return network_run_plan(*values, plan, g);
}

static int compare_copy(double *rel_l2, Plan *plan, const Graph *g, int i,
                        float *const *first)
{
    float **values;
    const int err = outputs_of(&values, plan, g, i);

    for (int k = 0; !err && k < graph_outputs(g); k++) {
        const size_t n = tensor_count(graph_output_at(g, k, NULL));
        const double d = verify_error(values[k], first[k], n);

        if (!isnan(*rel_l2) && !(d <= *rel_l2)) /* larger, or NaN */
            *rel_l2 = d;
    }
    forget(values, graph_outputs(g));
    return err;
}

int cold_compare(double *rel_l2, Plan *plan, const Graph *g,
                 float *const *first)
{
    const int last = plan_ncopies(plan) - 1;
    float **own = NULL;
    int err = OK;

    *rel_l2 = 0;
    if (last > 0 && !first)
        err = outputs_of(&own, plan, g, 0);
    if (!err && last > 0)
        err = compare_copy(rel_l2, plan, g, 1, first ? first : own);
    if (!err && last > 1)
        err = compare_copy(rel_l2, plan, g, last, first ? first : own);
    plan_use(plan, 0);
    forget(own, graph_outputs(g));
    return err;
}

int cold_next(Plan *plan, Device *dev)
{
    if (!cold_rotates(dev))
        return dev->backend->evict(dev);
    plan_use_next(plan);
    return OK;
}

int cold_runs_to_fill(const Plan *plan)
{
    return plan_ncopies(plan) / COLD_TIMES + 1;
}

/* The second of two replays: the first may have something to load. */
static int time_replay(Plan *plan, Device *dev, double *ns)
{
    TRY(plan_run(plan));
    TRY(dev->backend->clock_start(dev));
    TRY(plan_run(plan));
    return dev->backend->clock_stop(dev, ns);
}

/* Again where it is not long enough, since part of the time was no run's. */
int graph_lengthen(int *runs, Plan *plan, Device *dev)
{
    double ns;

    *runs = 1;
    for (int i = 0; i < TRIES; i++) {
        TRY(time_replay(plan, dev, &ns));
        if (ns >= REPLAY_NS || *runs == MOST_RECORDED)
            return OK;
        *runs =
            (int)fmin(MOST_RECORDED, ceil(*runs * REPLAY_NS / fmax(ns, *runs)));
        TRY(plan_record(plan, *runs));
    }
    return OK;
}
