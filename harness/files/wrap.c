/*
 * wrap.c - text in lines of a screen's width.
 */
#include "harness/files/wrap.h"

#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kernels/core/err.h"

/* A character of UTF-8 begins with each byte that does not continue one. */
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

enum { LEAST_COLUMNS = 40, CONTINUED = 6, LINE = 512 };

int screen_columns(FILE *out)
{
    const char *said = getenv("COLUMNS");
    struct winsize w;
    int n = said ? atoi(said) : 0;

    if (n <= 0 && ioctl(fileno(out), TIOCGWINSZ, &w) == 0)
        n = w.ws_col ? w.ws_col : 80;
    return n <= 0 ? 0 : n < LEAST_COLUMNS ? LEAST_COLUMNS : n;
}

static bool is_fixed(const char *line)
{
    return *line == ' ' || *line == '{' || *line == '\n';
}

/* The words of a line behind its blanks, which those below it get, too. */
static void put_fixed(FILE *out, int width, const char *line, size_t n)
{
    const int indent = (int)strspn(line, " ");
    char text[LINE];
    Wrap at = { indent, indent, width };

    snprintf(text, sizeof(text), "%.*s", (int)n, line);
    if (width_of(text, strlen(text)) < width) {
        fputs(text, out);
        return;
    }
    fprintf(out, "%*s", indent, "");
    wrap_words(out, &at, text + indent);
}

void wrap_text(FILE *out, int width, const char *text)
{
    Wrap at = { 0, 0, width };

    while (*text) {
        const size_t n = strcspn(text, "\n");
        char line[LINE];

        if (is_fixed(text)) {
            if (at.column)
                fputc('\n', out);
            at.column = 0;
            put_fixed(out, width, text, n);
            fputc('\n', out);
        } else {
            snprintf(line, sizeof(line), "%.*s", (int)n, text);
            wrap_words(out, &at, line);
        }
        text += n + (text[n] == '\n');
    }
    if (at.column)
        fputc('\n', out);
}

void wrap_to_screen(FILE *out, const char *fmt, ...)
{
    char *text = NULL;
    va_list args;

    va_start(args, fmt);
    BUG_IF(vasprintf(&text, fmt, args) < 0);
    va_end(args);
    if (screen_columns(out))
        wrap_text(out, screen_columns(out), text);
    else
        fputs(text, out);
    free(text);
}

void wrap_entry(FILE *out, int width, const char *name, const char *about)
{
    const int indent = width + 3, columns = screen_columns(out);
    Wrap at = { indent, indent, columns ? columns : INT_MAX };

    fprintf(out, "  %-*s ", width, name);
    wrap_words(out, &at, about);
    fputc('\n', out);
}

void wrap_command(FILE *out, int width, const char *line)
{
    int column = (int)strspn(line, " ");
    bool first = true;

    fprintf(out, "%*s", column, "");
    for (line += column; *line; line += strspn(line, " ")) {
        const int n = (int)strcspn(line, " ");
        const int rest = line[n] ? 2 : 0; /* room for " \\" */

        if (!first && column + 1 + n + rest > width) {
            fprintf(out, " \\\n%*s", CONTINUED, "");
            column = CONTINUED;
        } else if (!first) {
            fputc(' ', out);
            column++;
        }
        fwrite(line, 1, (size_t)n, out);
        column += n;
        line += n;
        first = false;
    }
    fputc('\n', out);
}
