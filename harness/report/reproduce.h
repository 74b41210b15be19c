/*
 * reproduce.h - a table of the paper as cases to measure, and as a report.
 */
#ifndef HARNESS_REPRODUCE_H
#define HARNESS_REPRODUCE_H

#include "analysis/reproduction.h"
#include "harness/experiments/experiment.h"
#include "harness/report/table.h"

/* The case of a row, completed.  ERR_INPUT if this build has no such network:
 * the sentence says what it lacks. */
int reproduce_case(Case *out, const PaperRow *row);

/*
 * Marks the rows that are wanted: "" is all; else a list of backbones, methods
 * and "backbone/method", by the paper's names or ours: "swin_t,resnet50/scsa".
 * The row that a wanted row is compared with is added.  ERR_INPUT names what
 * the table does not have.
 */
int reproduce_rows(bool wanted[PAPER_ROWS_MAX], const Paper *paper,
                   const char *rows);

/* A row as reproduce_rows takes it: "resnet50/scsa".  Returns text. */
char *reproduce_row(const PaperRow *row, char text[PAPER_TEXT]);

/*
 * The cases of the wanted rows, measured as the flags say (one value each; how,
 * not what), and each base twice, for the noise.  Rows that this build has no
 * network for are left out.  Free it by experiment_free.
 */
int reproduce_experiment(Experiment *out, PaperTable table, const Paper *paper,
                         const bool *wanted, const Flag *flags, int nflags);

/* Output of a reproduction. */
typedef struct ReproReport {
    PaperTable table;
    const bool *wanted; /* rows */
    TableFormat format;
    FILE *out;
} ReproReport;

/* Prints the table and the notes that it needs.  The runs are those of r, of
 * one sweep, at least one. */
int reproduce_print(const ReproReport *report, const Reproduction *r, Store *s,
                    const RunList *runs);

/* "table2". */
const char *reproduce_name(PaperTable table);

#endif
