/*
 * device.h - a device of the backend "cpu"; for the files of this folder.
 */
#ifndef CPU_DEVICE_H
#define CPU_DEVICE_H

#include "kernels/core/backend.h"
#include "kernels/cpu/onednn/onednn.h"
#include "kernels/cpu/roofs.h"
#include "kernels/cpu/team.h"

typedef struct Isa Isa;

typedef struct CpuDevice {
    Device base;
    const Isa *isa; /* of our own kernels */
    Team team;
    Onednn *onednn;
    const Kernel **kernels; /* base.kernels, to be freed */
    char *flood; /* overwritten to evict the caches; NULL until then */
    size_t flood_bytes;
    const Peaks *peaks; /* of the instruction set */
    RoofBuffers roofs;
} CpuDevice;

static inline CpuDevice *cpu_device(Device *dev)
{
    return (CpuDevice *)dev;
}

/* The weight that t is, or is a view of; NULL for what is computed.  Only a
 * weight has values at plan time, that can be packed. */
static inline const Tensor *weight_of(const Tensor *t)
{
    t = tensor_storage(t);
    return tensor_is_weight(t) ? t : NULL;
}

/* True if sources 1 and, if there is one, 2 are: weights and bias. */
static inline bool weights_known(const Tensor *out)
{
    return weight_of(out->src[1]) && (!out->src[2] || weight_of(out->src[2]));
}

/* Types that oneDNN is asked for, if onednn_has_bf16(). */
#define ONEDNN_DTYPES (DTYPE_BIT(F32) | DTYPE_BIT(BF16))

/* The kernels made of oneDNN or of others: conv.c, conv_grad.c, matmul.c. */
#define ONEDNN_KERNELS(X)   \
    X(conv2d)               \
    X(conv2d_grad_x_turned) \
    X(conv2d_grad_x)        \
    X(conv2d_grad_w)        \
    X(linear)               \
    X(matmul)

#define X(id) extern const Kernel onednn_##id;
ONEDNN_KERNELS(X)
#undef X

#endif
