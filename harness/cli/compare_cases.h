/*
 * compare_cases.h - the cases of attnbench compare: settings in one word each,
 * and those that they share.
 */
#ifndef HARNESS_COMPARE_CASES_H
#define HARNESS_COMPARE_CASES_H

#include "harness/cli/flags.h"

/* Reads n cases, at most two, each from a word such as "--module=scsa
 * --impl=fused" and, where that does not set them, the shared flags.  A
 * module's own setting among those counts for the modules that have it.
 * ERR_INPUT names the word. */
int compare_cases_read(Case *out, const char *const *word, int n,
                       const Flags *shared);

/* True if both are one case; then the second becomes a copy of the first. */
bool compare_cases_copy(Case c[2]);

#endif
