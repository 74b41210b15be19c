/*
 * add_files.h - commands that add the contents of files to a database.
 */
#ifndef HARNESS_ADD_FILES_H
#define HARNESS_ADD_FILES_H

#include "harness/cli/flags.h"
#include "results/merge.h"

/* The settings of such a command. */
typedef struct AddSettings {
    const char *db;
} AddSettings;
extern const Param add_params[];

/* Adds a file, whole or not at all; out says what it added. */
typedef int AddFile(Store *s, const char *path, Added *out);

/* Adds each argument to the database, up to the first that fails, and prints
 * a line for each. */
int add_files(const char *db, const Flags *flags, AddFile *add);

#endif
