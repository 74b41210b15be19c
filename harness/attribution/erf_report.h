/*
 * erf_report.h - a receptive field in words and numbers.
 */
#ifndef HARNESS_ERF_REPORT_H
#define HARNESS_ERF_REPORT_H

#include <stdio.h>

#include "results/erf.h"

/* All numbers with their intervals, one column per part, and how it was
 * made. */
void erf_report(FILE *out, const ErfRow *row);

/* One line per number, under the head's names. */
void erf_report_csv_head(FILE *out);
void erf_report_csv(FILE *out, const ErfRow *row);

#endif
