/*
 * visible.h - text of files and of other programs, made safe to show.
 *
 * A terminal obeys control characters, LaTeX ends a comment at a newline, and
 * a page may be broken by either.  So text that this program did not write
 * goes through here on its way out: printable characters of UTF-8 as they are,
 * every other byte as \xNN.
 */
#ifndef CORE_VISIBLE_H
#define CORE_VISIBLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of the character of UTF-8 at text; 0 if none begins there (overlong
 * forms, surrogates and what lies past U+10FFFF included). */
int utf8_length(const char *text);

/* True if every byte belongs to a printable character: no control characters
 * (below 0x20, 0x7f, U+0080 to U+009F), nothing that is not UTF-8. */
bool is_visible(const char *text);

/* Writes text to out, size bytes with the final zero; what does not fit is cut
 * at a whole character.  text may not overlap out.  Returns out. */
char *visible(char *out, size_t size, const char *text);

/* Writes text to a stream. */
void visible_write(FILE *out, const char *text);

#ifdef __cplusplus
}
#endif

#endif
