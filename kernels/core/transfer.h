/*
 * transfer.h - a tensor's numbers, floats on the host, to its device and back,
 * as its dtype.
 */
#ifndef CORE_TRANSFER_H
#define CORE_TRANSFER_H

#include "kernels/core/backend.h"

/* In the tensor's own order. */
int transfer_up(Device *dev, const Tensor *t, const float *own);
int transfer_down(Device *dev, const Tensor *t, float *own);

/* In PyTorch's order. */
int transfer_up_nchw(Device *dev, const Tensor *t, const float *nchw);
int transfer_down_nchw(Device *dev, const Tensor *t, float *nchw);

#endif
