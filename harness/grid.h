/*
 * grid.h - runs by module and shape, as a table.
 *
 * Rows are modules (with what else varies among them), columns shapes.
 */
#ifndef HARNESS_GRID_H
#define HARNESS_GRID_H

#include "harness/tables.h"

/* What a grid shows of a run; cell returns text. */
typedef struct Shown {
    char *(*cell)(const struct Shown *what, const Run *r, char text[CELL_TEXT]);
    const RunList *theirs; /* what the runs are compared with, or NULL */
} Shown;

/* Prints the runs, which are of one source; arms but the first are left out. */
int grid_print(const RunList *runs, const Shown *what, const TableOptions *o);

/* The columns of a run but its source, for slice_split. */
extern const char *const all_but_source[];

#endif
