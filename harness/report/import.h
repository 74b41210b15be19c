/*
 * import.h - sweeps that another program measured, or this one elsewhere.
 *
 * A file is read whole and checked key by key before anything is stored; then
 * all of it is stored or nothing.  Keys are the fields of results/record.h.
 */
#ifndef HARNESS_IMPORT_H
#define HARNESS_IMPORT_H

#include <cjson/cJSON.h>

#include "harness/network/case.h"
#include "results/store.h"

typedef struct ImportRun {
    Case c;
    Outcome o;
    int start; /* of the sweep's starts */
    double *ns;
    int *round;
    Moment *moment; /* their texts are the run's */
    int n, room;
    bool alone; /* its rounds are not known */
} ImportRun;

typedef struct ImportSweep {
    Machine machine;
    Build build;
    Sweep sweep;  /* what its starts have in common    */
    Sweep *start; /* the fields of start_fields        */
    int nstarts;  /* 0: one, of which nothing is known */
    ImportRun *run;
    int nruns, room;
} ImportSweep;

/* An object of the file: what may stand in it. */
typedef struct ImportLevel ImportLevel;
extern const ImportLevel import_sweep, import_machine, import_build;
extern const ImportLevel import_start, import_run;

/* True if the level has a part of that name, which is no single value: runs,
 * machine, settings, ns ... */
bool import_is_part(const ImportLevel *level, const char *key);

/* Sets one key of an ImportSweep, Machine, Build, Sweep (a start) or
 * ImportRun.  ERR_INPUT says which key, and what it wants; null is a number
 * that is not known. */
int import_set(const ImportLevel *level, void *out, const cJSON *value);

/* Sets the module's settings from an object; after the module. */
int import_settings(ImportRun *r, const cJSON *settings);

/* Nothing is known. */
Moment import_no_moment(void);

/* Sets one field of a moment, whose text it borrows. */
int import_moment(Moment *m, const Param *field, const cJSON *value);

/* Adds a sample; round NAN: not known, and so shared with no other run.  The
 * moment's text is copied. */
int import_sample(ImportRun *r, double ns, double round, const Moment *moment);

/* Completes the case and checks what no single key shows. */
int import_check(ImportRun *r);

/* A sweep of this machine, with nothing in it; and one more run. */
void import_init(ImportSweep *w);
int import_add_run(ImportSweep *w, ImportRun **out);
void import_free(ImportSweep *w);

/* Stores it, within a transaction of the caller's; rounds that are not known
 * are numbered so that no two runs share one. */
int import_store(Store *s, ImportSweep *w);

/* Reads a file and stores it, all or nothing. */
typedef struct ImportCount {
    int sweeps, runs, samples;
} ImportCount;
int import_json(Store *s, const char *path, ImportCount *count);

#endif
