/*
 * session.h - some metrics counted together: a session of CUPTI's Range
 * Profiler, and what it says.
 */
#ifndef CUDA_SESSION_H
#define CUDA_SESSION_H

#include "kernels/core/backend.h"
#include "kernels/cuda/backend/known_work.h"
#include "kernels/cupti/cupti_host.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Calls a function of CUPTI's on a struct that is filled in, or fails. */
#define CUPTI_CALL(cupti, id, params) \
    TRY(cupti_check((cupti)->id(params), "CUPTI's " #id))

/* The device, as CUPTI sees it. */
typedef struct Target {
    const Cupti *cupti;
    void *context;
    const char *chip;
    uint8_t *available;
} Target;

typedef struct Session {
    const Target *target;
    const Counting *counting;
    const Calibration *calibration; /* NULL: none        */
    MetricSet set;                  /* of it              */
    const Metric *metric[MAX_METRICS];
    const char *name[MAX_METRICS];
    int n;
    double sum[MAX_METRICS];      /* of all steps, where it may be summed */
    int counted;                  /* steps that there are values of        */
    double of_known[MAX_METRICS]; /* of the known work, if it was ... */
    bool calibrated;              /* ... counted                      */
    CuptiHost host;

    /* A batch of ranges. */
    int from, to; /* its steps */
    void *profiler;
    uint8_t *data;
    size_t bytes;
} Session;

/* Runs all steps, as often as it takes, and says what was counted.  After an
 * error some steps may have been said. */
int session_count(Session *s);

/* Says a step's quantities, or those of ALL_STEPS, from values of the metrics;
 * and what was counted of known work as a part of what it is. */
void session_say(const Session *s, int step, const double *values);
void session_say_calibration(const Session *s);

/* Says why there is no such quantity, or none at all. */
void session_say_refused(const Session *s, const char *quantity,
                         const char *reason);
void session_say_all_refused(const Session *s, const char *reason);

/* True if the quantity of the i-th metric is that of one before it. */
bool session_repeats(const Session *s, int i);

#ifdef __cplusplus
}
#endif

#endif
