/*
 * roofs.h - how fast this machine is at best: measured here, kept with the
 * runs, read again.
 */
#ifndef HARNESS_ROOFS_H
#define HARNESS_ROOFS_H

#include <stdbool.h>

#include "kernels/core/backend.h"
#include "results/profile.h"

/* Measures each roof of dev for about this many seconds.  Each is stored in
 * keep as soon as it is measured, so that it is kept if the next fails; NULL:
 * none is.  ERR_UNSUPPORTED if its backend has none. */
int roofs_measure(Roofs *out, Device *dev, double seconds, Store *keep);

/* Those that the store has for this machine and device; n = 0 if none. */
int roofs_read(Roofs *out, Store *s, Device *dev);

/* True if a roof of dev is not among them: roofs_get would measure it. */
bool roofs_lack(const Roofs *roofs, Device *dev);

/* Those of the store; what it lacks, or if fresh all, is measured and kept.
 * n = 0 if the backend has none. */
int roofs_get(Roofs *out, Store *s, Device *dev, double seconds, bool fresh);

#endif
