/*
 * grad.h - gradients, as more of the same graph.
 *
 * Each op has a rule that says of which ops its gradient is made (Op.grad);
 * graph_grad walks backwards from a tensor, applies the rules, and adds up
 * what comes to the same tensor on several ways.  It makes only what leads to
 * something that was asked for.  A fused op is taken for the graph that it
 * replaces, which is then computed once more.
 */
#ifndef OPS_GRAD_H
#define OPS_GRAD_H

#include "kernels/core/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct Gradient {
    Tensor *of;
    Tensor *dy; /* the gradient of what is differentiated, of the dims of of:
                   an input of its own, or computed */

    /* Inputs, weights, or tensors between, none of them after of. */
    Tensor *const *wrt;
    int n;

    /* True if a gradient is taken through out to its source k; NULL: always.
     * gradient_past_gates() is one. */
    bool (*through)(const Tensor *out, int k);
} Gradient;

/*
 * Adds to g the gradients with respect to wrt[i] as grads[i], of its dims; NULL
 * where of does not depend on it.  The graph fails with ERR_UNSUPPORTED, which
 * names the op, where an op has no rule.
 */
void graph_grad(Graph *g, const Gradient *wanted, Tensor **grads);

/* Not to what an attention module multiplies its input with (op_gate). */
bool gradient_past_gates(const Tensor *out, int k);

#ifdef __cplusplus
}
#endif

#endif
