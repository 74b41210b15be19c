/*
 * test_profile_store.c - profiles and roofs come back as they were stored.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "harness/network/case.h"
#include "results/profile.h"
#include "tests/databases.h"
#include "tests/test.h"

static StoredStep steps[] = {
    { "conv2d", "winograd", "layer1.0.conv1", "(8,64,56,56)" },
    { "relu", "flat", "layer1.0.act1", "(8,64,56,56)" },
};

static Quantity quantities[] = {
    { WHOLE_RUN, "", "time_ns", SOURCE_TIMED, 1234.5, "" },
    { 0, "", "dram_read_bytes", SOURCE_COUNTED, NAN, "no permission" },
    { 0, "", "flops", SOURCE_MODELLED, 1e9, "" },
    { 1, "relu_kernel", "time_ns", SOURCE_TIMED, 12, "" },
};

enum { NQUANTITIES = sizeof(quantities) / sizeof(quantities[0]) };

static StoredProfile profile(void)
{
    return (StoredProfile){ steps, 2, quantities, NQUANTITIES };
}

TEST(profile_store, is_read_as_it_was_written)
{
    const char *path = temp_path("a.db");
    const StoredProfile p = profile();
    StoredProfile back;
    Store *s;

    REQUIRE(make_database(path, 1) == OK);
    REQUIRE(store_open(&s, path, STORE_WRITE) == OK);
    REQUIRE(store_profile(s, 1, &p) == OK);
    REQUIRE(store_profile_read(&back, s, 1) == OK);
    REQUIRE(back.nsteps == 2 && back.nquantities == NQUANTITIES);
    for (int i = 0; i < 2; i++) {
        CHECK(!strcmp(back.step[i].op, steps[i].op));
        CHECK(!strcmp(back.step[i].kernel, steps[i].kernel));
        CHECK(!strcmp(back.step[i].scope, steps[i].scope));
        CHECK(!strcmp(back.step[i].shape, steps[i].shape));
    }
    for (int i = 0; i < NQUANTITIES; i++) {
        const Quantity *q = &back.quantity[i], *want = &quantities[i];

        CHECK(q->step == want->step && q->source == want->source);
        CHECK(!strcmp(q->name, want->name));
        CHECK(!strcmp(q->launch, want->launch));
        CHECK(!strcmp(q->reason, want->reason));
        CHECK(isnan(want->value) ? isnan(q->value) : q->value == want->value);
    }
    stored_profile_free(&back);
    REQUIRE(store_profile_read(&back, s, 7) == OK);
    CHECK(back.nsteps == 0 && back.nquantities == 0);
    stored_profile_free(&back);
    store_close(s);
}

/* A value without a reason for its absence, and one with: both are refused,
 * and nothing of the profile stays. */
TEST(profile_store, a_missing_value_says_why_and_a_value_does_not)
{
    const char *path = temp_path("a.db");
    Quantity wrong[] = { quantities[0], quantities[1] };
    const StoredProfile p = { steps, 2, wrong, 2 };
    Store *s;

    REQUIRE(make_database(path, 1) == OK);
    REQUIRE(store_open(&s, path, STORE_WRITE) == OK);
    wrong[1].reason[0] = '\0';
    CHECK(store_profile(s, 1, &p) == ERR_INPUT);
    wrong[1].value = 0;
    snprintf(wrong[1].reason, sizeof(wrong[1].reason), "no permission");
    CHECK(store_profile(s, 1, &p) == ERR_INPUT);
    store_close(s);
    CHECK_ASK(path, "SELECT count(*) FROM step", "0");
    CHECK_ASK(path, "SELECT count(*) FROM quantity", "0");
}

TEST(profile_store, a_run_is_found_by_its_repeat_line)
{
    const char *path = temp_path("a.db");
    char repeat[256];
    int64_t id;
    Store *s;

    REQUIRE(make_database(path, 2) == OK);
    snprintf(repeat, sizeof(repeat), "%s",
             ask(path, "SELECT repeat FROM run WHERE id = 2"));
    REQUIRE(store_open(&s, path, STORE_WRITE) == OK);
    REQUIRE(store_run_id(s, 1, repeat, &id) == OK);
    CHECK(id == 2);
    REQUIRE(store_run_id(s, 1, "attnbench run --module=none", &id) == OK);
    CHECK(id == 0);
    store_close(s);
}

static const Roofs *one_of(const Roof *roof)
{
    static Roofs one;

    one.at[0] = *roof;
    one.n = 1;
    return &one;
}

TEST(profile_store, the_latest_roof_of_a_name_counts_on_its_machine)
{
    const char *path = temp_path("a.db");
    const Roof old = {
        "cpu", 2,    "dram_copy", "bytes/s", 1e10,
        9e9,   2e10, 5,           NAN,       "2026-01-01T00:00:00.000Z"
    };
    Roof now = old, peak = old, others = old;
    Roofs found;
    Machine other = a_machine;
    Store *s;

    REQUIRE(make_database(path, 1) == OK);
    REQUIRE(store_open(&s, path, STORE_WRITE) == OK);
    now.value = 2e10;
    now.clock_mhz = 4100;
    now.measured_at[0] = '\0';
    snprintf(peak.name, sizeof(peak.name), "fma_f32");
    snprintf(peak.unit, sizeof(peak.unit), "flop/s");
    others.threads = 1;
    other.cores++;
    REQUIRE(store_roofs(s, &a_machine, one_of(&now)) == OK);
    REQUIRE(store_roofs(s, &a_machine, one_of(&old)) == OK);
    REQUIRE(store_roofs(s, &a_machine, one_of(&peak)) == OK);
    REQUIRE(store_roofs(s, &a_machine, one_of(&others)) == OK);
    REQUIRE(store_roofs(s, &other, one_of(&peak)) == OK);

    REQUIRE(store_roofs_read(&found, s, &a_machine, "cpu", 2) == OK);
    REQUIRE(found.n == 2);
    CHECK(!strcmp(found.at[0].name, "dram_copy") && found.at[0].value == 2e10);
    CHECK(found.at[0].clock_mhz == 4100 && found.at[0].measured_at[0]);
    CHECK(!strcmp(found.at[1].name, "fma_f32") && isnan(found.at[1].clock_mhz));
    CHECK(!strcmp(found.at[1].unit, "flop/s") && found.at[1].n == 5);
    REQUIRE(store_roofs_read(&found, s, &other, "cpu", 2) == OK);
    CHECK(found.n == 1);
    REQUIRE(store_roofs_read(&found, s, &a_machine, "cuda", 0) == OK);
    CHECK(found.n == 0);
    store_close(s);
}
