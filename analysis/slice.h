/*
 * slice.h - which runs may share a picture or a column.
 *
 * A sweep varies settings.  A picture shows one or two of them on its axes
 * and must not mix the values of the others: it is a slice of the sweep.
 */
#ifndef ANALYSIS_SLICE_H
#define ANALYSIS_SLICE_H

#include <stdbool.h>

#include "analysis/summary.h"

/* A column of the table run, or a setting of a module, and the value it must
 * have: one of "8,16".  A module of "all" is any except "none". */
typedef struct Wanted {
    const char *column, *value;
} Wanted;
bool slice_wants(const Wanted *w, const char *value);

/* The i-th column that tells cases apart, in the order of the repeat line;
 * NULL past the end. */
const char *slice_column(int i);

/* The value of such a column in a run as text, "" for a name that there is
 * not.  Returns text. */
enum { SLICE_TEXT = PARAM_TEXT_MAX };
char *slice_value(const Run *r, const char *column, char text[SLICE_TEXT]);

/* True if two runs have the same values in all columns that are not in except,
 * a NULL-ended list. */
bool slice_same(const Run *a, const Run *b, const char *const *except);

/* Drops the runs that lack a wanted value.  A module's own setting is as good
 * as a column, and counts for the modules that have it.  ERR_INPUT if there is
 * no such column, with its nearest, or no such value, with those there are. */
int slice_keep(RunList *list, const Wanted *wanted, int n);

/* ERR_INPUT if the runs differ in a column that is not in axes (NULL-ended):
 * the sentence gives two of its values and the flag that chooses one. */
int slice_single(const RunList *list, const char *const *axes);

/* True if a module's settings tell its runs apart: two differ in nothing else.
 * Settings that follow the shape (the sizes of a DCT) do not. */
bool slice_settings_matter(const RunList *list, const char *module);

/* Sorts the runs into slices, each of runs that differ only in axes, in the
 * order of their first runs.  The slices borrow list's samples; the caller
 * frees *out alone, after which list is unchanged except for the order. */
int slice_split(RunList **out, int *n, RunList *list, const char *const *axes);

/* Drops the runs for which keep is false. */
void slice_filter(RunList *list, bool (*keep)(const Run *r));

/* The module's settings that are not its defaults, as its repeat line has
 * them: "reduction=4 kernels=3,5", "" if there are none.  Returns text. */
char *settings_label(const Run *r, char text[SLICE_TEXT]);

/* A module's name as papers print it: "SCSA", "SE-conv"; "plain" for none. */
enum { LABEL_MAX = 96 };
char *module_label(const char *module, char text[LABEL_MAX]);

/* True if the module ran as one op; and its name, which then says so: "SCSA
 * fused".  For a plain network impl means nothing. */
bool run_is_fused(const Run *r);
char *run_label(const Run *r, char text[LABEL_MAX]);

#endif
