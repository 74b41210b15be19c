/*
 * databases.h - databases and files for the tests of what reads them.
 */
#ifndef TESTS_DATABASES_H
#define TESTS_DATABASES_H

#include "harness/network/case.h"
#include "results/erf.h"
#include "results/store.h"

extern const Machine a_machine;
extern const Build a_build;
extern const Sweep a_sweep;

/* A path in the test's own folder; good until the fourth call after it. */
const char *temp_path(const char *name);

/* An outcome that is ok; and stores a run that, if it is, has three samples of
 * median 3 in rounds 0, 0, 1. */
Outcome an_outcome(const char *repeat);
int store_three(Store *s, int64_t sweep_id, const Case *c, const Outcome *o);

/* Stores a receptive field in a sweep of its own. */
int store_erf_alone(Store *s, const ErfRow *row);

/* A module alone: se, 64x8x8. */
Case a_case(void);

/* A closed database of one ended sweep with n runs "case 0", "case 1", ... */
int make_database(const char *path, int n);

/* The first column of the first row as text: "no row" if there is none, the
 * message if SQLite refuses.  Good until the next call. */
const char *ask(const char *path, const char *sql);

#define CHECK_ASK(path, sql, wanted)                                           \
    do {                                                                       \
        const char *got_ = ask(path, sql);                                     \
                                                                               \
        CHECK_MSG(!strcmp(got_, wanted), "%s: %s, not %s", sql, got_, wanted); \
    } while (0)

/* Statements on a file, by SQLite alone.  False if it refuses. */
bool alter(const char *path, const char *sql);

void write_bytes(const char *path, const void *bytes, size_t n);
void write_text(const char *path, const char *text);

/* The whole file, with a zero byte behind it; NULL if there is none.  To be
 * freed. */
char *read_bytes(const char *path, size_t *n);

#endif
