/*
 * others.h - whether other programs disturb what is measured: the CPU time that
 * they use now.
 *
 * A load average says this only of a machine that has been quiet: for minutes
 * after a build it counts the build, and the end of a run counts the run.  So
 * averages are stored and printed (analysis/load.h), and nothing is concluded
 * from them.
 */
#ifndef HARNESS_OTHERS_H
#define HARNESS_OTHERS_H

#include <stdbool.h>

/* Seconds so far, on the CPUs that this process may use. */
typedef struct CpuTime {
    double wall;
    double all; /* used by whatever runs there, or by the host of a virtual
                   machine for others; NAN: not known */
    double own; /* used by this process */
} CpuTime;

/* Reads stat: "/proc/stat", or a file like it. */
void cpu_time(CpuTime *t, const char *stat);

/* CPUs that other programs used from a to b, at least 0; NAN: not known. */
double others_between(const CpuTime *a, const CpuTime *b);

/* The same of the next half a second, in which the caller sleeps. */
double others_now(void);

/* True if that many CPUs, or that load, are a busy machine; NAN is not. */
bool others_are_busy(double cpus);

/* Says that other programs disturb what is measured, if they do; else "".
 * threads: whether it runs on several threads, which wait for each other, so
 * that one would be disturbed far less.  Returns text. */
enum { OTHERS_TEXT = 192 };
char *others_doubt(char text[OTHERS_TEXT], double cpus, int cores,
                   bool threads);

#endif
