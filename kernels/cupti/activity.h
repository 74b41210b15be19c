/*
 * activity.h - which kernels a GPU runs for each step, and how long each of
 * them takes, by the GPU's own records.
 */
#ifndef CUDA_ACTIVITY_H
#define CUDA_ACTIVITY_H

#include "kernels/core/backend.h"
#include "kernels/cupti/cupti_activity.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Runs all steps a few times and says
 *   launches   of the run, of each step, and of each kernel in it
 *   time_ns    of each kernel in a step: the sum over its launches
 * where a kernel is known by its name (kernel_name.h), and copies and memsets
 * are launches by the names "memcpy" and "memset".  Where the GPU keeps no
 * records the run's launches are NAN, with the reason.  wait comes back when
 * the GPU has done all that was launched, with OK; a launch or a wait that
 * fails is an error.  One trace at a time; not during a session of counters.
 */
int activity_count(const Counting *counting, int (*wait)(void *arg), void *arg);

/* The same through given functions. */
int activity_count_by(const CuptiActivity *cupti, const Counting *counting,
                      int (*wait)(void *arg), void *arg);

#ifdef __cplusplus
}
#endif

#endif
