/*
 * layers.h - what the backbones are made of: ops with weights of their own,
 * each in a scope of its name, so that weights are named as in timm.
 */
#ifndef BACKBONES_LAYERS_H
#define BACKBONES_LAYERS_H

#include <stdbool.h>

#include "kernels/ops/ops.h"

/* width: of the output; k by k_w, where k_w 0 means k; stride 0 and groups 0
 * mean 1. */
typedef struct ConvShape {
    int width, k, k_w, stride, groups;
    bool bias;
} ConvShape;

/* x (N,C,H,W) -> (N,width,H/stride,W/stride): zero padding of half a kernel.
 * Weights name.weight (width,C/groups,k,k_w), name.bias (width) if any. */
Tensor *layer_conv(Graph *g, Tensor *x, const char *name, ConvShape shape);

/* x rows -> the same: batch norm with stored statistics, eps 1e-5. */
Tensor *layer_batch_norm(Graph *g, Tensor *x, const char *name);

/* x rows -> rows of `width`: name.weight (width,C), name.bias (width). */
Tensor *layer_linear(Graph *g, Tensor *x, const char *name, int width);

/* An op of x alone.  It has no weight, but its cost has a place too:
 * layer(g, x, "act1", op_relu). */
Tensor *layer(Graph *g, Tensor *x, const char *name,
              Tensor *(*op)(Graph *g, Tensor *x));

/* x (N,C,H,W) -> (N,C): the mean over all positions, in scope global_pool. */
Tensor *layer_global_pool(Graph *g, Tensor *x);

#endif
