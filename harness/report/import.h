/*
 * import.h - sweeps that another program measured, or this one elsewhere.
 *
 * A file is read whole and checked key by key before anything is stored; then
 * all of it is stored or nothing.  Keys are the fields of results/record.h,
 * profile.h and erf.h.
 */
#ifndef HARNESS_IMPORT_H
#define HARNESS_IMPORT_H

#include <cjson/cJSON.h>

#include "harness/network/case.h"
#include "results/erf.h"
#include "results/merge.h"
#include "results/profile.h"
#include "results/store.h"

typedef struct ImportRun {
    Case c;
    Outcome o;
    int start; /* of the sweep's starts */
    double *ns;
    int *round;
    Telemetry *telemetry; /* its texts are the file's */
    int n;
    bool alone; /* its rounds are not known */
    StoredProfile profile;
    ErfRow *erf; /* at each of its taps */
    int nerf;
} ImportRun;

typedef struct ImportSweep {
    Machine machine;
    Build build;
    Sweep sweep;       /* what its starts have in common        */
    char ended_at[32]; /* IMPORT_NOW, or a date; "": it has not */
    Sweep *start;      /* the fields of start_fields            */
    int nstarts;       /* 0: one, of which nothing is known     */
    ImportRun *run;
    int nruns;
} ImportSweep;
#define IMPORT_NOW "now"

typedef struct ImportRoof {
    Machine machine;
    Roof roof;
} ImportRoof;

/* An object of the file: what may stand in it. */
typedef struct ImportLevel ImportLevel;
extern const ImportLevel import_sweep, import_machine, import_build;
extern const ImportLevel import_start, import_run, import_step;
extern const ImportLevel import_quantity, import_roof, import_erf;
extern const ImportLevel import_erf_part, import_erf_number;

/* True if the level has a part of that name, which is no single value: runs,
 * machine, settings, ns ... */
bool import_is_part(const ImportLevel *level, const char *key);

/* Sets all that a file may leave out: what is not known. */
void import_blank(const ImportLevel *level, void *out);

/* Sets one key of the level's struct.  ERR_INPUT says which key, and what it
 * wants; null is a number that is not known. */
int import_set(const ImportLevel *level, void *out, const cJSON *value);

/* Sets the module's settings from an object; after the module. */
int import_settings(ImportRun *r, const cJSON *settings);

/* Sets a sample's time or round; or one field of what else is known of it,
 * which may be null. */
int import_time(double *ns, double value);
int import_round(int *round, double value);
int import_telemetry(Telemetry *t, const Param *field, const cJSON *value);

/* Completes the case and checks what no single key shows. */
int import_check(ImportRun *r);

/* Stores it, within a transaction of the caller's, and counts what it adds:
 * rounds that are not known are numbered so that no two runs share one.  A
 * sweep that is there already is ERR_INPUT; a roof that is adds nothing. */
int import_store(Store *s, ImportSweep *w, Added *added);
int import_store_roof(Store *s, const ImportRoof *r, Added *added);

/* Reads a file and stores it, all or nothing. */
int import_json(Store *s, const char *path, Added *added);

#endif
