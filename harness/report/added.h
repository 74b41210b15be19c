/*
 * added.h - a line that says what a file added to a database.
 */
#ifndef HARNESS_ADDED_H
#define HARNESS_ADDED_H

#include <stdio.h>

#include "results/merge.h"

void added_write(FILE *out, const char *path, const char *db, const Added *n);

#endif
