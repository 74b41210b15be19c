/*
 * test_file.c - what is read is a file: pipes and devices are refused at once
 * by every reader.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/files/hash.h"
#include "harness/files/image.h"
#include "harness/files/json.h"
#include "harness/files/safetensors.h"
#include "harness/report/import.h"
#include "tests/databases.h"
#include "tests/pictures.h"
#include "tests/test.h"

enum { LIMIT_S = 20 };

static int read_hash(const char *path)
{
    uint64_t h = HASH_START;
    const int err = hash_file(&h, path);

    CHECK(h == HASH_START);
    return err;
}

static int read_safetensors(const char *path)
{
    Safetensors *st;

    return st_open(&st, path);
}

static int read_image(const char *path)
{
    Image image;

    return image_read(&image, path);
}

static int read_json(const char *path)
{
    Json j;

    return json_read(&j, path);
}

static int (*const readers[])(const char *path) = {
    read_hash,
    read_safetensors,
    read_image,
    read_json,
};

static void refused(const char *path, const char *why)
{
    for (size_t i = 0; i < sizeof(readers) / sizeof(*readers); i++) {
        CHECK_MSG(readers[i](path) == ERR_INPUT, "reader %zu took %s", i, path);
        CHECK_MSG(strstr(err_message(), path) == err_message() &&
                      strstr(err_message(), why),
                  "reader %zu: '%s' has no '%s'", i, err_message(), why);
    }
}

TEST(file, one_that_is_none_is_refused_by_every_reader)
{
    const char *pipe = picture_path("pipe");

    alarm(LIMIT_S); /* instead of waiting for ever */
    CHECK(mkfifo(pipe, 0600) == 0);
    refused(pipe, "a pipe; write its contents to a file");
    refused(test_tmpdir(), "a directory, not a file");
    refused("/dev/zero", "a device, not a file");
}

/* A pipe is refused without being read, so it is still whole after. */
TEST(file, a_pipe_is_not_read_from)
{
    char path[64], left[8];
    int end[2];

    CHECK(pipe(end) == 0 && write(end[1], "{}", 2) == 2);
    snprintf(path, sizeof(path), "/dev/fd/%d", end[0]);
    CHECK(read_json(path) == ERR_INPUT);
    CHECK(strstr(err_message(), "a pipe"));
    CHECK(read(end[0], left, sizeof(left)) == 2);
}

/* ---- hashes -------------------------------------------------------------- */

/* Each bit counts, also the highest of two words. */
TEST(file, is_hashed_by_words_where_it_is_large)
{
    static const size_t sizes[] = { 0, 5, 16, 70001 };
    char path[512];

    snprintf(path, sizeof(path), "%s/large", test_tmpdir());
    for (size_t k = 0; k < 4; k++) {
        const size_t n = sizes[k], flips[] = { 0, n / 2, n ? n - 1 : 0 };
        unsigned char *bytes = calloc(n + 1, 1);
        uint64_t plain = HASH_START, same = HASH_START, first = 0;

        write_bytes(path, bytes, n);
        REQUIRE(hash_large_file(&plain, path) == OK);
        REQUIRE(hash_large_file(&same, path) == OK);
        CHECK(plain == same && (n == 0) == (plain == HASH_START));
        for (size_t i = 0; n && i < 3; i++) {
            uint64_t h = HASH_START;

            bytes[flips[i]] ^= 0x80;
            write_bytes(path, bytes, n);
            REQUIRE(hash_large_file(&h, path) == OK);
            CHECK(h != plain && h != first);
            bytes[flips[i]] ^= 0x80;
            first = i ? first : h;
        }
        free(bytes);
    }
    write_bytes(path, "\0\0\0\0\0\0\0\x80\0\0\0\0\0\0\0\x80", 16);
    {
        uint64_t h = HASH_START, zeros = HASH_START;

        REQUIRE(hash_large_file(&h, path) == OK);
        write_bytes(path, "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 16);
        REQUIRE(hash_large_file(&zeros, path) == OK);
        CHECK(h != zeros);
        CHECK(hash_large_file(&h, test_tmpdir()) != OK);
    }
}

/* known.n counts how often a file was read. */
TEST(file, is_hashed_once_until_it_changes)
{
    char path[512], other[512];
    Hashes known = { NULL, 0 };
    uint64_t a, b, fresh;

    snprintf(path, sizeof(path), "%s/a", test_tmpdir());
    snprintf(other, sizeof(other), "%s/b", test_tmpdir());
    write_text(path, "one");
    write_text(other, "two");
    REQUIRE(hash_file_once(&a, path, &known) == OK);
    REQUIRE(hash_file_once(&b, path, &known) == OK);
    CHECK(a == b && known.n == 1);
    REQUIRE(hash_file_once(&b, other, &known) == OK);
    CHECK(a != b && known.n == 2);
    fresh = HASH_START;
    REQUIRE(hash_file(&fresh, other) == OK);
    CHECK(b == fresh);

    write_text(path, "three");
    REQUIRE(hash_file_once(&b, path, &known) == OK);
    CHECK(a != b && known.n == 3);
    REQUIRE(rename(other, path) == 0); /* another in its place */
    REQUIRE(hash_file_once(&b, path, &known) == OK);
    CHECK(b == fresh);
    CHECK(hash_file_once(&b, other, &known) != OK && b == fresh);
    hashes_free(&known);
    CHECK(hash_file_once(&b, path, NULL) == OK && b == fresh);
}
