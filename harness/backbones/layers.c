/*
 * layers.c - ops with weights of their own, in a scope of their name.
 */
#include "harness/backbones/layers.h"

static const double BN_EPS = 1e-5;

Tensor *layer_conv(Graph *g, Tensor *x, const char *name, ConvShape shape)
{
    const int groups = shape.groups ? shape.groups : 1;
    const int k_w = shape.k_w ? shape.k_w : shape.k;
    const Conv2dAttr attr = { .stride = shape.stride,
                              .pad_h = shape.k / 2,
                              .pad_w = k_w / 2,
                              .groups = groups };
    Tensor *w, *b = NULL;

    if (!x)
        return NULL;
    graph_scope(g, "%s", name);
    w = graph_weight(g, "weight",
                     DIMS(shape.width, x->dim[1] / groups, shape.k, k_w));
    if (shape.bias)
        b = graph_weight(g, "bias", DIMS(shape.width));
    x = op_conv2d(g, x, w, b, &attr);
    graph_end_scope(g);
    return x;
}

Tensor *layer_batch_norm(Graph *g, Tensor *x, const char *name)
{
    Tensor *weight, *bias, *mean, *var;

    if (!x)
        return NULL;
    graph_scope(g, "%s", name);
    weight = graph_weight(g, "weight", DIMS(x->dim[1]));
    bias = graph_weight(g, "bias", DIMS(x->dim[1]));
    mean = graph_buffer(g, "running_mean", DIMS(x->dim[1]));
    var = graph_buffer(g, "running_var", DIMS(x->dim[1]));
    x = op_batch_norm(g, x, weight, bias, mean, var, BN_EPS);
    graph_end_scope(g);
    return x;
}

Tensor *layer_linear(Graph *g, Tensor *x, const char *name, int width)
{
    Tensor *w, *b;

    if (!x)
        return NULL;
    graph_scope(g, "%s", name);
    w = graph_weight(g, "weight", DIMS(width, x->dim[1]));
    b = graph_weight(g, "bias", DIMS(width));
    x = op_linear(g, x, w, b);
    graph_end_scope(g);
    return x;
}

Tensor *layer(Graph *g, Tensor *x, const char *name,
              Tensor *(*op)(Graph *g, Tensor *x))
{
    graph_scope(g, "%s", name);
    x = op(g, x);
    graph_end_scope(g);
    return x;
}

Tensor *layer_global_pool(Graph *g, Tensor *x)
{
    graph_scope(g, "global_pool");
    x = op_global_avg_pool(g, x, SQUEEZE_ADAPTIVE);
    graph_end_scope(g);
    return x;
}
