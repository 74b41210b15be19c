/*
 * compare.h - comparisons in words: ratio, interval, verdict, and what would
 * settle what is not settled.  And the stored runs of one case over time.
 */
#ifndef HARNESS_COMPARE_H
#define HARNESS_COMPARE_H

#include <stdio.h>

#include "analysis/compare.h"

enum { COMPARE_NAME = 256 };

/* Words that tell r from other: "scsa impl=fused"; "" if nothing does.
 * Returns text. */
char *compare_name(const Run *r, const Run *other, char text[COMPARE_NAME]);

/* Its case as settings: "--module=se --channels=64".  Returns part of it. */
const char *compare_case(const Run *r);

/* A comparison; a and b are what to call the two.  Where they are apart, also
 * plain[2], the ratios of both to their plain networks (NULL: not known). */
void compare_print(FILE *out, const Compared *c, const char *a, const char *b,
                   const RatioGate *g, const Ratio *plain);

/* The command that would give a verdict, for the first of the comparisons that
 * has none for that reason; nothing if all were interleaved. */
void compare_advise(FILE *out, const Compared *c, int n);

/* "12 cases: 1 faster, 2 slower, 8 not resolved, 1 not interleaved". */
void compare_sum(FILE *out, const Compared *c, int n, const RatioGate *g);

/* A table of runs, which are of one case, in order of time; all: where their
 * plain networks are looked for. */
void compare_history(FILE *out, const Run *const *run, int n,
                     const RunList *all);

#endif
