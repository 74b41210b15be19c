/*
 * file.h - opens files that are read: regular ones, and nothing that could
 * make the program wait or never end.
 */
#ifndef HARNESS_FILE_H
#define HARNESS_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/*
 * Opens path, whose bytes are *size (NULL: not wanted).  A pipe, a device, a
 * socket and a folder are refused without reading from them.  ERR_IO if it
 * cannot be opened, ERR_INPUT if it is no file; the sentence leaves out path,
 * for fail_within().
 */
int file_open(FILE **out, size_t *size, const char *path);

/* True if both paths lead to one file that is there. */
bool file_is_same(const char *path, const char *other);

#endif
