/*
 * predict_say.h - predictions as lines of text, and as CSV.
 */
#ifndef HARNESS_PREDICT_SAY_H
#define HARNESS_PREDICT_SAY_H

#include <stdio.h>

#include "harness/explain/predict.h"

enum { PREDICT_TEXT = 320 };

/* Says of all steps: "predicted 14.2 us in a stream, 12.9 us in a graph; 6
 * kernels, moves 3.00 maps; the slowest is bound by bytes".  Returns text. */
char *predict_say(char text[PREDICT_TEXT], const Predicted *p);

/* Says of a step, after its op and time: "columns, bound by wavefronts;
 * wavefronts 4.10 times the ideal"; ratios close to 1 are left out. */
char *predict_say_step(char text[PREDICT_TEXT], const PredictedStep *s);

/* Says of a place of the source: "group_stats.h:107: shared reads, 4096
 * wavefronts, 32.0 times the ideal"; "" where it is at most half above that. */
char *predict_say_place(char text[PREDICT_TEXT], const SimtPlace *place);

/* Writes the head, or the row of a case. */
void predict_csv_head(FILE *out);
void predict_csv_row(FILE *out, const Case *c, const Predicted *p);

/* The footnote: what the numbers are. */
extern const char predict_note[];

#endif
