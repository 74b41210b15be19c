/*
 * wrap.c - text in lines of a screen's width.
 */
#include "harness/wrap.h"

#include <string.h>

/* A character of UTF-8 begins with each byte that does not go on with one. */
static int width_of(const char *text, size_t n)
{
    int width = 0;

    for (size_t i = 0; i < n; i++)
        width += ((unsigned char)text[i] & 0xC0) != 0x80;
    return width;
}

void wrap_words(FILE *out, Wrap *at, const char *text)
{
    for (text += strspn(text, " "); *text; text += strspn(text, " ")) {
        const size_t n = strcspn(text, " ");
        const int width = width_of(text, n);

        if (at->column > at->indent && at->column + 1 + width > at->width) {
            fprintf(out, "\n%*s", at->indent, "");
            at->column = at->indent;
        } else if (at->column > at->indent) {
            fputc(' ', out);
            at->column++;
        }
        fwrite(text, 1, n, out);
        at->column += width;
        text += n;
    }
}
