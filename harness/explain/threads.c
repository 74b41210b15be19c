/*
 * threads.c - one thread against several, in rounds.
 */
#include "harness/explain/threads.h"

#include <stdio.h>

#include "harness/devices/backends.h"
#include "harness/devices/interrupt.h"
#include "kernels/core/err.h"
#include "kernels/core/host.h"

enum { MOST_ROUNDS = 60 };
static const double WARMUP_NS = 0.05e9;

int threads_compare(Ratio *out, Trial *many, Trial *one, double seconds)
{
    const double end = host_now_ns() + seconds * 1e9;
    const int before = many->n;

    for (int r = 0; r < MOST_ROUNDS && (r < STATS_LEAST || host_now_ns() < end);
         r++) {
        if (interrupt_asked())
            return interrupt_fail();
        trial_sample(r % 2 ? one : many, r, false);
        trial_sample(r % 2 ? many : one, r, false);
        if (!trial_ok(many) || !trial_ok(one))
            return fail(ERR_DEVICE, "%s",
                        trial_ok(many) ? one->message : many->message);
    }
    *out = ratio_paired(many->ns + before, many->round + before,
                        many->n - before, one->ns, one->round, one->n);
    return OK;
}

/* True if there is something to try, and time for it. */
static bool is_worth_it(const Trial *many, double seconds)
{
    const double round_ns = 2 * many->fastest_ns * many->launches;

    return many->c->state == STATE_HOT && many->dev->backend->host_memory &&
           many->dev->threads > 1 && STATS_LEAST * round_ns < seconds * 1e9;
}

static int try_one(Ratio *out, Trial *many, Device *dev, double seconds)
{
    Case c = *many->c;
    Trial one;
    int err;

    c.threads = 1;
    trial_init(&one, &c, NULL, 0);
    err = trial_build(&one, &(Checker){ dev, NULL });
    if (!err)
        trial_warm_up(&one, WARMUP_NS);
    one.launches = many->launches;
    one.reps = many->reps;
    one.rewarm = many->rewarm;
    if (!err && trial_ok(&one))
        err = threads_compare(out, many, &one, seconds);
    trial_free(&one);
    return err;
}

int threads_try(Ratio *out, Trial *many, double seconds)
{
    const DeviceSettings settings = { 1, "" };
    Device *dev;
    int err;

    *out = (Ratio){ .n = 0 };
    if (!is_worth_it(many, seconds))
        return OK;
    err = backend_open(&dev, case_name("backend", many->c->backend), &settings);
    if (!err)
        err = try_one(out, many, dev, seconds);
    backend_close(dev);
    return err == ERR_STOPPED ? err : OK;
}

char *threads_advice(char text[THREADS_TEXT], const Ratio *r, int threads)
{
    text[0] = '\0';
    if (ratio_verdict(r) == SLOWER)
        snprintf(text, THREADS_TEXT,
                 "1 thread is %.2f [%.2f, %.2f] times as fast as %d: try "
                 "--threads=1",
                 r->ratio, r->lo, r->hi, threads);
    return text;
}
