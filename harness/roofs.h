/*
 * roofs.h - how fast this machine is at best: measured here, kept with the
 * runs, read again.
 */
#ifndef HARNESS_ROOFS_H
#define HARNESS_ROOFS_H

#include "kernels/core/backend.h"
#include "results/profile.h"

/* Measures each roof of dev for about so many seconds.  Each is stored in keep
 * as soon as it is measured, whatever becomes of the next; NULL: none is.
 * ERR_UNSUPPORTED if its backend has none. */
int roofs_measure(Roofs *out, Device *dev, double seconds, Store *keep);

/* Those that the store has for this machine and device; n = 0 if none. */
int roofs_read(Roofs *out, Store *s, Device *dev);

/* Those of the store if it has all that the device has and fresh is false; else
 * they are measured and kept.  n = 0 if the backend has none. */
int roofs_get(Roofs *out, Store *s, Device *dev, double seconds, bool fresh);

#endif
