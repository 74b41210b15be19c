/*
 * versus.h - a backbone with each module, against the plain backbone.
 */
#ifndef ANALYSIS_VERSUS_H
#define ANALYSIS_VERSUS_H

#include "analysis/paper.h"
#include "analysis/slice.h"

/* Images a second: from the sum of the median times of the steps where they
 * were timed (steps_ns), else from the median time of a batch; and its
 * interval. */
typedef struct Throughput {
    double images, lo, hi;
} Throughput;
Throughput throughput_of(const Run *r);

typedef struct VersusRow {
    const Run *run;
    ModuleCost cost; /* to the plain network, if that was measured          */
    Ratio ratio;     /* of throughputs, to the base; NANs without either    */
    bool through;    /* ... by way of the plain network: the base and it
                        share no rounds                                     */
    const PaperRow *paper; /* NULL: not in the paper                        */
    double paper_ratio;    /* to the base; NAN                              */
    Ratio fused; /* of throughputs, to the same composed; NANs unless fused */
} VersusRow;

enum { VERSUS_MAX = 128 };

typedef struct Versus {
    const Run *plain; /* NULL if it was not measured             */
    const Run *again; /* a second plain arm, or NULL             */
    const Run *base;  /* what ratios are to; NULL: not measured  */
    VersusRow of_plain, of_again;
    Ratio noise; /* of throughputs, again over plain (A/A)  */
    Paper paper;
    const PaperRow *paper_plain;
    VersusRow at[VERSUS_MAX]; /* in the paper's order, then as measured */
    int n;
} Versus;

/*
 * Compares the runs of one slice, which must differ in module, impl, settings
 * and arm only; they are borrowed.  Runs that failed have a row too.  base is
 * the module that the others are compared with, by the first of its runs and
 * rather a composed one; "none" is the plain network.
 */
int versus_make(Versus *out, const RunList *list, const char *base);

/* True if a row's ratio says anything: it and the base have six samples, and
 * its interval neither holds 1 nor reaches into that of two plain networks. */
bool versus_differs(const Versus *v, const VersusRow *row);

/* True if a row's own steps were timed, in enough passes for an interval. */
bool versus_has_direct(const VersusRow *row);

/* True if that is too large: with several threads, of which one is pushed off
 * its CPU in most quads, the others wait for it in each short step. */
bool versus_direct_is_bound(const VersusRow *row);

/* True if steps were timed, but one of them does work of the module and of the
 * network, so nobody can tell what the module takes. */
bool versus_is_mixed(const VersusRow *row);

/* True if images/s say that it is faster than the base and the rounds, one by
 * one, that it is slower, or the other way round; to three decimals. */
bool versus_signs_differ(const Versus *v, const VersusRow *row);

/* "ResNet-50", or the name as it is if the paper has no such backbone. */
const char *versus_backbone(const Versus *v);

#endif
