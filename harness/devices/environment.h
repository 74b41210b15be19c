/*
 * environment.h - what a measurement depends on besides the program: the
 * machine, the build, the load.  For the record, and for doctor.
 */
#ifndef HARNESS_ENVIRONMENT_H
#define HARNESS_ENVIRONMENT_H

#include <stddef.h>

#include "results/store.h"

/* Fill what is recorded; what cannot be found is "" or "unknown". */
void environment_machine(Machine *m);
void environment_build(Build *b);

/* started_at, governor and load of a sweep that starts now. */
void environment_start(Sweep *s);

/* The 1-minute load average; NAN where the system does not say. */
double environment_load(void);

/* Bytes that can still be used without swapping, or beyond the limits of the
 * control groups that this process is in. */
double memory_available(void);

/* CPUs that this process may use. */
int environment_cores(void);

/* The first line of a file, without its newline; "" if there is none. */
char *file_line(const char *path, char *text, size_t size);

/* "L1 48K, L2 1024K, L3 32768K" of the first CPU's data caches; "" where the
 * system does not say. */
char *environment_caches(char *text, size_t size);

#endif
