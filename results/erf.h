/*
 * erf.h - stored receptive fields: maps, their numbers, how they were made.
 */
#ifndef RESULTS_ERF_H
#define RESULTS_ERF_H

#include "results/store.h"

enum { ERF_ROW_PARTS = 3, ERF_ROW_NUMBERS = 16 };

typedef struct ErfRowNumber {
    char name[32];
    double value, lo, hi; /* NAN: none */
} ErfRowNumber;
extern const Param erf_number_fields[];

typedef struct ErfRowPart {
    char part[16]; /* whole, past_gates, gates */
    float *map;    /* height * width           */
    ErfRowNumber number[ERF_ROW_NUMBERS];
    int numbers;
} ErfRowPart;

typedef struct ErfRow {
    int64_t id;
    Case c;
    Outcome o; /* of the run that it is of */

    char tap[96], layer[96], protocol[64], described[1024];
    int draws, observations;
    int64_t seed;
    char images_hash[32];
    double y, x;
    double field_height, field_width; /* NAN: without bounds */
    double past_height, past_width;
    double peak;

    char cpu[128], git_commit[64]; /* only read */
    int dirty;
    ErfRowPart part[ERF_ROW_PARTS]; /* maps of c.height * c.width */
    int parts;
} ErfRow;
extern const Param erf_fields[]; /* of the table erf */

/* Adds a run of kind erf to a sweep with what was found at each of its taps:
 * rows of one case and outcome.  All of it or nothing. */
int store_erf(Store *s, int64_t sweep_id, const ErfRow *rows, int n);

typedef struct ErfRows {
    ErfRow *at;
    int n;
} ErfRows;

/* Reads the latest of each repeat line and tap, and of each content of its
 * files, in the order stored, with its numbers and, if maps, its maps.
 * ERR_INPUT if a map is not of its row's size. */
int store_erf_read(ErfRows *out, Store *s, bool maps);
void erf_rows_free(ErfRows *rows);

/* The number of that name; NAN thrice if there is none. */
ErfRowNumber erf_row_number(const ErfRowPart *p, const char *name);

/* The part of that name, or NULL. */
const ErfRowPart *erf_row_part(const ErfRow *row, const char *part);

#endif
