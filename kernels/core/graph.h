/*
 * graph.h - tensors in the order made, which is the order run.
 *
 * Building is straight-line code: an error sticks to the graph, NULL in gives
 * NULL out, and the caller asks graph_error() once.  Weights are named by the
 * scopes that are open when they are made: inside graph_scope(g, "layer1.0"),
 * "conv1.weight" becomes "layer1.0.conv1.weight".
 */
#ifndef CORE_GRAPH_H
#define CORE_GRAPH_H

#include "kernels/core/op.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct Graph Graph;

Graph *graph_new(void);
void graph_free(Graph *g); /* and every tensor and host weight in it */

/* Dims for the makers below: DIMS(2, 64, 56, 56). */
typedef struct Dims {
    int rank, dim[MAX_RANK];
} Dims;
#ifdef __cplusplus
#define DIMS(...) \
    (Dims{ sizeof((int[]){ __VA_ARGS__ }) / sizeof(int), { __VA_ARGS__ } })
#else
#define DIMS(...) \
    ((Dims){ sizeof((int[]){ __VA_ARGS__ }) / sizeof(int), { __VA_ARGS__ } })
#endif

/* An input, channels last.  Its name is the name that seeds it. */
Tensor *graph_input(Graph *g, const char *name, Dims dims);

/* A learned weight, and a buffer (loaded, not learned), row-major. */
Tensor *graph_weight(Graph *g, const char *name, Dims dims);
Tensor *graph_buffer(Graph *g, const char *name, Dims dims);

/*
 * Until it is called with NULL: weights and buffers that are asked for are not
 * made, but are these, one after the other, whatever they are called; so what
 * a builder makes can be made again of weights that there are.  Dims must be
 * equal.
 */
void graph_lend(Graph *g, Tensor *const *weights);

/* Applies op.  src holds op->sources + op->optional pointers, of which the
 * optional may be NULL; attr (op->attr_size bytes; NULL: zeros) is copied. */
Tensor *graph_apply(Graph *g, const Op *op, const void *attr,
                    Tensor *const *src);

/* Stores and computes everything in g, weights included, in dtype.  Their
 * host values stay floats. */
void graph_set_dtype(Graph *g, Dtype dtype);

/* The graph is for training from now on: ops that differ there know it. */
void graph_set_training(Graph *g);
bool graph_is_training(const Graph *g);

/* Marks t as an output called name: it is still there when the run ends. */
void graph_output(Graph *g, const char *name, Tensor *t);

/* Opens and closes a scope.  printf style: graph_scope(g, "layer%d", i). */
void graph_scope(Graph *g, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void graph_end_scope(Graph *g);

/* Gives the tensors from id `from` on this origin. */
void graph_set_origin(Graph *g, int from, Origin origin);

/* Makes the graph fail with ERR_INPUT and this sentence, unless it has
 * failed before; always returns NULL, so that a builder can return it. */
Tensor *graph_fail(Graph *g, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The same with ERR_UNSUPPORTED: it has a meaning, but no implementation. */
Tensor *graph_unsupported(Graph *g, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The same with ERR_MEMORY. */
Tensor *graph_no_memory(Graph *g, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* OK, or the code of the first error, whose sentence is then set again as
 * err_message(). */
int graph_error(const Graph *g);
bool graph_failed(const Graph *g);

int graph_size(const Graph *g);
Tensor *graph_at(const Graph *g, int i);
Tensor *graph_find(const Graph *g, const char *name); /* weight or input */
Tensor *graph_output_named(const Graph *g, const char *name); /* or NULL */
int graph_outputs(const Graph *g);
Tensor *graph_output_at(const Graph *g, int i, const char **name);

/* Drops all that was made after t, of which nothing may be an output. */
void graph_cut(Graph *g, const Tensor *t);

/* Learned parameters: the Params column of the papers. */
double graph_params(const Graph *g);

/* How many nodes read t. */
int graph_readers(const Graph *g, const Tensor *t);

/* Allocates t->host for one weight; and frees it. */
int graph_alloc_host(Tensor *t);
void graph_free_host(Tensor *t);

#ifdef __cplusplus
}
#endif

#endif
