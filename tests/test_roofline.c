/*
 * test_roofline.c - what binds, how near it is, and what the floor is: by
 * hand, on a machine of round numbers; and in words.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "analysis/roofline.h"
#include "harness/explain/why.h"
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

/* Counted values come before modelled ones; a launch's own numbers are not the
 * step's; missing values are skipped. */
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
    const Roofs r = machine();
    Limits limits;

    roofline_limits(&limits, &r, "f32");
    return roofline_level(&(StoredProfile){ .quantity = q, .nquantities = 4 },
                          step, &limits);
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

/* ---- counted ---------------------------------------------------------- */

/* A run of 200 ns, 1000 FLOPs and 1000 bytes as modelled, 250 of them
 * compulsory, of which counters say what they say: NAN is nothing. */
typedef struct Counts {
    double dram_read, dram_write, l2, fp32, fp16, tensor;
} Counts;

static StoredProfile counted(const Counts *c)
{
    static const char *const names[] = { "dram_read_bytes", "dram_write_bytes",
                                         "l2_bytes",        "fp32_flops",
                                         "fp16_flops",      "tensor_flops" };
    static const Quantity modelled[] = {
        { WHOLE_RUN, "", "time_ns", SOURCE_TIMED, 200, "" },
        { WHOLE_RUN, "", "flops", SOURCE_MODELLED, 1000, "" },
        { WHOLE_RUN, "", "bytes", SOURCE_MODELLED, 1000, "" },
        { WHOLE_RUN, "", "compulsory_bytes", SOURCE_MODELLED, 250, "" },
        { WHOLE_RUN, "", "working_set_bytes", SOURCE_MODELLED, 1e6, "" },
        { WHOLE_RUN, "", "cache_bytes", SOURCE_MODELLED, 1e3, "" },
        { WHOLE_RUN, "", "transcendentals", SOURCE_COUNTED, 320, "" },
    };
    enum { MODELLED = sizeof(modelled) / sizeof(modelled[0]), COUNTED = 6 };
    static Quantity q[MODELLED + COUNTED];
    const double *values = &c->dram_read;

    memcpy(q, modelled, sizeof(modelled));
    for (int i = 0; i < COUNTED; i++) {
        Quantity *to = &q[MODELLED + i];

        *to = (Quantity){ .step = WHOLE_RUN,
                          .source = SOURCE_COUNTED,
                          .value = values[i] };
        snprintf(to->name, sizeof(to->name), "%s", names[i]);
    }
    return (StoredProfile){ .quantity = q, .nquantities = MODELLED + COUNTED };
}

static const Counts nothing = { NAN, NAN, NAN, NAN, NAN, NAN };

TEST(roofline, bytes_are_those_that_were_counted_at_the_level)
{
    Counts c = nothing;
    StoredProfile p;
    Work w;

    c.dram_read = 300;
    p = counted(&c); /* half of it is no count */
    w = roofline_work(&p, WHOLE_RUN, LEVEL_DRAM);
    CHECK(w.bytes == 1000 && w.bytes_from == SOURCE_MODELLED);
    c.dram_write = 100;
    c.l2 = 4000;
    p = counted(&c);
    w = roofline_work(&p, WHOLE_RUN, LEVEL_DRAM);
    CHECK(w.bytes == 400 && w.bytes_from == SOURCE_COUNTED);
    CHECK(w.compulsory == 250 && w.flops_from == SOURCE_MODELLED);
    w = roofline_work(&p, WHOLE_RUN, LEVEL_CACHE);
    CHECK(w.bytes == 4000 && w.bytes_from == SOURCE_COUNTED);
    w = roofline_work(&p, WHOLE_RUN, LEVEL_PRIVATE);
    CHECK(w.bytes == 1000 && w.bytes_from == SOURCE_MODELLED);
}

TEST(roofline, operations_are_counted_all_or_none)
{
    Counts c = nothing;
    StoredProfile p;
    Work w;

    c.fp32 = 100;
    c.fp16 = 20;
    p = counted(&c);
    w = roofline_work(&p, WHOLE_RUN, LEVEL_DRAM);
    CHECK(w.flops == 1000 && w.flops_from == SOURCE_MODELLED);
    c.tensor = 3;
    p = counted(&c);
    w = roofline_work(&p, WHOLE_RUN, LEVEL_DRAM);
    CHECK(w.flops == 123 && w.flops_from == SOURCE_COUNTED);
}

/* 50 GB/s of the cache, 10 of DRAM: 400 bytes and 2000 take as long. */
TEST(roofline, what_was_counted_at_both_is_at_the_level_that_takes_longer)
{
    const Roofs r = machine();
    Counts c = { 300, 100, 2001, NAN, NAN, NAN };
    StoredProfile p;
    Limits l;

    roofline_limits(&l, &r, "f32");
    p = counted(&c);
    CHECK(roofline_level(&p, WHOLE_RUN, &l) == LEVEL_CACHE);
    c.l2 = 1999;
    p = counted(&c);
    CHECK(roofline_level(&p, WHOLE_RUN, &l) == LEVEL_DRAM);
    c.dram_write = NAN; /* of the working set, 1e6 */
    c.l2 = 1e9;
    p = counted(&c);
    CHECK(roofline_level(&p, WHOLE_RUN, &l) == LEVEL_DRAM);
}

TEST(roofline, no_more_must_be_moved_than_was_counted)
{
    const Roofs r = machine();
    Work w = { .ns = 200, .flops = 100, .bytes = 100, .compulsory = 250 };
    Limits l;
    Place p;

    roofline_limits(&l, &r, "f32");
    w.bytes_from = SOURCE_COUNTED;
    roofline_place(&p, &w, &l, LEVEL_DRAM);
    CHECK(p.floor_bytes == 100 && fabs(p.floor_ns - 10) < 1e-12);
    w.bytes_from = SOURCE_MODELLED;
    roofline_place(&p, &w, &l, LEVEL_DRAM);
    CHECK(p.floor_bytes == 250 && fabs(p.floor_ns - 25) < 1e-12);
}

/* ---- in words ------------------------------------------------------------ */

static const char *words(const Counts *c)
{
    static char text[WHY_TEXT];
    const Roofs r = machine();
    StoredProfile p = counted(c);
    StoredStep steps[27];
    Limits l;

    p.step = steps;
    p.nsteps = 27;
    roofline_limits(&l, &r, "f32");
    CHECK(why_counted(&p, &l) ==
          (strstr(why_run(text, &p, &l, "cuda"), "counted") != NULL));
    return text;
}

TEST(why, says_what_was_counted_and_nothing_of_what_was_not)
{
    Counts c = nothing;

    CHECK_MSG(
        !strcmp(words(&c),
                "200 ns, 27 kernels, moves 4.00 times the minimum "
                "number of bytes; memory-bound at 50 % of DRAM's 10.0 GB/s; "
                "8.00 times slower than its roofline bound"),
        "%s", words(&c));
    c.dram_read = 300;
    c.dram_write = 200;
    CHECK_MSG(
        !strcmp(
            words(&c),
            "200 ns, 27 kernels, moves 2.00 times the minimum "
            "number of bytes (counted at DRAM); memory-bound at 25 % of DRAM's "
            "10.0 GB/s; 8.00 times slower than its roofline bound"),
        "%s", words(&c));
    c.l2 = 5000;
    CHECK_MSG(strstr(words(&c),
                     "moves 20.0 times the minimum number of bytes "
                     "(counted at L2); memory-bound at 50 % of L2's "
                     "50.0 GB/s; 20.0 times slower than its roofline bound"),
              "%s", words(&c));
    c = nothing;
    c.fp32 = 18000;
    c.fp16 = c.tensor = 0;
    CHECK_MSG(strstr(words(&c), "moves 4.00 times the minimum number of bytes; "
                                "compute-bound at 90 % of 100 GFLOP/s "
                                "(operations counted); 1.11 times slower "
                                "than its roofline bound"),
              "%s", words(&c));
}

TEST(why, steps_and_footnote_name_their_sources)
{
    Quantity q[] = {
        { 0, "", "time_ns", SOURCE_TIMED, 200, "" },
        { 0, "", "flops", SOURCE_MODELLED, 10, "" },
        { 0, "", "bytes", SOURCE_MODELLED, 1000, "" },
        { 0, "", "dram_read_bytes", SOURCE_COUNTED, 100, "" },
        { 0, "", "dram_write_bytes", SOURCE_COUNTED, 100, "" },
    };
    StoredStep step;
    StoredProfile p = { &step, 1, q, 3 };
    const Roofs r = machine(), none = { .n = 0 };
    char text[WHY_TEXT];
    Limits l;

    roofline_limits(&l, &r, "f32");
    CHECK(
        !strcmp(why_step(text, &p, 0, &l, "cpu"), " 50 % of the roof of DRAM"));
    CHECK(!why_counted(&p, &l));
    p.nquantities = 5;
    CHECK(!strcmp(why_step(text, &p, 0, &l, "cuda"),
                  " 10 % of the roof of DRAM (counted)"));
    CHECK(why_counted(&p, &l));
    roofline_limits(&l, &none, "f32");
    CHECK(!why_step(text, &p, 0, &l, "cuda")[0]);
    CHECK(!strncmp(why_sources(false, false), "(modelled: ", 11));
    CHECK(!strncmp(why_sources(true, false),
                   "(counted, where it says so: ", 28) &&
          strstr(why_sources(true, false), "is modelled: "));
}

/* ---- roofs that cannot be --------------------------------------------- */

static Roof *of_name(Roofs *r, const char *name)
{
    for (int i = 0; i < r->n; i++)
        if (!strcmp(r->at[i].name, name))
            return &r->at[i];
    return NULL;
}

/* All with the interval that a quiet machine gives. */
static Roofs quiet_machine(void)
{
    Roofs r = machine();

    for (int i = 0; i < r.n; i++) {
        snprintf(r.at[i].backend, sizeof(r.at[i].backend), "cpu");
        r.at[i].lo = 0.95 * r.at[i].value;
        r.at[i].hi = 1.05 * r.at[i].value;
    }
    return r;
}

TEST(roofline, a_memory_slower_than_the_next_is_a_contradiction)
{
    Roofs r = quiet_machine();
    char text[ROOFS_DOUBT];

    CHECK_MSG(!roofs_doubt(text, &r)[0], "%s", text);
    of_name(&r, "llc_read")->value = of_name(&r, "llc_update")->value = 4.77e9;
    of_name(&r, "llc_read")->lo = of_name(&r, "llc_update")->lo = 4.7e9;
    of_name(&r, "llc_read")->hi = of_name(&r, "llc_update")->hi = 4.8e9;
    CHECK_MSG(!strcmp(roofs_doubt(text, &r),
                      "roofs measured while the machine was busy (L3's 4.77 "
                      "GB/s is below DRAM's 10): attnbench roofs --fresh"),
              "%s", text);
    r = quiet_machine();
    of_name(&r, "l2_copy")->value = of_name(&r, "l2_update")->value = 20e9;
    of_name(&r, "l2_copy")->hi = of_name(&r, "l2_update")->hi = 21e9;
    CHECK_MSG(strstr(roofs_doubt(text, &r), "L2's 20 GB/s is below L3's 50"),
              "%s", text);
}

/* A level that is a little slower than the next one, within the intervals. */
TEST(roofline, levels_within_their_intervals_are_no_contradiction)
{
    Roofs r = quiet_machine();
    char text[ROOFS_DOUBT];

    for (int i = 0; i < 2; i++) {
        Roof *near = of_name(&r, i ? "llc_read" : "llc_update");

        near->value = 9.9e9;
        near->lo = 9.5e9;
        near->hi = 10.3e9;
    }
    CHECK_MSG(!roofs_doubt(text, &r)[0], "%s", text);
}

TEST(roofline, a_roof_with_a_wide_interval_is_marked)
{
    Roofs r = quiet_machine();
    char text[ROOFS_DOUBT];

    r.at[0].lo = 0.81 * r.at[0].value;
    r.at[0].hi = 1.19 * r.at[0].value;
    CHECK(!roof_is_wide(&r.at[0]) && !roofs_doubt(text, &r)[0]);
    r.at[0].lo = 0.1 * r.at[0].value;
    CHECK(roof_is_wide(&r.at[0]));
    CHECK_MSG(strstr(roofs_doubt(text, &r),
                     "1 of 9 have an interval wider than +-20 %"),
              "%s", text);
}

/* 1000 FLOPs at 100 GFLOP/s take 10 ns, 1000 bytes of DRAM 100, of L2 11. */
static Standing standing(double ns, const char *op, const char *kernel)
{
    Quantity q[] = {
        { 0, "", "time_ns", SOURCE_TIMED, ns, "" },
        { 0, "", "flops", SOURCE_MODELLED, 1000, "" },
        { 0, "", "bytes", SOURCE_MODELLED, 10, "" },
    };
    StoredStep step = { .op = "" };
    const StoredProfile p = { &step, 1, q, 3 };
    const Roofs r = machine();
    Limits l;

    snprintf(step.op, sizeof(step.op), "%s", op);
    snprintf(step.kernel, sizeof(step.kernel), "%s", kernel);
    roofline_limits(&l, &r, "f32");
    return roofline_standing(&p, 0, &l, LEVEL_DRAM);
}

TEST(roofline, only_an_algorithm_explains_a_time_below_its_floor)
{
    CHECK(standing(20, "conv2d", "gemm") == STANDING_WITHIN);
    CHECK(standing(4, "conv2d", "winograd") == STANDING_SPARED);
    CHECK(standing(4, "conv2d", "onednn") == STANDING_SPARED);
    CHECK(standing(4, "conv2d", "gemm") == STANDING_CONTRADICTS);
    CHECK(standing(4, "linear", "onednn") == STANDING_CONTRADICTS);
    CHECK(standing(2, "conv2d", "winograd") == STANDING_CONTRADICTS);
}

/* A time is explained by a nearer cache as far as that is fast. */
TEST(roofline, a_nearer_cache_explains_what_it_can_move)
{
    Quantity q[] = {
        { 0, "", "time_ns", SOURCE_TIMED, 50, "" },
        { 0, "", "flops", SOURCE_MODELLED, 10, "" },
        { 0, "", "bytes", SOURCE_MODELLED, 1000, "" },
    };
    StoredStep step = { .op = "add" };
    const StoredProfile p = { &step, 1, q, 3 };
    const Roofs r = machine();
    char text[WHY_TEXT];
    Limits l;

    roofline_limits(&l, &r, "f32");
    CHECK(roofline_standing(&p, 0, &l, LEVEL_DRAM) == STANDING_SPARED);
    CHECK(why_spared(&p, &l));
    q[0].value = 5;
    CHECK(roofline_standing(&p, 0, &l, LEVEL_DRAM) == STANDING_CONTRADICTS);
    CHECK(!why_spared(&p, &l));
    CHECK_MSG(strstr(why_step(text, &p, 0, &l, "cpu"), ": a contradiction"),
              "%s", text);
    CHECK(!strstr(why_sources(false, false), "less work"));
    CHECK(strstr(why_sources(false, true), "less work"));
}

TEST(why, a_floor_above_the_time_is_called_a_contradiction)
{
    Counts c = nothing;
    char text[WHY_TEXT];

    snprintf(text, sizeof(text), "%s", words(&c));
    CHECK(!strstr(text, "contradiction"));
    c.fp32 = 1e6;
    c.fp16 = c.tensor = 0;
    CHECK_MSG(strstr(words(&c), "; a contradiction: its lower bound, 10.0 "
                                "us, is above the time measured"),
              "%s", words(&c));
}
