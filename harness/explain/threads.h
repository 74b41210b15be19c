/*
 * threads.h - whether a case would be faster on one thread than on its several,
 * as many small steps are where another program keeps one of the CPUs busy.
 */
#ifndef HARNESS_THREADS_H
#define HARNESS_THREADS_H

#include "analysis/paired.h"
#include "harness/measure/trial.h"

/* Times many, prepared and on several threads of a CPU, against the same case
 * on one, for about that many seconds; *out is the time of many over that of
 * one.  n = 0 where nothing was tried: a cold case, no such device, too little
 * time for six rounds, no memory for the plan.  ERR_STOPPED if interrupted. */
int threads_try(Ratio *out, Trial *many, double seconds);

/* The same for two that are prepared. */
int threads_compare(Ratio *out, Trial *many, Trial *one, double seconds);

/* "1 thread is 1.31 [1.22, 1.40] times as fast as 2: try --threads=1"; ""
 * unless the whole interval says so.  Returns text. */
enum { THREADS_TEXT = 128 };
char *threads_advice(char text[THREADS_TEXT], const Ratio *r, int threads);

#endif
