/*
 * cpus.c - masks of CPUs, and the one that the process was started with.
 */
#include "kernels/cpu/cpus.h"

#include <errno.h>
#include <limits.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kernels/core/err.h"

/* The C library's cpu_set_t ends at 1024 CPUs, and a machine may have more. */
static long read_raw(CpuMask *out)
{
    return syscall(SYS_sched_getaffinity, 0, sizeof(*out), out);
}

static void set_raw(const CpuMask *m)
{
    syscall(SYS_sched_setaffinity, 0, sizeof(*m), m);
}

static CpuMask started_with;

/* Before the constructors of any library; where the C library knows no such
 * thing, our own constructor has to do. */
__attribute__((no_sanitize("address", "undefined"))) static void read_early(
    int argc, char **argv, char **env)
{
    (void)argc;
    (void)argv;
    (void)env;
    read_raw(&started_with);
}

__attribute__((section(".preinit_array"),
               used)) static void (*const early)(int argc, char **argv,
                                                 char **env) = read_early;

__attribute__((constructor)) static void undo_binding(void)
{
    if (mask_count(&started_with) == 0)
        read_raw(&started_with);
    else
        mask_set(&started_with);
    if (mask_count(&started_with) == 0)
        mask_add(&started_with, 0);
}

int mask_count(const CpuMask *m)
{
    int n = 0;

    for (int i = 0; i < CPUS_MAX / CPUS_WORD; i++)
        n += __builtin_popcountl(m->word[i]);
    return n;
}

int mask_read(CpuMask *out)
{
    memset(out, 0, sizeof(*out));
    if (read_raw(out) < 0)
        return fail(ERR_UNSUPPORTED,
                    "cannot read which CPUs this process may use: %s",
                    strerror(errno));
    return OK;
}

void mask_set(const CpuMask *m)
{
    CpuMask now = { { 0 } };

    if (read_raw(&now) < 0 || memcmp(&now, m, sizeof(now)) != 0)
        set_raw(m);
}

const CpuMask *cpus_of_process(void)
{
    return &started_with;
}

static void add_place(CpuMask *m, int place)
{
    const int n = omp_get_place_num_procs(place);
    int *cpu = n > 0 ? calloc((size_t)n, sizeof(*cpu)) : NULL;

    if (!cpu)
        return;
    omp_get_place_proc_ids(place, cpu);
    for (int i = 0; i < n; i++)
        if (cpu[i] >= 0 && cpu[i] < CPUS_MAX)
            mask_add(m, cpu[i]);
    free(cpu);
}

void cpus_keep_places(CpuMask *m)
{
    CpuMask kept = { { 0 } };

    if (omp_get_proc_bind() == omp_proc_bind_false)
        return;
    for (int i = 0; i < omp_get_num_places(); i++)
        add_place(&kept, i);
    for (int i = 0; i < CPUS_MAX / CPUS_WORD; i++)
        kept.word[i] &= m->word[i];
    if (mask_count(&kept) > 0)
        *m = kept;
}

/* The lowest CPU of the core that cpu belongs to; cpu if that is unknown. */
static int core_of(int cpu, const char *root)
{
    char path[PATH_MAX];
    FILE *f;
    int first = cpu;

    snprintf(path, sizeof(path),
             "%s/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list",
             root, cpu);
    f = fopen(path, "r");
    if (!f)
        return cpu;
    if (fscanf(f, "%d", &first) != 1 || first < 0 || first >= CPUS_MAX)
        first = cpu;
    fclose(f);
    return first;
}

int cpus_by_core(int *cpu, const CpuMask *mask, const char *root)
{
    CpuMask seen = { { 0 } }, later = { { 0 } };
    int n = 0, cores;

    for (int i = 0; i < CPUS_MAX; i++) {
        const int core = mask_has(mask, i) ? core_of(i, root) : 0;

        if (!mask_has(mask, i))
            continue;
        if (mask_has(&seen, core)) {
            mask_add(&later, i);
            continue;
        }
        mask_add(&seen, core);
        cpu[n++] = i;
    }
    cores = n;
    for (int i = 0; i < CPUS_MAX; i++)
        if (mask_has(&later, i))
            cpu[n++] = i;
    return cores;
}
