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
    bool owns_dev;
    int first_round; /* of its samples: those of others may come before */
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

/*
 * The same in two steps: several cases are prepared, each on the device of the
 * first, which is freed last (NULL: this is the first), and then profiled
 * together, each for about that many seconds.  profiler_alike says which may
 * be: all but the module, its settings, position and implementation is equal.
 * A case for which memory is short while others are held has a status that
 * says so.
 */
int profiler_prepare(Profiled *out, const Case *c, const Profiled *first);
int profiler_measure(Profiled *const *p, int n, double seconds,
                     const char *metrics);
bool profiler_alike(const Case *a, const Case *b);

/* True if the case is to be cold; discards the samples of one that was not. */
bool profiler_is_cold(const Case *c);
void profiler_check_cold(Profiled *p);

/* Adds the run and its profile to a sweep, whole or not at all. */
int profiler_store(const Profiled *p, Store *s, int64_t sweep_id);

#endif
