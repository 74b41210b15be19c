/*
 * kernel_cases_modules.h - the family of cases whose sources modules make; for
 * kernel_cases.c.
 */
#ifndef TESTS_KERNEL_CASES_MODULES_H
#define TESTS_KERNEL_CASES_MODULES_H

#include "tests/kernel_cases.h"

/* The i-th of them, NULL past the end. */
const KernelCase *module_case_at(int i);

#endif
