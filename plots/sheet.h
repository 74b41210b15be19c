/*
 * sheet.h - a figure in the making: its runs, its data file, its script.
 *
 * The script is: variables (written here), theme.gp, the figure's template.
 * Texts reach gnuplot only through sheet_text and sheet_word, which quote.
 */
#ifndef PLOTS_SHEET_H
#define PLOTS_SHEET_H

#include <stdio.h>

#include "plots/plot.h"

typedef struct Sheet {
    const char *name;       /* of the figure and its files                  */
    const char *experiment; /* its own, unless options name another         */
    Store *store;
    const PlotOptions *options;
    FILE *dat, *gp;
    bool counted;       /* nothing in it was measured                   */
    char caption[1024]; /* what a reader must know, under the figure      */
    char *note;         /* ... and on the terminal; or NULL               */
    const void *page;   /* what is drawn, of what is in no database       */
} Sheet;

/* A figure: its files' name, and what draws it. */
typedef struct Figure {
    const char *name, *experiment, *help, *template;
    int (*draw)(Sheet *s);
} Figure;

/* Lets it write its data and its variables into s, whose options and contents
 * are given, then writes the files and runs gnuplot, as plot_draw has it. */
int figure_write(const Figure *f, Sheet *s);

#define X(id, experiment, help) int figure_##id(Sheet *s);
FIGURES(X)
#undef X

/*
 * The runs to draw: of the experiment's latest sweep, as wanted, arms other
 * than 0 dropped unless arms, one slice except for the columns in axes, only
 * those that succeeded.  What could not run goes into the caption.
 * ERR_UNSUPPORTED with what to do if there are none.
 */
typedef struct SheetRuns {
    const char *experiment;
    const char *const *axes; /* NULL-ended */
    bool arms;
    const char *command; /* that makes them; NULL: attnbench run */
} SheetRuns;
int sheet_runs(Sheet *s, RunList *out, const SheetRuns *which);

/* Variables of the script. */
void sheet_number(Sheet *s, const char *name, double value);
void sheet_text(Sheet *s, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* A word in a row of the data file, in quotes if need be, and a blank. */
void sheet_word(Sheet *s, const char *text);

/* Adds a sentence to the caption, once. */
void sheet_say(Sheet *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* Sets the page: width and the height above the foot, in points; writes the
 * foot (caption and conditions of these runs) and the total height. */
int sheet_page(Sheet *s, const RunList *runs, double width, double height);

/* The same with these conditions, of what is no run. */
void sheet_foot(Sheet *s, const char *conditions, double width, double height);

/* The line style in theme.gp of a run's module, the same in all figures: of a
 * fused one its colour and point, but dotted. */
int run_style(const Sheet *s, const Run *r);
int module_style(const Sheet *s, const char *module);

/* Ticks at 1, 2, 5 times powers of ten, or at powers only when there are
 * many: "0.1 0.2 0.5". */
void sheet_log_ticks(Sheet *s, const char *name, double lo, double hi);

/*
 * The same of an axis that has a unit: Yticks<index> has the places,
 * Ynames<index> what is written there ("10"; "100 ms" and "1 s" where the
 * range holds more than one unit can say, and then it returns true).  lo and
 * hi are in `unit`, which is one of names (NULL-ended, each 1000 of the one
 * before).
 */
typedef struct Ticks {
    double lo, hi, unit;
    const char *const *names;
} Ticks;
bool sheet_unit_ticks(Sheet *s, const char *index, const Ticks *t);

#endif
