/*
 * database.c - a database of which some bytes are others, or any file.
 *
 * Bytes that begin as SQLite's files do are the file.  All others are changes:
 * a place (three bytes), and the byte to put there.
 */
#include <stdlib.h>
#include <string.h>

#include "kernels/core/err.h"
#include "tests/databases.h"
#include "tests/fuzz/fuzz.h"
#include "tests/stored.h"

enum { PLACE_BYTES = 3 };

/* A whole one with something of everything, made by this program. */
static char *whole(size_t *n)
{
    const char *path = temp_path("whole.db");
    char *bytes;

    stored_bench(path);
    stored_stages(path);
    stored_profiles(path);
    BUG_IF(!alter(path, "PRAGMA page_size = 1024; VACUUM"));
    bytes = read_bytes(path, n);
    BUG_IF(!bytes);
    return bytes;
}

static const char *changed(const uint8_t *data, size_t n)
{
    static char *original, *copy;
    static size_t size;
    const char *path;

    if (!original) {
        original = whole(&size);
        copy = malloc(size);
        BUG_IF(!copy);
    }
    memcpy(copy, original, size);
    for (; n > PLACE_BYTES; data += PLACE_BYTES + 1, n -= PLACE_BYTES + 1) {
        const size_t place =
            (size_t)data[0] << 16 | (size_t)data[1] << 8 | data[2];

        copy[place % size] = (char)data[PLACE_BYTES];
    }
    path = fuzz_file("changed.db", copy, size);
    return path;
}

void fuzz_database(const uint8_t *data, size_t n)
{
    static const char magic[] = "SQLite format 3";

    fuzz_read_database(n >= sizeof(magic) &&
                               memcmp(data, magic, sizeof(magic)) == 0
                           ? fuzz_file("any.db", data, n)
                           : changed(data, n),
                       READ_ALL);
}
