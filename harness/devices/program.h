/*
 * program.h - how this program was started, so that what it tells the user to
 * run can be pasted.
 */
#ifndef HARNESS_PROGRAM_H
#define HARNESS_PROGRAM_H

#include <stdio.h>

/* "build/attnbench" if it was started so, "attnbench" if it was found in PATH;
 * in quotes where a shell needs them. */
enum { PROGRAM_TEXT = 1024 };
const char *program_path(char text[PROGRAM_TEXT]);

/* Writes text as one word of a shell, in quotes where it needs them. */
void put_argument(FILE *out, const char *text);

/* " --db=FILE", where it is not the usual one. */
void put_db(FILE *out, const char *db);

#endif
