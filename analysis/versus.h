/*
 * versus.h - a backbone with each module, against the plain backbone.
 */
#ifndef ANALYSIS_VERSUS_H
#define ANALYSIS_VERSUS_H

#include "analysis/paper.h"
#include "analysis/slice.h"

/* Images a second, from the median time of a batch and its interval. */
typedef struct Throughput {
    double images, lo, hi;
} Throughput;
Throughput throughput_of(const Run *r);

typedef struct VersusRow {
    const Run *run;
    Ratio ratio;           /* of throughputs, to plain; NANs without either */
    const PaperRow *paper; /* NULL: not in the paper                        */
    double paper_ratio;    /* NAN                                           */
    Ratio fused; /* of throughputs, to the same composed; NANs unless fused */
} VersusRow;

enum { VERSUS_MAX = 128 };

typedef struct Versus {
    const Run *plain; /* NULL if it was not measured            */
    const Run *again; /* a second plain arm, or NULL            */
    Ratio noise;      /* of throughputs, again over plain (A/A) */
    Paper paper;
    const PaperRow *paper_plain;
    VersusRow at[VERSUS_MAX]; /* in the paper's order, then as measured */
    int n;
} Versus;

/* Compares the runs of one slice, which must differ in module, impl, settings
 * and arm only; they are borrowed.  Runs that failed have a row too. */
int versus_make(Versus *out, const RunList *list);

/* True if a row's ratio says anything: it and plain have six samples, and its
 * interval neither holds 1 nor reaches into that of two plain networks. */
bool versus_differs(const Versus *v, const VersusRow *row);

/* True if the medians say that it is faster than plain and the rounds, one by
 * one, that it is slower, or the other way round; to three decimals. */
bool versus_signs_differ(const Versus *v, const VersusRow *row);

/* "ResNet-50", or the name as it is if the paper has no such backbone. */
const char *versus_backbone(const Versus *v);

#endif
