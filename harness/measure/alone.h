/*
 * alone.h - one measurement at a time: on a machine, and of a sweep.
 *
 * Two processes that measure on one machine at once disturb each other; two
 * that measure the same sweep in one database do all of it twice.  Both are
 * reported before anything is measured.
 */
#ifndef HARNESS_ALONE_H
#define HARNESS_ALONE_H

#include <stdbool.h>

#include "results/store.h"

/* Takes the machine for this process until alone_give, or its end.  ERR_INPUT
 * names the process that has it; with force both measure.  The environment's
 * ATTNBENCH_LOCK is the file that is locked, "": none is.  Where it cannot be
 * made, no process is stopped. */
int alone_take(int *lock, bool force);
void alone_give(int lock);

/* Makes an unfinished sweep this process's until store_leave.  ERR_INPUT where
 * another measures it.  If one was killed at it, its cases are counted as in
 * results/begun.h. */
int alone_claim(Store *s, int64_t sweep_id);

#endif
