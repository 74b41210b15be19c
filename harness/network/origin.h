/*
 * origin.h - where in a network a node is: in which of its blocks, or in which
 * module that is plugged into it.
 */
#ifndef HARNESS_ORIGIN_H
#define HARNESS_ORIGIN_H

#include "kernels/core/param.h"
#include "kernels/core/tensor.h"

enum { ROW_NAME = 2 * PARAM_NAME_MAX };

/* True if a plugged-in module alone is why node is there: its own ops, their
 * gradients and the updates of its weights; of a module without a network, all.
 * A node that graph_fold made of the module's ops and the network's is in
 * neither: its origin is ORIGIN_MIXED. */
bool network_in_module(const Tensor *node);

/* Name of the block that node is in, or of what is plugged into it: that of
 * layer1.0.conv2 is "layer1.0", that of a module's layer1.0.attn.fc
 * "layer1.0.attn"; a mixed node goes by the first op in it.  "" for an op of a
 * module without a network.  Returns row. */
char *network_block(char row[ROW_NAME], const Tensor *node);

#endif
