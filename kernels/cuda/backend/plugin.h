/*
 * plugin.h - the one symbol of attnbench_cuda.so, and what both sides of it
 * were built from.
 *
 * The program finds the plugin with dlopen (harness/devices/plugin.c).  The
 * plugin has no core of its own: ops, err_message and all else it takes from
 * the program, because kernels compare addresses of ops.
 */
#ifndef CUDA_PLUGIN_H
#define CUDA_PLUGIN_H

#include "cuda_build.h"
#include "kernels/core/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The backend, or NULL if headers is not CUDA_BUILD_HEADERS of the plugin: then
 * program and plugin do not agree on what a Backend is. */
typedef const Backend *CudaPlugin(const char *headers);
CudaPlugin attnbench_cuda_backend;
#define CUDA_PLUGIN_SYMBOL "attnbench_cuda_backend"
#define CUDA_PLUGIN_FILE   "attnbench_cuda.so"

#ifdef __cplusplus
}
#endif

#endif
