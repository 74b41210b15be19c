/*
 * test_roofs.c - roofs are of this machine, within what a machine can do, and
 * kept.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness/devices/backends.h"
#include "harness/devices/environment.h"
#include "harness/explain/roofs.h"
#include "kernels/cpu/peaks.h"
#include "tests/databases.h"
#include "tests/test.h"

enum { NUMBERS = 5 * 512 + 128 }; /* a multiple of every loop's step */

static const struct {
    const char *isa;
    const Peaks *peaks;
} sets[] = {
    { "generic", &peaks_generic },
#if defined(__x86_64__)
    { "avx2", &peaks_avx2 },
    { "avx512", &peaks_avx512 },
#endif
};

/* The loops touch every number, and no other. */
TEST(roofs, loops_move_what_they_say)
{
    float *from = aligned_alloc(64, (NUMBERS + 64) * sizeof(float));
    float *to = aligned_alloc(64, (NUMBERS + 64) * sizeof(float));

    for (size_t k = 0; k < sizeof(sets) / sizeof(sets[0]); k++) {
        Device *dev;

        if (backend_open(&dev, "cpu", &(DeviceSettings){ .isa = sets[k].isa }))
            continue; /* not this processor's */
        backend_close(dev);
        for (int past = 0; past < 2; past++) {
            for (int i = 0; i < NUMBERS + 64; i++) {
                from[i] = (float)(i + 1);
                to[i] = -1;
            }
            sets[k].peaks->copy(to, from, NUMBERS, past);
            CHECK(memcmp(to, from, NUMBERS * sizeof(float)) == 0);
            CHECK(to[NUMBERS] == -1);
            sets[k].peaks->write(to, NUMBERS, past);
            for (int i = 0; i < NUMBERS; i++)
                CHECK(to[i] == 1);
            CHECK(to[NUMBERS] == -1);
            sets[k].peaks->update(from, NUMBERS);
            for (int i = 0; i < NUMBERS; i++)
                CHECK(from[i] == (float)-i);
            CHECK(from[NUMBERS] == NUMBERS + 1);
        }
        CHECK(sets[k].peaks->fma(1) > 0);
        CHECK(sets[k].peaks->fma(3) == 3 * sets[k].peaks->fma(1));
    }
    free(from);
    free(to);
}

/* A core does at most 64 multiply-adds of f32 a cycle, at most 7 GHz. */
TEST(roofs, of_the_cpu_are_within_what_cores_can_do)
{
    const double most = 2.0 * 64 * 7e9 * environment_cores();
    const Roof *fma, *llc, *dram;
    Device *dev;
    Roofs r;

    REQUIRE(backend_open(&dev, "cpu", &(DeviceSettings){ .isa = "" }) == OK);
    REQUIRE(roofs_measure(&r, dev, 0, NULL) == OK);
    for (int i = 0; i < r.n; i++) {
        CHECK(r.at[i].lo > 0 && r.at[i].lo <= r.at[i].value);
        CHECK(r.at[i].value <= r.at[i].hi && r.at[i].n >= 7);
        for (int k = 0; k < i; k++)
            CHECK(strcmp(r.at[i].name, r.at[k].name));
    }
    fma = roofs_find(&r, "fma_f32");
    llc = roofs_find(&r, "llc_read");
    dram = roofs_find(&r, "dram_read");
    REQUIRE(fma && llc && dram && !roofs_find(&r, "dram"));
    CHECK(roofs_find(&r, "llc_update") && roofs_find(&r, "dram_update"));
    CHECK(!roofs_find(&r, "l2_read") ==
          !dev->backend->private_cache_bytes(dev));
    CHECK_MSG(fma->value < most, "%g FLOP/s are more than %g", fma->value,
              most);
    CHECK(!strcmp(fma->unit, "flop/s") && !strcmp(dram->unit, "bytes/s"));
    backend_close(dev);
}

TEST(roofs, are_kept_for_the_threads_they_were_measured_with)
{
    const char *path = temp_path("roofs.db");
    Device *one, *two;
    Roofs r, back;
    Store *s;

    REQUIRE(backend_open(&one, "cpu",
                         &(DeviceSettings){ .threads = 1, .isa = "generic" }) ==
            OK);
    REQUIRE(backend_open(&two, "cpu",
                         &(DeviceSettings){ .threads = 2,
                                            .isa = "generic",
                                            .crowded = true }) == OK);
    REQUIRE(store_open(&s, path, STORE_WRITE) == OK);
    REQUIRE(roofs_read(&r, s, one) == OK);
    CHECK(r.n == 0);
    REQUIRE(roofs_measure(&r, one, 0, s) == OK);
    REQUIRE(roofs_read(&back, s, one) == OK);
    CHECK(back.n == r.n);
    for (int i = 0; i < r.n; i++) {
        const Roof *q = roofs_find(&back, r.at[i].name);

        REQUIRE(q);
        CHECK(q->value == r.at[i].value && q->n == r.at[i].n);
    }
    REQUIRE(roofs_get(&back, s, one, 0, false) == OK); /* not measured again */
    CHECK(back.n == r.n && back.at[0].measured_at[0]);
    CHECK(roofs_find(&back, "fma_f32")->value ==
          roofs_find(&r, "fma_f32")->value);
    REQUIRE(roofs_read(&back, s, two) == OK);
    CHECK(back.n == 0);
    store_close(s);
    backend_close(one);
    backend_close(two);
}

/* An open device pins its threads; the machine stays what it is. */
TEST(roofs, are_of_the_machine_that_runs_are_of)
{
    Machine before, after;
    Device *dev;

    environment_machine(&before);
    REQUIRE(backend_open(&dev, "cpu", &(DeviceSettings){ .isa = "" }) == OK);
    REQUIRE(dev->backend->clock_start(dev) == OK);
    environment_machine(&after);
    CHECK(after.cores == before.cores && after.cores >= dev->threads);
    backend_close(dev);
}

TEST(roofs, of_the_reference_are_none)
{
    Device *dev;
    Roofs r;

    REQUIRE(backend_open(&dev, "ref", NULL) == OK);
    CHECK(roofs_measure(&r, dev, 0, NULL) == ERR_UNSUPPORTED);
    backend_close(dev);
}

/* ---- kept one by one ----------------------------------------------------- */

static bool three_roofs(Device *dev, int i, RoofKind *out)
{
    static const char *const names[] = { "l2_read", "llc_read", "dram_read" };

    (void)dev;
    if (i < 3)
        *out = (RoofKind){ names[i], ROOF_BYTES };
    return i < 3;
}

/* The last of them cannot be measured. */
static int run_two(Device *dev, int i, double *work)
{
    (void)dev;
    *work = 1e6;
    return i < 2 ? OK : fail(ERR_DEVICE, "the third fails");
}

static int runs;

static int run_all(Device *dev, int i, double *work)
{
    (void)dev, (void)i;
    runs++;
    *work = 1e6;
    return OK;
}

static int start_clock(Device *dev)
{
    (void)dev;
    return OK;
}

static int stop_clock(Device *dev, double *ns)
{
    (void)dev;
    *ns = 1e3;
    return OK;
}

TEST(roofs, are_kept_one_by_one)
{
    static const Backend backend = { .name = "cpu",
                                     .roof_at = three_roofs,
                                     .roof_run = run_two,
                                     .clock_start = start_clock,
                                     .clock_stop = stop_clock };
    Device dev = { .backend = &backend, .threads = 2 };
    Roofs r;
    Store *s;

    REQUIRE(store_open(&s, temp_path("one_by_one.db"), STORE_WRITE) == OK);
    CHECK(roofs_get(&r, s, &dev, 0, false) == ERR_DEVICE);
    REQUIRE(roofs_read(&r, s, &dev) == OK);
    CHECK(r.n == 2 && roofs_find(&r, "l2_read") && roofs_find(&r, "llc_read"));
    store_close(s);
}

/* After an interruption the others alone are measured; --fresh takes all. */
TEST(roofs, that_are_stored_are_not_measured_again)
{
    Backend backend = { .name = "cpu",
                        .roof_at = three_roofs,
                        .roof_run = run_two,
                        .clock_start = start_clock,
                        .clock_stop = stop_clock };
    Device dev = { .backend = &backend, .threads = 2 };
    int of_one;
    Roofs r;
    Store *s;

    REQUIRE(store_open(&s, temp_path("rest.db"), STORE_WRITE) == OK);
    CHECK(roofs_get(&r, s, &dev, 0, false) == ERR_DEVICE);
    REQUIRE(roofs_read(&r, s, &dev) == OK);
    CHECK(r.n == 2 && roofs_lack(&r, &dev));
    backend.roof_run = run_all;
    runs = 0;
    REQUIRE(roofs_get(&r, s, &dev, 0, false) == OK);
    of_one = runs;
    CHECK(of_one > 0 && r.n == 3 && !roofs_lack(&r, &dev));
    CHECK(r.at[0].measured_at[0] && r.at[1].measured_at[0]);
    CHECK(!strcmp(r.at[2].name, "dram_read") && !r.at[2].measured_at[0]);
    REQUIRE(roofs_get(&r, s, &dev, 0, false) == OK);
    CHECK(runs == of_one && r.n == 3);
    usleep(1100000); /* two of one time are one */
    REQUIRE(roofs_get(&r, s, &dev, 0, true) == OK);
    CHECK_MSG(runs == 4 * of_one, "%d runs, %d of one", runs, of_one);
    store_close(s);
}
