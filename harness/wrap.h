/*
 * wrap.h - text in lines of a screen's width.
 */
#ifndef HARNESS_WRAP_H
#define HARNESS_WRAP_H

#include <stdio.h>

/* Where lines begin, how far they have come, and where they must end. */
typedef struct Wrap {
    int indent, column, width;
} Wrap;

/* Writes the words of text, with a blank or a new line between them and what
 * was written before.  The first line's indent is the caller's to write. */
void wrap_words(FILE *out, Wrap *at, const char *text);

#endif
