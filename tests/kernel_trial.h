/*
 * kernel_trial.h - every kernel of a device, one by one, against what it should
 * compute.
 */
#ifndef TESTS_KERNEL_TRIAL_H
#define TESTS_KERNEL_TRIAL_H

#include "kernels/core/backend.h"
#include "tests/kernel_cases.h"

typedef enum Values { PLAIN, NONFINITE } Values;

/* What the kernels of a device are run with. */
typedef struct Trials {
    Device *dev;
    const char *how; /* for failures: "isa=avx2, threads=2", "reverse" */
    Values values;
    Dtype dtype;

    /* The table of cases; NULL: kernel_case_at. */
    const KernelCase *(*case_at)(int i);

    /* Whose first kernel says what is right, a device of the host's memory;
     * NULL: the op's definition. */
    Device *by;
} Trials;

/* Runs them all; fails where one is wrong, or none takes a case of an op that
 * the device has kernels for.  OP=conv2d in the environment leaves out all
 * other ops. */
void kernel_trials(const Trials *t);

#endif
