/*
 * lines.h - how something grows: one line per module, on log-log axes, in
 * panels.
 */
#ifndef PLOTS_LINES_H
#define PLOTS_LINES_H

#include "plots/sheet.h"

typedef struct Point {
    double x, y, lo, hi;
    int converged, n;
} Point;

/* Contents of a panel.  Where it lies on the page is for scaling.gp to say. */
typedef struct Panel {
    const char *experiment;
    const char *const *axes; /* columns that may differ (NULL-ended) */
    const char *x_label, *y_label;
    double (*x)(const Run *r);
    Point (*point)(const Run *r); /* all but x */
    const char *const *units;     /* of y, each 1000 of the one before; NULL */
    const char *fit_note; /* what a fitted exponent means; NULL: no fit */
} Panel;

/* A page of panels, two in a row if there are more than one; width and height
 * are those of one, in points. */
typedef struct Panels {
    const Panel *at;
    int n;
    double width, height;
} Panels;

/* Writes the data file and the variables of scaling.gp.  A panel without runs
 * is left out; ERR_UNSUPPORTED if that leaves none. */
int lines_write(Sheet *s, const Panels *panels);

#endif
