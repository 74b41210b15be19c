/*
 * seed.h - weights and inputs made from names: no file needed, the same bits
 * in any language.
 *
 * A value depends on the tensor's name, the seed, the element's index in
 * PyTorch's order, and the range that the tensor's kind has.  The rule is in
 * seed.c; harness/peers/torch_modules.py has it in Python.
 *
 * norm_gain is how far the weights of a network's own norms are from 0.  Each
 * network and module has a default (backbone_norm_gain), without which the
 * outputs of some do not depend on their input.
 */
#ifndef HARNESS_SEED_H
#define HARNESS_SEED_H

#include <stddef.h>
#include <stdint.h>

#include "kernels/core/graph.h"

/* n values in [lo, hi), row-major. */
void seed_fill(float *values, size_t n, const char *name, uint64_t seed,
               double lo, double hi);

/* A weight or buffer: the range follows from its name and shape; that of a
 * norm's scale is times norm_gain, unless the norm is in an attached module. */
int seed_weight(Tensor *t, uint64_t seed, double norm_gain);

/* Every weight and buffer of g. */
int seed_graph(Graph *g, uint64_t seed, double norm_gain);

/* An input called name, in PyTorch's order: +-sqrt(3). */
void seed_input(float *nchw, size_t n, const char *name, uint64_t seed);

/* A structured map of these dims (N,C,H,W), whose channels, rows and columns
 * differ, so that gates do. */
void seed_structured(float *nchw, Dims dims, const char *name, uint64_t seed);

#endif
