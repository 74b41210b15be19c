/*
 * hash.h - FNV-1a (Fowler, Noll, Vo) of texts and of the contents of files, to
 * recognise them.
 *
 * No protection against forgery: it is easy to make two files of one hash.
 */
#ifndef HARNESS_HASH_H
#define HARNESS_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_START 0xCBF29CE484222325u /* of nothing */
enum { HASH_TEXT = 17 };               /* 16 hex digits */

/* h with n bytes more. */
uint64_t hash_bytes(uint64_t h, const void *bytes, size_t n);

/* Adds all that a file holds to *h.  ERR_IO, and *h as it was, if it cannot be
 * read. */
int hash_file(uint64_t *h, const char *path);

/* The same, eight bytes at a time and so eight times as fast: another number,
 * for a large file that is only compared with itself. */
int hash_large_file(uint64_t *h, const char *path);

/* Files whose hash is known, by their inodes, sizes and times: one that was
 * rewritten or replaced is another file.  { 0 } at first. */
typedef struct Hashes {
    struct HashedFile *at;
    int n;
} Hashes;

/* The hash of all that a file holds, read once for each file in known (NULL:
 * each time).  As hash_file fails. */
int hash_file_once(uint64_t *h, const char *path, Hashes *known);
void hashes_free(Hashes *known);

/* In hex digits; returns text. */
char *hash_text(char text[HASH_TEXT], uint64_t h);

#endif
