/*
 * kernel_trial.h - every kernel of a device against its op's definition
 */
#ifndef TESTS_KERNEL_TRIAL_H
#define TESTS_KERNEL_TRIAL_H

#include "kernels/core/backend.h"

/* Values of the first source: numbers, or NaN and infinities among them. */
typedef enum Values { PLAIN, NONFINITE } Values;

/* Runs all of the device's kernels on every case of kernel_cases.h; fails where
 * one is wrong, or where none takes a case of an op that the device has kernels
 * for in that dtype.  how is for failures: "isa=avx2, threads=2".  OP=conv2d,linear in the
 * environment leaves out all other ops.  Returns how often a kernel was run on a
 * case. */
int kernel_trials(Device *dev, const char *how, Values values, Dtype dtype);

/* The same of those kernels of which wanted says so; none need take a case. */
int kernel_trials_of(Device *dev, const char *how, Values values, Dtype dtype,
                     bool (*wanted)(const Kernel *k));

#endif
