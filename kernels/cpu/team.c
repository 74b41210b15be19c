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

#include <math.h>
#include <omp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernels/core/err.h"
#include "kernels/cpu/cgroup.h"
#include "kernels/cpu/cpus.h"

/* How the process was before the first team, for after the last. */
static struct {
    int teams;           /* open now                      */
    int widest;          /* threads of the largest so far */
    int threads;         /* omp_get_max_threads()         */
    int dynamic, levels; /* omp_get_dynamic(), omp_get_max_active_levels() */
    CpuMask mask;
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

void team_enter(const Team *team)
{
    omp_set_num_threads(team->threads);
    set_float_mode(float_mode() | FLUSH); /* clang's runtime hands it down */
#pragma omp parallel num_threads(team->threads)
    {
        CpuMask mask = { { 0 } };

        mask_add(&mask, team->cpu[omp_get_thread_num()]);
        mask_set(&mask);
        set_float_mode(float_mode() | FLUSH);
    }
}

/* How many of the threads that are asked for OpenMP gives. */
static int threads_given(int threads)
{
    int given = 0;

#pragma omp parallel num_threads(threads)
#pragma omp single
    given = omp_get_num_threads();
    return given;
}

/* Remembers how the process is, for when the last team is closed, and lets it
 * have as many threads as it asks for. */
static int remember(void)
{
    if (found.teams)
        return OK;
    TRY(mask_read(&found.mask));
    found.threads = omp_get_max_threads();
    found.dynamic = omp_get_dynamic();
    found.levels = omp_get_max_active_levels();
    found.float_mode = float_mode();
    found.widest = 1;
    omp_set_dynamic(0);
    if (found.levels < 1)
        omp_set_max_active_levels(1);
    return OK;
}

static void forget(void)
{
    omp_set_num_threads(found.threads);
    omp_set_dynamic(found.dynamic);
    omp_set_max_active_levels(found.levels);
}

/* How many threads there are by default: one for each core, as far as OpenMP
 * and the quota of processor time allow. */
static int usual_threads(int cores)
{
    GroupLimits limits;
    double most = cores;

    group_limits(&limits, "");
    most = fmin(most, ceil(limits.cpus));
    most = fmin(most, omp_get_thread_limit());
    return most < 1 ? 1 : (int)most;
}

static int refuse_threads(int threads, int allowed)
{
    const int all = mask_count(&found.mask);

    if (allowed < all)
        return fail(ERR_UNSUPPORTED,
                    "threads=%d: OMP_PLACES or GOMP_CPU_AFFINITY leaves %d of "
                    "the %d CPUs that this process may use",
                    threads, allowed, all);
    return fail(ERR_UNSUPPORTED,
                "threads=%d: this process may use %d of the machine's %ld CPUs "
                "(as taskset, a scheduler or a container says); ask for fewer "
                "threads",
                threads, allowed, sysconf(_SC_NPROCESSORS_CONF));
}

/* True if OpenMP gives them. */
static int try_threads(int threads)
{
    int given;

    if (omp_get_thread_limit() < threads)
        return fail(ERR_UNSUPPORTED,
                    "threads=%d: OMP_THREAD_LIMIT allows %d; unset it, or ask "
                    "for fewer threads",
                    threads, omp_get_thread_limit());
    given = threads_given(threads);
    if (given != threads)
        return fail(ERR_UNSUPPORTED,
                    "threads=%d: OpenMP gives %d, and OMP_THREAD_LIMIT is not "
                    "the cause; ask for fewer threads",
                    threads, given);
    return OK;
}

/* Threads and their CPUs, of those that the process may use. */
static int assign(Team *team, int threads, bool crowded)
{
    CpuMask mask = found.mask;
    int allowed, cores;

    cpus_keep_places(&mask);
    allowed = mask_count(&mask);
    if (threads < 0 || (threads > allowed && !crowded))
        return refuse_threads(threads, allowed);
    team->cpu = calloc((size_t)(threads > allowed ? threads : allowed),
                       sizeof(*team->cpu));
    if (!team->cpu)
        return fail(ERR_MEMORY, "no memory for %d CPU numbers", allowed);
    cores = cpus_by_core(team->cpu, &mask, "");
    team->threads = threads ? threads : usual_threads(cores);
    for (int i = allowed; i < team->threads; i++)
        team->cpu[i] = team->cpu[i - allowed];
    return try_threads(team->threads);
}

int team_open(Team *team, int threads, bool crowded)
{
    int err;

    *team = (Team){ 0 };
    TRY(remember());
    err = assign(team, threads, crowded);
    if (err) {
        free(team->cpu);
        team->cpu = NULL;
        if (!found.teams)
            forget();
        return err;
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
        mask_set(&found.mask);
        set_float_mode(found.float_mode);
    }
    forget();
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
