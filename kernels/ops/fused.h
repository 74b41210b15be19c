/*
 * fused.h - the slots of an op that is a whole graph of ops in one.
 *
 * Such an op has compose(): it builds the graph that the op replaces from the
 * op's own sources.  Its shape rule, cost and definition are those of that
 * graph, so they cannot disagree with it.  FUSED_OPS in ops.h lists them.
 */
#ifndef OPS_FUSED_H
#define OPS_FUSED_H

#include "kernels/core/graph.h"

/* The composition's shape rule, with its sentence where it refuses. */
int fused_shape(Tensor *out);

/* Cost of the composition, except that bytes counts only the op's own sources
 * and result, once each: what is between need not be in memory. */
Cost fused_cost(const Tensor *out);

/* Runs the definitions of the composition, one after the other. */
int fused_ref(const Tensor *out);

/* True if out, fused or not, multiplies features with a gate. */
bool node_is_gated(const Tensor *out);

#endif
