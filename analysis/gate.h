/*
 * gate.h - a limit that a ratio of times must not pass, judged by all of its
 * interval, never by its centre.
 */
#ifndef ANALYSIS_GATE_H
#define ANALYSIS_GATE_H

#include <stdbool.h>

#include "analysis/paired.h"

/* Questions about the time of b over the time of a.  Zeros ask nothing. */
typedef struct RatioGate {
    bool limited;      /* is b slower by more than fail_above? ...          */
    double fail_above; /* ... 0.05: by 5 %                                  */
    double delta;      /* above 0: are they the same within this?           */
} RatioGate;

/* Answers to the first, as the exit status of a command has them. */
enum { GATE_PASSED = 0, GATE_FAILED = 1, GATE_AMBIGUOUS = 2 };

/* Reads "5%", "5" or "2.5" as 0.05 or 0.025, from least to most percent.
 * ERR_INPUT names the setting. */
int gate_percent(double *out, const char *setting, const char *text,
                 double least, double most);

/* Failed only if the whole interval is above the limit, passed only if none of
 * it is; fewer than six rounds are ambiguous, as is a NAN.  Without a limit
 * everything passes. */
int gate_answer(const RatioGate *g, const Ratio *r);

/* The answer of several ratios: one that failed before those that are
 * ambiguous, before those that passed. */
int gate_worst(int one, int other);

/* True if all that is asked is answered: the interval does not straddle the
 * limit, nor an end of what counts as the same.  False if nothing is asked. */
bool gate_is_clear(const RatioGate *g, const Ratio *r);

/* How many more rounds would answer it if the centre stays where it is, from
 * rounds_until; -1 if nobody can say, 0 if it is answered. */
int gate_rounds(const RatioGate *g, const Ratio *r);

#endif
