/*
 * foreign.h - files that are given to attnbench import and are something else:
 * says what they are, and what to do.
 */
#ifndef HARNESS_FOREIGN_H
#define HARNESS_FOREIGN_H

#include "harness/files/json.h"

/* OK unless a file cannot be opened, or its first bytes show that it is neither
 * JSON nor CSV: a database, an archive, an array, ... */
int foreign_file(const char *path);

/* OK unless the keys show that another program's benchmarks are in it. */
int foreign_json(const Json *j);

#endif
