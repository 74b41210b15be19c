/*
 * units.h - how a number is written: 100 ms, not 100000 us; or exactly.
 */
#ifndef ANALYSIS_UNITS_H
#define ANALYSIS_UNITS_H

/* Times from nanoseconds on, each 1000 of the one before; NULL at the end. */
extern const char *const units_of_time[]; /* ns, us, ms, s */

/*
 * Which of units (each 1000 of the one before; NULL at the end) leaves value,
 * which is in the first, one to three digits before the point: 999.4 stays,
 * 999.6 is 1.00 of the next.  *size is that unit in the first.
 */
int unit_for(double value, const char *const *units, double *size);

/* A decimal of the given digits, or, of EXACT, one that reads back as the same
 * number; "" for NAN.  Returns text. */
enum { NUMBER_TEXT = 32, EXACT = 17 };
char *number_text(double x, int digits, char text[NUMBER_TEXT]);

#endif
