/*
 * reproduction.h - a table of the paper, row by row next to what was measured.
 *
 * Ratios are of throughputs, to the first row of the same backbone: the plain
 * network (with the SE of its own, in RepViT), or the SCSA of Table 1.
 */
#ifndef ANALYSIS_REPRODUCTION_H
#define ANALYSIS_REPRODUCTION_H

#include "analysis/paper.h"
#include "analysis/rank.h"
#include "analysis/summary.h"
#include "analysis/versus.h"

/* A count against what is printed: equal when it is rounded to as many digits;
 * only when it is rounded to three decimals first, as the paper did; not. */
typedef enum CountVerdict {
    COUNT_UNKNOWN,
    COUNT_EXACT,
    COUNT_ROUNDING,
    COUNT_DIFFERS,
} CountVerdict;

/* count in units (1e6, 1e9) against printed, "25.56". */
CountVerdict count_verdict(double count, double unit, const char *printed);
const char *count_verdict_name(CountVerdict v); /* "" for unknown */

/* A ratio of throughputs against the paper's: it agrees if the paper's is in
 * the interval widened by RATIO_SLACK at both ends.  An interval that is wider
 * than plus or minus RATIO_WIDE would agree with nearly everything, and fewer
 * than six rounds have none: in both cases nothing can be concluded. */
static const double RATIO_SLACK = 0.05, RATIO_WIDE = 0.20;
typedef enum RatioAgreement {
    RATIO_UNKNOWN,
    RATIO_AGREES,
    RATIO_FASTER,
    RATIO_SLOWER,
    RATIO_CANNOT_TELL,
    RATIO_AGREEMENTS
} RatioAgreement;
RatioAgreement ratio_agreement(const Ratio *ours, double papers);
const char *ratio_agreement_name(RatioAgreement a); /* "" for unknown */

typedef struct ReproRow {
    const PaperRow *paper;
    const Run *run;    /* NULL: not measured; it may have failed          */
    double mean;       /* images/s by the mean time, as the paper has it  */
    Throughput median; /* NANs, like mean, where there is no time         */
    bool is_base;      /* what the ratios of the others are to            */
    Ratio ratio;       /* of the base itself: NANs                        */
    ModuleCost cost;   /* ratio is its paired one; indirect where the base
                          is a network without any module                 */
    double paper_ratio;
    CountVerdict params, flops;
    RatioAgreement agreement;
} ReproRow;

/* The rows of one backbone: n from the first. */
typedef struct ReproGroup {
    int first, n;
    Ratio noise;      /* of throughputs: a second base over the first */
    Rank rank;        /* of all with a time, the base included        */
    bool rank_paired; /* by quads with the first, or rounds that all share */
} ReproGroup;

typedef struct Reproduction {
    Paper paper;
    ReproRow at[PAPER_ROWS_MAX];
    ReproGroup group[PAPER_ROWS_MAX];
    int n, groups;
} Reproduction;

/* Finds the runs (of one sweep, measured in one way) among the rows of a
 * table.  They are borrowed; those that are in no row are left out. */
int reproduction_make(Reproduction *out, PaperTable table, const RunList *runs);

#endif
