/*
 * eval.h - runs small graphs on the definitions, for tests.
 *
 * Weights without values and all inputs are given values that follow from
 * their names, so tensors of one name are equal in all graphs of a test.
 */
#ifndef TESTS_EVAL_H
#define TESTS_EVAL_H

#include "kernels/core/backend.h"
#include "kernels/ops/ops.h"

/* n values in [-1,1) that follow from the name; in [0.5,1.5) if it ends with
 * "var". */
void eval_values(float *x, size_t n, const char *name);

/* Gives host values to every weight and buffer of g that has none. */
void eval_fill(Graph *g);

/* A weight with these values (as many as its dims say). */
Tensor *eval_weight(Graph *g, const char *name, Dims dims, const float *values);

Tensor *eval_constant(Graph *g, const char *name, Dims dims, float value);

/* Computes t on a backend, in PyTorch's order; the caller frees.  NULL, and a
 * failed test, if it cannot. */
float *eval_on(const Backend *backend, Graph *g, Tensor *t);
float *eval(Graph *g, Tensor *t); /* on ref */

/* Relative L2 distance of a from b; 0 if both are all zero. */
double eval_error(const float *a, const float *b, size_t n);

/* True if two tensors of g have equal dims and values, up to a relative L2
 * error; fails the test with file and line if not. */
void eval_same(const char *file, int line, Graph *g, Tensor *a, Tensor *b,
               double tol);
#define CHECK_SAME(g, a, b, tol) eval_same(__FILE__, __LINE__, g, a, b, tol)

#endif
