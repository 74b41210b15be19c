/*
 * csv.h - comma-separated values (RFC 4180), read and written.
 *
 * The first row names the columns.  Text is parsed in place, one row at a
 * time; blank lines are skipped, and lines may end with CR LF.
 */
#ifndef ANALYSIS_CSV_H
#define ANALYSIS_CSV_H

#include <stdbool.h>
#include <stdio.h>

enum { CSV_COLUMNS_MAX = 64 };

typedef struct Csv {
    const char *name; /* of the file, for messages                      */
    int ncolumns;
    char *column[CSV_COLUMNS_MAX];
    char *cell[CSV_COLUMNS_MAX]; /* of the row read last; in text          */
    int line;                    /* where that row starts, from 1          */
    char *next;                  /* the text not yet read                  */
    int next_line;
} Csv;

/* Reads the names of the columns from text, which is overwritten and has to
 * stay.  ERR_INPUT, as from csv_next: "NAME:LINE: what is wrong". */
int csv_open(Csv *csv, const char *name, char *text);

/* Reads the next row; *more is false where there is none.  A row has as many
 * cells as there are columns. */
int csv_next(Csv *csv, bool *more);

/* The number of a column, -1 if there is none of that name. */
int csv_column(const Csv *csv, const char *name);

/* A row that is being written: { stdout }. */
typedef struct CsvRow {
    FILE *out;
    bool begun;
} CsvRow;

/* Adds a cell, in quotes if it needs them. */
void csv_write(CsvRow *row, const char *cell);

/* The same of a format, and of a number with the given digits (units.h); NAN is
 * an empty cell. */
void csv_print(CsvRow *row, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void csv_number(CsvRow *row, double x, int digits);

/* Ends the row, which may begin again. */
void csv_end(CsvRow *row);

#endif
