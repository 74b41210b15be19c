/*
 * hint.h - sentences with commands that can be pasted.
 */
#ifndef HARNESS_HINT_H
#define HARNESS_HINT_H

#include <stdio.h>

/* Writes text with program_path() for each "attnbench" that begins a command,
 * "attnbench run ...". */
void hint_write(FILE *out, const char *text);

#endif
