/*
 * progress.h - what the user sees of a sweep while it runs.
 *
 * On a terminal one line is rewritten; elsewhere each finished case is a line,
 * and nothing else is written.
 */
#ifndef HARNESS_PROGRESS_H
#define HARNESS_PROGRESS_H

#include <stdbool.h>
#include <stdio.h>

#include "harness/measure/trial.h"

typedef struct Progress {
    FILE *out;
    bool terminal;
    int total, done; /* cases of the sweep, those of before included */
    int before;      /* done before this start                       */
    double started_ns;
    double shown_ns; /* when the line was last written               */
    unsigned varies; /* bit i: entry i of case_params does           */
} Progress;

void progress_begin(Progress *p, FILE *out, int total, int before);

/* The cases that are measured: what varies among them is in every line, also
 * where it is the default. */
void progress_cases(Progress *p, const Case *cases, int n);

/* Step and case in progress.  While n cases are sampled in rounds, settled of
 * them need no more samples. */
typedef struct Step {
    const char *what;
    const Trial *arm;
    int n, settled;
} Step;

/* Cheap enough to call often: it writes ten times a second at most. */
void progress_step(Progress *p, const Step *step);

/* A case is done, and stored. */
void progress_done(Progress *p, const Trial *a);

/* Removes the line. */
void progress_end(Progress *p);

/* "3.456 ms" of nanoseconds, in the unit that suits; returns text. */
enum { TIME_TEXT = 32 };
char *time_text(double ns, char text[TIME_TEXT]);

#endif
