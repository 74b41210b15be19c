/*
 * profiler.h - one case profiled: prepared and verified as for a measurement,
 * timed step by step, kept with the run it belongs to.
 */
#ifndef HARNESS_PROFILER_H
#define HARNESS_PROFILER_H

#include "harness/explain/profile.h"
#include "harness/measure/trial.h"

typedef struct Profiled {
    Trial arm; /* its samples are the runs as a whole */
    Device *dev;
    Profile profile;
    StoredProfile rows;
} Profiled;

/* Profiles c, which stays alive as long as *out, for about this many seconds.
 * metrics is "" for the usual counters, or CUPTI's names, "a,b".  A case whose
 * state is cold, and which counters show not to be, has failed: its arm says so
 * and has no samples.  ERR_INPUT if the state is graph, ERR_UNSUPPORTED with
 * the reason where it cannot be run.  Free it in any case. */
int profiler_run(Profiled *out, const Case *c, double seconds,
                 const char *metrics);
void profiler_free(Profiled *p);

/* True if the case is to be cold; discards the samples of one that was not. */
bool profiler_is_cold(const Case *c);
void profiler_check_cold(Profiled *p);

/* Adds the run and its profile to a sweep, whole or not at all. */
int profiler_store(const Profiled *p, Store *s, int64_t sweep_id);

#endif
