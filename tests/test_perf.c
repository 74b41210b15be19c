/*
 * test_perf.c - the processor's counters by a kernel that is not there: which
 * threads are counted, what is made of the numbers, and every refusal; and by
 * the kernel that is.
 */
#include <errno.h>
#include <linux/perf_event.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernels/core/err.h"
#include "kernels/core/host.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/perf.h"
#include "kernels/cpu/team.h"
#include "tests/test.h"

enum { FDS = 512, FIRST_FD = 1000, ROWS = 256, THREADS = 3 };

/* A kernel of which every event counts 10 for each unit of work, and whose
 * threads are on for 1000 ns meanwhile; step i is i + 1 units. */
static struct Fake {
    struct Open {
        bool open;
        int tid, group;
        struct perf_event_attr attr;
    } fd[FDS];
    int opened, open, work;
    int fails, fails_from; /* errno, from this opening on; 0: none  */
    bool raw_fails;        /* only of codes of the processor        */
    double share;          /* of the time that counters are on      */
    bool sleeps;           /* all but the first thread              */
    int gives;             /* bytes of a read; 0: all that there is */
} fake;

static int fake_open(struct perf_event_attr *attr, int tid, int group)
{
    const bool fails = fake.raw_fails ? attr->type == PERF_TYPE_RAW
                                      : fake.opened >= fake.fails_from;

    if (fake.fails && fails) {
        errno = fake.fails;
        return -1;
    }
    BUG_IF(fake.opened == FDS);
    fake.fd[fake.opened] = (struct Open){ true, tid, group, *attr };
    fake.open++;
    return FIRST_FD + fake.opened++;
}

static ssize_t fake_read(int fd, void *to, size_t bytes)
{
    const struct Open *leader = &fake.fd[fd - FIRST_FD];
    const int work = fake.sleeps && leader->tid != getpid() ? 0 : fake.work;
    uint64_t out[3 + PERF_GROUP] = { 0, (uint64_t)work * 1000,
                                     (uint64_t)(work * 1000 * fake.share) };

    CHECK(leader->open && leader->group == -1);
    for (int i = 0; i < fake.opened; i++)
        if (fake.fd[i].open && (i == fd - FIRST_FD || fake.fd[i].group == fd))
            out[3 + out[0]++] = (uint64_t)(work * 10 * fake.share);
    if (fake.gives) {
        errno = EIO;
        return fake.gives;
    }
    BUG_IF(bytes < (3 + out[0]) * sizeof(*out));
    memcpy(to, out, (3 + out[0]) * sizeof(*out));
    return (ssize_t)((3 + out[0]) * sizeof(*out));
}

static int fake_close(int fd)
{
    CHECK(fake.fd[fd - FIRST_FD].open);
    fake.fd[fd - FIRST_FD].open = false;
    fake.open--;
    return 0;
}

static const Processor zen5 = { "AuthenticAMD", 0x1a, 2 };
static const Processor rapids = { "GenuineIntel", 6, 0x8f };
static const Processor hybrid = { "GenuineIntel", 6, 0x97 };
static const Processor zen1 = { "AuthenticAMD", 0x17, 1 };

/* ---- a run ---------------------------------------------------------------- */

static struct Trial {
    struct Row {
        int step;
        char name[64], reason[300];
        double value;
    } row[ROWS];
    int n, launches, befores;
    int fails_at;    /* the step whose launch fails, from 1; 0: none      */
    int replaces_at; /* the step that changes the team's size, from 1     */
    bool replaced;   /* whether that gave other threads                   */
} trial;

static int before(void *arg, int step)
{
    (void)arg;
    (void)step;
    trial.befores++;
    fake.work += 100; /* that is not to be counted */
    return OK;
}

static void replace_threads(void)
{
    const Team team = { THREADS, NULL };
    int was[THREADS], now[THREADS];

    team_tids(&team, was);
#pragma omp parallel num_threads(2)
    CHECK(omp_get_num_threads() == 2);
    team_tids(&team, now);
    trial.replaced = memcmp(was, now, sizeof(now)) != 0;
}

static int launch(void *arg, int step)
{
    (void)arg;
    trial.launches++;
    fake.work += step + 1;
    if (step + 1 == trial.replaces_at)
        replace_threads();
    return step + 1 == trial.fails_at ? fail(ERR_DEVICE, "a launch failed")
                                      : OK;
}

static void take(void *arg, const Counted *c)
{
    struct Row *row = &trial.row[trial.n++];

    (void)arg;
    BUG_IF(trial.n == ROWS);
    row->step = c->step;
    row->value = c->value;
    snprintf(row->name, sizeof(row->name), "%s", c->quantity);
    snprintf(row->reason, sizeof(row->reason), "%s", c->reason);
    CHECK_MSG(isnan(c->value) == (c->reason[0] != 0), "%s of step %d: %g '%s'",
              c->quantity, c->step, c->value, c->reason);
}

static Device *opened(void)
{
    Device *dev = NULL;

    BUG_IF(cpu_backend.open(&dev,
                            &(DeviceSettings){ THREADS, "", .crowded = true }));
    fake = (struct Fake){ .share = 1 };
    trial = (struct Trial){ .n = 0 };
    return dev;
}

static int count(Device *dev, const Processor *p, int steps, Dtype dtype,
                 const char *metrics)
{
    const PerfSystem system = { fake_open, fake_read, fake_close, *p };
    const int err = perf_count_by(&system, dev,
                                  &(Counting){ .steps = steps,
                                               .dtype = dtype,
                                               .metrics = metrics,
                                               .before = before,
                                               .launch = launch,
                                               .take = take });

    CHECK_MSG(fake.open == 0, "%d events were left open", fake.open);
    return err;
}

static const struct Row *row_of(int step, const char *name)
{
    const struct Row *found = NULL;

    for (int i = 0; i < trial.n; i++)
        if (trial.row[i].step == step && !strcmp(trial.row[i].name, name)) {
            CHECK_MSG(!found, "%s of step %d comes twice", name, step);
            found = &trial.row[i];
        }
    return found;
}

static double value_of(int step, const char *name)
{
    const struct Row *row = row_of(step, name);

    CHECK_MSG(row, "%s of step %d is missing", name, step);
    return row ? row->value : NAN;
}

static const char *reason_of(int step, const char *name)
{
    const struct Row *row = row_of(step, name);

    return row ? row->reason : "there is no such row";
}

/* ---- what is counted -------------------------------------------------------- */

TEST(perf, each_step_and_the_run_are_counted_on_every_thread)
{
    Device *dev = opened();

    CHECK(count(dev, &zen5, 3, F32, "") == OK);
    CHECK(value_of(0, "cycles") == 10 * THREADS);
    CHECK(value_of(2, "instructions") == 30 * THREADS);
    CHECK(value_of(1, "cache_misses") == 20 * THREADS);
    CHECK(value_of(ALL_STEPS, "cycles") == 60 * THREADS);
    CHECK(value_of(ALL_STEPS, "flops") == 60 * THREADS);
    CHECK(value_of(1, "clock_mhz") == 10 && /* 10 cycles in 1000 ns */
          value_of(ALL_STEPS, "clock_mhz") == 10);
    CHECK(!row_of(0, "counted_share") && !row_of(ALL_STEPS, "counted_share"));
    CHECK(trial.launches == 6 && trial.befores == 6); /* two groups */
    dev->backend->close(dev);
}

/* In user space, each of its own, the first of a group its leader. */
TEST(perf, events_are_of_the_threads_of_the_team)
{
    Device *dev = opened();
    const Team team = { THREADS, NULL };
    int tid[THREADS];

    CHECK(count(dev, &zen5, 1, F32, "cycles") == OK);
    CHECK(fake.opened == THREADS * PERF_GROUP);
    team_tids(&team, tid);
    CHECK(tid[0] == getpid());
    for (int t = 0; t < THREADS; t++)
        for (int e = 0; e < PERF_GROUP; e++) {
            const struct Open *o = &fake.fd[t * PERF_GROUP + e];

            CHECK_MSG(o->tid == tid[t], "thread %d: %d, not %d", t, o->tid,
                      tid[t]);
            CHECK(o->group == (e ? FIRST_FD + t * PERF_GROUP : -1));
            CHECK(o->attr.exclude_kernel && o->attr.exclude_hv &&
                  !o->attr.disabled && !o->attr.inherit);
        }
    dev->backend->close(dev);
}

TEST(perf, threads_that_were_replaced_are_noticed)
{
    Device *dev = opened();

    trial.replaces_at = 2;
    CHECK(count(dev, &hybrid, 4, F32, "") == OK);
    CHECK(value_of(0, "cycles") == 10 * THREADS);
    CHECK(value_of(2, "cycles") == 30 * THREADS);
    CHECK(value_of(3, "cycles") == 40 * THREADS);
    if (trial.replaced) {
        CHECK(fake.opened == 2 * THREADS * PERF_GROUP);
        CHECK(strstr(reason_of(1, "cycles"), "OpenMP replaced its threads"));
        CHECK(strstr(reason_of(ALL_STEPS, "cycles"), "OpenMP replaced"));
        CHECK(isnan(value_of(ALL_STEPS, "clock_mhz")));
    } else {
        CHECK(value_of(1, "cycles") == 20 * THREADS);
    }
    dev->backend->close(dev);
}

TEST(perf, a_thread_that_sleeps_counts_nothing)
{
    Device *dev = opened();

    fake.sleeps = true;
    CHECK(count(dev, &hybrid, 2, F32, "") == OK);
    CHECK(value_of(1, "cycles") == 20 && value_of(1, "clock_mhz") == 10);
    dev->backend->close(dev);
}

TEST(perf, what_was_off_for_a_part_is_inferred_and_said)
{
    Device *dev = opened();

    fake.share = 0.5;
    CHECK(count(dev, &zen5, 2, F32, "") == OK);
    CHECK(value_of(1, "cycles") == 20 * THREADS);
    CHECK(value_of(1, "clock_mhz") == 10);
    CHECK(value_of(1, "counted_share") == 0.5);
    CHECK(value_of(ALL_STEPS, "counted_share") == 0.5);
    trial.n = 0;
    fake.share = 0;
    CHECK(count(dev, &zen5, 2, F32, "") == OK);
    CHECK(strstr(reason_of(1, "flops"), "others had them all the time"));
    CHECK(strstr(reason_of(ALL_STEPS, "cycles"), "others had them"));
    dev->backend->close(dev);
}

/* A masked or fused operation aside, widths are single 1, 4, 8, 16 and double
 * 1, 2, 4, 8. */
TEST(perf, operations_are_counted_by_the_processor_s_codes)
{
    Device *dev = opened();
    const char *unknown = "no event is known";
    PerfEvent e[PERF_GROUP];

    CHECK(count(dev, &rapids, 2, F32, "") == OK);
    CHECK(value_of(0, "flops") == (29 + 15) * 10 * THREADS);
    CHECK(value_of(ALL_STEPS, "flops") == 3 * 44 * 10 * THREADS);
    CHECK(perf_group(e, &rapids, F32, 1) == 2 && e[1].config == 0x08c7 &&
          e[1].type == PERF_TYPE_RAW && e[1].factor == 4);
    CHECK(perf_group(e, &rapids, F32, 5) == 0);
    CHECK(perf_group(e, &zen5, F32, 1) == 1 && e[0].config == 0x0f03);
    CHECK(perf_group(e, &zen1, F32, 1) == 0);
    for (int i = 0; i < 2; i++) {
        trial.n = 0;
        CHECK(count(dev, i ? &hybrid : &rapids, 2, i ? F32 : BF16, "") == OK);
        CHECK(strstr(reason_of(ALL_STEPS, "flops"), unknown));
        CHECK(!row_of(0, "flops"));
        CHECK(value_of(0, "cycles") == 10 * THREADS);
    }
    dev->backend->close(dev);
}

TEST(perf, only_what_is_named_is_said)
{
    Device *dev = opened();

    CHECK(count(dev, &zen5, 2, F32, "flops,l2_bytes") == OK);
    CHECK(trial.launches == 2 && trial.n == 4);
    CHECK(value_of(1, "flops") == 20 * THREADS);
    CHECK(strstr(reason_of(ALL_STEPS, "l2_bytes"), "the backend cpu has"));
    trial = (struct Trial){ .n = 0 };
    CHECK(count(dev, &zen5, 1, F32, "clock_mhz") == OK);
    CHECK(trial.n == 2 && value_of(0, "clock_mhz") == 10);
    dev->backend->close(dev);
}

/* ---- refusals ------------------------------------------------------------ */

TEST(perf, each_refusal_is_a_reason_with_its_remedy)
{
    static const struct {
        int code;
        const char *says;
    } cases[] = {
        { EACCES, "sysctl kernel.perf_event_paranoid=2" },
        { EPERM, "--cap-add=PERFMON" },
        { ENOSYS, "sandbox" },
        { ENOENT, "no hardware counters, as most virtual ones" },
        { ENODEV, "virtual PMU" },
        { EOPNOTSUPP, "virtual PMU" },
        { EINVAL, "a newer one may" },
        { EBUSY, "another program" },
        { EMFILE, "ulimit -n" },
        { ESRCH, "run again" },
        { EIO, "Input/output error" },
    };
    Device *dev = opened();

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        for (int from = 0; from < THREADS * PERF_GROUP; from += 4) {
            trial.n = 0;
            fake = (struct Fake){ .share = 1,
                                  .fails = cases[i].code,
                                  .fails_from = from };
            CHECK(count(dev, &zen5, 2, F32, "") == OK);
            CHECK(trial.n == PERF_QUANTITIES); /* of the run alone */
            for (int k = 0; k < trial.n; k++)
                CHECK_MSG(trial.row[k].step == ALL_STEPS &&
                              strstr(trial.row[k].reason, cases[i].says),
                          "%s: %s", trial.row[k].name, trial.row[k].reason);
        }
    CHECK(trial.launches == 0);
    dev->backend->close(dev);
}

TEST(perf, what_may_be_counted_is_where_another_event_may_not)
{
    Device *dev = opened();

    fake.fails = EINVAL;
    fake.raw_fails = true;
    CHECK(count(dev, &rapids, 2, F32, "") == OK);
    CHECK(value_of(ALL_STEPS, "cycles") == 30 * THREADS);
    CHECK(strstr(reason_of(ALL_STEPS, "flops"), "does not know"));
    CHECK(!row_of(0, "flops") && trial.launches == 2);
    dev->backend->close(dev);
}

TEST(perf, a_read_that_is_short_is_a_reason)
{
    Device *dev = opened();

    for (int gives = -1; gives < 48; gives += 25) {
        trial.n = 0;
        fake.gives = gives ? gives : 1;
        CHECK(count(dev, &zen5, 1, F32, "") == OK);
        CHECK_MSG(strstr(reason_of(0, "cycles"), "of 48 that were"), "%s",
                  reason_of(0, "cycles"));
        CHECK(strstr(reason_of(ALL_STEPS, "flops"), "run again"));
    }
    dev->backend->close(dev);
}

TEST(perf, a_launch_that_fails_is_an_error_and_closes_all)
{
    Device *dev = opened();

    trial.fails_at = 2;
    CHECK(count(dev, &zen5, 3, F32, "") == ERR_DEVICE);
    CHECK_MSG(!strcmp(err_message(), "a launch failed"), "%s", err_message());
    dev->backend->close(dev);
}

TEST(perf, who_may_count_is_told_before_a_run)
{
    const PerfSystem system = { fake_open, fake_read, fake_close, zen5 };

    fake = (struct Fake){ .share = 1 };
    CHECK(perf_may_count(&system) == OK && fake.open == 0);
    fake.fails = EPERM;
    CHECK(perf_may_count(&system) == ERR_UNSUPPORTED);
    CHECK(strstr(err_message(), "docker run --cap-add=PERFMON"));
}

/* The kernel's own clocks and counters in place of the processor's, which many
 * machines do not show. */
static int open_software(struct perf_event_attr *attr, int tid, int group)
{
    static const uint64_t instead[] = {
        [PERF_COUNT_HW_CPU_CYCLES] = PERF_COUNT_SW_TASK_CLOCK,
        [PERF_COUNT_HW_INSTRUCTIONS] = PERF_COUNT_SW_TASK_CLOCK,
        [PERF_COUNT_HW_CACHE_MISSES] = PERF_COUNT_SW_PAGE_FAULTS_MIN,
    };

    attr->type = PERF_TYPE_SOFTWARE;
    attr->config = instead[attr->config];
    return (int)syscall(SYS_perf_event_open, attr, tid, -1, group, 0);
}

/* 20 ms on every thread. */
static int spin(void *arg, int step)
{
    (void)arg;
    (void)step;
#pragma omp parallel num_threads(THREADS)
    for (const double end = host_now_ns() + 20e6; host_now_ns() < end;)
        ;
    return OK;
}

TEST(perf, the_kernel_s_own_events_are_read_of_every_thread)
{
    const PerfSystem system = { open_software, read, close, hybrid };
    Device *dev = opened();
    const char *reason;

    CHECK(perf_count_by(&system, dev,
                        &(Counting){ .steps = 3,
                                     .metrics = "cycles,instructions",
                                     .launch = spin,
                                     .take = take }) == OK);
    reason = reason_of(ALL_STEPS, "cycles");
    if (reason[0])
        SKIP(reason);
    for (int i = 0; i < 3; i++) {
        /* in ns; on fewer cores than threads they take turns */
        const double ns = value_of(i, "cycles");

        CHECK_MSG(ns > 2e6 && ns < 500e6, "step %d: %g", i, ns);
        CHECK(fabs(value_of(i, "instructions") / ns - 1) < 0.1);
    }
    dev->backend->close(dev);
}

/* Whatever this machine allows: numbers, or why there are none. */
TEST(perf, here_each_quantity_has_a_value_or_a_reason)
{
    Device *dev = opened();
    const int may = perf_may_count(NULL);

    CHECK(cpu_backend.count(dev, &(Counting){ .steps = 2,
                                              .metrics = "",
                                              .launch = launch,
                                              .take = take }) == OK);
    for (int q = 0; q < PERF_QUANTITIES; q++)
        CHECK(row_of(ALL_STEPS, perf_quantity_name((PerfQuantity)q)));
    if (may == OK)
        CHECK(value_of(0, "cycles") > 0 || reason_of(0, "cycles")[0]);
    else
        CHECK_MSG(strstr(reason_of(ALL_STEPS, "cycles"), "counters: "), "%s",
                  reason_of(ALL_STEPS, "cycles"));
    dev->backend->close(dev);
}

TEST(perf, this_processor_has_a_name)
{
    const Processor p = perf_processor();

#if defined(__x86_64__)
    CHECK(strlen(p.vendor) == 12 && p.family > 0);
#else
    CHECK(!p.vendor[0]);
#endif
}
