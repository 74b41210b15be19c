/*
 * tune.c - tries several ways, and keeps what was learnt
 *
 * Each way is run once for whatever is loaded at a first use.  Then come
 * rounds, in which each is timed over a few runs, so that a drift of the clock
 * hits all alike; the shortest time of a way counts, since all that disturbs
 * makes it longer.  The operands hold whatever was in memory, which is the same
 * for all.
 */
#include "kernels/cuda/tune.h"

#include <math.h>
#include <stdio.h>

#include "kernels/core/err.h"

enum { MAX_WAYS = 16, ROUNDS = 5, RUNS = 4, KEY = TUNE_KEY + 160 };

/* Nanoseconds of RUNS runs, one after the other. */
static int time_runs(CudaDevice *cuda, const Ways *ways, int i, double *ns)
{
    const Backend *backend = cuda->base.backend;
    int err = OK;

    TRY(backend->clock_start(&cuda->base));
    for (int k = 0; k < RUNS && !err; k++)
        err = ways->run(cuda, ways->arg, i);
    TRY(backend->clock_stop(&cuda->base, ns)); /* also after an error */
    return err;
}

int tune(CudaDevice *cuda, const Ways *ways, int *best)
{
    double least[MAX_WAYS], ns;
    int err = OK;

    BUG_IF(ways->n < 1 || ways->n > MAX_WAYS);
    for (int i = 0; i < ways->n; i++) {
        const int failed = time_runs(cuda, ways, i, &ns);

        least[i] = failed ? NAN : INFINITY;
        err = failed ? failed : err;
    }
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < ways->n; i++) {
            if (isnan(least[i]))
                continue;
            TRY(time_runs(cuda, ways, i, &ns));
            least[i] = fmin(least[i], ns);
        }
    *best = -1;
    for (int i = 0; i < ways->n; i++)
        if (!isnan(least[i]) && (*best < 0 || least[i] < least[*best]))
            *best = i;
    return *best < 0 ? err : OK;
}

static char *full_key(const CudaDevice *cuda, const char *key, char text[KEY])
{
    snprintf(text, KEY, "%s; %s", key, cuda->base.about);
    return text;
}

bool tune_recall(const CudaDevice *cuda, const char *key, char *value,
                 size_t size)
{
    const Notes *notes = cuda->notes;
    char text[KEY];

    return notes &&
           notes->find(notes->arg, full_key(cuda, key, text), value, size);
}

void tune_note(const CudaDevice *cuda, const char *key, const char *value)
{
    const Notes *notes = cuda->notes;
    char text[KEY];

    if (notes)
        notes->keep(notes->arg, full_key(cuda, key, text), value);
}
