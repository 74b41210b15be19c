/*
 * import_samples.c - the samples of an imported run, and their moments.
 */
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/report/import.h"
#include "kernels/core/err.h"

Moment import_no_moment(void)
{
    return (Moment){ NAN, NAN, NAN, NULL };
}

int import_moment(Moment *m, const Param *field, const cJSON *value)
{
    void *at = (char *)m + field->offset;
    const bool text = field->kind == PARAM_KIND_PATH;

    if (cJSON_IsNull(value) ||
        (text && cJSON_IsString(value) && !*value->valuestring))
        return OK;
    if (text ? !cJSON_IsString(value) : !cJSON_IsNumber(value))
        return fail(ERR_INPUT, "%s: expected a %s", field->name,
                    text ? "text" : "number");
    if (text)
        *(const char **)at = value->valuestring;
    else
        *(double *)at = value->valuedouble;
    return OK;
}

static int grow(ImportRun *r)
{
    const size_t n = r->room ? 2 * (size_t)r->room : 64;
    double *ns = realloc(r->ns, n * sizeof(*ns));
    int *round;
    Moment *moment;

    if (!ns)
        return fail(ERR_MEMORY, "no memory for %d samples", r->room);
    r->ns = ns;
    round = realloc(r->round, n * sizeof(*round));
    if (!round)
        return fail(ERR_MEMORY, "no memory for %d samples", r->room);
    r->round = round;
    moment = realloc(r->moment, n * sizeof(*moment));
    if (!moment)
        return fail(ERR_MEMORY, "no memory for %d samples", r->room);
    r->moment = moment;
    r->room = (int)n;
    return OK;
}

int import_sample(ImportRun *r, double ns, double round, const Moment *moment)
{
    const int n = r->n;

    if (!(ns > 0 && ns < 1e18))
        return fail(ERR_INPUT, "ns=%g: a time is above 0", ns);
    r->alone |= isnan(round);
    if (isnan(round))
        round = n;
    if (!(round >= 0 && round <= INT_MAX && round == rint(round)))
        return fail(ERR_INPUT, "round=%g: a round is an integer from 0", round);
    if (n == r->room)
        TRY(grow(r));
    r->ns[n] = ns;
    r->round[n] = (int)round;
    r->moment[n] = *moment;
    if (moment->throttle) {
        r->moment[n].throttle = strdup(moment->throttle);
        if (!r->moment[n].throttle)
            return fail(ERR_MEMORY, "no memory for %d samples", n);
    }
    r->n++;
    return OK;
}
