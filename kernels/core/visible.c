/*
 * visible.c - text of files and of other programs, made safe to show.
 */
#include "kernels/core/visible.h"

#include <stdint.h>
#include <string.h>

int utf8_length(const char *text)
{
    static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    const unsigned char *p = (const unsigned char *)text;
    const int n = p[0] < 0x80         ? 1
                  : p[0] >> 5 == 0x06 ? 2
                  : p[0] >> 4 == 0x0E ? 3
                  : p[0] >> 3 == 0x1E ? 4
                                      : 0;
    uint32_t code = n > 1 ? p[0] & (0x7F >> n) : p[0];

    for (int i = 1; i < n; i++) {
        if (p[i] >> 6 != 0x02)
            return 0;
        code = code << 6 | (p[i] & 0x3F);
    }
    if (n > 1 && (code < least[n] || code > 0x10FFFF || code >> 11 == 0x1B))
        return 0;
    return n;
}

/* Bytes of the printable character at text; 0: its first byte needs \xNN. */
static int printable(const char *text)
{
    const unsigned char *p = (const unsigned char *)text;
    const int n = utf8_length(text);

    if (n == 1)
        return p[0] >= 0x20 && p[0] != 0x7F;
    return n == 2 && p[0] == 0xC2 && p[1] < 0xA0 ? 0 : n; /* U+0080 to 9F */
}

bool is_visible(const char *text)
{
    for (int n; *text; text += n) {
        n = printable(text);
        if (n == 0)
            return false;
    }
    return true;
}

/* The next character of *text as it is shown, in piece; returns its length. */
static int take(const char **text, char piece[8])
{
    int n = printable(*text);

    if (n == 0) {
        n = snprintf(piece, 8, "\\x%02x", (unsigned char)**text);
        ++*text;
        return n;
    }
    memcpy(piece, *text, (size_t)n);
    *text += n;
    return n;
}

char *visible(char *out, size_t size, const char *text)
{
    size_t used = 0;
    char piece[8];

    while (*text) {
        const size_t n = (size_t)take(&text, piece);

        if (used + n >= size)
            break;
        memcpy(out + used, piece, n);
        used += n;
    }
    if (size)
        out[used] = '\0';
    return out;
}

void visible_write(FILE *out, const char *text)
{
    char piece[8];

    while (*text)
        fwrite(piece, 1, (size_t)take(&text, piece), out);
}
