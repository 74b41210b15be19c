/*
 * tables.h - stored runs as tables: networks with modules, modules alone.
 */
#ifndef HARNESS_TABLES_H
#define HARNESS_TABLES_H

#include "analysis/conditions.h"
#include "harness/report/table.h"

typedef struct TableOptions {
    TableFormat format;
    const char *sort;  /* of networks: one of table_sort_name() */
    const char *focus; /* the module that the last sentence is about */
    const char *base;  /* of networks: the module that ratios are to; "none":
                          the plain network */
    FILE *out;
} TableOptions;

/* The i-th order of networks, NULL past the end. */
const char *table_sort_name(int i);

/*
 * A backbone with each module against the plain one and the paper's Table 2:
 * a table for each slice of the runs, with its conditions.  The runs are of
 * networks, from any source; they are reordered.
 */
int table_networks(Store *s, RunList *runs, const TableOptions *o);

/* Modules alone: median times, one row per module, one column per shape. */
int table_modules(Store *s, RunList *runs, const TableOptions *o);

/* Time here over time of each other source, paired: nothing if there is none.
 * Both networks and modules. */
int table_peers(RunList *runs, const TableOptions *o);

/* For a page of a grid (all: the runs it is from): paired ratio of a module's
 * fused time to its composed time; nothing if there is no such pair. */
int table_fused(const RunList *page, const RunList *all, const TableOptions *o);

/* For programs: the columns that tell cases apart (analysis/slice.h), those
 * that say where a run was measured, and its outcome.  Writes them to
 * out and returns how many they are; table_case fills them in. */
int table_case_columns(TableColumn *out);
void table_case(Table *t, int row, const Run *r);
void table_where(Table *t, int row, const Run *r); /* cpu to started_at alone */

/* "4.7 % [4.6, 4.8]": what is missing to a ratio of throughputs, of 0.953, with
 * this unit.  Returns text. */
char *cost_text(const Ratio *r, const char *unit, char text[CELL_TEXT]);

/* The direct and the indirect cost of a row: the columns direct_percent and
 * indirect_percent, and for programs (exact) their _lo and _hi; and whether
 * people see them. */
void table_cost(Table *t, int row, const ModuleCost *c, bool exact);
void table_show_cost(Table *t, bool direct, bool indirect);

/* Says what the ratios are that have a ' before them. */
void table_unpaired(const TableOptions *o);

/* Says which runs have no time and why; nothing if all have. */
void table_failures(const RunList *runs, const TableOptions *o);

#endif
