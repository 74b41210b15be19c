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
    const double least =
        w->bytes_from == SOURCE_COUNTED && w->bytes < w->compulsory
            ? w->bytes
            : w->compulsory;

    *out = (Place){
        .intensity = w->bytes > 0 ? w->flops / w->bytes : NAN,
        .memory_bound = memory > compute,
        .reached = longer(compute, memory) / w->ns,
        .floor_bytes = least,
        .floor_ns = longer(compute, least / l->bytes[level] * 1e9),
    };
}

double quantity_from(const StoredProfile *p, int step, const char *name,
                     Source source)
{
    for (int i = 0; i < p->nquantities; i++) {
        const Quantity *q = &p->quantity[i];

        if (q->step == step && q->source == source && !q->launch[0] &&
            !isnan(q->value) && strcmp(q->name, name) == 0)
            return q->value;
    }
    return NAN;
}

double quantity_value(const StoredProfile *p, int step, const char *name)
{
    static const Source order[] = { SOURCE_COUNTED, SOURCE_TIMED,
                                    SOURCE_MODELLED };

    for (int k = 0; k < 3; k++) {
        const double value = quantity_from(p, step, name, order[k]);

        if (!isnan(value))
            return value;
    }
    return NAN;
}

/* NAN if any of the names has none. */
static double counted(const StoredProfile *p, int step,
                      const char *const *names)
{
    double sum = 0;

    for (; *names; names++)
        sum += quantity_from(p, step, *names, SOURCE_COUNTED);
    return sum;
}

/* Bytes that crossed the level; NAN where nobody counted them. */
static double counted_bytes(const StoredProfile *p, int step, Level level)
{
    static const char *const dram[] = { "dram_read_bytes", "dram_write_bytes",
                                        NULL },
                             *const l2[] = { "l2_bytes", NULL };

    /* only GPUs count l2_bytes, whose L2 is their last cache */
    return level == LEVEL_DRAM    ? counted(p, step, dram)
           : level == LEVEL_CACHE ? counted(p, step, l2)
                                  : NAN;
}

/* A CPU counts them together. */
static double counted_flops(const StoredProfile *p, int step)
{
    static const char *const kinds[] = { "fp32_flops", "fp16_flops",
                                         "tensor_flops", NULL };
    const double flops = quantity_from(p, step, "flops", SOURCE_COUNTED);

    return isnan(flops) ? counted(p, step, kinds) : flops;
}

Work roofline_work(const StoredProfile *p, int step, Level level)
{
    const double bytes = counted_bytes(p, step, level);
    const double flops = counted_flops(p, step);

#define MODELLED(name) quantity_from(p, step, name, SOURCE_MODELLED)
    return (Work){
        .ns = quantity_from(p, step, "time_ns", SOURCE_TIMED),
        .flops = isnan(flops) ? MODELLED("flops") : flops,
        .flops_from = isnan(flops) ? SOURCE_MODELLED : SOURCE_COUNTED,
        .bytes = isnan(bytes) ? MODELLED("bytes") : bytes,
        .bytes_from = isnan(bytes) ? SOURCE_MODELLED : SOURCE_COUNTED,
        .compulsory =
            MODELLED(step == WHOLE_RUN ? "compulsory_bytes" : "bytes"),
    };
#undef MODELLED
}

/* The nearest memory that holds all that is touched. */
static Level level_by_size(const StoredProfile *p, int step)
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

Level roofline_level(const StoredProfile *p, int step, const Limits *l)
{
    const double cache =
        counted_bytes(p, step, LEVEL_CACHE) / l->bytes[LEVEL_CACHE];
    const double dram =
        counted_bytes(p, step, LEVEL_DRAM) / l->bytes[LEVEL_DRAM];

    if (isnan(cache) || isnan(dram))
        return level_by_size(p, step);
    return cache > dram ? LEVEL_CACHE : LEVEL_DRAM;
}
