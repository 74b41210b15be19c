/*
 * test_note.c - what a device chose once is found again, on that machine.
 */
#include <stdio.h>
#include <string.h>

#include "harness/measure/tuning_cache.h"
#include "tests/databases.h"
#include "tests/test.h"

/* Begins a sweep on a machine with this many cores. */
static int64_t sweep_on(Store *s, int cores)
{
    Machine machine = a_machine;
    int64_t id = 0;
    bool resumed;

    machine.cores = cores;
    CHECK(store_sweep_begin(s, &machine, &a_build, &a_sweep, true, &id,
                            &resumed) == OK);
    return id;
}

static const char *found(const TuningCache *n, const char *key)
{
    static char value[64];

    return n->notes.find(n->notes.arg, key, value, sizeof(value)) ? value
                                                                  : "nothing";
}

static void keep(const TuningCache *n, const char *key, const char *value)
{
    n->notes.keep(n->notes.arg, key, value);
}

TEST(note, is_found_under_its_key_by_a_later_sweep)
{
    const char *path = temp_path("a.db");
    TuningCache n;
    Store *s;

    REQUIRE(store_open(&s, path, STORE_WRITE) == OK);
    tuning_cache_init(&n, s, sweep_on(s, 4));
    CHECK(!strcmp(found(&n, "conv"), "nothing"));
    keep(&n, "conv", "44 2=1");
    keep(&n, "other", "");
    CHECK(!strcmp(found(&n, "conv"), "44 2=1"));
    store_close(s);

    REQUIRE(store_open(&s, path, STORE_WRITE) == OK);
    tuning_cache_init(&n, s, sweep_on(s, 4));
    CHECK(!strcmp(found(&n, "conv"), "44 2=1"));
    CHECK(!strcmp(found(&n, "other"), ""));
    CHECK(!strcmp(found(&n, "con"), "nothing"));
    store_close(s);
    CHECK_ASK(path,
              "SELECT noted_at LIKE '20__-__-__T__:__:%Z' FROM note LIMIT 1",
              "1");
}

TEST(note, is_of_one_machine)
{
    TuningCache here, there;
    Store *s;

    REQUIRE(store_open(&s, temp_path("a.db"), STORE_WRITE) == OK);
    tuning_cache_init(&here, s, sweep_on(s, 4));
    tuning_cache_init(&there, s, sweep_on(s, 8));
    keep(&here, "conv", "1");
    CHECK(!strcmp(found(&there, "conv"), "nothing"));
    keep(&there, "conv", "2");
    CHECK(!strcmp(found(&here, "conv"), "1"));
    CHECK(!strcmp(found(&there, "conv"), "2"));
    store_close(s);
}

TEST(note, is_replaced_by_a_new_one)
{
    const char *path = temp_path("a.db");
    TuningCache n;
    Store *s;

    REQUIRE(store_open(&s, path, STORE_WRITE) == OK);
    tuning_cache_init(&n, s, sweep_on(s, 4));
    keep(&n, "conv", "1");
    keep(&n, "conv", "2");
    CHECK(!strcmp(found(&n, "conv"), "2"));
    store_close(s);
    CHECK_ASK(path, "SELECT count(*) FROM note", "1");
}

/* One that was cut would be another choice. */
TEST(note, that_does_not_fit_is_not_found)
{
    char value[4] = "abc";
    bool has = true;
    int64_t sweep;
    Store *s;

    REQUIRE(store_open(&s, temp_path("a.db"), STORE_WRITE) == OK);
    sweep = sweep_on(s, 4);
    REQUIRE(store_note_keep(s, sweep, "conv", "1234") == OK);
    CHECK(store_note_find(s, sweep, "conv", value, sizeof(value), &has) == OK);
    CHECK(!has && !strcmp(value, "abc"));
    REQUIRE(store_note_keep(s, sweep, "conv", "123") == OK);
    CHECK(store_note_find(s, sweep, "conv", value, sizeof(value), &has) == OK);
    CHECK(has && !strcmp(value, "123"));
    store_close(s);
}
