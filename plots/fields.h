/*
 * fields.h - the stored receptive fields that a figure shows.
 */
#ifndef PLOTS_FIELDS_H
#define PLOTS_FIELDS_H

#include "analysis/erf.h"
#include "plots/sheet.h"
#include "results/erf.h"

enum { FIELDS_MAX = 96, FIELDS_TAPS = 8, FIELDS_COLUMNS = 16 };

/* Rows of one backbone and protocol, sorted into taps and columns: a module
 * with its settings. */
typedef struct Fields {
    ErfRows all; /* owned */
    const ErfRow *row[FIELDS_MAX];
    int n;
    const char *tap[FIELDS_TAPS];
    int taps;
    const ErfRow *column[FIELDS_COLUMNS]; /* an example of each */
    int columns;
} Fields;

/* Fields of inputs of one size, with their maps; or of all sizes, numbers
 * only. */
typedef enum FieldsOf { FIELDS_OF_ONE_INPUT, FIELDS_OF_ALL_INPUTS } FieldsOf;

/*
 * Reads those that the options want: of what cannot stand in one picture the
 * group that has most rows, and of equals the latest.  ERR_UNSUPPORTED with
 * what to run if there are none; ERR_INPUT if there are too many.
 */
int fields_read(Fields *out, Sheet *s, FieldsOf which);
void fields_free(Fields *f);

/* Where a row stands, from 0. */
int fields_tap(const Fields *f, const ErfRow *row);
int fields_column(const Fields *f, const ErfRow *row);

/* Name of a row's column: its module, and if several have it, its file of
 * weights.  Returns text. */
char *fields_label(const Fields *f, const ErfRow *row, char text[LABEL_MAX]);

/* The foot of the page: its caption, and how the rows were made. */
void fields_foot(Sheet *s, const Fields *f, double width, double height);

#endif
