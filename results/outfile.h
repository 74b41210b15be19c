/*
 * outfile.h - a file that is written whole or not at all.
 *
 * The text goes into a file next to it, which takes its place at the end:
 * a full disk, an error or a kill leave what was there before.  Where no file
 * can be made next to it, as in a folder that may not be written, the file is
 * written in place, without that promise.
 */
#ifndef RESULTS_OUTFILE_H
#define RESULTS_OUTFILE_H

#include <stdio.h>

typedef struct Outfile {
    FILE *file; /* to write to */
    char *path; /* that it will have ...     */
    char *part; /* ... and has; NULL: the same, as of a device or a pipe */
} Outfile;

/* A link is followed; the folder has to be there. */
int outfile_open(Outfile *out, const char *path);

/* err: of the caller's; the file stays as it was.  Else all of it is on the
 * disk, or the sentence says why not.  Returns err, or that. */
int outfile_close(Outfile *out, int err);

/* Both, for what is there in memory. */
int outfile_write(const char *path, const void *bytes, size_t n);

#endif
