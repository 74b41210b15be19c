/*
 * hash.c - FNV-1a of texts and of what files hold.
 */
#include "harness/files/hash.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "harness/files/file.h"
#include "kernels/core/err.h"

enum { CHUNK = 1 << 16 };

#define PRIME 0x100000001B3u

uint64_t hash_bytes(uint64_t h, const void *bytes, size_t n)
{
    const unsigned char *b = bytes;

    for (size_t i = 0; i < n; i++)
        h = (h ^ b[i]) * PRIME;
    return h;
}

/* A product carries nothing down: the shift does, or two changes of the highest
 * bit would cancel. */
static uint64_t hash_words(uint64_t h, const void *bytes, size_t n)
{
    const size_t whole = n / sizeof(uint64_t) * sizeof(uint64_t);
    const unsigned char *b = bytes;

    for (size_t i = 0; i < whole; i += sizeof(uint64_t)) {
        uint64_t word;

        memcpy(&word, b + i, sizeof(word));
        h = (h ^ word) * PRIME;
        h ^= h >> 32;
    }
    return hash_bytes(h, b + whole, n - whole);
}

typedef uint64_t Hash(uint64_t h, const void *bytes, size_t n);

static int hash_by(Hash *add, uint64_t *h, const char *path)
{
    unsigned char chunk[CHUNK];
    uint64_t sum = *h;
    size_t n;
    FILE *f;
    int err = file_open(&f, NULL, path);

    if (err)
        return fail_within(err, "%s", path);
    while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
        sum = add(sum, chunk, n);
    err = ferror(f) ? fail(ERR_IO, "%s: %m", path) : OK;
    fclose(f);
    if (!err)
        *h = sum;
    return err;
}

int hash_file(uint64_t *h, const char *path)
{
    return hash_by(hash_bytes, h, path);
}

int hash_large_file(uint64_t *h, const char *path)
{
    return hash_by(hash_words, h, path);
}

struct HashedFile {
    struct stat is;
    uint64_t h;
};

static bool same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
           a->st_size == b->st_size && same_time(&a->st_mtim, &b->st_mtim) &&
           same_time(&a->st_ctim, &b->st_ctim);
}

int hash_file_once(uint64_t *h, const char *path, Hashes *known)
{
    struct HashedFile file = { .h = HASH_START };

    if (known && stat(path, &file.is) == 0)
        for (int i = 0; i < known->n; i++)
            if (same_file(&file.is, &known->at[i].is)) {
                *h = known->at[i].h;
                return OK;
            }
    TRY(hash_file(&file.h, path));
    *h = file.h;
    if (!known)
        return OK;
    known->at = realloc(known->at, (size_t)(known->n + 1) * sizeof(*known->at));
    BUG_IF(!known->at);
    known->at[known->n++] = file;
    return OK;
}

void hashes_free(Hashes *known)
{
    free(known->at);
    *known = (Hashes){ NULL, 0 };
}

char *hash_text(char text[HASH_TEXT], uint64_t h)
{
    snprintf(text, HASH_TEXT, "%016" PRIx64, h);
    return text;
}
