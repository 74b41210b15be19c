/*
 * planted.h - kernels with a bug each, and correct ones, for the tests of
 * kernels/simt.
 *
 * A kernel leaves 1 in y[i] for each of its threads i, if all is well.  Its
 * bug is on the line that PLANT marks; the checked build must report it there,
 * and nothing of another kind before it.  The plain build reports some kinds,
 * too; of the others it shows some as a wrong y.
 */
#ifndef TESTS_SIMT_PLANTED_H
#define TESTS_SIMT_PLANTED_H

#include <stdio.h>

#include "kernels/simt/simt.h"
#include "tests/test.h"

/* Device memory, COUNT numbers each: x is 1, y and never are not written,
 * count is 0. */
struct Planted {
    float *x, *y, *never;
    unsigned *count;
};
enum { COUNT = 4096 };

typedef void PlantedKernel(Planted m);

struct Shape {
    unsigned blocks, threads, cluster;
    size_t shared_bytes;
};

/* Result, in the plain build, of a bug that it does not report. */
enum Plain { UNSEEN, WRONG_VALUE };

extern int planted_line;
#define PLANT(...) ((void)(planted_line = __LINE__), __VA_ARGS__)
#define PLANT_NEXT (planted_line = __LINE__ + 1)

void planted_find(SimtKind kind, PlantedKernel *kernel, Shape shape,
                  Plain plain, const char *file);
void planted_accept(PlantedKernel *kernel, Shape shape);

/* Skips the test where the compiler's own sanitizers end the program at such
 * a bug, before anything can be reported. */
void planted_skip_if_fatal(SimtKind kind);

/* Expected kind of the report; line 0: at any place. */
void planted_reported(SimtKind kind, const char *file, int line);

#define FINDS(kind, kernel, shape, plain) \
    planted_find(SIMT_##kind, kernel, shape, plain, __FILE__)

/* One block, of a warp or two. */
static const Shape ONE_WARP = { 1, 32, 1, 0 }, TWO_WARPS = { 1, 64, 1, 0 };

#endif
