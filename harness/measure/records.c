/*
 * records.c - adds up the times of the kernels that a GPU has recorded.
 */
#include "harness/measure/records.h"

#include <math.h>
#include <string.h>

#include "harness/measure/steps.h"
#include "kernels/core/err.h"

typedef struct Sums {
    Plan *plan;
    double module_ns, all_ns;
    bool refused;
} Sums;

static int launch(void *arg, int step)
{
    return plan_run_step(((Sums *)arg)->plan, step);
}

/* Times of kernels come by step and kernel; launches without a number say that
 * there are no records. */
static void take(void *arg, const Counted *c)
{
    Sums *s = arg;

    if (isnan(c->value))
        s->refused |= c->step == ALL_STEPS;
    if (isnan(c->value) || c->step == ALL_STEPS || !c->launch ||
        strcmp(c->quantity, "time_ns"))
        return;
    s->all_ns += c->value;
    if (plan_step(s->plan, c->step, NULL)->origin == ORIGIN_MODULE)
        s->module_ns += c->value;
}

static int one_share(double *share, Plan *plan, Device *dev)
{
    Sums s = { .plan = plan };
    const Counting counting = { .steps = plan_steps(plan),
                                .metrics = NULL,
                                .launch = launch,
                                .take = take,
                                .arg = &s };

    TRY(dev->backend->count(dev, &counting));
    *share = s.refused || !(s.all_ns > 0) ? NAN : s.module_ns / s.all_ns;
    return OK;
}

int records_shares(double *share, int n, Plan *plan, Device *dev)
{
    for (int i = 0; i < n; i++)
        share[i] = NAN;
    if (dev->backend->host_memory || !dev->backend->count ||
        !steps_tell_modules(plan))
        return OK;
    for (int i = 0; i < n; i++) {
        TRY(one_share(&share[i], plan, dev));
        if (isnan(share[i]))
            return OK;
    }
    return OK;
}
