/*
 * gate.c - judges intervals of ratios by a limit.
 */
#include "analysis/gate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"

int gate_percent(double *out, const char *setting, const char *text,
                 double least, double most)
{
    char *end;
    const double percent = strtod(text, &end);

    if (end == text || (*end && strcmp(end, "%") != 0) ||
        !(percent >= least && percent <= most))
        return fail(ERR_INPUT, "%s='%s' is not a percentage from %g to %g",
                    setting, text, least, most);
    *out = percent / 100;
    return OK;
}

/* GATE_AMBIGUOUS if the interval holds the limit within it. */
static int side_of(const Ratio *r, double limit)
{
    if (r->n < STATS_LEAST || isnan(r->lo) || isnan(r->hi))
        return GATE_AMBIGUOUS;
    return r->lo > limit    ? GATE_FAILED
           : r->hi <= limit ? GATE_PASSED
                            : GATE_AMBIGUOUS;
}

int gate_answer(const RatioGate *g, const Ratio *r)
{
    return g->limited ? side_of(r, 1 + g->fail_above) : GATE_PASSED;
}

int gate_worst(int one, int other)
{
    if (one == GATE_FAILED || other == GATE_FAILED)
        return GATE_FAILED;
    return one > other ? one : other;
}

bool gate_is_clear(const RatioGate *g, const Ratio *r)
{
    if (g->limited && gate_answer(g, r) == GATE_AMBIGUOUS)
        return false;
    if (g->delta > 0 && (side_of(r, 1 + g->delta) == GATE_AMBIGUOUS ||
                         side_of(r, 1 / (1 + g->delta)) == GATE_AMBIGUOUS))
        return false;
    return g->limited || g->delta > 0;
}

int gate_rounds(const RatioGate *g, const Ratio *r)
{
    const double distance = fabs(log(r->ratio / (1 + g->fail_above)));

    if (gate_answer(g, r) != GATE_AMBIGUOUS)
        return 0;
    return distance > 0 ? rounds_until(r, distance) : -1;
}
