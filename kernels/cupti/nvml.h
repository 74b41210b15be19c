/*
 * nvml.h - what the driver's management library says of a GPU.
 *
 * The library comes with the driver and is loaded when asked for; this is in
 * the program, not in the plugin, so that doctor can name a GPU for which there
 * is no plugin.
 */
#ifndef CUDA_NVML_H
#define CUDA_NVML_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/core/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct Nvml Nvml;

/* The GPU at that PCI address ("0000:3B:00.0"; NVML's order is not CUDA's), or
 * the first for NULL.  ERR_UNSUPPORTED with the reason. */
int nvml_open(Nvml **out, const char *bus_id);
void nvml_close(Nvml *nvml); /* accepts NULL */

/* "NVIDIA H200" and "580.65.06"; "" where it does not say. */
const char *nvml_name(const Nvml *nvml);
const char *nvml_driver(const Nvml *nvml);
int nvml_count(const Nvml *nvml); /* GPUs that the driver has */

/* True if the GPU is cut into instances (MIG); if it is itself a part of
 * another (vGPU; one that is passed through whole is not).  False where NVML
 * does not say. */
bool nvml_is_sliced(Nvml *nvml);
bool nvml_is_virtual(Nvml *nvml);

/* Fills in temperature_c and power_w (NaN where not known), and returns why the
 * clock is lower than it could be as text of size ("none": nothing holds it
 * back), or NULL if not known.  What merely follows from idling is no reason.
 */
const char *nvml_read(Nvml *nvml, Moment *out, char *text, size_t size);

#ifdef __cplusplus
}
#endif

#endif
