/*
 * test_roofline.c - what binds, how near it is, and what the floor is: by
 * hand, on a machine of round numbers.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analysis/roofline.h"
#include "tests/test.h"

/* 100 GFLOP/s; 50 GB/s from the cache, 10 from memory. */
static Roofs machine(void)
{
    static const struct {
        const char *name, *unit;
        double value;
    } of[] = {
        { "llc_read", "bytes/s", 50e9 },  { "llc_copy", "bytes/s", 40e9 },
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
    CHECK(l.flops[LEVEL_CACHE] == 100e9 && l.flops[LEVEL_DRAM] == 100e9);
    CHECK(!strcmp(l.flops_name, "fma_f32"));
    CHECK(!strcmp(l.bytes_name[LEVEL_DRAM], "dram_copy"));
    roofline_limits(&l, &r, "bf16");
    CHECK(l.flops[LEVEL_DRAM] == 900e9 && !strcmp(l.flops_name, "tile_bf16"));
    roofline_limits(&l, &r, "f16");
    CHECK(isnan(l.flops[LEVEL_DRAM]) && l.bytes[LEVEL_DRAM] == 10e9);
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
        { WHOLE_RUN, "", "working_set_bytes", SOURCE_MODELLED, 10, "" },
        { WHOLE_RUN, "", "cache_bytes", SOURCE_MODELLED, 9, "" },
    };
    StoredProfile p = { .quantity = q, .nquantities = 7 };

    CHECK(quantity_value(&p, 0, "bytes") == 120);
    CHECK(quantity_value(&p, 0, "flops") == 50);
    CHECK(isnan(quantity_value(&p, 1, "flops")));
    CHECK(roofline_level(&p) == LEVEL_DRAM);
    q[6].value = 10;
    CHECK(roofline_level(&p) == LEVEL_CACHE);
    q[6].value = NAN; /* not known: no cache is counted on */
    CHECK(roofline_level(&p) == LEVEL_DRAM);
    CHECK(!strcmp(level_name(LEVEL_CACHE, "cuda"), "L2"));
    CHECK(!strcmp(level_name(LEVEL_CACHE, "cpu"), "L3"));
}
