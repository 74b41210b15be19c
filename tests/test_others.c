/*
 * test_others.c - the CPU time that other programs use.
 */
#include "harness/devices/others.h"

#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/databases.h"
#include "tests/test.h"
#include "tests/texts.h"

/* Writes a file like /proc/stat of which the first CPU that this process may
 * use has the given ticks, and one that it may not use has others. */
static const char *stat_file(const char *ticks)
{
    const char *path = temp_path("stat");
    FILE *f = fopen(path, "w");
    cpu_set_t set;
    int cpu = 0;

    BUG_IF(!f || sched_getaffinity(0, sizeof(set), &set));
    while (!CPU_ISSET(cpu, &set))
        cpu++;
    fprintf(f, "cpu  9 9 9 9 9 9 9 9 9 9\ncpu%d %s\n", cpu, ticks);
    fprintf(f, "cpu1023 7000 0 0 0 0 0 0 0 0 0\nintr 1 2 3\n");
    fclose(f);
    return path;
}

TEST(others, time_is_of_cpus_that_may_be_used_and_not_of_waiting)
{
    const double tick = 1.0 / (double)sysconf(_SC_CLK_TCK);
    CpuTime t;

    /* user nice system idle iowait irq softirq steal guest guest_nice */
    cpu_time(&t, stat_file("100 20 30 5000 600 4 5 6 70 8"));
    CHECK(fabs(t.all - 165 * tick) < 1e-9);
    cpu_time(&t, stat_file("100 20 30 5000 600 4 5")); /* before Linux 2.6.11 */
    CHECK(fabs(t.all - 159 * tick) < 1e-9);
    cpu_time(&t, stat_file("0 0 0 0 0 0 0 0 0 0")); /* where it is hidden */
    CHECK(isnan(t.all));
    cpu_time(&t, "/no/such/file");
    CHECK(isnan(t.all));
    CHECK(t.own > 0 && t.wall > 0);
}

TEST(others, the_own_process_is_none_of_them)
{
    const CpuTime a = { .wall = 10, .all = 100, .own = 3 };
    const CpuTime b = { .wall = 12, .all = 104, .own = 6 };
    const CpuTime mine = { .wall = 12, .all = 102.9, .own = 6 };
    const CpuTime hidden = { .wall = 12, .all = NAN, .own = 6 };

    CHECK(fabs(others_between(&a, &b) - 0.5) < 1e-9);
    CHECK(others_between(&a, &mine) == 0); /* ticks are rounded */
    CHECK(isnan(others_between(&a, &hidden)));
    CHECK(isnan(others_between(&a, &a)));
}

TEST(others, a_program_that_runs_now_is_seen)
{
    const pid_t child = fork();
    double cpus;

    if (!child)
        for (volatile int i = 0;; i++)
            ;
    REQUIRE(child > 0);
    cpus = others_now();
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    if (isnan(cpus))
        SKIP("/proc/stat does not say what CPUs do");
    CHECK_MSG(others_are_busy(cpus), "%.2f CPUs", cpus);
}

TEST(others, they_are_named_if_they_use_more_than_half_a_cpu)
{
    char text[OTHERS_TEXT];

    CHECK(!others_doubt(text, 0.5, 2, true)[0]);
    CHECK(!others_doubt(text, NAN, 2, true)[0]);
    CHECK(!strcmp(others_doubt(text, 1.23, 2, true),
                  "other programs use 1.2 of 2 cores: they disturb the "
                  "measurement; wait, or find them with top; --threads=1 is "
                  "far less disturbed"));
    CHECK(!strstr(others_doubt(text, 1, 2, false), "--threads"));
    CHECK(!strcmp(others_doubt(text, 1, 1, true),
                  "other programs use 1.0 of 1 core: they disturb the "
                  "measurement; wait, or find them with top"));
}
