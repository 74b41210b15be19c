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

/* Whether t has its values at plan time, so that they can be packed. */
static inline bool is_constant(const Tensor *t)
{
    return t->role == ROLE_WEIGHT || t->role == ROLE_BUFFER;
}

/* The kernels made of oneDNN: conv.c, matmul.c, pool.c. */
#define ONEDNN_KERNELS(X) \
    X(conv2d)             \
    X(linear)             \
    X(matmul)             \
    X(avg_pool2d)         \
    X(max_pool2d)

#define X(id) extern const Kernel onednn_##id;
ONEDNN_KERNELS(X)
#undef X

#endif
