/*
 * test_roofline.c - what binds, how near it is, and what the floor is: by
 * hand, on a machine of round numbers.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analysis/roofline.h"
#include "tests/test.h"

/* 100 GFLOP/s; 90 GB/s from the near cache, 50 from the last, 10 from
 * memory. */
static Roofs machine(void)
{
    static const struct {
        const char *name, *unit;
        double value;
    } of[] = {
        { "l2_copy", "bytes/s", 70e9 },   { "l2_update", "bytes/s", 90e9 },
        { "llc_read", "bytes/s", 45e9 },  { "llc_update", "bytes/s", 50e9 },
        { "dram_read", "bytes/s", 8e9 },  { "dram_copy", "bytes/s", 10e9 },
        { "fma_f32", "flop/s", 100e9 },   { "dot_bf16", "flop/s", 200e9 },
        { "tile_bf16", "flop/s", 900e9 },
    };
    Roofs r = { .n = 0 };

    for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
        Roof *at = &r.at[r.n++];

        snprintf(at->name, sizeof(at->name), "%s", of[i].name);
        snprintf(at->unit, sizeof(at->unit), "%s", of[i].unit);
        at->value = of[i].value;
    }
    return r;
}

TEST(roofline, takes_the_fastest_of_the_roofs_that_apply)
{
    const Roofs r = machine();
    Limits l;

    roofline_limits(&l, &r, "f32");
    CHECK(l.bytes[LEVEL_CACHE] == 50e9 && l.bytes[LEVEL_DRAM] == 10e9);
    CHECK(l.bytes[LEVEL_PRIVATE] == 90e9 && l.flops == 100e9);
    CHECK(!strcmp(l.flops_name, "fma_f32"));
    CHECK(!strcmp(l.bytes_name[LEVEL_DRAM], "dram_copy"));
    roofline_limits(&l, &r, "bf16");
    CHECK(l.flops == 900e9 && !strcmp(l.flops_name, "tile_bf16"));
    roofline_limits(&l, &r, "f16");
    CHECK(isnan(l.flops) && l.bytes[LEVEL_DRAM] == 10e9);
}

/* A GPU's second level is its last. */
TEST(roofline, knows_l2_for_the_last_cache_where_there_is_no_other)
{
    Roofs r = machine();
    Limits l;

    for (int i = 0; i < r.n; i++)
        if (!strncmp(r.at[i].name, "llc", 3))
            r.at[i].name[2] = 'x';
    roofline_limits(&l, &r, "f32");
    CHECK(l.bytes[LEVEL_CACHE] == 90e9 && isnan(l.bytes[LEVEL_PRIVATE]));
}

TEST(roofline, says_what_binds_and_how_near_it_is)
{
    const Roofs r = machine();
    Place p;
    Limits l;
    Work w = { .ns = 200, .flops = 1000, .bytes = 1000, .compulsory = 250 };

    roofline_limits(&l, &r, "f32");
    /* 1000 bytes at 10 GB/s are 100 ns; 1000 FLOPs at 100 GFLOP/s are 10 */
    roofline_place(&p, &w, &l, LEVEL_DRAM);
    CHECK(p.memory_bound && p.intensity == 1);
    CHECK(fabs(p.reached - 0.5) < 1e-12 && fabs(p.floor_ns - 25) < 1e-12);
    roofline_place(&p, &w, &l, LEVEL_CACHE); /* 20 ns; floor 10 of FLOPs */
    CHECK(p.memory_bound && fabs(p.reached - 0.1) < 1e-12);
    CHECK(fabs(p.floor_ns - 10) < 1e-12);
    w.flops = 20000; /* 200 ns, so at the roof */
    roofline_place(&p, &w, &l, LEVEL_DRAM);
    CHECK(!p.memory_bound && fabs(p.reached - 1) < 1e-12);
    w.bytes = 0;
    roofline_place(&p, &w, &l, LEVEL_DRAM);
    CHECK(!p.memory_bound && isnan(p.intensity));
}

TEST(roofline, says_nothing_without_a_roof)
{
    const Roofs none = { .n = 0 };
    const Work w = { .ns = 1, .flops = 1, .bytes = 1, .compulsory = 1 };
    Limits l;
    Place p;

    roofline_limits(&l, &none, "f32");
    roofline_place(&p, &w, &l, LEVEL_DRAM);
    CHECK(isnan(p.reached) && isnan(p.floor_ns) && p.intensity == 1);
}

/* What was counted comes before what was modelled; a launch's own numbers are
 * not the step's; what has no value is passed over. */
TEST(roofline, prefers_what_was_counted)
{
    Quantity q[] = {
        { 0, "", "bytes", SOURCE_MODELLED, 100, "" },
        { 0, "a_kernel", "bytes", SOURCE_COUNTED, 7, "" },
        { 0, "", "bytes", SOURCE_COUNTED, 120, "" },
        { 0, "", "flops", SOURCE_COUNTED, NAN, "no permission" },
        { 0, "", "flops", SOURCE_MODELLED, 50, "" },
    };
    StoredProfile p = { .quantity = q, .nquantities = 5 };

    CHECK(quantity_value(&p, 0, "bytes") == 120);
    CHECK(quantity_value(&p, 0, "flops") == 50);
    CHECK(isnan(quantity_value(&p, 1, "flops")));
    CHECK(!strcmp(level_name(LEVEL_PRIVATE, "cpu"), "L2"));
    CHECK(!strcmp(level_name(LEVEL_CACHE, "cuda"), "L2"));
    CHECK(!strcmp(level_name(LEVEL_CACHE, "cpu"), "L3"));
}

/* Working set and cache sizes of the run; bytes of its step 0. */
static Level level_of(double set, double bytes, double near, double last,
                      int step)
{
    Quantity q[] = {
        { 0, "", "bytes", SOURCE_MODELLED, bytes, "" },
        { WHOLE_RUN, "", "working_set_bytes", SOURCE_MODELLED, set, "" },
        { WHOLE_RUN, "", "private_cache_bytes", SOURCE_MODELLED, near, "" },
        { WHOLE_RUN, "", "cache_bytes", SOURCE_MODELLED, last, "" },
    };

    return roofline_level(&(StoredProfile){ .quantity = q, .nquantities = 4 },
                          step);
}

TEST(roofline, bytes_come_from_the_nearest_memory_that_holds_all)
{
    CHECK(level_of(10, 1, 10, 20, WHOLE_RUN) == LEVEL_PRIVATE);
    CHECK(level_of(11, 1, 10, 20, WHOLE_RUN) == LEVEL_CACHE);
    CHECK(level_of(21, 1, 10, 20, WHOLE_RUN) == LEVEL_DRAM);
    CHECK(level_of(21, 10, 10, 20, 0) == LEVEL_PRIVATE);
    CHECK(level_of(21, 20, 10, 20, 0) == LEVEL_CACHE);
    /* not known: no cache is counted on */
    CHECK(level_of(1, 1, NAN, 20, WHOLE_RUN) == LEVEL_CACHE);
    CHECK(level_of(1, 1, NAN, NAN, WHOLE_RUN) == LEVEL_DRAM);
    CHECK(level_of(NAN, 1, 10, 20, WHOLE_RUN) == LEVEL_DRAM);
}
