/*
 * sched.c - reads the scheduler's counts of this process from /proc.
 *
 * Each thread has a file of its own, and OpenMP makes its threads at their
 * first use.  A folder's number of links is two more than its number of
 * threads, and costs less to ask than to list it: threads are listed when that
 * number has changed, or when a thread's file can no longer be read, as when
 * one ended and another began.  A thread that has ended is counted as it was
 * last seen.
 *
 * Source: Linux, scheduler/sched-stats.rst; proc(5); getrusage(2).
 */
#include "harness/devices/sched.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "kernels/core/err.h"
#include "kernels/core/host.h"
#include "kernels/cpu/cpus.h"

enum {
    STAT_BYTES = 1 << 17, /* the lines of 1500 CPUs, which come first */
    STEAL_FIELD = 8,      /* of "cpu0 user nice system idle iowait irq softirq
                             steal"; before Linux 2.6.11 there were seven */
    LEAST_LINKS = 3, /* of a folder that holds one, where links are counted */
};

/* The kernel counts steal in ticks of 1 to 10 ms and prints it in steps of 10;
 * with many CPUs and interrupts the file takes it up to a millisecond. */
static const double STEAL_EVERY_NS = 5e6;

typedef struct Thread {
    int tid, file;
    double delay_ns;
    bool seen; /* in the listing that is read now */
} Thread;

struct Sched {
    int folder, stat; /* self/task and stat; -1: cannot be opened */
    nlink_t links;    /* of the folder when it was listed */
    Thread *at;
    int n;
    double ended_ns; /* delay of threads that are no more */
    bool counts;     /* the kernel counts delays */
    bool lacks;      /* a thread's file could not be opened */
    char *text;      /* of stat */
    double steal_ns, steal_at_ns;
};

/* ---- threads ------------------------------------------------------------ */

/* Reads "cpu_ns run_delay_ns timeslices"; false if the thread has ended.  A
 * kernel that does not count says "0 0 0" of threads that have run. */
static bool read_thread(Sched *s, Thread *t)
{
    char text[96];
    const ssize_t n = pread(t->file, text, sizeof(text) - 1, 0);
    unsigned long long delay, slices;

    if (n <= 0)
        return false;
    text[n] = '\0';
    if (sscanf(text, "%*u %llu %llu", &delay, &slices) != 2)
        return false;
    t->delay_ns = (double)delay;
    s->counts |= slices > 0;
    return true;
}

static void drop_thread(Sched *s, int i)
{
    s->ended_ns += s->at[i].delay_ns;
    close(s->at[i].file);
    s->at[i] = s->at[--s->n];
}

static void add_thread(Sched *s, int tid)
{
    char path[64];
    int file;

    for (int i = 0; i < s->n; i++)
        if (s->at[i].tid == tid) {
            s->at[i].seen = true;
            return;
        }
    snprintf(path, sizeof(path), "%d/schedstat", tid);
    file = openat(s->folder, path, O_RDONLY | O_CLOEXEC);
    if (file < 0) { /* it may have ended since */
        s->lacks |= errno != ENOENT && errno != ESRCH;
        return;
    }
    s->at = realloc(s->at, (size_t)(s->n + 1) * sizeof(*s->at));
    BUG_IF(!s->at);
    s->at[s->n++] = (Thread){ tid, file, 0, true };
}

static void list_threads(Sched *s)
{
    const int again = openat(s->folder, ".", O_RDONLY | O_CLOEXEC);
    DIR *folder = again < 0 ? NULL : fdopendir(again);

    if (!folder) {
        if (again >= 0)
            close(again);
        return;
    }
    s->lacks = false;
    for (int i = 0; i < s->n; i++)
        s->at[i].seen = false;
    for (const struct dirent *e; (e = readdir(folder));)
        if (isdigit((unsigned char)e->d_name[0]))
            add_thread(s, atoi(e->d_name));
    closedir(folder);
    for (int i = s->n - 1; i >= 0; i--)
        if (!s->at[i].seen)
            drop_thread(s, i);
}

/* Reads all, and drops those that have ended; true if there were such. */
static bool read_threads(Sched *s)
{
    bool ended = false;

    for (int i = s->n - 1; i >= 0; i--)
        if (!read_thread(s, &s->at[i])) {
            drop_thread(s, i);
            ended = true;
        }
    return ended;
}

static double run_delay(Sched *s)
{
    struct stat now;
    double sum;
    bool ended;

    if (s->folder < 0 || fstat(s->folder, &now))
        return NAN;
    ended = read_threads(s);
    if (ended || now.st_nlink != s->links || now.st_nlink < LEAST_LINKS) {
        s->links = now.st_nlink;
        list_threads(s);
        read_threads(s);
    }
    sum = s->ended_ns;
    for (int i = 0; i < s->n; i++)
        sum += s->at[i].delay_ns;
    return s->counts && !s->lacks ? sum : NAN;
}

/* ---- steal time --------------------------------------------------------- */

/* Numbers of a line "cpu1 user nice ..." up to steal; how many there are. */
static int line_numbers(const char *line, double x[STEAL_FIELD])
{
    char *end;
    int n = 0;

    while (n < STEAL_FIELD) {
        x[n] = (double)strtoull(line, &end, 10);
        if (end == line)
            break;
        line = end;
        n++;
    }
    return n;
}

/* Ticks of the CPUs in the mask; NAN where the numbers are hidden, all 0. */
static double steal_ticks(const char *text, const CpuMask *mask)
{
    double x[STEAL_FIELD], steal = 0, all = 0;

    for (const char *line = text; line && !strncmp(line, "cpu", 3);) {
        char *numbers;
        const long cpu = strtol(line + 3, &numbers, 10);

        if (numbers > line + 3 && isdigit((unsigned char)line[3]) &&
            cpu < CPUS_MAX && mask_has(mask, (int)cpu) &&
            line_numbers(numbers, x) == STEAL_FIELD) {
            steal += x[STEAL_FIELD - 1];
            for (int i = 0; i < STEAL_FIELD; i++)
                all += x[i];
        }
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    return all > 0 ? steal : NAN;
}

static double steal(Sched *s)
{
    const double now = host_now_ns();
    ssize_t n;

    if (s->stat < 0 || now - s->steal_at_ns < STEAL_EVERY_NS)
        return s->steal_ns;
    n = pread(s->stat, s->text, STAT_BYTES - 1, 0);
    s->text[n > 0 ? n : 0] = '\0';
    s->steal_ns = steal_ticks(s->text, cpus_of_process()) * 1e9 /
                  (double)sysconf(_SC_CLK_TCK);
    s->steal_at_ns = now;
    return s->steal_ns;
}

/* ---- all of it ---------------------------------------------------------- */

static int open_in(const char *folder, const char *name, int flags)
{
    char path[PATH_MAX];

    if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, name) >=
        sizeof(path))
        return -1;
    return open(path, flags | O_RDONLY | O_CLOEXEC);
}

Sched *sched_open(const char *proc)
{
    Sched *s = calloc(1, sizeof(*s));

    BUG_IF(!s);
    s->text = malloc(STAT_BYTES);
    BUG_IF(!s->text);
    s->folder = open_in(proc, "self/task", O_DIRECTORY);
    s->stat = open_in(proc, "stat", 0);
    s->steal_ns = NAN;
    s->steal_at_ns = -INFINITY;
    return s;
}

void sched_read(Sched *s, SchedCount *out)
{
    struct timespec cpu;
    struct rusage usage;

    out->run_delay_ns = run_delay(s);
    out->steal_ns = steal(s);
    getrusage(RUSAGE_SELF, &usage);
    out->switches = usage.ru_nivcsw;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    out->cpu_ns = (double)cpu.tv_sec * 1e9 + (double)cpu.tv_nsec;
    out->at_ns = host_now_ns();
}

void sched_close(Sched *s)
{
    if (!s)
        return;
    for (int i = 0; i < s->n; i++)
        close(s->at[i].file);
    if (s->folder >= 0)
        close(s->folder);
    if (s->stat >= 0)
        close(s->stat);
    free(s->at);
    free(s->text);
    free(s);
}
