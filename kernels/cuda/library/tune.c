/*
 * tune.c - tries several ways, and keeps what was learnt
 *
 * Each way is run once for whatever is loaded at a first use.  Then come
 * rounds, in which each is timed over a few runs, so that a drift of the clock
 * hits all alike; those that are far behind are left out of the next.  The
 * shortest time of a way counts, since all that disturbs makes it longer.  The
 * operands hold whatever was in memory, which is the same for all.
 */
#include "kernels/cuda/library/tune.h"

#include <math.h>
#include <stdio.h>

#include "kernels/core/err.h"

enum { MAX_WAYS = 24, ROUNDS = 5, RUNS = 4, KEY = TUNE_KEY + 160 };
static const double FAR_BEHIND = 1.5; /* times the fastest */

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

/* Ways that are still in it, with the shortest time of each so far. */
typedef struct Race {
    int n, way[MAX_WAYS];
    double ns[MAX_WAYS];
} Race;

/* Runs each way once; those that can are in the race. */
static int enter(CudaDevice *cuda, const Ways *ways, Race *r)
{
    int err = OK;

    r->n = 0;
    for (int i = 0; i < ways->n; i++) {
        const int failed = ways->run(cuda, ways->arg, i);

        r->way[r->n] = i;
        r->ns[r->n] = INFINITY;
        r->n += !failed;
        err = failed ? failed : err;
    }
    return r->n ? OK : err;
}

static int leader(const Race *r)
{
    int best = 0;

    for (int k = 1; k < r->n; k++)
        best = r->ns[k] < r->ns[best] ? k : best;
    return best;
}

static void drop_slow(Race *r)
{
    const double limit = FAR_BEHIND * r->ns[leader(r)];
    int n = 0;

    for (int k = 0; k < r->n; k++)
        if (r->ns[k] <= limit) {
            r->way[n] = r->way[k];
            r->ns[n++] = r->ns[k];
        }
    r->n = n;
}

int tune(CudaDevice *cuda, const Ways *ways, int *best)
{
    Race r;
    double ns;

    BUG_IF(ways->n < 1 || ways->n > MAX_WAYS);
    TRY(enter(cuda, ways, &r));
    for (int round = 0; round < ROUNDS; round++) {
        for (int k = 0; k < r.n; k++) {
            TRY(time_runs(cuda, ways, r.way[k], &ns));
            r.ns[k] = fmin(r.ns[k], ns);
        }
        drop_slow(&r);
    }
    *best = r.way[leader(&r)];
    return OK;
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
