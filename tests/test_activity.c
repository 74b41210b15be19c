/*
 * test_activity.c - launches and their times from records that were made up:
 * out of order, in several buffers, of libraries, of no step, missing.
 */
#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "kernels/core/err.h"
#include "kernels/cupti/activity.h"
#include "kernels/cupti/kernel_name.h"
#include "tests/fake_activity.h"
#include "tests/test.h"

#define RELU "_Z5packsIf4ReluEvPT_PKS1_mT0_"
#define XMMA "sm90_xmma_fprop_implicit_gemm_f32f32_tilesize64x64x8_kernel"

enum { ROWS = 4096, ROUNDS = 4 };

/* Action of a step, each time that it runs. */
typedef struct Does {
    int step;
    FakeWay way;
    int kind;
    const char *symbol;
    double ns[ROUNDS]; /* the first is not looked at */
} Does;

#define KERNEL CUPTI_CONCURRENT_KERNEL
#define SAME_NS(t)   \
    {                \
        1e6, t, t, t \
    }

typedef struct Row {
    int step;
    bool timed;
    char name[32], launch[KERNEL_NAME], reason[300];
    double value;
} Row;

static struct Trial {
    Row row[ROWS];
    int n, rounds, before, waits;
    const Does *does;
    int ndoes, fails_at; /* the step whose launch fails, from 1; 0: none */
    bool wait_fails;
} trial;

static int before(void *arg, int step)
{
    (void)arg;
    (void)step;
    trial.before++;
    fake_activity_launch(BY_RUNTIME, CUPTI_MEMSET, NULL, 77);
    return OK;
}

static int launch(void *arg, int step)
{
    const int steps = *(const int *)arg;
    const int round = trial.rounds++ / steps;

    if (step + 1 == trial.fails_at)
        return fail(ERR_DEVICE, "a launch failed");
    for (int i = 0; i < trial.ndoes; i++)
        if (trial.does[i].step == step)
            fake_activity_launch(trial.does[i].way, trial.does[i].kind,
                                 trial.does[i].symbol,
                                 (uint64_t)trial.does[i].ns[round]);
    return OK;
}

static void take(void *arg, const Counted *c)
{
    Row *row = &trial.row[trial.n++];

    (void)arg;
    BUG_IF(trial.n == ROWS);
    *row = (Row){ .step = c->step, .value = c->value, .timed = c->timed };
    snprintf(row->name, sizeof(row->name), "%s", c->quantity);
    snprintf(row->launch, sizeof(row->launch), "%s",
             c->launch ? c->launch : "");
    snprintf(row->reason, sizeof(row->reason), "%s", c->reason);
}

static int wait(void *arg)
{
    (void)arg;
    trial.waits++;
    return trial.wait_fails ? fail(ERR_DEVICE, "the GPU fell off the bus") : OK;
}

/* Traces a run of the given number of steps that do these. */
static int trace(const CuptiActivity *cupti, int steps, const Does *does, int n)
{
    const struct Trial asked = trial;

    memset(&trial, 0, sizeof(trial));
    trial.does = does;
    trial.ndoes = n;
    trial.fails_at = asked.fails_at;
    trial.wait_fails = asked.wait_fails;
    return activity_count_by(cupti,
                             &(Counting){ .steps = steps,
                                          .metrics = "",
                                          .before = before,
                                          .launch = launch,
                                          .take = take,
                                          .arg = &steps },
                             wait, NULL);
}
#define TRACE(cupti, steps, does) \
    trace(cupti, steps, does, (int)(sizeof(does) / sizeof((does)[0])))

static const Row *row_of(int step, const char *name, const char *launch)
{
    const Row *found = NULL;

    for (int i = 0; i < trial.n; i++) {
        const Row *row = &trial.row[i];

        if (row->step != step || strcmp(row->name, name) ||
            strcmp(row->launch, launch))
            continue;
        CHECK_MSG(!found, "%s of %s in step %d comes twice", name, launch,
                  step);
        found = row;
    }
    return found;
}

static double value_of(int step, const char *name, const char *launch)
{
    const Row *row = row_of(step, name, launch);

    CHECK_MSG(row, "%s of '%s' in step %d is missing", name, launch, step);
    return row ? row->value : NAN;
}

/* Nothing is left open, and no buffer is lost. */
static void all_is_closed(const FakeActivity *fake)
{
    CHECK_MSG(!fake->wrong, "%s is out of order in %s", fake->wrong,
              fake->calls);
    CHECK_MSG(!fake->subscribed && !fake->enabled && !fake->lent &&
                  !fake->pushed,
              "%s", fake->calls);
}

/* The only row is that there are no launches, for a reason that says so. */
static void is_refused(const char *says)
{
    CHECK_MSG(trial.n == 1 && trial.row[0].step == ALL_STEPS &&
                  isnan(trial.row[0].value) && !trial.row[0].timed &&
                  !strcmp(trial.row[0].name, "launches") &&
                  !trial.row[0].launch[0],
              "%d rows for '%s'", trial.n, says);
    CHECK_MSG(strstr(trial.row[0].reason, says), "'%s' is not in '%s'", says,
              trial.row[0].reason);
    CHECK(strlen(trial.row[0].reason) < 256);
}

static const Does some[] = {
    { 0, BY_RUNTIME, KERNEL, RELU, { 1e6, 300, 100, 150 } },
    { 0, BY_RUNTIME, KERNEL, XMMA, SAME_NS(40) },
    { 0, BY_RUNTIME, KERNEL, RELU, { 1e6, 10, 90, 150 } },
    { 2, BY_DRIVER, KERNEL, XMMA, SAME_NS(5000) },
    { 2, BY_DRIVER, CUPTI_MEMSET, NULL, SAME_NS(7) },
    { 2, BY_RUNTIME, CUPTI_MEMCPY, NULL, SAME_NS(9) },
};
enum { NSOME = sizeof(some) / sizeof(some[0]) };

TEST(activity, each_step_has_its_kernels_their_launches_and_times)
{
    CuptiActivity cupti;
    FakeActivity *fake = fake_activity(&cupti);

    REQUIRE(TRACE(&cupti, 3, some) == OK);
    all_is_closed(fake);
    CHECK(fake->buffers > 10);
    CHECK(trial.before == 3 * ROUNDS && trial.waits == 1);
    /* each round's sum is 310, 190, 300: their median */
    CHECK(value_of(0, "time_ns", "packs<float, Relu>") == 300);
    CHECK(value_of(0, "launches", "packs<float, Relu>") == 2);
    CHECK(value_of(0, "time_ns", XMMA) == 40);
    CHECK(value_of(0, "launches", XMMA) == 1);
    /* by way of the driver; copies and memsets have names of their own */
    CHECK(value_of(2, "time_ns", XMMA) == 5000);
    CHECK(value_of(2, "time_ns", "memset") == 7);
    CHECK(value_of(2, "launches", "memcpy") == 1);
    /* a step that launches nothing says 0; what is before steps is no launch */
    CHECK(value_of(0, "launches", "") == 3);
    CHECK(value_of(1, "launches", "") == 0);
    CHECK(value_of(2, "launches", "") == 3);
    CHECK(value_of(ALL_STEPS, "launches", "") == 6);
    CHECK(trial.n == 2 * 5 + 3 + 1);
    for (int i = 0; i < trial.n; i++)
        CHECK(trial.row[i].timed == !strcmp(trial.row[i].name, "time_ns") &&
              !trial.row[i].reason[0]);
}

TEST(activity, calls_come_in_cupti_s_order)
{
    CuptiActivity cupti;
    FakeActivity *fake = fake_activity(&cupti);

    REQUIRE(TRACE(&cupti, 3, some) == OK);
    CHECK_MSG(!strcmp(fake->calls,
                      "subscribe buffers "
                      "enable enable enable enable enable enable "
                      "flush dropped "
                      "disable disable disable disable disable disable "
                      "unsubscribe "),
              "%s", fake->calls);
}

TEST(activity, many_steps_keep_apart_whatever_the_buffers)
{
    enum { STEPS = 400 };
    static Does does[STEPS];
    CuptiActivity cupti;

    for (int i = 0; i < STEPS; i++)
        does[i] = (Does){ i, BY_DRIVER, KERNEL, XMMA, SAME_NS(i + 1) };
    for (int a_buffer = 10; a_buffer < 4000; a_buffer *= 19) {
        FakeActivity *fake = fake_activity(&cupti);

        fake->a_buffer = a_buffer;
        REQUIRE(trace(&cupti, STEPS, does, STEPS) == OK);
        all_is_closed(fake);
        for (int i = 0; i < STEPS; i++)
            CHECK(value_of(i, "time_ns", XMMA) == i + 1);
        CHECK(value_of(ALL_STEPS, "launches", "") == STEPS);
    }
}

/* f(float*) and f(int*) are one name, and so one row; names that are alike for
 * longer than fits are two. */
TEST(activity, names_that_collide_are_one_row_or_told_apart)
{
    char long_one[300], long_two[300];
    const Does does[] = {
        { 0, BY_RUNTIME, KERNEL, "_Z1fPf", SAME_NS(3) },
        { 0, BY_RUNTIME, KERNEL, "_Z1fPi", SAME_NS(4) },
        { 0, BY_RUNTIME, KERNEL, long_one, SAME_NS(5) },
        { 0, BY_RUNTIME, KERNEL, long_two, SAME_NS(6) },
        { 0, BY_RUNTIME, KERNEL, NULL, SAME_NS(7) },
    };
    CuptiActivity cupti;
    double seen = 0;
    int names = 0;

    fake_activity(&cupti);
    snprintf(long_one, sizeof(long_one), "%0200d", 1);
    snprintf(long_two, sizeof(long_two), "%0200d", 2);
    REQUIRE(TRACE(&cupti, 1, does) == OK);
    CHECK(value_of(0, "time_ns", "f") == 7);
    CHECK(value_of(0, "launches", "f") == 2);
    CHECK(value_of(0, "time_ns", "(no name)") == 7);
    for (int i = 0; i < trial.n; i++)
        if (strncmp(trial.row[i].launch, "0000", 4) == 0 &&
            trial.row[i].timed) {
            seen += trial.row[i].value;
            names++;
            CHECK(strlen(trial.row[i].launch) == KERNEL_NAME - 1);
        }
    CHECK(names == 2 && seen == 11);
    CHECK(value_of(0, "launches", "") == 5);
}

/* ---- names ---------------------------------------------------------------- */

TEST(activity, names_are_demangled_without_what_goes_without_saying)
{
    static const char *const names[][2] = {
        { RELU, "packs<float, Relu>" },
        { "_Z11count_ticksP5Ticksy", "count_ticks" },
        { "_ZN7cutlass7Kernel2I10gemm_64x64EEvNT_6ParamsE",
          "cutlass::Kernel2<gemm_64x64>" },
        { "_ZN12_GLOBAL__N_14sortILb1EEEvPi",
          "(anonymous namespace)::sort<true>" },
        { "_Z1gIXadL_Z1hiEEEvPf", "g<&(h(int))>" },
        { XMMA, XMMA },
        { "", "" },
        { "odd (not mangled)", "odd (not mangled)" },
    };
    char name[KERNEL_NAME], long_name[400];

    if (!dlsym(RTLD_DEFAULT, "__cxa_demangle"))
        SKIP("the C++ library is not in this program");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        kernel_name(name, names[i][0]);
        CHECK_MSG(!strcmp(name, names[i][1]), "%s: %s", names[i][0], name);
    }
    /* 127 letters are kept, 128 are not */
    snprintf(long_name, sizeof(long_name), "%0127d", 1);
    kernel_name(name, long_name);
    CHECK(!strcmp(name, long_name));
    snprintf(long_name, sizeof(long_name), "%0128d", 1);
    kernel_name(name, long_name);
    CHECK(strlen(name) == KERNEL_NAME - 1 && name[118] == '~' &&
          strncmp(name, long_name, 118) == 0);
}

/* ---- refusals ------------------------------------------------------------- */

TEST(activity, a_refusal_at_any_call_is_the_reason_of_no_launches)
{
    static const char *const calls[] = { "subscribe", "buffers", "enable",
                                         "push",      "pop",     "flush",
                                         "dropped" };

    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        CuptiActivity cupti;
        FakeActivity *fake = fake_activity(&cupti);

        fake->fails = calls[i];
        fake->code = 39;
        CHECK(TRACE(&cupti, 3, some) == OK);
        is_refused("another tool is attached (nsys, ncu, cuda-gdb)");
        is_refused(calls[i]);
        all_is_closed(fake);
    }
}

TEST(activity, a_driver_that_cupti_cannot_use_is_the_reason)
{
    CuptiActivity cupti;
    FakeActivity *fake = fake_activity(&cupti);

    fake->fails = "subscribe";
    fake->code = 999;
    CHECK(TRACE(&cupti, 3, some) == OK);
    is_refused("CUPTI cannot use the driver");
    CHECK(!strcmp(fake->calls, "subscribe ") && trial.rounds == 0);
}

TEST(activity, records_that_are_missing_are_told_and_nothing_is_made_of_rest)
{
    CuptiActivity cupti;
    FakeActivity *fake = fake_activity(&cupti);
    /* launches of a round: six, and before each of three steps one */
    const int in_round_two = 2 * (NSOME + 3) + 2;

    fake->dropped = 3;
    CHECK(TRACE(&cupti, 3, some) == OK);
    is_refused("dropped 3 records");
    all_is_closed(fake);

    fake = fake_activity(&cupti);
    fake->damaged = true;
    CHECK(TRACE(&cupti, 3, some) == OK);
    is_refused("dropped 1 records");
    all_is_closed(fake);

    fake = fake_activity(&cupti);
    fake->untimed = in_round_two;
    CHECK(TRACE(&cupti, 3, some) == OK);
    is_refused("had no memory to time packs<float, Relu>");
    all_is_closed(fake);

    fake = fake_activity(&cupti);
    fake->lost = in_round_two;
    CHECK(TRACE(&cupti, 3, some) == OK);
    is_refused("2 of packs<float, Relu> in a round of step 0, 1 in another");
    all_is_closed(fake);

    fake = fake_activity(&cupti);
    CHECK(trace(&cupti, 3, NULL, 0) == OK);
    is_refused("CUPTI has no record of any");
    all_is_closed(fake);

    /* what is of no round that counts may lack what it likes */
    fake = fake_activity(&cupti);
    fake->untimed = fake->lost = 2;
    CHECK(TRACE(&cupti, 3, some) == OK);
    CHECK(value_of(ALL_STEPS, "launches", "") == 6);
}

/* CUPTI may keep a buffer longer than the trace lasts. */
TEST(activity, a_late_buffer_is_released_and_not_read)
{
    CuptiActivity cupti;
    FakeActivity *fake = fake_activity(&cupti);

    fake->holds_one = true;
    CHECK(TRACE(&cupti, 3, some) == OK);
    CHECK(fake->lent == 1 && fake->held);
    fake_activity_late();
    CHECK(fake->lent == 0);
    fake->holds_one = false;
    CHECK(TRACE(&cupti, 3, some) == OK);
    CHECK(value_of(ALL_STEPS, "launches", "") == 6);
    CHECK(!fake->subscribed && !fake->lent);
}

TEST(activity, a_launch_or_a_wait_that_fails_is_an_error_and_ends_the_trace)
{
    CuptiActivity cupti;
    FakeActivity *fake = fake_activity(&cupti);

    trial.fails_at = 3;
    CHECK(TRACE(&cupti, 3, some) == ERR_DEVICE);
    CHECK_MSG(!strcmp(err_message(), "a launch failed"), "%s", err_message());
    CHECK(trial.n == 0 && trial.rounds == 3 && trial.waits == 0);
    all_is_closed(fake);

    fake = fake_activity(&cupti);
    trial.fails_at = 0;
    trial.wait_fails = true;
    CHECK(TRACE(&cupti, 3, some) == ERR_DEVICE);
    CHECK_MSG(strstr(err_message(), "fell off"), "%s", err_message());
    CHECK(trial.n == 0);
    all_is_closed(fake);
}

/* The library that is installed has all functions; without a driver it refuses
 * the first. */
TEST(activity, the_installed_cupti_has_all_that_is_called)
{
    void *driver = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
    CuptiActivity activity;
    Cupti cupti;

    if (cupti_open(&cupti))
        SKIP(err_message());
    CHECK_MSG(cupti_activity_find(&activity, &cupti) == OK, "%s",
              err_message());
    if (!driver) {
        fake_activity(&(CuptiActivity){ NULL });
        CHECK(TRACE(&activity, 3, some) == OK);
        is_refused("CUPTI cannot use the driver");
    }
    cupti_close(&cupti);
}
