/*
 * digits_net.h - a narrow ResNet for 16x16 digits, with a module in each block.
 *
 *     x (N,1,16,16) --conv 3x3, bn, relu--> (N,16,16,16)
 *       --block1--> (N,16,16,16) --block2, stride 2--> (N,32,8,8)
 *       --block3--> (N,64,8,8)   --mean, fc--> (N,10)
 *
 * Basic blocks of He et al., CVPR 2016; the module stands after the second
 * batch norm, before the addition.  The last maps are 8x8 because SCSA's
 * windows are 7x7.  tests/make_losses.py has the same in PyTorch.
 */
#ifndef TESTS_DIGITS_NET_H
#define TESTS_DIGITS_NET_H

#include "kernels/core/graph.h"

/* The seed of its weights, and how it is trained. */
enum { DIGITS_SEED = 1, DIGITS_BATCH = 64 };
static const double DIGITS_MOMENTUM = 0.9, DIGITS_DECAY = 5e-4;

/* The network with seeded weights, from the input "input" to the output
 * "output", for inference: batch norms with stored statistics.  module: of the
 * zoo, or "none". */
Graph *digits_net(const char *module, int batch);

/* The same with batch norms that take the batch's statistics; what goes into
 * the one with the weight called NAME is the output NAME, (1,C,rows). */
Graph *digits_net_statistics(const char *module, int batch);

/* A step of training at this learning rate: further has the input "target"
 * (N,10), the output "loss", and updates all weights. */
Graph *digits_net_training(const char *module, int batch, double rate);

/* Gives the weights of to the values that those of from have. */
void digits_net_copy_weights(Graph *to, const Graph *from);

#endif
