/*
 * import.h - sweeps that another program measured, or this one elsewhere.
 *
 * A file is read whole and checked key by key before anything is stored; then
 * all of it is stored or nothing.  Values come as text, from JSON and CSV
 * alike, and go where a table says.
 */
#ifndef HARNESS_IMPORT_H
#define HARNESS_IMPORT_H

#include <cjson/cJSON.h>
#include <math.h>

#include "harness/network/case.h"
#include "results/store.h"

/* A run as it is read; outcome's texts are set when it is stored. */
typedef struct ImportRun {
    Case c;
    Outcome outcome;
    int start; /* of the sweep's starts */
    char repeat[CASE_TEXT], status[32], message[512], verified_at[64];
    char weights_hash[32];
    char stored_at[32];
    double *ns;
    int *round;
    Moment *moment; /* their texts are the run's */
    int room;
    bool alone;     /* its rounds are not known              */
    int empty_line; /* of a row without a time, in CSV; or 0 */
} ImportRun;

typedef struct ImportSweep {
    Machine machine;
    Build build;
    Sweep sweep;  /* what its starts have in common                        */
    Sweep *start; /* seed, argv, governor, load, denormals, started_at     */
    int nstarts;  /* 0: one, of which nothing is known                     */
    ImportRun *run;
    int nruns, room;
} ImportSweep;

/* An object of the file: what may stand in it. */
typedef struct ImportLevel ImportLevel;
extern const ImportLevel import_sweep, import_machine, import_build;
extern const ImportLevel import_start, import_run;

/* Whether the level has a part of that name, which is no single value: runs,
 * machine, settings, ns ... */
bool import_is_part(const ImportLevel *level, const char *key);

/* Sets one key of an ImportSweep, Machine, Build, Sweep (a start) or
 * ImportRun from text; "" is a number that is not known.  ERR_INPUT says
 * which key, and what it wants. */
int import_set(const ImportLevel *level, void *out, const char *key,
               const char *text);

/* A JSON value as text for import_set: a list is "3,5,7", null is "". */
int import_text(const cJSON *value, char *text, size_t size);

/* Sets the module's settings from an object; after the module. */
int import_settings(ImportRun *r, const cJSON *settings);

/* Nothing is known. */
static const Moment IMPORT_NO_MOMENT = { NAN, NAN, NAN, NULL };

/* Adds a sample; round NAN: not known, and so shared with no other run.  The
 * moment's text is copied. */
int import_sample(ImportRun *r, double ns, double round, const Moment *moment);

/* Sets one field of a moment from text, which it borrows; "": not known. */
int import_moment(Moment *m, const char *key, const char *text);

/* The i-th field's name, NULL past the end. */
const char *import_moment_key(int i);

void import_free_samples(ImportRun *r);

/* Completes the case and checks what no single key shows. */
int import_check(ImportRun *r);

/* A sweep of this machine, with nothing in it; and one more run. */
void import_init(ImportSweep *w);
int import_add_run(ImportSweep *w, ImportRun **out);
void import_free(ImportSweep *w);

/* Stores it, within a transaction of the caller's; rounds that are not known
 * are numbered so that no two runs share one. */
int import_store(Store *s, ImportSweep *w);

/* Read a file and store it, all or nothing. */
typedef struct ImportCount {
    int sweeps, runs, samples;
} ImportCount;
int import_json(Store *s, const char *path, ImportCount *count);
int import_csv(Store *s, const char *path, ImportCount *count);

#endif
