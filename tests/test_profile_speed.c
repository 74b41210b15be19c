/*
 * test_profile_speed.c - the steps of a network, each timed apart, take what
 * the network takes; and profiling changes no time.  In make speed alone, and
 * wants a quiet machine.
 *
 * ResNet-50 with SCSA, batch 8, as written, all cores: medians of steps and of
 * whole runs, interleaved.
 *
 * SCSA alone, batch 8, timed as 'run' times it in three processes,
 * interleaved: in two of them nothing was ever profiled, and how they differ
 * is the noise; in the third the same plan was profiled and counted before.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "analysis/paired.h"
#include "analysis/stats.h"
#include "harness/devices/backends.h"
#include "harness/explain/profiler.h"
#include "kernels/core/err.h"
#include "tests/test.h"

TEST(profile_speed, steps_add_up_to_the_whole)
{
    Profiled p;
    double off;
    Case c;

    if (!getenv("SPEED"))
        SKIP("a benchmark: make speed");
    case_defaults(&c);
    REQUIRE(case_set(&c, "backbone", "resnet50") == OK);
    REQUIRE(case_set(&c, "module", "scsa") == OK);
    REQUIRE(case_set(&c, "batch", "8") == OK);
    REQUIRE(case_complete(&c) == OK);
    REQUIRE(profiler_run(&p, &c, 10, "") == OK);
    off = p.profile.sum_ns / p.profile.whole_ns - 1;
    printf("    %d steps: %.1f ms, the whole: %.1f ms, %+.1f %%\n", p.profile.n,
           p.profile.sum_ns / 1e6, p.profile.whole_ns / 1e6, 100 * off);
    profiler_free(&p);
}

/* ---- profiling changes no time --------------------------------------------- */

enum { ROUNDS = 240 };
static const double WARMUP_NS = 0.5e9;
static const struct timespec until_threads_sleep = { .tv_nsec = 30000000 };

typedef struct Timer {
    pid_t pid;
    int line; /* a byte asks for a sample, which comes as a double */
    double ns[ROUNDS];
    int round[ROUNDS];
} Timer;

static int prepare(Profiled *p, const Case *c, bool profiled)
{
    if (profiled)
        return profiler_run(p, c, 1, "");
    memset(p, 0, sizeof(*p));
    trial_init(&p->arm, c, NULL, 0);
    TRY(backend_open(&p->dev, case_name("backend", c->backend),
                     &(DeviceSettings){ c->threads, "" }));
    trial_prepare(&p->arm, &(Checker){ p->dev, NULL }, WARMUP_NS, NULL);
    return OK;
}

/* A sample each time that one is asked for; -1 if there is none. */
static void serve(int line, bool profiled)
{
    Profiled p;
    Case c;
    char ask;
    int err;

    case_defaults(&c);
    err = case_set(&c, "module", "scsa") || case_set(&c, "batch", "8") ||
          case_complete(&c) || prepare(&p, &c, profiled);
    while (read(line, &ask, 1) == 1) {
        double ns = -1;

        if (!err && trial_ok(&p.arm))
            trial_sample(&p.arm, 0, false);
        if (!err && trial_ok(&p.arm))
            ns = p.arm.ns[p.arm.n - 1];
        if (write(line, &ns, sizeof(ns)) != sizeof(ns))
            break;
    }
    _exit(0);
}

/* Time of fork alone: this process must not have used OpenMP before. */
static void start(Timer *t, bool profiled)
{
    int ends[2];

    BUG_IF(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    t->pid = fork();
    BUG_IF(t->pid < 0);
    if (t->pid == 0) {
        close(ends[0]);
        serve(ends[1], profiled);
    }
    close(ends[1]);
    t->line = ends[0];
}

static double sample(const Timer *t)
{
    double ns = -1;

    if (write(t->line, "", 1) != 1 ||
        recv(t->line, &ns, sizeof(ns), MSG_WAITALL) != sizeof(ns))
        ns = -1;
    nanosleep(&until_threads_sleep, NULL);
    return ns;
}

static Ratio ratio(const Timer *a, const Timer *b)
{
    return ratio_paired(a->ns, a->round, ROUNDS, b->ns, b->round, ROUNDS);
}

/* Two unprofiled ones differ by noise; the third is judged by it. */
static void compare(const Timer *off, const Timer *used, const Timer *again)
{
    const Ratio noise = ratio(again, off), r = ratio(used, off);

    printf("    unprofiled %.1f us; unprofiled again %.4f [%.4f, %.4f], "
           "profiled %.4f [%.4f, %.4f]\n",
           stats_of(off->ns, ROUNDS).median / 1e3, noise.ratio, noise.lo,
           noise.hi, r.ratio, r.lo, r.hi);
}

TEST(profile_speed, profiling_changes_no_time)
{
    static Timer timers[3]; /* the profiled one always has the middle turn */

    if (!getenv("SPEED"))
        SKIP("a benchmark: make speed");
    for (int i = 0; i < 3; i++)
        start(&timers[i], i == 1);
    for (int i = 0; i < 3; i++)
        sample(&timers[i]); /* once all are ready */
    for (int r = 0; r < ROUNDS; r++)
        for (int k = 0; k < 3; k++) {
            Timer *t = &timers[r % 2 ? 2 - k : k];

            t->round[r] = r;
            t->ns[r] = sample(t);
            CHECK_MSG(t->ns[r] > 0, "round %d has no sample", r);
        }
    compare(&timers[0], &timers[1], &timers[2]);
    for (int i = 0; i < 3; i++) /* the later ones hold the lines of the first */
        close(timers[i].line);
    for (int i = 0; i < 3; i++)
        waitpid(timers[i].pid, NULL, 0);
}
