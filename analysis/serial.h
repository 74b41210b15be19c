/*
 * serial.h - correlation in time, and how much wider it makes an interval.
 */
#ifndef ANALYSIS_SERIAL_H
#define ANALYSIS_SERIAL_H

/* Sorts x[n], which is in order of measurement, into sorted[n]; rank[n] is
 * filled with the ranks 0 to n - 1 in order of measurement, equal values with
 * the mean of theirs.  ERR_MEMORY. */
int serial_ranks(double *rank, double *sorted, const double *x, int n);

/* Correlation of neighbours in time, -1 to 1; 0 if all are equal. */
double serial_correlation(const double *rank, int n);

/* How many independent samples would tell as much of the middle, 1 to n: the
 * process is taken to be autoregressive, of first order, in the ranks. */
double serial_worth(const double *rank, int n);

/*
 * The factor, 1 or more, by which the interval of n independent samples at
 * level 1 - alpha is to be stretched about its centre: the larger one of what
 * serial_worth says and what the spread of the mean ranks of five to ten
 * batches says, both with Student's t.  The second sees slow changes that
 * neighbours do not show.  n is at least 2.
 */
double serial_stretch(const double *rank, int n, double alpha);

#endif
