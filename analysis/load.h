/*
 * load.h - when a machine is too busy to measure on.
 */
#ifndef ANALYSIS_LOAD_H
#define ANALYSIS_LOAD_H

#include <stdbool.h>

/* A load as it is said: "0.5", "5.1", "128".  Returns text. */
enum { LOAD_NUMBER = 32 };
char *load_text(char text[LOAD_NUMBER], double load);

/* Says that other programs disturb what is measured, if the load (a 1-minute
 * average before it began; NAN: not known) is more than one of them for each
 * two cores; else "".  threads: whether it runs on several threads, which wait
 * for each other, so that one would be disturbed far less.  Returns text. */
enum { LOAD_TEXT = 192 };
char *load_doubt(char text[LOAD_TEXT], double load, int cores, bool threads);

#endif
