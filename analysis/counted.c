/*
 * counted.c - finds where what was counted is not what it should be.
 */
#include "analysis/counted.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"

static const char PREFIX[] = "calibration_";

/* Sum over all launches of a step, or of the run. */
static const Quantity *find(const StoredProfile *p, int step, const char *name,
                            Source source)
{
    for (int i = 0; i < p->nquantities; i++) {
        const Quantity *q = &p->quantity[i];

        if (q->step == step && q->source == source && !q->launch[0] &&
            strcmp(q->name, name) == 0)
            return q;
    }
    return NULL;
}

bool counted_is_calibration(const Quantity *q)
{
    return q->step == WHOLE_RUN && q->source == SOURCE_COUNTED &&
           strncmp(q->name, PREFIX, strlen(PREFIX)) == 0;
}

double counted_calibration(const StoredProfile *p, const char *quantity)
{
    char name[sizeof(p->quantity->name)];
    const Quantity *q;

    snprintf(name, sizeof(name), "%s%s", PREFIX, quantity);
    q = find(p, WHOLE_RUN, name, SOURCE_COUNTED);
    return q ? q->value : NAN;
}

/* Expected value of a counted quantity; NAN if unknown. */
static double expected_of(const StoredProfile *p, const Quantity *q)
{
    const Quantity *modelled;

    if (counted_is_calibration(q))
        return 1;
    if (q->step == WHOLE_RUN || strcmp(q->name, "fp32_flops"))
        return NAN;
    modelled = find(p, q->step, q->name, SOURCE_MODELLED);
    return modelled ? modelled->value : NAN;
}

Disagreement *counted_disagreements(const StoredProfile *p, int *n)
{
    Disagreement *all = calloc((size_t)p->nquantities + 1, sizeof(*all));

    BUG_IF(!all);
    *n = 0;
    for (int i = 0; i < p->nquantities; i++) {
        const Quantity *q = &p->quantity[i];
        double expected;

        if (q->source != SOURCE_COUNTED || q->launch[0])
            continue;
        expected = expected_of(p, q);
        /* NANs do not disagree */
        if (fabs(q->value - expected) > COUNTED_TOLERANCE * expected)
            all[(*n)++] =
                (Disagreement){ q->step, q->name, q->value, expected };
    }
    return all;
}

ColdCheck counted_cold(const StoredProfile *p)
{
    const Quantity *read =
        find(p, WHOLE_RUN, "dram_read_bytes", SOURCE_COUNTED);
    const Quantity *must =
        find(p, WHOLE_RUN, "compulsory_read_bytes", SOURCE_MODELLED);
    ColdCheck c = { COLD_NOT_CHECKED, NAN, must ? must->value : NAN, "" };

    if (!read)
        c.reason = "no counter here counts the bytes read from memory";
    else if (isnan(read->value))
        c.reason = read->reason;
    else if (isnan(c.compulsory))
        c.reason = "the bytes that the run must read are not stored";
    if (c.reason[0])
        return c;
    c.read = read->value;
    c.is = c.read >= (1 - COUNTED_TOLERANCE) * c.compulsory ? COLD_HELD
                                                            : COLD_NOT_HELD;
    return c;
}
