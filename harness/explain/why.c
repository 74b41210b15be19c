/*
 * why.c - the words of attnbench why.
 */
#include "harness/explain/why.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "harness/report/table.h"

static void add(char text[WHY_TEXT], const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void add(char text[WHY_TEXT], const char *fmt, ...)
{
    const size_t n = strlen(text);
    va_list args;

    va_start(args, fmt);
    vsnprintf(text + n, WHY_TEXT - n, fmt, args);
    va_end(args);
}

/* How far the floor is; a floor above the time is explained or contradicted. */
static void add_floor(char text[WHY_TEXT], Standing standing, double ns,
                      double floor_ns)
{
    char a[32];

    if (standing == STANDING_WITHIN)
        add(text, "; %s times slower than its roofline bound",
            three_digits(ns / floor_ns, a));
    else if (standing == STANDING_SPARED)
        add(text, "; did less work than modelled: the modelled bound is %s",
            time_short(floor_ns, a));
    else
        add(text,
            "; a contradiction: its lower bound, %s, is above the time "
            "measured",
            time_short(floor_ns, a));
}

char *why_run(char text[WHY_TEXT], const StoredProfile *p, const Limits *l,
              const char *backend)
{
    const Level level = roofline_level(p, WHOLE_RUN, l);
    const Work w = roofline_work(p, WHOLE_RUN, level);
    const char *memory = level_name(level, backend);
    const double launches = quantity_value(p, WHOLE_RUN, "launches");
    /* on a CPU each step is one */
    const int kernels = isnan(launches) ? p->nsteps : (int)launches;
    char a[32], b[32];
    Place place;

    roofline_place(&place, &w, l, level);
    text[0] = '\0';
    add(text, "%s, %d kernel%s, moves %s times the minimum number of bytes",
        time_short(w.ns, a), kernels, kernels == 1 ? "" : "s",
        three_digits(w.bytes / w.compulsory, b));
    if (w.bytes_from == SOURCE_COUNTED)
        add(text, " (counted at %s)", memory);
    if (isnan(place.reached)) {
        add(text, "; no roof was measured for it");
        return text;
    }
    if (place.memory_bound)
        add(text, "; memory-bound at %.0f %% of %s's %s GB/s",
            100 * place.reached, memory,
            three_digits(l->bytes[level] / 1e9, a));
    else
        add(text, "; compute-bound at %.0f %% of %s GFLOP/s%s",
            100 * place.reached, three_digits(l->flops / 1e9, a),
            w.flops_from == SOURCE_COUNTED ? " (operations counted)" : "");
    add_floor(text, roofline_standing(p, WHOLE_RUN, l, level), w.ns,
              place.floor_ns);
    return text;
}

char *why_step(char text[WHY_TEXT], const StoredProfile *p, int step,
               const Limits *l, const char *backend)
{
    const Level level = roofline_level(p, step, l);
    const Work w = roofline_work(p, step, level);
    Place place;
    Source from;

    roofline_place(&place, &w, l, level);
    from = place.memory_bound ? w.bytes_from : w.flops_from;
    text[0] = '\0';
    if (!isnan(place.reached))
        add(text, "%3.0f %% of the roof of %s%s%s", 100 * place.reached,
            place.memory_bound ? level_name(level, backend) : "arithmetic",
            from == SOURCE_COUNTED ? " (counted)" : "",
            roofline_standing(p, step, l, level) == STANDING_CONTRADICTS
                ? ": a contradiction"
                : "");
    return text;
}

static bool is_counted(const StoredProfile *p, int step, const Limits *l)
{
    const Work w = roofline_work(p, step, roofline_level(p, step, l));

    return w.bytes_from == SOURCE_COUNTED || w.flops_from == SOURCE_COUNTED;
}

bool why_counted(const StoredProfile *p, const Limits *l)
{
    for (int i = WHOLE_RUN; i < p->nsteps; i++)
        if (is_counted(p, i, l))
            return true;
    return false;
}

bool why_spared(const StoredProfile *p, const Limits *l)
{
    for (int i = WHOLE_RUN; i < p->nsteps; i++)
        if (roofline_standing(p, i, l, roofline_level(p, i, l)) ==
            STANDING_SPARED)
            return true;
    return false;
}

#define MODELLED                                                             \
    "modelled: operations and bytes that the ops state; a multiply-add is "  \
    "2, an\n"                                                                \
    "operand is read once per op.  Bytes come from the nearest memory that " \
    "holds all\n"                                                            \
    "that the op, or the whole, touches."
#define SPARED                                                                \
    "  Above 100 %, the kernel did less work\nthan modelled: Winograd's "     \
    "convolution needs fewer operations than the definition,\nand part of a " \
    "map may have stayed in a cache nearer than the one that holds all\nof "  \
    "it."
#define COUNTED                                                                \
    "counted, where it says so: by the device's own counters, bytes at that\n" \
    "memory.  Bytes that a nearer cache served are not included, so there\n"   \
    "may be fewer than the minimum.  The memory named, DRAM or L2, is the\n"   \
    "one whose bytes take longer.  The minimum, and all else, is "

const char *why_sources(bool counted, bool spared)
{
    if (spared)
        return counted ? "(" COUNTED MODELLED SPARED ")\n"
                       : "(" MODELLED SPARED ")\n";
    return counted ? "(" COUNTED MODELLED ")\n" : "(" MODELLED ")\n";
}
