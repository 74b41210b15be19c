/*
 * plugin.h - the backends "cuda" and "model", loaded when they are asked for.
 */
#ifndef HARNESS_PLUGIN_H
#define HARNESS_PLUGIN_H

#include <stddef.h>

#include "kernels/core/backend.h"
#include "kernels/simt/model.h"

/* Loads the plugin in open(), which gives a device of the plugin's own
 * backend.  Without a plugin there are no kernels, and ERR_UNSUPPORTED says
 * why. */
extern const Backend cuda_backend;

/* Backend of predictions (harness/explain/predict.h): it opens no device, and
 * says which command knows it. */
extern const Backend model_backend;

/* The model in attnbench_model.so.  ERR_UNSUPPORTED with the reason. */
int model_load(const Model **out);

/* The plugin's backend.  ERR_UNSUPPORTED with the reason: none was built, its
 * libraries are not here, it is of another build. */
int plugin_load(const Backend **out);

/* Where the plugin is: $ATTNBENCH_CUDA, or next to the program, or in
 * ../lib/attnbench.  ERR_UNSUPPORTED where there is none. */
int plugin_path(char *path, size_t size);

#endif
