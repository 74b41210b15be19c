/*
 * plugin.h - the backend "cuda", loaded when it is asked for.
 */
#ifndef HARNESS_PLUGIN_H
#define HARNESS_PLUGIN_H

#include <stddef.h>

#include "kernels/core/backend.h"

/* Stands in for the plugin's: open() loads it and gives a device of its own
 * backend.  Without a plugin there are no kernels, and ERR_UNSUPPORTED says
 * why. */
extern const Backend cuda_backend;

/* The plugin's backend.  ERR_UNSUPPORTED with the reason: none was built, its
 * libraries are not here, it is of another build. */
int plugin_load(const Backend **out);

/* Where the plugin is: $ATTNBENCH_CUDA, or next to the program, or in
 * ../lib/attnbench.  ERR_UNSUPPORTED where there is none. */
int plugin_path(char *path, size_t size);

#endif
