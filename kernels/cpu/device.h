/*
 * device.h - a device of the backend "cpu"; for the files of this folder.
 */
#ifndef CPU_DEVICE_H
#define CPU_DEVICE_H

#include "kernels/core/backend.h"
#include "kernels/cpu/onednn.h"
#include "kernels/cpu/team.h"

enum { MAX_KERNELS = 128 };

typedef struct CpuDevice {
    Device base;
    const char *isa; /* of our own kernels */
    Team team;
    Onednn *onednn;
    const Kernel *kernels[MAX_KERNELS];
    char *flood; /* overwritten to evict the caches; NULL until then */
    size_t flood_bytes;
} CpuDevice;

static inline CpuDevice *cpu_device(Device *dev)
{
    return (CpuDevice *)dev;
}

#endif
