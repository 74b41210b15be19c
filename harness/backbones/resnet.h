/*
 * resnet.h - the frame of a residual network, for those that have another
 * block in it.
 */
#ifndef BACKBONES_RESNET_H
#define BACKBONES_RESNET_H

#include "harness/backbones/backbones.h"

enum { RESNET_STAGES = 4 };

extern const int resnet_width[RESNET_STAGES]; /* 64, 128, 256, 512 */

/* Which block, and how many of them in each stage. */
typedef struct ResNet {
    Tensor *(*block)(Graph *g, Tensor *x, const Plug *plug, int stage,
                     int stride);
    int blocks[RESNET_STAGES];
} ResNet;

/* 7x7 stem, pool, four stages of blocks, mean, classifier. */
Tensor *resnet_build(Graph *g, Tensor *x, const Plug *plug, Tensor *stage[4],
                     const ResNet *net);

/* x, or its projection downsample.0, downsample.1 where a block changes the
 * shape. */
Tensor *resnet_shortcut(Graph *g, Tensor *x, int width, int stride);

#endif
