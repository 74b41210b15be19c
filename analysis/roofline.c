/*
 * roofline.c - places work under the roofs of a machine.
 */
#include "analysis/roofline.h"

#include <math.h>
#include <stdarg.h>
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

bool roof_is_wide(const Roof *r)
{
    return r->hi - r->lo > 2 * ROOF_WIDE * r->value;
}

static void add_doubt(char text[ROOFS_DOUBT], const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void add_doubt(char text[ROOFS_DOUBT], const char *fmt, ...)
{
    const size_t n = strlen(text);
    va_list args;

    va_start(args, fmt);
    vsnprintf(text + n, ROOFS_DOUBT - n, fmt, args);
    va_end(args);
}

/* True if the one is slower than the other by more than their intervals. */
static bool is_below(const Roof *near, const Roof *far)
{
    return near && far && near->hi < far->lo;
}

/* The first memory that is slower than one behind it. */
static void doubt_levels(char text[ROOFS_DOUBT], const Roofs *roofs)
{
    const char *backend = roofs->n ? roofs->at[0].backend : "";
    Limits l;

    roofline_limits(&l, roofs, "f32");
    for (int near = 0; near < LEVELS; near++)
        for (int far = near + 1; far < LEVELS; far++)
            if (is_below(roofs_find(roofs, l.bytes_name[near]),
                         roofs_find(roofs, l.bytes_name[far]))) {
                add_doubt(text, "%s's %.3g GB/s is below %s's %.3g",
                          level_name((Level)near, backend), l.bytes[near] / 1e9,
                          level_name((Level)far, backend), l.bytes[far] / 1e9);
                return;
            }
}

char *roofs_doubt(char text[ROOFS_DOUBT], const Roofs *roofs)
{
    char why[ROOFS_DOUBT] = "";
    int wide = 0;

    doubt_levels(why, roofs);
    for (int i = 0; i < roofs->n; i++)
        wide += roof_is_wide(&roofs->at[i]);
    if (wide)
        add_doubt(why, "%s%d of %d have an interval wider than +-%.0f %%",
                  why[0] ? "; " : "", wide, roofs->n, 100 * ROOF_WIDE);
    text[0] = '\0';
    if (why[0])
        snprintf(text, ROOFS_DOUBT,
                 "roofs measured while the machine was busy (%.200s): "
                 "attnbench roofs --fresh",
                 why);
    return text;
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

/* Winograd's F(4x4,3x3) multiplies 36 times where the definition does 144; it
 * is the most that a kernel for convolutions spares, ours or a library's. */
static const double WINOGRAD_SPARES = 4;

static bool may_spare(const StoredStep *t)
{
    return strncmp(t->op, "conv2d", 6) == 0 &&
           (strstr(t->kernel, "winograd") || strstr(t->kernel, "onednn") ||
            strstr(t->kernel, "cudnn"));
}

/* The fewest operations that its algorithms may have done; counted ones are
 * what they are. */
static double least_flops(const StoredProfile *p, int step, const Work *w)
{
    double spared = 0;

    if (w->flops_from == SOURCE_COUNTED)
        return w->flops;
    for (int i = 0; i < p->nsteps; i++)
        if ((step == WHOLE_RUN || i == step) && may_spare(&p->step[i])) {
            const double flops = quantity_from(p, i, "flops", SOURCE_MODELLED);

            spared += isnan(flops) ? 0 : flops * (1 - 1 / WINOGRAD_SPARES);
        }
    return w->flops - spared;
}

/* The fastest memory that modelled bytes may have come from. */
static double fastest(const Limits *l, const Work *w, Level level)
{
    double most = l->bytes[level];

    for (int k = 0; k < LEVELS && w->bytes_from != SOURCE_COUNTED; k++)
        if (l->bytes[k] > most)
            most = l->bytes[k];
    return most;
}

Standing roofline_standing(const StoredProfile *p, int step, const Limits *l,
                           Level level)
{
    const Work w = roofline_work(p, step, level);
    double compute, memory;
    Place place;

    roofline_place(&place, &w, l, level);
    if (!(place.floor_ns > w.ns)) /* or not known */
        return STANDING_WITHIN;
    compute = least_flops(p, step, &w) / l->flops * 1e9;
    memory = place.floor_bytes / fastest(l, &w, level) * 1e9;
    return longer(compute, memory) > w.ns ? STANDING_CONTRADICTS
                                          : STANDING_SPARED;
}
