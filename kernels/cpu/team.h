/*
 * team.h - the OpenMP threads of the process: how many, where, and whether
 * they flush denormals.
 *
 * There is one team a process, whatever the number of devices; so the team is
 * the one thing here that is global.  The first team_open() remembers how it
 * found the process, and the last team_close() leaves it so.
 */
#ifndef CPU_TEAM_H
#define CPU_TEAM_H

#include <stdbool.h>

/* Where the threads of one device run. */
typedef struct Team {
    int threads;
    int *cpu; /* cpu[i]: of thread i */
} Team;

/* Takes threads of the CPUs that this process may use; 0: one for each core,
 * but no more than its control groups' quota of processor time, rounded up, and
 * OMP_THREAD_LIMIT allow.  Of OpenMP's other variables OMP_PLACES and
 * GOMP_CPU_AFFINITY count: other CPUs are not used.
 * ERR_UNSUPPORTED if there are not that many, unless they may be crowded: then
 * several share a CPU, for tests of how work is shared out. */
int team_open(Team *team, int threads, bool crowded);
void team_close(Team *team);

/* Gives the process this team: size, a CPU for each thread, denormals
 * flushed.  Another team may have had it since the last time. */
void team_enter(const Team *team);

/* The kernel's number of thread i into tid[i]; the same until the size of the
 * team changes. */
void team_tids(const Team *team, int *tid);

/* True if every thread takes denormals as zero: tries it. */
bool team_flushes_denormals(const Team *team);

#endif
