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

#include "kernels/core/err.h"

/* Of the cache: what replaces its lines is not always the oldest that goes. */
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
