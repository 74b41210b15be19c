/*
 * case_flags.h - which settings of a case a command takes, and what its own
 * defaults for them are: one table for parsing, for help and for tests.
 */
#ifndef HARNESS_CASE_FLAGS_H
#define HARNESS_CASE_FLAGS_H

#include <stdbool.h>
#include <stddef.h>

/* Stands for every setting that modules have of their own. */
#define MODULE_SETTINGS "*"

/* Where a command differs from 'attnbench run', which takes all of them. */
typedef struct CaseFlag {
    const char *command, *key;
    const char *initial; /* the command's own default, "" for none that is a
                            value; NULL: the command does not take the key */
    const char *help;    /* NULL initial: why not; else what help says, NULL:
                            what it says of 'run' */
} CaseFlag;

/* The i-th row; NULL past the end. */
const CaseFlag *case_flag_at(int i);

/* The row of a command and a key, or of MODULE_SETTINGS if the key is no
 * setting of every case; NULL: as 'attnbench run' has it. */
const CaseFlag *case_flag_find(const char *command, const char *key);

#endif
