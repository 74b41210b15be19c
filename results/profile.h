/*
 * profile.h - the steps of a profiled run and what is known of them; and the
 * roofs of a machine.
 */
#ifndef RESULTS_PROFILE_H
#define RESULTS_PROFILE_H

#include "results/store.h"

typedef struct StoredStep {
    char op[64], kernel[64], scope[256], shape[64];
} StoredStep;
extern const Param step_fields[];

/* counted by hardware, modelled from shapes, or timed. */
typedef enum Source { SOURCE_COUNTED, SOURCE_MODELLED, SOURCE_TIMED } Source;

enum { WHOLE_RUN = -1 };

/* Names: time_ns, flops, transcendentals, bytes (each operand once),
 * dram_read_bytes, dram_write_bytes, l2_bytes, l1_bytes, fp32_flops,
 * fp16_flops, tensor_flops, occupancy, clock_mhz, calibration_dram_read_bytes
 * and others (of known work, what part was counted), cycles, instructions,
 * cache_misses, counted_share, launches, or a metric's own.  A value of NAN
 * has a reason. */
typedef struct Quantity {
    int step;         /* or WHOLE_RUN                            */
    char launch[128]; /* a GPU kernel; "": all that the step ran */
    char name[96];
    Source source;
    double value;
    char reason[256];
} Quantity;
extern const Param quantity_fields[]; /* except step */

/* A run's profile: steps in the order run. */
typedef struct StoredProfile {
    StoredStep *step;
    int nsteps;
    Quantity *quantity;
    int nquantities;
} StoredProfile;

/* Adds a profile to a run that has none, whole or not at all. */
int store_profile(Store *s, int64_t run_id, const StoredProfile *p);

/* Reads a run's profile, empty if it has none; free it by
 * stored_profile_free. */
int store_profile_read(StoredProfile *out, Store *s, int64_t run_id);
void stored_profile_free(StoredProfile *p);

/* The run that a sweep holds under a repeat line; 0 if none. */
int store_run_id(Store *s, int64_t sweep_id, const char *repeat, int64_t *id);

typedef struct Roof {
    char backend[64];
    int threads; /* 0: of a device that has no such setting */
    char name[48];
    char unit[16]; /* "bytes/s" or "flop/s"              */
    double value, lo, hi;
    int n;
    double clock_mhz;     /* NAN: not known                    */
    char measured_at[32]; /* UTC, ISO 8601; "": now            */
} Roof;
extern const Param roof_fields[];

enum { ROOFS_MAX = 32 };
typedef struct Roofs {
    Roof at[ROOFS_MAX];
    int n;
} Roofs;

/* The roof of that name, or NULL. */
const Roof *roofs_find(const Roofs *roofs, const char *name);

/* Adds roofs of a machine. */
int store_roofs(Store *s, const Machine *m, const Roofs *roofs);

/* True if this measurement of a roof is there already. */
int store_has_roof(Store *s, const Machine *m, const Roof *r, bool *has);

/* The latest roof of each name that a machine has for a backend and number of
 * threads; n = 0 if there are none. */
int store_roofs_read(Roofs *out, Store *s, const Machine *m,
                     const char *backend, int threads);

/* The same for the machine, backend and threads of a run; where these are 0,
 * the most for which there are roofs. */
int store_roofs_of_run(Roofs *out, Store *s, int64_t run_id);

#endif
