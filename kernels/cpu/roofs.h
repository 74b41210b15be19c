/*
 * roofs.h - what a CPU is at its best in: the roofs of a roofline.
 */
#ifndef CPU_ROOFS_H
#define CPU_ROOFS_H

#include "kernels/core/backend.h"
#include "kernels/cpu/peaks.h"

/* The slots of a Backend (core/backend.h). */
bool cpu_roof_at(Device *dev, int i, RoofKind *out);
int cpu_roof_run(Device *dev, int i, double *work);

size_t cpu_cache_bytes(Device *dev);
size_t cpu_private_cache_bytes(Device *dev);

/* Memory to measure roofs in, found by the first that needs it. */
typedef struct RoofBuffers {
    float *from, *to;
    size_t bytes;                     /* of each                      */
    size_t cache_bytes, second_bytes; /* cache.h; reading them is slow */
    unsigned has;                     /* bit k: the k-th of the table  */
} RoofBuffers;
void cpu_roofs_release(Device *dev);

#endif
