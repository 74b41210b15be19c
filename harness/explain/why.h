/*
 * why.h - a profile's time against the roofline, in words.
 */
#ifndef HARNESS_WHY_H
#define HARNESS_WHY_H

#include "analysis/roofline.h"

enum { WHY_TEXT = 320 };

/* Says of the run: "123 us, 27 kernels, moves 9.8 times the minimum number of
 * bytes; memory-bound at 61 % of L3's 141 GB/s; 4.1 times slower than its
 * roofline bound".
 * Numbers that were counted say so: "number of bytes (counted at DRAM)".
 * A floor above the time that nothing explains is called a contradiction. */
char *why_run(char text[WHY_TEXT], const StoredProfile *p, const Limits *l,
              const char *backend);

/* Says: " 61 % of the roof of DRAM (counted)", or "" without a roof. */
char *why_step(char text[WHY_TEXT], const StoredProfile *p, int step,
               const Limits *l, const char *backend);

/* True if any of these words come from counters. */
bool why_counted(const StoredProfile *p, const Limits *l);

/* True if any of it took less than its floor, as an algorithm or a nearer cache
 * can explain. */
bool why_spared(const StoredProfile *p, const Limits *l);

/* The footnote: where numbers are from.  A literal. */
const char *why_sources(bool counted, bool spared);

#endif
