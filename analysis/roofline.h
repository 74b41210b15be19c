/*
 * roofline.h - what a part of a network could do at best, and what binds it.
 *
 * The roofline of Williams, Waterman and Patterson (CACM 52(4), 2009): work of
 * so many operations and bytes takes at least the longer of operations / peak
 * and bytes / bandwidth.  Peaks and bandwidths are this machine's own, as
 * measured (results/profile.h).
 */
#ifndef ANALYSIS_ROOFLINE_H
#define ANALYSIS_ROOFLINE_H

#include <stdbool.h>

#include "results/profile.h"

/* The memory that bytes come from, nearest first: caches that each core has to
 * itself (not on a GPU), the last one, which all share, and DRAM. */
typedef enum Level { LEVEL_PRIVATE, LEVEL_CACHE, LEVEL_DRAM, LEVELS } Level;
const char *level_name(Level level, const char *backend); /* "L3", "DRAM" */

/* What binds on a machine: the fastest of the roofs that apply. */
typedef struct Limits {
    double flops;         /* a second                                 */
    double bytes[LEVELS]; /* a second; NAN where nothing was measured */
    const char *flops_name, *bytes_name[LEVELS]; /* of those roofs */
} Limits;

/* dtype: "f32", "bf16".  Borrows names from roofs. */
void roofline_limits(Limits *out, const Roofs *roofs, const char *dtype);

/* A step, or several one after the other. */
typedef struct Work {
    double ns;
    double flops, bytes; /* bytes: each step reads its operands once, and
                            writes its result                         */
    double compulsory;   /* the same if all of it were one step        */
} Work;

typedef struct Place {
    double intensity;  /* FLOPs a byte                               */
    bool memory_bound; /* by the roofs, not by its time              */
    double reached;    /* of the roof that binds: 1 is the roof      */
    double floor_ns;   /* of its operations and compulsory bytes      */
} Place;

/* Where w stands.  NANs where a roof is missing. */
void roofline_place(Place *out, const Work *w, const Limits *l, Level level);

/* Reads a work of a stored profile: a step, or WHOLE_RUN. */
Work roofline_work(const StoredProfile *p, int step);

/* A quantity's value, NAN if it has none: the first source that has one, in
 * the order counted, timed, modelled. */
double quantity_value(const StoredProfile *p, int step, const char *name);

/*
 * Where the bytes of a step, or of the WHOLE_RUN, come from: the nearest memory
 * that holds all that it touches.  For a step these are its operands and its
 * result, which the step before may just have left there; for the run all that
 * it uses, as the next run finds what this one leaves.  So a step of a run at
 * DRAM may well be at L3.
 */
Level roofline_level(const StoredProfile *p, int step);

#endif
