/*
 * begun.h - which cases of a sweep are under way, and who measures it.
 *
 * So that a case that ends the process is not begun again at each start: what
 * was under way when a process ended without a message is counted.
 */
#ifndef RESULTS_BEGUN_H
#define RESULTS_BEGUN_H

#include "results/store.h"

/* A process, to recognise it: where, its number, and when it was started, in
 * ticks of that boot. */
typedef struct Worker {
    char host[160];
    int64_t pid, born;
    double silent_s; /* since it was last seen, as it is found */
} Worker;

/* Finds the process that measures the sweep, or did when it was killed. */
int store_at_work(Store *s, int64_t sweep_id, Worker *out, bool *found);

/* Makes the sweep this worker's.  after_kill: the one before was killed, and
 * the cases that it had under way may be why. */
int store_take(Store *s, int64_t sweep_id, const Worker *me, bool after_kill);

/* Its worker is still at work: it was seen now. */
int store_seen(Store *s, int64_t sweep_id);

/* The sweep has no worker now, and none of its cases is under way. */
int store_leave(Store *s, int64_t sweep_id);

/* These n cases of the sweep are under way now, and no others; together with
 * how many in all, those of a peer's sweep included. */
int store_begin_cases(Store *s, int64_t sweep_id, const char *const *repeat,
                      int n, int together);

/* How many processes ended while this case was under way; and whether it was
 * the only one when the last did. */
int store_kills(Store *s, int64_t sweep_id, const char *repeat, int *kills,
                bool *alone);

#endif
