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

/* The first fields are columns of the table erf, same names. */
typedef struct ErfRow {
    int64_t id;
    char stored_at[32]; /* UTC, ISO 8601; "": now */
    char backbone[64], module[64], impl[64], position[64], form[64];
    char weights[256], weights_hash[32], graph[64], backend[64];
    double norm_gain;
    int channels, height, width;
    char settings[512];
    char tap[96], layer[96], protocol[64], described[1024];
    int draws, observations;
    int64_t seed;
    char images_hash[32];
    char repeat[2048];
    double y, x;
    double field_height, field_width; /* NAN: without bounds */
    double past_height, past_width;
    double peak;

    char cpu[128], commit[16]; /* only read: first digits, "+" if changed */
    ErfRowPart part[ERF_ROW_PARTS];
    int parts;
} ErfRow;
extern const Param erf_fields[]; /* of the table erf */

/* Adds one, made on m by b, whole or not at all. */
int store_erf(Store *s, const Machine *m, const Build *b, const ErfRow *row);

/* Whether one of the same machine, build, repeat line and tap was stored at the
 * same time: then it is the same. */
int store_has_erf(Store *s, const Machine *m, const Build *b, const ErfRow *row,
                  bool *has);

typedef struct ErfRows {
    ErfRow *at;
    int n;
} ErfRows;

/* Of each repeat line and tap, and of each content of its files, the latest, in
 * the order stored, with its numbers and, if maps, its maps.  ERR_INPUT if a
 * map is not of its row's size. */
int store_erf_read(ErfRows *out, Store *s, bool maps);
void erf_rows_free(ErfRows *rows);

/* The number of that name; NAN thrice if there is none. */
ErfRowNumber erf_row_number(const ErfRowPart *p, const char *name);

/* The part of that name, or NULL. */
const ErfRowPart *erf_row_part(const ErfRow *row, const char *part);

#endif
