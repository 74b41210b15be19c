/*
 * import_samples.c - the samples of an imported run, and their moments.
 */
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/report/import.h"
#include "kernels/core/err.h"

/* The fields of a Moment that are numbers; the text is "throttle". */
static const struct {
    const char *name;
    size_t offset;
} numbers[] = {
    { "clock_mhz", offsetof(Moment, clock_mhz) },
    { "temperature_c", offsetof(Moment, temperature_c) },
    { "power_w", offsetof(Moment, power_w) },
};
enum { NNUMBERS = sizeof(numbers) / sizeof(numbers[0]) };
static const char text_key[] = "throttle";

const char *import_moment_key(int i)
{
    if (i == NNUMBERS)
        return text_key;
    return i >= 0 && i < NNUMBERS ? numbers[i].name : NULL;
}

static int set_number(double *out, const char *key, const char *text)
{
    char *end;

    *out = strtod(text, &end);
    if (!*text)
        *out = NAN;
    else if (end == text || *end || !isfinite(*out))
        return fail(ERR_INPUT, "%s: '%.40s' is not a number", key, text);
    return OK;
}

int import_moment(Moment *m, const char *key, const char *text)
{
    for (int i = 0; i < NNUMBERS; i++)
        if (strcmp(key, numbers[i].name) == 0)
            return set_number((double *)((char *)m + numbers[i].offset), key,
                              text);
    BUG_IF(strcmp(key, text_key));
    m->throttle = *text ? text : NULL;
    return OK;
}

static int grow(ImportRun *r)
{
    const size_t n = r->room ? 2 * (size_t)r->room : 64;
    double *ns = realloc(r->ns, n * sizeof(*ns));
    int *round;
    Moment *moment;

    if (!ns)
        return fail(ERR_MEMORY, "memory ran out at %d samples", r->room);
    r->ns = ns;
    round = realloc(r->round, n * sizeof(*round));
    if (!round)
        return fail(ERR_MEMORY, "memory ran out at %d samples", r->room);
    r->round = round;
    moment = realloc(r->moment, n * sizeof(*moment));
    if (!moment)
        return fail(ERR_MEMORY, "memory ran out at %d samples", r->room);
    r->moment = moment;
    r->room = (int)n;
    return OK;
}

int import_sample(ImportRun *r, double ns, double round, const Moment *moment)
{
    const int n = r->outcome.n;

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
            return fail(ERR_MEMORY, "memory ran out at %d samples", n);
    }
    r->outcome.n++;
    return OK;
}

void import_free_samples(ImportRun *r)
{
    for (int i = 0; i < r->outcome.n; i++)
        free((char *)r->moment[i].throttle);
    free(r->moment);
    free(r->round);
    free(r->ns);
}
