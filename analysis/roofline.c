/*
 * roofline.c - places work under the roofs of a machine.
 */
#include "analysis/roofline.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *level_name(Level level, const char *backend)
{
    const bool gpu = strcmp(backend, "cuda") == 0;

    return level == LEVEL_DRAM            ? "DRAM"
           : level == LEVEL_CACHE && !gpu ? "L3"
                                          : "L2";
}

/* The larger of what there is and the roof of that name. */
static void take(double *best, const char **name, const Roofs *roofs,
                 const char *first, const char *second)
{
    char candidate[64];
    const Roof *r;

    snprintf(candidate, sizeof(candidate), "%s_%s", first, second);
    r = roofs_find(roofs, candidate);
    if (!r || !(isnan(*best) || r->value > *best))
        return;
    *best = r->value;
    *name = r->name;
}

void roofline_limits(Limits *out, const Roofs *roofs, const char *dtype)
{
    static const char *const ways[] = { "read", "write", "copy", "update" };
    static const char *const kinds[] = { "fma", "dot", "tile", "tensor" };
    /* A GPU's second level is its last. */
    const bool has_third = roofs_find(roofs, "llc_read") != NULL;
    const char *const memory[LEVELS] = { [LEVEL_PRIVATE] =
                                             has_third ? "l2" : "none",
                                         [LEVEL_CACHE] =
                                             has_third ? "llc" : "l2",
                                         [LEVEL_DRAM] = "dram" };

    *out = (Limits){ .flops = NAN, .flops_name = "" };
    for (int i = 0; i < 4; i++)
        take(&out->flops, &out->flops_name, roofs, kinds[i], dtype);
    for (int level = 0; level < LEVELS; level++) {
        out->bytes[level] = NAN;
        out->bytes_name[level] = "";
        for (int i = 0; i < 4; i++)
            take(&out->bytes[level], &out->bytes_name[level], roofs,
                 memory[level], ways[i]);
    }
}

/* NAN if either is. */
static double longer(double a, double b)
{
    return isnan(a) || isnan(b) ? NAN : a > b ? a : b;
}

void roofline_place(Place *out, const Work *w, const Limits *l, Level level)
{
    const double compute = w->flops / l->flops * 1e9;
    const double memory = w->bytes / l->bytes[level] * 1e9;

    *out = (Place){
        .intensity = w->bytes > 0 ? w->flops / w->bytes : NAN,
        .memory_bound = memory > compute,
        .reached = longer(compute, memory) / w->ns,
        .floor_ns = longer(compute, w->compulsory / l->bytes[level] * 1e9),
    };
}

double quantity_value(const StoredProfile *p, int step, const char *name)
{
    static const Source order[] = { SOURCE_COUNTED, SOURCE_TIMED,
                                    SOURCE_MODELLED };

    for (int k = 0; k < 3; k++)
        for (int i = 0; i < p->nquantities; i++) {
            const Quantity *q = &p->quantity[i];

            if (q->step == step && q->source == order[k] && !q->launch[0] &&
                !isnan(q->value) && strcmp(q->name, name) == 0)
                return q->value;
        }
    return NAN;
}

Work roofline_work(const StoredProfile *p, int step)
{
    return (Work){
        .ns = quantity_value(p, step, "time_ns"),
        .flops = quantity_value(p, step, "flops"),
        .bytes = quantity_value(p, step, "bytes"),
        .compulsory = quantity_value(
            p, step, step == WHOLE_RUN ? "compulsory_bytes" : "bytes"),
    };
}

Level roofline_level(const StoredProfile *p, int step)
{
    static const char *const caches[] = {
        [LEVEL_PRIVATE] = "private_cache_bytes",
        [LEVEL_CACHE] = "cache_bytes",
    };
    const double touched = quantity_value(
        p, step, step == WHOLE_RUN ? "working_set_bytes" : "bytes");
    int level = LEVEL_PRIVATE;

    /* A cache of unknown size, NAN, holds nothing. */
    while (level < LEVEL_DRAM &&
           !(touched <= quantity_value(p, WHOLE_RUN, caches[level])))
        level++;
    return (Level)level;
}
