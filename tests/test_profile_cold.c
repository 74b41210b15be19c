/*
 * test_profile_cold.c - before which runs a profile of a cold case evicts the
 * caches, or continues with the next copy of the plan.
 */
#include <string.h>

#include "harness/devices/backends.h"
#include "harness/explain/profile.h"
#include "kernels/core/plan.h"
#include "kernels/ops/ops.h"
#include "tests/test.h"

/* Log of a device's calls: E evicts, C starts the clock, a digit is a step
 * that was counted. */
static char told[4096];

static void tell(char what)
{
    const size_t n = strlen(told);

    if (n + 1 < sizeof(told))
        told[n] = what, told[n + 1] = '\0';
}

static int evict(Device *dev)
{
    (void)dev;
    tell('E');
    return OK;
}

static int start_clock(Device *dev)
{
    tell('C');
    return ref_backend.clock_start(dev);
}

static int count_steps(Device *dev, const Counting *c)
{
    (void)dev;
    for (int i = 0; i < c->steps; i++) {
        if (c->before)
            TRY(c->before(c->arg, i));
        tell((char)('0' + i));
        TRY(c->launch(c->arg, i));
    }
    return OK;
}

/* Five rounds of a whole run and one by steps: in memory of its own a device
 * times each of the three steps by its clock. */
static void check_clock(bool host_memory)
{
    static const char *const said[2][2] = {
        { "CCCCCCCCCCCCCCCCCCCC", "ECECCCECECCCECECCCECECCCECECCC" },
        { "CCCCCCCCCC", "ECECECECECECECECECEC" },
    };
    Graph *g = graph_new();
    Tensor *t = graph_input(g, "x", DIMS(1, 8, 4, 4));
    float x[128] = { 1 };
    Profiling how = { .metrics = "" };
    StoredProfile rows = { NULL };
    Backend watched = ref_backend;
    Profile p;

    watched.host_memory = host_memory;
    watched.evict = evict;
    watched.clock_start = start_clock;
    watched.count = count_steps;
    graph_output(g, "y", op_relu(g, op_relu(g, op_sigmoid(g, t))));
    REQUIRE(ref_backend.open(&how.dev, &(DeviceSettings){ 0, "" }) == OK);
    how.dev->backend = &watched;
    REQUIRE(plan_new(&how.plan, how.dev, g) == OK);
    REQUIRE(plan_set(how.plan, t, x) == OK);
    for (int cold = 0; cold < 2; cold++) {
        how.cold = cold;
        told[0] = '\0';
        REQUIRE(profile_plan(&p, &how) == OK);
        CHECK_MSG(!strcmp(told, said[host_memory][cold]), "%s", told);
        profile_free(&p);
        told[0] = '\0';
        REQUIRE(profile_count(&rows, &how) == OK);
        CHECK_MSG(strcmp(told, cold ? "E012" : "012") == 0, "%s", told);
    }
    plan_free(how.plan);
    graph_free(g);
    ref_backend.close(how.dev);
}

TEST(profile_cold, evicts_before_each_run_and_outside_the_clock)
{
    check_clock(true);
    check_clock(false);
}

/* Which copies were timed, or counted, by what they are in turn. */
static const Tensor *watched_input;
static char *copy_at[8];

static char copy_in_use(void)
{
    int i = 0;

    while (copy_at[i] && copy_at[i] != watched_input->data)
        i++;
    copy_at[i] = watched_input->data;
    return (char)('a' + i);
}

static int start_clock_of_copy(Device *dev)
{
    tell(copy_in_use());
    return ref_backend.clock_start(dev);
}

static int count_copies(Device *dev, const Counting *c)
{
    (void)dev;
    for (int i = 0; i < c->steps; i++) {
        TRY(c->before(c->arg, i));
        tell(copy_in_use());
        TRY(c->launch(c->arg, i));
    }
    return OK;
}

/* Three copies: a round is a whole run of one, and a step by step of the next;
 * all steps of a run, timed or counted, are of one copy. */
TEST(profile_cold, goes_round_copies_where_nothing_is_evicted)
{
    Graph *g = graph_new();
    Tensor *t = graph_input(g, "x", DIMS(1, 8, 4, 4));
    float x[128] = { 1 };
    Profiling how = { .metrics = "", .cold = true };
    StoredProfile rows = { NULL };
    Backend watched = ref_backend;
    Profile p;

    watched.evict = NULL;
    watched.clock_start = start_clock_of_copy;
    watched.count = count_copies;
    watched_input = t;
    graph_output(g, "y", op_relu(g, op_sigmoid(g, t)));
    REQUIRE(ref_backend.open(&how.dev, &(DeviceSettings){ 0, "" }) == OK);
    REQUIRE(plan_new(&how.plan, how.dev, g) == OK);
    REQUIRE(plan_copies(how.plan, 3 * plan_arena_bytes(how.plan)) == OK);
    REQUIRE(plan_set(how.plan, t, x) == OK);
    how.dev->backend = &watched;
    told[0] = '\0';
    REQUIRE(profile_plan(&p, &how) == OK);
    CHECK_MSG(!strcmp(told, "abcabcabca"), "%s", told);
    profile_free(&p);
    told[0] = '\0';
    REQUIRE(profile_count(&rows, &how) == OK);
    CHECK_MSG(!strcmp(told, "bb"), "%s", told);
    plan_free(how.plan);
    graph_free(g);
    how.dev->backend = &ref_backend;
    backend_close(how.dev);
}
