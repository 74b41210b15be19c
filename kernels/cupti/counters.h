/*
 * counters.h - what a run makes a GPU's hardware counters count, step by step.
 */
#ifndef CUDA_COUNTERS_H
#define CUDA_COUNTERS_H

#include "kernels/core/backend.h"
#include "kernels/cuda/backend/known_work.h"
#include "kernels/cupti/cupti.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Backend.count, for the first GPU, whose context is current: there must be
 * one, because without it some of CUPTI's calls crash.  Where the metrics are
 * the usual ones, each set of them counts known work first, and the factor is
 * told next to the quantities of ALL_STEPS: "calibration_dram_read_bytes" is
 * what was counted over what it is.  NULL: nothing is known. */
int counters_count(const Counting *counting, const Calibration *calibration);

/* The names of all metrics of the first GPU, to which a rollup is added: .sum,
 * .avg, ...  It is open, as for counters_count. */
int counters_list(void (*take)(void *arg, const char *metric), void *arg);

/* counters_count through a given CUPTI, on a given context (CUcontext). */
int counters_count_by(const Cupti *cupti, void *context,
                      const Counting *counting, const Calibration *calibration);

#ifdef __cplusplus
}
#endif

#endif
