/*
 * roofline.c - places work under the roofs of a machine.
 */
#include "analysis/roofline.h"

#include <math.h>
#include <string.h>

const char *level_name(Level level, const char *backend)
{
    return level == LEVEL_DRAM            ? "DRAM"
           : strcmp(backend, "cuda") == 0 ? "L2"
                                          : "L3";
}

/* The larger of what there is and the roof of that name. */
static void take(double *best, const char **name, const Roofs *roofs,
                 const char *candidate)
{
    const Roof *r = roofs_find(roofs, candidate);

    if (!r || !(isnan(*best) || r->value > *best))
        return;
    *best = r->value;
    *name = r->name;
}

void roofline_limits(Limits *out, const Roofs *roofs, const char *dtype)
{
    static const char *const cached[] = { "llc_read", "llc_write", "llc_copy",
                                          "l2_read",  "l2_write",  "l2_copy" };
    static const char *const in_dram[] = { "dram_read", "dram_write",
                                           "dram_copy" };
    static const char *const kinds[] = { "fma", "dot", "tile", "tensor" };
    double flops = NAN;

    *out = (Limits){ .bytes = { NAN, NAN },
                     .flops_name = "",
                     .bytes_name = { "", "" } };
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        char name[48] = "";

        strncat(name, kinds[i], 16);
        strcat(name, "_");
        strncat(name, dtype, 16);
        take(&flops, &out->flops_name, roofs, name);
    }
    out->flops[LEVEL_CACHE] = out->flops[LEVEL_DRAM] = flops;
    for (size_t i = 0; i < sizeof(cached) / sizeof(cached[0]); i++)
        take(&out->bytes[LEVEL_CACHE], &out->bytes_name[LEVEL_CACHE], roofs,
             cached[i]);
    for (size_t i = 0; i < sizeof(in_dram) / sizeof(in_dram[0]); i++)
        take(&out->bytes[LEVEL_DRAM], &out->bytes_name[LEVEL_DRAM], roofs,
             in_dram[i]);
}

/* NAN if either is. */
static double longer(double a, double b)
{
    return isnan(a) || isnan(b) ? NAN : a > b ? a : b;
}

void roofline_place(Place *out, const Work *w, const Limits *l, Level level)
{
    const double compute = w->flops / l->flops[level] * 1e9;
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
    const double launches = quantity_value(p, step, "launches");

    return (Work){
        .ns = quantity_value(p, step, "time_ns"),
        .flops = quantity_value(p, step, "flops"),
        .bytes = quantity_value(p, step, "bytes"),
        .compulsory = quantity_value(
            p, step, step == WHOLE_RUN ? "compulsory_bytes" : "bytes"),
        .launches = isnan(launches) ? 0 : (int)launches,
    };
}

Level roofline_level(const StoredProfile *p)
{
    const double set = quantity_value(p, WHOLE_RUN, "working_set_bytes");
    const double cache = quantity_value(p, WHOLE_RUN, "cache_bytes");

    return set <= cache ? LEVEL_CACHE : LEVEL_DRAM;
}
