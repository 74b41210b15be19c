/*
 * program.h - the program itself, run as a user does.
 */
#ifndef TESTS_PROGRAM_H
#define TESTS_PROGRAM_H

#include <sys/types.h>

/* Runs "attnbench" with these arguments, as a shell splits them; *said is what
 * it wrote to both of its outputs, to be freed.  Returns its exit status, 128
 * and the signal if one ended it.  The test is skipped where the program is not
 * built. */
int program(char **said, const char *arguments, ...)
    __attribute__((format(printf, 2, 3)));

/* The same, with shell text before the program: "VARIABLE=value", "timeout 60",
 * "ulimit -v 80000; exec". */
int program_after(char **said, const char *before, const char *arguments, ...)
    __attribute__((format(printf, 3, 4)));

/* Starts it, and returns its process; the file gets both of its outputs. */
pid_t program_start(const char *output, const char *arguments, ...)
    __attribute__((format(printf, 2, 3)));

/* As program(), on a terminal of that width (which writes newlines as they are). */
int program_on_terminal(char **said, int columns, const char *arguments, ...)
    __attribute__((format(printf, 3, 4)));

#endif
