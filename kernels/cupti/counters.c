/*
 * counters.c - a session of counters for each set of metrics.
 *
 * A refusal is not an error: what was to be counted then has a reason.  What
 * the usual sets count of known work is told, and nothing is corrected by it:
 * it says whether to believe them.
 */
#include "kernels/cupti/counters.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"
#include "kernels/cupti/session.h"

enum { REASON = 512 };

/* ---- the device --------------------------------------------------------- */

/* Which counters there are: the first call that tells who may not count. */
static int read_available(Target *t)
{
    CuptiAvailable p = { CUPTI_SIZE(CuptiAvailable, image),
                         .context = t->context };

    CUPTI_CALL(t->cupti, available, &p);
    p.image = t->available = calloc(1, p.bytes);
    if (!p.image)
        return fail(ERR_MEMORY, "no memory for counters");
    CUPTI_CALL(t->cupti, available, &p);
    return OK;
}

static int check_supported(const Cupti *cupti)
{
    CuptiSupported p = { CUPTI_SIZE(CuptiSupported, api) };

    CUPTI_CALL(cupti, supported, &p);
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

    CUPTI_CALL(t->cupti, initialize, &start);
    TRY(check_supported(t->cupti));
    CUPTI_CALL(t->cupti, chip, &chip);
    t->chip = chip.chip;
    return read_available(t);
}

static void target_close(Target *t)
{
    CuptiNothing end = { CUPTI_SIZE(CuptiNothing, unused) };

    free(t->available);
    t->cupti->deinitialize(&end);
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
        } else if (!session_repeats(&all, i)) {
            snprintf(reason, sizeof(reason), "counters: %s does not count %s",
                     t->chip, missing);
            session_say_refused(s, m->quantity, reason);
        }
    }
}

static int count_set(Session *s)
{
    int err;

    leave_out_missing(s);
    if (!s->n)
        return OK;
    err = session_count(s);
    cupti_host_close(&s->host);
    if (!is_refusal(err))
        return err;
    session_say_all_refused(s, err_message());
    return OK;
}

/* Without a chip: what there is for any. */
static int refuse_all(const Counting *c, const Calibration *calibration,
                      const char *reason)
{
    for (int set = 0; set < NSETS; set++) {
        Session s = { .counting = c, .calibration = calibration, .set = set };

        s.n = metrics_of(s.metric, set, metrics_chip(0), c->dtype);
        session_say_all_refused(&s, reason);
    }
    return OK;
}

static int count_usual(const Target *t, const Counting *c,
                       const Calibration *calibration)
{
    for (int set = 0; set < NSETS; set++) {
        Session s = {
            .target = t, .counting = c, .calibration = calibration, .set = set
        };

        s.n = metrics_of(s.metric, set, t->chip, c->dtype);
        if (!s.n)
            return refuse_all(c, calibration,
                              "counters: this program has no metrics for this "
                              "GPU; name some with --metrics");
        TRY(count_set(&s));
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
    Session s = { .target = t, .counting = c, .metric = { &metric }, .n = 1 };

    return count_set(&s);
}

/* True if a name stands in a list "a,b", before its end. */
static bool is_listed(const char *list, const char *end, const char *name)
{
    const size_t n = strlen(name);

    for (const char *at = list; at < end; at += strcspn(at, ",") + 1)
        if (strcspn(at, ",") == n && strncmp(at, name, n) == 0)
            return true;
    return false;
}

/* Each in a session of its own, once: what goes together depends on the
 * chip. */
static int count_named(const Target *t, const Counting *c)
{
    char *list = strdup(c->metrics), *at = list;
    int err = OK;

    if (!list)
        return fail(ERR_MEMORY, "no memory for counters");
    for (char *name; !err && (name = strsep(&at, ","));)
        if (!is_listed(c->metrics, c->metrics + (name - list), name))
            err = count_metric(t, c, name);
    free(list);
    return err;
}

int counters_count_by(const Cupti *cupti, void *context, const Counting *c,
                      const Calibration *calibration)
{
    Target t = { .cupti = cupti, .context = context };
    int err = target_open(&t);

    if (is_refusal(err))
        err = refuse_all(c, calibration, err_message());
    else if (!err)
        err = c->metrics[0] ? count_named(&t, c)
                            : count_usual(&t, c, calibration);
    target_close(&t);
    return err;
}

int counters_count(const Counting *c, const Calibration *calibration)
{
    void *context = cupti_context();
    Cupti cupti;
    int err;

    if (!context)
        return refuse_all(c, calibration,
                          "counters: the driver has no context here");
    if (cupti_open(&cupti))
        return refuse_all(c, calibration, err_message());
    err = counters_count_by(&cupti, context, c, calibration);
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
