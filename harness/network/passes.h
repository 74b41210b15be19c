/*
 * passes.h - what a pass that goes backwards adds to a network's graph.
 */
#ifndef HARNESS_PASSES_H
#define HARNESS_PASSES_H

#include "harness/network/case.h"
#include "kernels/core/graph.h"

/* Settings of a training step: torch.optim.SGD's names.  The rate is small, so
 * that thousands of steps on the same images stay finite. */
static const double SGD_RATE = 1e-5, SGD_MOMENTUM = 0.9, SGD_DECAY = 1e-4;

/* True if c's graph is for training, as graph_set_training says. */
bool pass_is_training(const Case *c);

/*
 * Adds to g, c's network with the input "input" and the output "output", what
 * its pass asks for:
 *
 *   forward      nothing
 *   input_grad   an input "grad_output", the gradient of the output; an output
 *                "grad_input"
 *   backward     the same, and of every parameter "grad/<name>"
 *   train        an input "target" (N,K), probabilities of classes, and the
 *                output "loss", the mean cross-entropy; all parameters are
 *                updated.  A module alone has "grad_output" instead of a
 *                loss, and outputs "velocity/<name>", which moved the
 *                parameters.  A network does not have these, because
 *                statistics of a few images turn roundings of its early
 *                gradients into errors of 10 % and more, which show nothing
 *
 * Values: the weights have some, so velocities begin at 0.  ERR_UNSUPPORTED
 * where there is no such gradient.
 */
int pass_add(Graph *g, const Case *c, bool values);

#endif
