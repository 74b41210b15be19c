/*
 * counted.h - whether a profile's counters can be trusted.
 *
 * Three checks: counters of known work give what it is; counters of a step of
 * our own FP32 kernels give its operations (fp32_flops, which is modelled only
 * for steps where it follows from the op); counters of a cold run give at least
 * the bytes that it must read.
 */
#ifndef ANALYSIS_COUNTED_H
#define ANALYSIS_COUNTED_H

#include <stdbool.h>

#include "results/profile.h"

/* Relative error allowed between counted and expected. */
#define COUNTED_TOLERANCE 0.01

/* True if a quantity says what part of known work was counted:
 * "calibration_dram_read_bytes". */
bool counted_is_calibration(const Quantity *q);

/* That part of a quantity ("dram_read_bytes"); NAN if it was not counted. */
double counted_calibration(const StoredProfile *p, const char *quantity);

typedef struct Disagreement {
    int step;         /* or WHOLE_RUN              */
    const char *name; /* of the quantity; borrowed */
    double counted, expected;
} Disagreement;

/* All disagreements of the first two kinds, in the order of the profile's
 * quantities; *n: how many.  The caller frees them. */
Disagreement *counted_disagreements(const StoredProfile *p, int *n);

typedef enum Coldness { COLD_HELD, COLD_NOT_HELD, COLD_NOT_CHECKED } Coldness;

/* True if a run read from memory what it must, once: *read of *compulsory
 * bytes; or *reason why it is unknown. */
typedef struct ColdCheck {
    Coldness is;
    double read, compulsory;
    const char *reason; /* borrowed */
} ColdCheck;

ColdCheck counted_cold(const StoredProfile *p);

#endif
