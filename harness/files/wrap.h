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

/* Columns of the terminal that out is: by COLUMNS if that is set, else as the
 * terminal says, but no fewer than 40; 0 if out is none, and so has no end. */
int screen_columns(FILE *out);

/* Writes text as paragraphs of lines that end before width.  A newline within
 * a paragraph is a blank; an empty line stays, and so does a line that begins
 * with a blank or a brace, which is broken if it is too long. */
void wrap_text(FILE *out, int width, const char *text);

/* The same of what printf would write, where out is a terminal, in its width;
 * elsewhere as it stands. */
void wrap_to_screen(FILE *out, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* "  name   about" with about in a column of its own, from width + 3 on. */
void wrap_entry(FILE *out, int width, const char *name, const char *about);

/* Writes a command line that begins with blanks; where it is too long it is
 * continued by a backslash, so that it can be pasted whole. */
void wrap_command(FILE *out, int width, const char *line);

#endif
