/*
 * backends.h - the devices that this program can run on, by name.
 */
#ifndef HARNESS_BACKENDS_H
#define HARNESS_BACKENDS_H

#include "kernels/core/backend.h"

/* The i-th backend, NULL past the end; and its name. */
const Backend *backend_at(int i);
const char *backend_name(int i);

/* For "best" the name of the first of cuda and cpu that has a device here, for
 * which one is opened; all else is itself. */
const char *backend_meant(const char *name);

/* Opens a device of the backend of that name.  ERR_INPUT if there is none;
 * ERR_UNSUPPORTED if this machine has no such device. */
int backend_open(Device **out, const char *name,
                 const DeviceSettings *settings);
void backend_close(Device *dev); /* accepts NULL */

/* True where an error has left dev unusable (Backend.lost); false for NULL. */
bool backend_lost(Device *dev);

#endif
