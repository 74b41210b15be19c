/*
 * npy.h - arrays of floats as files that NumPy loads.
 */
#ifndef HARNESS_NPY_H
#define HARNESS_NPY_H

/* Writes values, row-major, of these dims, into path; makes its folder if there
 * is none, and replaces a file that is there.  ERR_IO says what went wrong. */
int npy_write(const char *path, const float *values, int rank, const int *dim);

#endif
