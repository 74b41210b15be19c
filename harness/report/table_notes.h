/*
 * table_notes.h - what stands under a table of networks.
 */
#ifndef HARNESS_TABLE_NOTES_H
#define HARNESS_TABLE_NOTES_H

#include "analysis/versus.h"
#include "harness/report/tables.h"

/* "ResNet-18", also where the paper has none: the backbone of any run. */
const char *table_backbone(const Versus *v, const Run *any);

/* Prints the conditions of the runs of a table, at least one, marks that need
 * words, and the sentence about the module in focus. */
int table_notes(Store *s, const RunList *runs, const Versus *v,
                const TableOptions *o);

#endif
