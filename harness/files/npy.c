/*
 * npy.c - the format .npy, version 1.0: a line that describes, then the floats.
 *
 * Source: NumPy's NEP 1.  Little-endian machines only, as all that this
 * program is built for.
 */
#include "harness/files/npy.h"

#include <stdio.h>
#include <string.h>

#include "kernels/core/err.h"
#include "results/folder.h"
#include "results/outfile.h"

enum {
    HEADER = 128, /* all of it: the format wants a multiple of 64 */
    BEFORE = 10,  /* magic, version, length of the line           */
};

/* "{'descr': '<f4', 'fortran_order': False, 'shape': (7, 7), }", padded. */
static void describe(char header[HEADER], int rank, const int *dim)
{
    char *line = header + BEFORE;
    size_t n;

    memset(header, ' ', HEADER);
    memcpy(header, "\x93NUMPY\x01\x00", 8);
    header[8] = (char)(HEADER - BEFORE);
    header[9] = 0;
    n = (size_t)sprintf(line, "{'descr': '<f4', 'fortran_order': False, "
                              "'shape': (");
    for (int i = 0; i < rank; i++)
        n += (size_t)sprintf(line + n, "%d, ", dim[i]);
    n += (size_t)sprintf(line + n, "), }");
    line[n] = ' ';
    header[HEADER - 1] = '\n';
}

int npy_write(const char *path, const float *values, int rank, const int *dim)
{
    char header[HEADER];
    size_t count = 1;
    Outfile out;

    BUG_IF(rank < 1 || rank > 4);
    for (int i = 0; i < rank; i++)
        count *= (size_t)dim[i];
    describe(header, rank, dim);
    TRY(folder_make_for(path));
    TRY(outfile_open(&out, path));
    fwrite(header, 1, HEADER, out.file); /* an error stays until it is closed */
    fwrite(values, sizeof(*values), count, out.file);
    return outfile_close(&out, OK);
}
