/*
 * disturbed.h - samples during which the machine ran something else.
 *
 * On a virtual machine with neighbours most of the spread of a time is theirs.
 * A sample is disturbed if the scheduler or the hypervisor says so, before its
 * time is looked at: leaving out long samples because they are long would make
 * any code fast.  Bursts of other work last 10 to 20 ms, and parts of them show
 * in no counter, so samples that began soon after a disturbed one count too.
 */
#ifndef ANALYSIS_DISTURBED_H
#define ANALYSIS_DISTURBED_H

#include <stdbool.h>

#include "analysis/summary.h"

#define DISTURBED_SHARE    2e-3 /* of its time, not spent running: more is */
#define DISTURBED_AFTER_NS 20e6 /* that a disturbance lasts beyond its sample */

/* Cost of a switch besides the wait: caches that are filled again. */
#define DISTURBED_SWITCH_NS 1e4

/* True if more than DISTURBED_SHARE of a sample that took whole_ns, of all its
 * runs, was spent waiting for a CPU after being pushed off one, or stolen by
 * the hypervisor: one switch is too much for a millisecond, not for a second.
 * Unknown numbers count as none, except a wait of unknown length. */
bool sample_disturbed(const Telemetry *t, double whole_ns);

/* Marks the samples of a list that began within DISTURBED_AFTER_NS of the end
 * of a disturbed one, of any run of the same start: they were measured
 * interleaved, so what disturbs one run is still there for the next.  Samples
 * that are not in the list are not seen.  ERR_MEMORY. */
int disturbed_spread(const RunList *list);

#endif
