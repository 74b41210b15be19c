/*
 * conv_help.h - what cuDNN's convolutions need of kernels of our own
 */
#ifndef CUDA_CONV_HELP_H
#define CUDA_CONV_HELP_H

#include "kernels/core/backend.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Puts w (O,C,kh,kw) into the order (O,kh,kw,C), from device memory to device
 * memory. */
int conv_pack_filters(Device *dev, void *packed, const Tensor *w);

/* Finishes out, a conv2d_grad_x whose sum is there: adds z, unless NULL, and
 * goes through the activation's gradient, if there is one. */
int conv_finish_grad_x(Device *dev, const Tensor *out, const Tensor *z);

#ifdef __cplusplus
}
#endif

#endif
