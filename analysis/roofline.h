/*
 * roofline.h - how fast a part of a network could be, and what limits it.
 *
 * The roofline of Williams, Waterman and Patterson (CACM 52(4), 2009): work
 * takes at least operations / peak, and at least bytes / bandwidth.  Peaks and
 * bandwidths are this machine's own, as measured (results/profile.h).
 */
#ifndef ANALYSIS_ROOFLINE_H
#define ANALYSIS_ROOFLINE_H

#include <stdbool.h>

#include "results/profile.h"

/* The memory that bytes come from, nearest first: caches that each core has to
 * itself (not on a GPU), the last one, which all share, and DRAM. */
typedef enum Level { LEVEL_PRIVATE, LEVEL_CACHE, LEVEL_DRAM, LEVELS } Level;
const char *level_name(Level level, const char *backend); /* "L3", "DRAM" */

/* Roofs that limit a machine: the fastest that apply. */
typedef struct Limits {
    double flops;         /* a second                                 */
    double bytes[LEVELS]; /* a second; NAN where nothing was measured */
    const char *flops_name, *bytes_name[LEVELS]; /* of those roofs */
} Limits;

/* dtype: "f32", "bf16".  Borrows names from roofs. */
void roofline_limits(Limits *out, const Roofs *roofs, const char *dtype);

/*
 * Why roofs cannot be trusted: a memory that is slower than the next farther
 * one, or intervals that are wider than plus or minus ROOF_WIDE.  "roofs
 * measured while the machine was busy (L3's 4.77 GB/s is below DRAM's 6.42; 3
 * of 15 have an interval wider than +-20 %): attnbench roofs --fresh".  "" if
 * there is no such reason.  Returns text.
 */
static const double ROOF_WIDE = 0.20;
enum { ROOFS_DOUBT = 320 };
char *roofs_doubt(char text[ROOFS_DOUBT], const Roofs *roofs);
bool roof_is_wide(const Roof *r);

/* A step, or several one after the other.  Where bytes are modelled, each step
 * reads its operands once, and writes its result. */
typedef struct Work {
    double ns;
    double flops, bytes;
    double compulsory; /* modelled: its bytes if all of it were one step */
    Source flops_from, bytes_from;
} Work;

typedef struct Place {
    double intensity;   /* FLOPs a byte                               */
    bool memory_bound;  /* by the roofs, not by its time              */
    double reached;     /* share of the limiting roof: 1 is the roof  */
    double floor_bytes; /* compulsory, but no more than were counted: what
                           a nearer cache spared                      */
    double floor_ns;    /* of these and its operations                 */
} Place;

/* A time that is shorter than its floor: work may have been saved, if there is
 * an algorithm that saves as much or a nearer memory that is as fast; else it
 * contradicts the roofs. */
typedef enum Standing {
    STANDING_WITHIN,
    STANDING_SPARED,
    STANDING_CONTRADICTS
} Standing;

/* Where w stands.  NANs where a roof is missing. */
void roofline_place(Place *out, const Work *w, const Limits *l, Level level);

/*
 * Reads a work of a stored profile: a step, or WHOLE_RUN.  Its bytes are those
 * that were counted at the level, else the modelled ones; its operations are
 * counted if those of every kind were, else modelled, and never a part of each.
 */
Work roofline_work(const StoredProfile *p, int step, Level level);

/* How the time of a step, or of the WHOLE_RUN, compares with its floor there.
 * Within where a roof is missing. */
Standing roofline_standing(const StoredProfile *p, int step, const Limits *l,
                           Level level);

/* A quantity's value by one source, NAN if it has none. */
double quantity_from(const StoredProfile *p, int step, const char *name,
                     Source source);

/* The same of the first source that has one, in the order counted, timed,
 * modelled; for what is the same whichever says it.  Counted transcendentals
 * are not: they are instructions, of which some convert integers. */
double quantity_value(const StoredProfile *p, int step, const char *name);

/*
 * Where the bytes of a step, or of the WHOLE_RUN, come from: the nearest memory
 * that holds all that it touches.  For a step these are its operands and its
 * result, which the step before may just have left there; for the run all that
 * it uses, as the next run finds what this one leaves.  So a step of a run at
 * DRAM may be at L3.
 *
 * Where bytes were counted at DRAM and at the last cache, nothing is inferred:
 * it is the one of the two whose bytes take longer.
 */
Level roofline_level(const StoredProfile *p, int step, const Limits *l);

#endif
