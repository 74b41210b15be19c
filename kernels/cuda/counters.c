/*
 * counters.c - a session of CUPTI's Range Profiler for each set of metrics.
 *
 * Each step is a range of its own.  What does not fit into one pass is counted
 * by running again, which is for the caller of CUPTI to do (user replay): all
 * steps, because those in between may have lost their inputs by now.  A session
 * has few ranges at a time, because thousands are refused.  A refusal is not an
 * error: what was to be counted then has a reason.
 */
#include "kernels/cuda/counters.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"
#include "kernels/cuda/cupti_host.h"
#include "kernels/cuda/metrics.h"

enum { RANGES = 256, MAX_PASSES = 64, REASON = 512 };

/* The device, as CUPTI sees it. */
typedef struct Target {
    const Cupti *cupti;
    void *context;
    const char *chip;
    uint8_t *available;
} Target;

/* Some metrics, counted together. */
typedef struct Session {
    const Target *target;
    const Counting *counting;
    const Metric *metric[MAX_METRICS];
    const char *name[MAX_METRICS];
    int n;
    double sum[MAX_METRICS]; /* of all steps, where it may be summed */
    int counted;             /* steps that there are values of        */
    CuptiHost host;

    /* A batch of ranges. */
    int from, to; /* its steps */
    void *profiler;
    uint8_t *data;
    size_t bytes;
} Session;

/* Calls a function of CUPTI's on a struct that is filled in, or fails. */
#define CALL(cupti, id, params) \
    TRY(cupti_check((cupti)->id(params), "CUPTI's " #id))

/* ---- what is said ------------------------------------------------------- */

static void say(const Counting *c, int step, const char *quantity, double value,
                const char *reason)
{
    c->take(c->arg, &(Counted){ step, quantity, value, reason });
}

/* Whether a metric's quantity has been seen among those before it. */
static bool repeats(const Metric *const *m, int i)
{
    for (int k = 0; k < i; k++)
        if (strcmp(m[k]->quantity, m[i]->quantity) == 0)
            return true;
    return false;
}

static void say_values(const Session *s, int step, const double *values)
{
    for (int i = 0; i < s->n; i++) {
        const char *quantity = s->metric[i]->quantity, *missing;
        char reason[REASON] = "";
        double value;

        if (repeats(s->metric, i) || (step == ALL_STEPS && !s->metric[i]->sums))
            continue;
        value = metrics_quantity(s->metric, values, s->n, quantity, &missing);
        if (missing)
            snprintf(reason, sizeof(reason),
                     "counters: CUPTI has no value of %s", missing);
        say(s->counting, step, quantity, value, reason);
    }
}

static void say_refused(const Session *s, const char *reason)
{
    for (int i = 0; i < s->n; i++)
        if (!repeats(s->metric, i))
            say(s->counting, ALL_STEPS, s->metric[i]->quantity, NAN, reason);
}

/* ---- the device --------------------------------------------------------- */

/* Which counters there are: the first call that tells who may not count. */
static int read_available(Target *t)
{
    CuptiAvailable p = { CUPTI_SIZE(CuptiAvailable, image),
                         .context = t->context };

    CALL(t->cupti, available, &p);
    p.image = t->available = calloc(1, p.bytes);
    if (!p.image)
        return fail(ERR_MEMORY, "no memory for counters");
    CALL(t->cupti, available, &p);
    return OK;
}

static int check_supported(const Cupti *cupti)
{
    CuptiSupported p = { CUPTI_SIZE(CuptiSupported, api) };

    CALL(cupti, supported, &p);
    if (p.supported == CUPTI_SUPPORTED)
        return OK;
    return p.virtual_gpu != CUPTI_SUPPORTED ? cupti_check(40, "virtual GPU")
           : p.confidential != CUPTI_SUPPORTED
               ? cupti_check(41, "confidential computing")
           : p.sli != CUPTI_SUPPORTED ? cupti_check(44, "SLI")
           : p.wsl != CUPTI_SUPPORTED ? cupti_check(45, "WSL")
           : p.cmp != CUPTI_SUPPORTED ? cupti_check(42, "mining GPU")
                                      : cupti_check(27, "this GPU");
}

/* After a first call that failed, the others would crash. */
static int target_open(Target *t)
{
    CuptiNothing start = { CUPTI_SIZE(CuptiNothing, unused) };
    CuptiChip chip = { CUPTI_SIZE(CuptiChip, chip) };

    CALL(t->cupti, initialize, &start);
    TRY(check_supported(t->cupti));
    CALL(t->cupti, chip, &chip);
    t->chip = chip.chip;
    return read_available(t);
}

static void target_close(Target *t)
{
    CuptiNothing end = { CUPTI_SIZE(CuptiNothing, unused) };

    free(t->available);
    t->cupti->deinitialize(&end);
}

/* ---- a session ---------------------------------------------------------- */

static int session_start(Session *s)
{
    const Cupti *cupti = s->target->cupti;
    const size_t ranges = (size_t)(s->to - s->from);
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

    CALL(cupti, enable, &enable);
    s->profiler = size.profiler = data.profiler = config.profiler =
        enable.profiler;
    CALL(cupti, data_size, &size);
    s->bytes = data.bytes = config.data_bytes = size.bytes;
    s->data = data.data = config.data = calloc(1, size.bytes);
    if (!s->data)
        return fail(ERR_MEMORY, "no memory for counters");
    CALL(cupti, data_initialize, &data);
    CALL(cupti, configure, &config);
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

static int before(const Session *s, int step)
{
    const Counting *c = s->counting;

    return c->before ? c->before(c->arg, step) : OK;
}

static int run_range(Session *s, int step)
{
    const Cupti *cupti = s->target->cupti;
    char name[16];
    CuptiPush push = { CUPTI_SIZE(CuptiPush, name), .profiler = s->profiler,
                       .name = name };
    CuptiProfiler pop = { CUPTI_SIZE(CuptiProfiler, profiler),
                          .profiler = s->profiler };
    int err;

    snprintf(name, sizeof(name), "%d", step);
    TRY(before(s, step));
    CALL(cupti, push, &push);
    err = s->counting->launch(s->counting->arg, step);
    if (err)
        cupti->pop(&pop);
    else
        CALL(cupti, pop, &pop);
    return err;
}

static int run_steps(Session *s)
{
    for (int i = 0; i < s->counting->steps; i++)
        if (i >= s->from && i < s->to)
            TRY(run_range(s, i));
        else {
            TRY(before(s, i));
            TRY(s->counting->launch(s->counting->arg, i));
        }
    return OK;
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
        CALL(cupti, start, &start);
        err = run_steps(s);
        stop = (CuptiStop){ CUPTI_SIZE(CuptiStop, all_submitted),
                            .profiler = s->profiler };
        if (err) {
            cupti->stop(&stop);
            return err;
        }
        CALL(cupti, stop, &stop);
    }
    CALL(cupti, decode, &decode);
    return decode.dropped ? fail(ERR_UNSUPPORTED,
                                 "counters: CUPTI dropped %zu of %d steps",
                                 decode.dropped, s->to - s->from)
                          : OK;
}

static int read_range(Session *s, size_t range)
{
    CuptiRangeInfo info = { CUPTI_SIZE(CuptiRangeInfo, name), .data = s->data,
                            .bytes = s->bytes, .range = range,
                            .delimiter = "/" };
    double values[MAX_METRICS];
    int step;

    CALL(s->target->cupti, range_info, &info);
    step = atoi(info.name);
    if (step < s->from || step >= s->to)
        return fail(ERR_UNSUPPORTED,
                    "counters: CUPTI has a range '%s' that "
                    "is no step",
                    info.name);
    for (int i = 0; i < s->n; i++)
        values[i] = NAN;
    TRY(cupti_host_values(&s->host, s->data, s->bytes, range, values));
    for (int i = 0; i < s->n; i++)
        s->sum[i] += values[i];
    s->counted++;
    say_values(s, step, values);
    return OK;
}

static int read_ranges(Session *s)
{
    CuptiDataInfo info = { CUPTI_SIZE(CuptiDataInfo, ranges), .data = s->data,
                           .bytes = s->bytes };

    CALL(s->target->cupti, data_info, &info);
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

static int count_all(Session *s)
{
    const int steps = s->counting->steps;

    TRY(cupti_host_open(&s->host, s->target->cupti, s->target->chip,
                        s->target->available, s->name, s->n));
    for (s->from = 0; s->from < steps; s->from = s->to) {
        s->to = s->from + RANGES < steps ? s->from + RANGES : steps;
        TRY(count_batch(s));
    }
    if (s->counted < steps)
        return fail(ERR_UNSUPPORTED, "counters: CUPTI has %d of %d steps",
                    s->counted, steps);
    say_values(s, ALL_STEPS, s->sum);
    return OK;
}

/* ---- all of it ---------------------------------------------------------- */

static bool is_refusal(int err)
{
    return err == ERR_UNSUPPORTED || err == ERR_INPUT;
}

/* The first metric of a quantity that this very GPU does not have, or NULL. */
static const char *lacks(const Session *s, const bool *has,
                         const char *quantity)
{
    for (int i = 0; i < s->n; i++)
        if (!has[i] && strcmp(s->metric[i]->quantity, quantity) == 0)
            return s->metric[i]->name;
    return NULL;
}

/* Leaves out, with the reason, quantities that cannot be had in full; most
 * chips of a family have all. */
static void leave_out_missing(Session *s)
{
    const Session all = *s;
    const Target *t = s->target;
    bool has[MAX_METRICS];
    char reason[REASON];

    for (int i = 0; i < all.n; i++)
        has[i] = cupti_host_has(t->cupti, t->chip, t->available,
                                all.metric[i]->name);
    s->n = 0;
    for (int i = 0; i < all.n; i++) {
        const Metric *m = all.metric[i];
        const char *missing = lacks(&all, has, m->quantity);

        if (!missing) {
            s->name[s->n] = m->name;
            s->metric[s->n++] = m;
        } else if (!repeats(all.metric, i)) {
            snprintf(reason, sizeof(reason), "counters: %s does not count %s",
                     t->chip, missing);
            say(s->counting, ALL_STEPS, m->quantity, NAN, reason);
        }
    }
}

static int count_set(const Target *t, const Counting *c, Session *s)
{
    int err;

    s->target = t;
    s->counting = c;
    leave_out_missing(s);
    if (!s->n)
        return OK;
    err = count_all(s);
    cupti_host_close(&s->host);
    if (!is_refusal(err))
        return err;
    say_refused(s, err_message());
    return OK;
}

/* Without a chip: what there is for any. */
static int refuse_all(const Counting *c, const char *reason)
{
    for (int set = 0; set < NSETS; set++) {
        Session s = { .counting = c };

        s.n = metrics_of(s.metric, set, metrics_chip(0), c->dtype);
        say_refused(&s, reason);
    }
    return OK;
}

static int count_usual(const Target *t, const Counting *c)
{
    for (int set = 0; set < NSETS; set++) {
        Session s = { 0 };

        s.n = metrics_of(s.metric, set, t->chip, c->dtype);
        if (!s.n)
            return refuse_all(c, "counters: this program has no metrics for "
                                 "this GPU; name some with --metrics");
        TRY(count_set(t, c, &s));
    }
    return OK;
}

static bool ends_in(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);

    return n >= m && strcmp(text + n - m, end) == 0;
}

/* A metric that is a quantity of its own name. */
static int count_metric(const Target *t, const Counting *c, const char *name)
{
    const Metric metric = { .quantity = name,
                            .name = name,
                            .factor = 1,
                            .sums = ends_in(name, ".sum") };
    Session s = { .metric = { &metric }, .n = 1 };

    return count_set(t, c, &s);
}

/* Each in a session of its own: what goes together depends on the chip. */
static int count_named(const Target *t, const Counting *c)
{
    char *list = strdup(c->metrics), *at = list;
    int err = OK;

    if (!list)
        return fail(ERR_MEMORY, "no memory for counters");
    for (char *name; !err && (name = strsep(&at, ","));)
        err = count_metric(t, c, name);
    free(list);
    return err;
}

int counters_count_by(const Cupti *cupti, void *context, const Counting *c)
{
    Target t = { .cupti = cupti, .context = context };
    int err = target_open(&t);

    if (is_refusal(err))
        err = refuse_all(c, err_message());
    else if (!err)
        err = c->metrics[0] ? count_named(&t, c) : count_usual(&t, c);
    target_close(&t);
    return err;
}

int counters_count(const Counting *c)
{
    void *context = cupti_context();
    Cupti cupti;
    int err;

    if (!context)
        return refuse_all(c, "counters: the driver has no context here");
    if (cupti_open(&cupti))
        return refuse_all(c, err_message());
    err = counters_count_by(&cupti, context, c);
    cupti_close(&cupti);
    return err;
}

int counters_list(void (*take)(void *arg, const char *metric), void *arg)
{
    CuptiChip chip = { CUPTI_SIZE(CuptiChip, chip) };
    CuptiNothing nothing = { CUPTI_SIZE(CuptiNothing, unused) };
    Cupti cupti;
    int err;

    if (!cupti_context())
        return fail(ERR_UNSUPPORTED,
                    "counters: the driver has no context here");
    TRY(cupti_open(&cupti));
    err = cupti_check(cupti.initialize(&nothing), "CUPTI's initialize");
    if (!err)
        err = cupti_check(cupti.chip(&chip), "CUPTI's chip");
    if (!err)
        err = cupti_host_list(&cupti, chip.chip, take, arg);
    cupti.deinitialize(&nothing);
    cupti_close(&cupti);
    return err;
}
