/*
 * cpus.h - the CPUs that this process may use.
 *
 * An OpenMP runtime that is told to bind its threads (OMP_PROC_BIND,
 * OMP_PLACES, GOMP_CPU_AFFINITY) may bind the first one before main, so what a
 * thread may use then says nothing of the process.  Hence it is read before any
 * library starts, and given back to the first thread.
 */
#ifndef CPU_CPUS_H
#define CPU_CPUS_H

#include <stdbool.h>

/* More than Linux can be built for. */
enum { CPUS_MAX = 1 << 15, CPUS_WORD = 8 * (int)sizeof(unsigned long) };

typedef struct CpuMask {
    unsigned long word[CPUS_MAX / CPUS_WORD];
} CpuMask;

static inline bool mask_has(const CpuMask *m, int cpu)
{
    return m->word[cpu / CPUS_WORD] >> cpu % CPUS_WORD & 1;
}

static inline void mask_add(CpuMask *m, int cpu)
{
    m->word[cpu / CPUS_WORD] |= 1ul << cpu % CPUS_WORD;
}

int mask_count(const CpuMask *m);

/* Reads the CPUs of the calling thread.  ERR_UNSUPPORTED if it cannot. */
int mask_read(CpuMask *out);

/* Moves it to other CPUs; a system call only where something changes. */
void mask_set(const CpuMask *m);

/* The CPUs that the process was started with; at least one. */
const CpuMask *cpus_of_process(void);

/* Those of m that OpenMP was told to keep to, if it was (OMP_PLACES); all of
 * them where that leaves none. */
void cpus_keep_places(CpuMask *m);

/* Lists the CPUs of the mask, one of each core before any second one, into cpu,
 * which has room.  Gives the number of cores.  root: "" for this machine. */
int cpus_by_core(int *cpu, const CpuMask *mask, const char *root);

#endif
