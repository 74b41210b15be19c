/*
 * session.c - a session of CUPTI's Range Profiler.
 *
 * Each step is a range of its own.  What does not fit into one pass is counted
 * by running again, which is for the caller of CUPTI to do (user replay): all
 * steps, because those in between may have lost their inputs by now.  A session
 * has few ranges at a time, because thousands are refused.
 */
#include "kernels/cupti/session.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"

enum { RANGES = 256, MAX_PASSES = 64 };
#define CALIBRATION "calibration" /* a range that is no step */

static bool calibrates(const Session *s)
{
    return s->from == 0 && s->calibration && !s->calibration->reason[0];
}

static int session_start(Session *s)
{
    const Cupti *cupti = s->target->cupti;
    const size_t ranges = (size_t)(s->to - s->from + calibrates(s));
    CuptiEnable enable = { CUPTI_SIZE(CuptiEnable, profiler),
                           .context = s->target->context };
    CuptiDataSize size = { CUPTI_SIZE(CuptiDataSize, bytes), .metrics = s->name,
                           .n = (size_t)s->n, .ranges = ranges,
                           .nodes = (uint32_t)ranges };
    CuptiData data = { CUPTI_SIZE(CuptiData, data) };
    CuptiConfig config = { CUPTI_SIZE(CuptiConfig, target_level),
                           .image = s->host.image,
                           .image_bytes = s->host.image_bytes,
                           .range = CUPTI_USER_RANGE,
                           .replay = CUPTI_USER_REPLAY,
                           .ranges_per_pass = ranges,
                           .levels = 1,
                           .min_level = 1,
                           .target_level = 1 };

    CUPTI_CALL(cupti, enable, &enable);
    s->profiler = size.profiler = data.profiler = config.profiler =
        enable.profiler;
    CUPTI_CALL(cupti, data_size, &size);
    s->bytes = data.bytes = config.data_bytes = size.bytes;
    s->data = data.data = config.data = calloc(1, size.bytes);
    if (!s->data)
        return fail(ERR_MEMORY, "no memory for counters");
    CUPTI_CALL(cupti, data_initialize, &data);
    CUPTI_CALL(cupti, configure, &config);
    return OK;
}

static void session_end(Session *s)
{
    CuptiProfiler p = { CUPTI_SIZE(CuptiProfiler, profiler),
                        .profiler = s->profiler };

    if (s->profiler)
        s->target->cupti->disable(&p);
    free(s->data);
    s->profiler = s->data = NULL;
}

/* ---- runs --------------------------------------------------------------- */

static int launch(const Session *s, int step)
{
    return step == ALL_STEPS
               ? s->calibration->launch(s->calibration->arg, s->set)
               : s->counting->launch(s->counting->arg, step);
}

/* A step, or ALL_STEPS for the known work, as a range. */
static int run_range(Session *s, int step)
{
    const Cupti *cupti = s->target->cupti;
    char name[16] = CALIBRATION;
    CuptiPush push = { CUPTI_SIZE(CuptiPush, name), .profiler = s->profiler,
                       .name = name };
    CuptiProfiler pop = { CUPTI_SIZE(CuptiProfiler, profiler),
                          .profiler = s->profiler };
    int err;

    if (step != ALL_STEPS)
        snprintf(name, sizeof(name), "%d", step);
    CUPTI_CALL(cupti, push, &push);
    err = launch(s, step);
    if (err)
        cupti->pop(&pop);
    else
        CUPTI_CALL(cupti, pop, &pop);
    return err;
}

/* All steps, of which those between from and to are ranges. */
static int run_steps(Session *s, int from, int to)
{
    const Counting *c = s->counting;

    for (int i = 0; i < c->steps; i++) {
        if (c->before)
            TRY(c->before(c->arg, i));
        TRY(i >= from && i < to ? run_range(s, i) : launch(s, i));
    }
    return OK;
}

/*
 * Known work runs before the first batch: once for nothing, so that the L2 has
 * as many lines yet to be written at its beginning as at its end; and then
 * counted.  The caches are its own after that, and not what the last run of the
 * steps left there; so they run once for nothing, too.
 */
static int run_all(Session *s)
{
    if (calibrates(s)) {
        TRY(launch(s, ALL_STEPS));
        TRY(run_range(s, ALL_STEPS));
        TRY(run_steps(s, 0, 0));
    }
    return run_steps(s, s->from, s->to);
}

static int run_passes(Session *s)
{
    const Cupti *cupti = s->target->cupti;
    CuptiProfiler start = { CUPTI_SIZE(CuptiProfiler, profiler),
                            .profiler = s->profiler };
    CuptiDecode decode = { CUPTI_SIZE(CuptiDecode, dropped),
                           .profiler = s->profiler };
    CuptiStop stop = { 0 };

    for (int pass = 0; !stop.all_submitted; pass++) {
        int err;

        if (pass == MAX_PASSES)
            return fail(ERR_UNSUPPORTED,
                        "counters: %d passes were not enough; ask for fewer "
                        "metrics",
                        MAX_PASSES);
        CUPTI_CALL(cupti, start, &start);
        err = run_all(s);
        stop = (CuptiStop){ CUPTI_SIZE(CuptiStop, all_submitted),
                            .profiler = s->profiler };
        if (err) {
            cupti->stop(&stop);
            return err;
        }
        CUPTI_CALL(cupti, stop, &stop);
    }
    CUPTI_CALL(cupti, decode, &decode);
    return decode.dropped ? fail(ERR_UNSUPPORTED,
                                 "counters: CUPTI dropped %zu of %d steps",
                                 decode.dropped, s->to - s->from)
                          : OK;
}

/* ---- values ------------------------------------------------------------- */

static int take_step(Session *s, const char *range, const double *values)
{
    const int step = atoi(range);

    if (step < s->from || step >= s->to)
        return fail(ERR_UNSUPPORTED,
                    "counters: CUPTI has a range '%s' that is no step", range);
    for (int i = 0; i < s->n; i++)
        s->sum[i] += values[i];
    s->counted++;
    session_say(s, step, values);
    return OK;
}

static int read_range(Session *s, size_t range)
{
    CuptiRangeInfo info = { CUPTI_SIZE(CuptiRangeInfo, name), .data = s->data,
                            .bytes = s->bytes, .range = range,
                            .delimiter = "/" };
    double values[MAX_METRICS];

    CUPTI_CALL(s->target->cupti, range_info, &info);
    for (int i = 0; i < s->n; i++)
        values[i] = NAN;
    TRY(cupti_host_values(&s->host, s->data, s->bytes, range, values));
    if (strcmp(info.name, CALIBRATION))
        return take_step(s, info.name, values);
    memcpy(s->of_known, values, sizeof(values));
    s->calibrated = true;
    return OK;
}

static int read_ranges(Session *s)
{
    CuptiDataInfo info = { CUPTI_SIZE(CuptiDataInfo, ranges), .data = s->data,
                           .bytes = s->bytes };

    CUPTI_CALL(s->target->cupti, data_info, &info);
    for (size_t range = 0; range < info.ranges; range++)
        TRY(read_range(s, range));
    return OK;
}

static int count_batch(Session *s)
{
    int err = session_start(s);

    if (!err)
        err = run_passes(s);
    if (!err)
        err = read_ranges(s);
    session_end(s);
    return err;
}

int session_count(Session *s)
{
    const int steps = s->counting->steps;

    TRY(cupti_host_open(&s->host, s->target->cupti, s->target->chip,
                        s->target->available, s->name, s->n));
    for (s->from = 0; s->from < steps; s->from = s->to) {
        s->to = s->from + RANGES < steps ? s->from + RANGES : steps;
        TRY(count_batch(s));
        if (calibrates(s) && !s->calibrated)
            return fail(ERR_UNSUPPORTED,
                        "counters: CUPTI has no range of the calibration");
    }
    if (s->counted < steps)
        return fail(ERR_UNSUPPORTED, "counters: CUPTI has %d of %d steps",
                    s->counted, steps);
    session_say_calibration(s);
    session_say(s, ALL_STEPS, s->sum);
    return OK;
}
