/*
 * table_page.h - runs by module and shape, as a table.
 *
 * Rows are modules (with what else varies among them), columns shapes.  What
 * should not be side by side is on pages of its own.
 */
#ifndef HARNESS_TABLE_PAGE_H
#define HARNESS_TABLE_PAGE_H

#include "harness/report/tables.h"

/* Quantity that a grid shows; cell returns text. */
typedef struct Shown {
    char *(*cell)(const struct Shown *what, const Run *r, char text[CELL_TEXT]);
    const RunList *theirs; /* what the runs are compared with, or NULL */
    const char *const *may_differ; /* columns in which theirs are others */
} Shown;

/* Prints the runs of a page; arms after the first are left out. */
int table_page_print(const RunList *runs, const Shown *what,
                     const TableOptions *o);

/* Says with which power of channels, or of the side of the map, the time of
 * each row grows; nothing where both vary, or neither. */
int table_page_growth(const RunList *runs, const TableOptions *o);

/* Sorts runs into pages, as slice_split does: of one source, in one state,
 * which are never mixed, and of one batch where each has several shapes. */
int table_pages(RunList **out, int *n, RunList *runs);

/* Title of a page if there are several: "batch 8, cold", or "". */
enum { PAGE_TEXT = 128 };
char *table_page_label(const RunList *page, const RunList *all,
                       char text[PAGE_TEXT]);

#endif
