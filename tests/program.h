/*
 * program.h - the program itself, run as a user does.
 */
#ifndef TESTS_PROGRAM_H
#define TESTS_PROGRAM_H

/* Runs "attnbench" with these arguments, as a shell splits them; *said is what
 * it wrote to both of its outputs, to be freed.  Returns its exit status, 128
 * and the signal if one ended it.  The test is skipped where the program is not
 * built. */
int program(char **said, const char *arguments, ...)
    __attribute__((format(printf, 2, 3)));

/* The same, on a terminal of that width (which writes newlines as they are). */
int program_on_terminal(char **said, int columns, const char *arguments, ...)
    __attribute__((format(printf, 3, 4)));

#endif
