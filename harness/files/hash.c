/*
 * hash.c - FNV-1a of texts and of what files hold.
 */
#include "harness/files/hash.h"

#include <inttypes.h>
#include <stdio.h>

#include "harness/files/file.h"
#include "kernels/core/err.h"

enum { CHUNK = 1 << 16 };

uint64_t hash_bytes(uint64_t h, const void *bytes, size_t n)
{
    const unsigned char *b = bytes;

    for (size_t i = 0; i < n; i++)
        h = (h ^ b[i]) * 0x100000001B3u;
    return h;
}

int hash_file(uint64_t *h, const char *path)
{
    unsigned char chunk[CHUNK];
    uint64_t sum = *h;
    size_t n;
    FILE *f;
    int err = file_open(&f, NULL, path);

    if (err)
        return fail_within(err, "%s", path);
    while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
        sum = hash_bytes(sum, chunk, n);
    err = ferror(f) ? fail(ERR_IO, "%s: %m", path) : OK;
    fclose(f);
    if (!err)
        *h = sum;
    return err;
}

char *hash_text(char text[HASH_TEXT], uint64_t h)
{
    snprintf(text, HASH_TEXT, "%016" PRIx64, h);
    return text;
}
