/*
 * conv_graph.h - a convolution, or a gradient of one, as cuDNN sees it: a graph
 * of operations, and the engines that may run it
 *
 * Nothing here needs a card: a graph can be made for one that is described, and
 * engines be chosen and prepared for it, all but launched.  The tests do so.
 */
#ifndef CUDA_CONV_GRAPH_H
#define CUDA_CONV_GRAPH_H

#include "kernels/cuda/library/descriptors.h"
#include "kernels/ops/ops.h"

/* Where engines are to run; one of the two is set. */
typedef struct ConvTarget {
    struct cudnnContext *handle; /* of the card that is there             */
    void *description;           /* or of one that is described, as
                                    cuDNN's descriptor DEVICEPROP         */
} ConvTarget;

/* The operands by their numbers in the graph. */
enum ConvOperand { CONV_X = 1, CONV_W, CONV_B, CONV_Z, CONV_Y };

typedef struct ConvGraph {
    ConvTarget target;
    Dtype dtype;
    void *graph;
    Descriptors made;
} ConvGraph;

/* The convolution behind a conv2d, a conv2d_grad_x or a conv2d_grad_w: x, w and
 * y = conv(x, w), or gradients in their places.  One of the three is out. */
typedef struct ConvParts {
    const Tensor *x, *w, *y;
    const Conv2dAttr *attr;
} ConvParts;
ConvParts conv_parts(const Tensor *out);

/* True if out is for cuDNN, and not for our own kernels. */
bool conv_graph_takes(const Tensor *out);

/*
 * For a conv2d: y = act(conv(x, w) + z + b), all channels last, weights in the
 * order (O,kh,kw,C/groups), everything stored in out's dtype.  z, b and act are
 * there if out has them; b is there also where a graph without it has no engine
 * (conv_graph_has_bias), and then has to be zeros.
 *
 * For a gradient: that of the convolution alone, since there are no engines for
 * z and act after it; weights, or their gradient, in PyTorch's order.
 */
int conv_graph_init(ConvGraph *g, const Tensor *out, ConvTarget target);
void conv_graph_free(ConvGraph *g); /* accepts one that is all 0 */
bool conv_graph_has_bias(const Tensor *out);

/* An engine, prepared: cuDNN's execution plan. */
enum { ENGINE_TEXT = 192 };
typedef struct ConvEngine {
    void *plan;
    size_t workspace_bytes;
    bool tensor_cores;
    char text[ENGINE_TEXT]; /* "44 2=1 5=3": its number, its knobs' values */
    Descriptors made;
} ConvEngine;

/* This many are worth a try: on some cards the first of the heuristics' engines
 * are all without tensor cores. */
enum { ENGINES_TRIED = 16 };

/*
 * The engines that can compute g, what cuDNN's heuristics think best first, at
 * most max of them: built in, not compiled at run time; deterministic; summing
 * in f32; for f32 without tensor cores.  How many is *n; ERR_UNSUPPORTED where
 * there is none.
 */
int conv_engines(const ConvGraph *g, ConvEngine *engines, int max, int *n);

/* The engine of that text, if it is such a one. */
int conv_engine_init(ConvEngine *e, const ConvGraph *g, const char *text);
void conv_engine_free(ConvEngine *e); /* accepts one that is all 0 */

#endif
