/*
 * team.c - pins the OpenMP threads and sets their float mode.
 *
 * A pinned thread does not wander between cores in the middle of a sample.
 * Threads go to one CPU of each core first; a core's other hardware threads
 * are used only if more threads are asked for than there are cores.
 *
 * Denormals are flushed because one of them costs a hundred cycles on some
 * processors: a time would depend on the values.  On x86-64 that is FTZ and
 * DAZ in MXCSR, on AArch64 FZ in FPCR; elsewhere nothing is set, and
 * team_flushes_denormals() says so.
 *
 * A runtime may end threads and make new ones when the size of the team
 * changes; new ones inherit the mask of the thread that made them, which is
 * pinned.  Hence team_enter(), which sets every thread right again.
 */
#include "kernels/cpu/team.h"

#include <errno.h>
#include <omp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernels/core/err.h"

/* How the process was before the first team, for after the last. */
static struct {
    int teams;   /* open now                      */
    int widest;  /* threads of the largest so far */
    int threads; /* omp_get_max_threads()         */
    cpu_set_t mask;
    uint64_t float_mode;
} found;

#if defined(__x86_64__)
enum { MXCSR_FTZ = 1 << 15, MXCSR_DAZ = 1 << 6 };
#define FLUSH (MXCSR_FTZ | MXCSR_DAZ)
static uint64_t float_mode(void)
{
    return __builtin_ia32_stmxcsr();
}
static void set_float_mode(uint64_t mode)
{
    __builtin_ia32_ldmxcsr((unsigned)mode);
}
#elif defined(__aarch64__)
#define FLUSH (1u << 24) /* FPCR.FZ */
static uint64_t float_mode(void)
{
    uint64_t mode;

    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    return mode;
}
static void set_float_mode(uint64_t mode)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(mode));
}
#else
#define FLUSH 0
static uint64_t float_mode(void)
{
    return 0;
}
static void set_float_mode(uint64_t mode)
{
    (void)mode;
}
#endif

/* A system call only where something changes. */
static void set_mask(const cpu_set_t *mask)
{
    cpu_set_t now;

    if (sched_getaffinity(0, sizeof(now), &now) || !CPU_EQUAL(&now, mask))
        sched_setaffinity(0, sizeof(*mask), mask);
}

void team_enter(const Team *team)
{
    omp_set_num_threads(team->threads);
    set_float_mode(float_mode() | FLUSH); /* clang's runtime hands it down */
#pragma omp parallel num_threads(team->threads)
    {
        cpu_set_t mask;

        CPU_ZERO(&mask);
        CPU_SET(team->cpu[omp_get_thread_num()], &mask);
        set_mask(&mask);
        set_float_mode(float_mode() | FLUSH);
    }
}

/* The lowest CPU of the core that cpu belongs to; cpu if that is unknown. */
static int core_of(int cpu)
{
    char path[96];
    FILE *f;
    int first = cpu;

    snprintf(path, sizeof(path),
             "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list",
             cpu);
    f = fopen(path, "r");
    if (!f)
        return cpu;
    if (fscanf(f, "%d", &first) != 1)
        first = cpu;
    fclose(f);
    return first;
}

/* Lists the CPUs of the mask, one of each core before any second one.  Gives
 * the number of cores. */
static int order_cpus(const cpu_set_t *mask, int *cpu)
{
    bool seen[CPU_SETSIZE] = { false }, later[CPU_SETSIZE] = { false };
    int n = 0, cores;

    for (int i = 0; i < CPU_SETSIZE; i++) {
        const int core = CPU_ISSET(i, mask) ? core_of(i) : 0;

        if (!CPU_ISSET(i, mask))
            continue;
        if (core >= CPU_SETSIZE || seen[core]) {
            later[i] = true;
            continue;
        }
        seen[core] = true;
        cpu[n++] = i;
    }
    cores = n;
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (later[i])
            cpu[n++] = i;
    return cores;
}

/* How many threads OpenMP gives when so many are asked for. */
static int threads_given(int threads)
{
    int given = 0;

#pragma omp parallel num_threads(threads)
#pragma omp single
    given = omp_get_num_threads();
    return given;
}

/* Remembers how the process is, for when the last team is closed. */
static int remember(void)
{
    if (found.teams)
        return OK;
    if (sched_getaffinity(0, sizeof(found.mask), &found.mask))
        return fail(ERR_UNSUPPORTED,
                    "cannot read which CPUs this process may use: %s",
                    strerror(errno));
    found.threads = omp_get_max_threads();
    found.float_mode = float_mode();
    found.widest = 1;
    return OK;
}

int team_open(Team *team, int threads, bool crowded)
{
    int allowed, cores;

    TRY(remember());
    allowed = CPU_COUNT(&found.mask);
    if (threads < 0 || (threads > allowed && !crowded))
        return fail(ERR_UNSUPPORTED, "threads=%d: this process may use %d CPUs",
                    threads, allowed);
    team->cpu = calloc((size_t)(threads > allowed ? threads : allowed),
                       sizeof(*team->cpu));
    if (!team->cpu)
        return fail(ERR_MEMORY, "no memory for %d CPU numbers", allowed);
    cores = order_cpus(&found.mask, team->cpu);
    team->threads = threads ? threads : cores;
    for (int i = allowed; i < team->threads; i++)
        team->cpu[i] = team->cpu[i - allowed];
    if (threads_given(team->threads) != team->threads) {
        free(team->cpu);
        return fail(ERR_UNSUPPORTED,
                    "threads=%d: OpenMP gives fewer (see OMP_THREAD_LIMIT)",
                    team->threads);
    }
    found.teams++;
    if (found.widest < team->threads)
        found.widest = team->threads;
    team_enter(team);
    return OK;
}

void team_close(Team *team)
{
    free(team->cpu);
    team->cpu = NULL;
    if (--found.teams)
        return;
    set_float_mode(found.float_mode);
#pragma omp parallel num_threads(found.widest)
    {
        set_mask(&found.mask);
        set_float_mode(found.float_mode);
    }
    omp_set_num_threads(found.threads);
}

void team_tids(const Team *team, int *tid)
{
#pragma omp parallel num_threads(team->threads)
    tid[omp_get_thread_num()] = (int)syscall(SYS_gettid);
}

/* The product, computed when the program runs and not by the compiler. */
static uint32_t product_bits(float a, float b)
{
    uint32_t bits;

    __asm__ volatile("" : "+m"(a), "+m"(b));
    a *= b;
    memcpy(&bits, &a, sizeof(bits));
    return bits;
}

bool team_flushes_denormals(const Team *team)
{
    int flushing = 0;

    team_enter(team);
#pragma omp parallel num_threads(team->threads) reduction(+ : flushing)
    flushing += product_bits(1e-39f, 1e10f) == 0 && /* an operand */
                product_bits(1.2e-38f, 0.1f) == 0;  /* a result   */
    return flushing == team->threads;
}
