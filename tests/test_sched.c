/*
 * test_sched.c - counts of the scheduler: from files that are made up, and once
 * from this machine.
 */
#include "harness/devices/sched.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "kernels/core/host.h"
#include "kernels/cpu/cpus.h"
#include "tests/databases.h"
#include "tests/test.h"

/* ---- a folder like /proc -------------------------------------------------- */

static const char *proc_folder(char path[256])
{
    char text[300];

    snprintf(path, 256, "%s/proc", test_tmpdir());
    mkdir(path, 0755);
    snprintf(text, sizeof(text), "%s/self", path);
    mkdir(text, 0755);
    snprintf(text, sizeof(text), "%s/self/task", path);
    mkdir(text, 0755);
    return path;
}

static void set_thread(const char *proc, int tid, const char *schedstat)
{
    char text[320];

    snprintf(text, sizeof(text), "%s/self/task/%d", proc, tid);
    mkdir(text, 0755);
    snprintf(text, sizeof(text), "%s/self/task/%d/schedstat", proc, tid);
    write_text(text, schedstat);
}

static void end_thread(const char *proc, int tid)
{
    char text[320];

    snprintf(text, sizeof(text), "%s/self/task/%d/schedstat", proc, tid);
    unlink(text);
    snprintf(text, sizeof(text), "%s/self/task/%d", proc, tid);
    rmdir(text);
}

static double delay(Sched *s)
{
    SchedCount c;

    sched_read(s, &c);
    return c.run_delay_ns;
}

/* ---- threads -------------------------------------------------------------- */

TEST(sched, delays_of_all_threads_are_added)
{
    char proc[256];
    Sched *s;

    proc_folder(proc);
    set_thread(proc, 100, "5000 70 3\n");
    set_thread(proc, 101, "9000 200 4\n");
    s = sched_open(proc);
    CHECK(delay(s) == 270);
    set_thread(proc, 101, "9500 250 5\n");
    CHECK(delay(s) == 320);
    sched_close(s);
}

TEST(sched, a_team_of_64_that_is_made_later_is_found)
{
    char proc[256];
    Sched *s;

    proc_folder(proc);
    set_thread(proc, 100, "5000 1000 3\n");
    s = sched_open(proc);
    CHECK(delay(s) == 1000);
    for (int i = 1; i < 64; i++)
        set_thread(proc, 100 + i, "1 2 3\n");
    CHECK(delay(s) == 1000 + 63 * 2);
    sched_close(s);
}

TEST(sched, a_thread_that_ended_still_counts)
{
    char proc[256];
    Sched *s;

    proc_folder(proc);
    set_thread(proc, 100, "5000 70 3\n");
    set_thread(proc, 101, "9000 200 4\n");
    s = sched_open(proc);
    CHECK(delay(s) == 270);
    end_thread(proc, 101);
    CHECK(delay(s) == 270);
    set_thread(proc, 100, "5000 80 3\n");
    CHECK(delay(s) == 280);
    sched_close(s);
}

/* The number of threads stays the same; the file of the one that ended gives
 * no more. */
TEST(sched, a_thread_that_another_replaced_is_noticed)
{
    char proc[256];
    Sched *s;

    proc_folder(proc);
    set_thread(proc, 100, "5000 70 3\n");
    set_thread(proc, 101, "9000 200 4\n");
    s = sched_open(proc);
    CHECK(delay(s) == 270);
    set_thread(proc, 101, "");
    end_thread(proc, 101);
    set_thread(proc, 102, "1 5 1\n");
    CHECK(delay(s) == 275);
    set_thread(proc, 102, "1 8 1\n");
    CHECK(delay(s) == 278);
    sched_close(s);
}

TEST(sched, a_kernel_that_counts_no_delays_has_not_none)
{
    char proc[256];
    SchedCount c;
    Sched *s;

    proc_folder(proc);
    set_thread(proc, 100, "0 0 0\n");
    s = sched_open(proc);
    CHECK(isnan(delay(s)));
    sched_close(s);

    end_thread(proc, 100);
    s = sched_open(proc);
    CHECK(isnan(delay(s)));
    sched_close(s);

    s = sched_open("/no/such/folder");
    sched_read(s, &c);
    CHECK(isnan(c.run_delay_ns) && isnan(c.steal_ns));
    CHECK(c.cpu_ns > 0 && c.switches >= 0 && c.at_ns > 0);
    sched_close(s);
}

/* ---- steal time ----------------------------------------------------------- */

static double steal_of(const char *stat)
{
    char proc[256], path[300];
    SchedCount c;
    Sched *s;

    proc_folder(proc);
    snprintf(path, sizeof(path), "%s/stat", proc);
    write_text(path, stat);
    s = sched_open(proc);
    sched_read(s, &c);
    sched_close(s);
    return c.steal_ns;
}

static int first_cpu(void)
{
    int cpu = 0;

    while (!mask_has(cpus_of_process(), cpu))
        cpu++;
    return cpu;
}

TEST(sched, steal_time_is_of_cpus_that_may_be_used)
{
    const double tick = 1e9 / (double)sysconf(_SC_CLK_TCK);
    char text[512];

    snprintf(text, sizeof(text),
             "cpu  9 9 9 9 9 9 9 999 9 9\ncpu%d 1 2 3 4 5 6 7 80 9 10\n"
             "cpu32767 1 2 3 4 5 6 7 500 9 10\nintr 7 8 9\n",
             first_cpu());
    CHECK(steal_of(text) == 80 * tick);
}

TEST(sched, steal_time_that_is_hidden_is_not_known)
{
    char text[256];

    snprintf(text, sizeof(text), "cpu%d 0 0 0 0 0 0 0 0 0 0\n", first_cpu());
    CHECK(isnan(steal_of(text)));
    snprintf(text, sizeof(text), "cpu%d 1 2 3 4 5 6 7\nintr 9\n", first_cpu());
    CHECK(isnan(steal_of(text)));
    CHECK(isnan(steal_of("intr 7 8 9\n")));
    CHECK(isnan(steal_of("")));
}

TEST(sched, steal_time_is_read_again_after_a_while)
{
    char proc[256], path[300], text[256];
    double first, later;
    SchedCount c;
    Sched *s;

    proc_folder(proc);
    snprintf(path, sizeof(path), "%s/stat", proc);
    snprintf(text, sizeof(text), "cpu%d 1 2 3 4 5 6 7 0\n", first_cpu());
    write_text(path, text);
    s = sched_open(proc);
    sched_read(s, &c);
    first = c.steal_ns;
    snprintf(text, sizeof(text), "cpu%d 1 2 3 4 5 6 7 2\n", first_cpu());
    write_text(path, text);
    nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
    sched_read(s, &c);
    later = c.steal_ns;
    sched_close(s);
    CHECK(first == 0 && later == 2e9 / (double)sysconf(_SC_CLK_TCK));
}

/* ---- this machine --------------------------------------------------------- */

static atomic_bool enough;

static void *spin(void *arg)
{
    while (!enough)
        ;
    return arg;
}

/* Two threads that want the CPU of one of them: the other waits, or is pushed
 * off.  Half a minute is far more than any scheduler lets one run alone. */
TEST(sched, two_threads_on_one_cpu_wait_for_each_other)
{
    const double start = host_now_ns();
    SchedCount before, now;
    pthread_t other;
    cpu_set_t set;
    Sched *s = sched_open("/proc");

    CPU_ZERO(&set);
    CPU_SET((unsigned)first_cpu(), &set);
    REQUIRE(sched_setaffinity(0, sizeof(set), &set) == 0);
    REQUIRE(pthread_create(&other, NULL, spin, NULL) == 0);
    sched_read(s, &before);
    do
        sched_read(s, &now);
    while (!(now.run_delay_ns - before.run_delay_ns > 5e6 &&
             now.switches - before.switches >= 2) &&
           host_now_ns() - start < 30e9);
    enough = true;
    pthread_join(other, NULL);
    sched_close(s);
    CHECK(now.cpu_ns > before.cpu_ns && now.at_ns > before.at_ns);
    CHECK_MSG(now.switches - before.switches >= 2, "%ld switches",
              now.switches - before.switches);
    if (isnan(now.run_delay_ns))
        SKIP("this kernel does not count run delays");
    CHECK_MSG(now.run_delay_ns - before.run_delay_ns > 5e6, "%.0f ns",
              now.run_delay_ns - before.run_delay_ns);
}
