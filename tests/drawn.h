/*
 * drawn.h - figures drawn into the test's folder.
 */
#ifndef TESTS_DRAWN_H
#define TESTS_DRAWN_H

#include <stdbool.h>

#include "plots/plot.h"

bool have_gnuplot(void);

/* Draws the figure of this name.  The text of its data file, to be freed, or
 * NULL; err is plot_draw's. */
char *draw(const char *db, const char *name, PlotOptions o, int *err);

/* The path of a database with all standard experiments. */
const char *full_database(void);

#endif
