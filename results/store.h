/*
 * store.h - the database: what was measured, by what, on what.
 *
 * One SQLite file (results/schema.sql).  A sweep is one experiment on one
 * machine by one build, in one start or, after an interruption, several; a run
 * is one of its cases, measured; a sample is one timing.  Raw samples are kept
 * and nothing is ever updated except the end of a sweep.  Knows no tensor: a
 * database can be studied on a machine that could not have made it.
 */
#ifndef RESULTS_STORE_H
#define RESULTS_STORE_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "results/record.h"

/* Where commands look for it if --db does not say. */
#define STORE_PATH "results/attnbench.db"

typedef struct Store Store;
struct sqlite3;

/* STORE_WRITE makes the file, and its folder, if there is none; STORE_READ
 * never writes, except for undoing what a killed process left half done.  A
 * file of an older schema is brought up to date by STORE_WRITE; STORE_READ does
 * so with a copy in memory.  One that is no database, not ours, truncated or of
 * a newer schema is refused with a sentence, and left as it is. */
typedef enum StoreMode { STORE_READ, STORE_WRITE } StoreMode;
int store_open(Store **out, const char *path, StoreMode mode);
void store_close(Store *s);

/* store_open gives up a file that another process has had locked for seconds.
 * With one of these it, and all that is done with the store, continues when
 * the file is free, unless stop is set before: that is ERR_IO. say is called
 * once in each wait that takes a second.  It is borrowed until the store is
 * closed. */
typedef struct StoreWait {
    void (*say)(const char *path);
    const volatile sig_atomic_t *stop;
} StoreWait;
int store_open_waiting(Store **out, const char *path, StoreMode mode,
                       const StoreWait *wait);
struct sqlite3 *store_sqlite(Store *s); /* for analysis and plots */

/*
 * Finds the unfinished sweep of the same experiment, cases, machine, build and
 * source and makes another start of it (*resumed true), or begins one.  fresh:
 * begin in any case.
 */
int store_sweep_begin(Store *s, const Machine *m, const Build *b,
                      const Sweep *sweep, bool fresh, int64_t *sweep_id,
                      bool *resumed);
int store_sweep_end(Store *s, int64_t sweep_id);

/* The same, at that time. */
int store_sweep_ended(Store *s, int64_t sweep_id, const char *ended_at);

/* Says what the load was when the latest start of a sweep ended, finished or
 * interrupted; NAN: not known. */
int store_start_end(Store *s, int64_t sweep_id, double load_end);

/* The sweep that this one would have resumed if machine and build were the
 * same: the one before it of the same cases, unfinished. */
typedef struct Abandoned {
    int runs; /* that it holds; 0: there is no such sweep */
    bool other_machine;
    char git_commit[64]; /* of its build */
    int dirty;
    bool other_tools; /* its compiler, flags or libraries are others */
} Abandoned;
int store_sweep_abandoned(Store *s, int64_t sweep_id, Abandoned *out);

/* True if a sweep of the same experiment and source was started at the same
 * time with the same seed: then it is the same sweep. */
int store_has_sweep(Store *s, const Sweep *sweep, bool *has);

/* True if the sweep already holds a run of this repeat line. */
int store_has_run(Store *s, int64_t sweep_id, const char *repeat, bool *has);

/* Adds a run with all its samples to the sweep's latest start, in one
 * transaction.  A repeat line that the sweep already holds is ERR_INPUT. */
int store_run(Store *s, int64_t sweep_id, const Case *c, const Outcome *o,
              const Samples *samples);

/*
 * Reads the note under a key for the machine of a sweep (choices that a device
 * made by timing); found: there was one.  A new note replaces the old one.
 */
int store_note_find(Store *s, int64_t sweep_id, const char *key, char *value,
                    size_t size, bool *found);
int store_note_keep(Store *s, int64_t sweep_id, const char *key,
                    const char *value);

/* Groups additions: all between the two are kept, or none if err, which
 * store_group_end returns, or its own error. */
int store_group_begin(Store *s);
int store_group_end(Store *s, int err);

#endif
