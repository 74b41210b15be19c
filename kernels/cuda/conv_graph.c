/*
 * conv_graph.c - a convolution as a graph of cuDNN's operations
 *
 * cuDNN has engines built in for few graphs: channels last, the addend before
 * the bias, the bias of the map's type, and no activation without a bias.
 * Hence the order here, and a bias of zeros where there is none.
 *
 * Refused: filters that the groups share, which it has no notion of; relu6 and
 * one filter a channel, for which it has only its slowest engine.
 *
 * Source: docs.nvidia.com/deeplearning/cudnn, "Graph API"; which graphs have
 * engines is tried by tests/test_cudnn.c.
 */
#include "kernels/cuda/conv_graph.h"

#include <cudnn.h>

#include "kernels/core/err.h"
#include "kernels/ops/ops.h"

enum {
    ALIGN = 16,          /* bytes: every tensor is at a multiple of it  */
    MAX_OPS = 4,         /* convolution, addend, bias, activation       */
    FIRST_BETWEEN = 100, /* operands from here on are never in memory   */
};

/* A graph that is being made. */
typedef struct Builder {
    ConvGraph *g;
    Descriptors *s; /* the graph's */
    const Tensor *out;
    void *ops[MAX_OPS];
    int nops;
    int more; /* operations that are still to come */
} Builder;

/* ---- operands ---------------------------------------------------------- */

static cudnnDataType_t data_type(Dtype dtype)
{
    return dtype == F16    ? CUDNN_DATA_HALF
           : dtype == BF16 ? CUDNN_DATA_BFLOAT16
                           : CUDNN_DATA_FLOAT;
}

/* dim is (N,C,H,W) or (O,C,kh,kw); in memory C comes last. */
static void *operand(Builder *b, int64_t id, const int64_t dim[4])
{
    const bool between = id >= FIRST_BETWEEN;
    const cudnnDataType_t type =
        between ? CUDNN_DATA_FLOAT : data_type(b->g->dtype);
    const int64_t stride[] = { dim[1] * dim[2] * dim[3], 1, dim[1] * dim[3],
                               dim[1] };
    const int64_t align = ALIGN;
    void *d = desc_new(b->s, CUDNN_BACKEND_TENSOR_DESCRIPTOR);

    desc_ints(b->s, d, CUDNN_ATTR_TENSOR_UNIQUE_ID, 1, &id);
    desc_set(b->s, d, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1,
             &type);
    desc_ints(b->s, d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, 1, &align);
    desc_ints(b->s, d, CUDNN_ATTR_TENSOR_DIMENSIONS, 4, dim);
    desc_ints(b->s, d, CUDNN_ATTR_TENSOR_STRIDES, 4, stride);
    desc_set(b->s, d, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1,
             &between);
    desc_finish(b->s, d);
    return d;
}

static void *operand_of(Builder *b, int64_t id, const Tensor *t)
{
    const int64_t dim[] = { t->dim[0], t->dim[1], t->dim[2], t->dim[3] };

    return operand(b, id, dim);
}

static void *bias(Builder *b)
{
    const int64_t dim[] = { 1, b->out->dim[1], 1, 1 };

    return operand(b, CONV_B, dim);
}

/* What the next operation makes: the result, if it is the last one. */
static void *product(Builder *b)
{
    return operand_of(b, b->more ? FIRST_BETWEEN + b->nops : CONV_Y, b->out);
}

/* ---- operations -------------------------------------------------------- */

static void *window(Builder *b)
{
    const Conv2dAttr *a = b->out->attr;
    const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    const cudnnDataType_t sums = CUDNN_DATA_FLOAT;
    const int64_t dims = 2, pad[] = { a->pad_h, a->pad_w },
                  stride[] = { a->stride, a->stride }, dilation[] = { 1, 1 };
    void *d = desc_new(b->s, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);

    desc_set(b->s, d, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1,
             &sums);
    desc_set(b->s, d, CUDNN_ATTR_CONVOLUTION_CONV_MODE,
             CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
    desc_ints(b->s, d, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, 1, &dims);
    desc_ints(b->s, d, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, 2, pad);
    desc_ints(b->s, d, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, 2, pad);
    desc_ints(b->s, d, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, 2, stride);
    desc_ints(b->s, d, CUDNN_ATTR_CONVOLUTION_DILATIONS, 2, dilation);
    desc_finish(b->s, d);
    return d;
}

/* Groups follow from the dims of x and w. */
static void *convolve(Builder *b)
{
    const float one = 1, zero = 0;
    void *y = product(b), *how = window(b);
    void *x = operand_of(b, CONV_X, b->out->src[0]);
    void *w = operand_of(b, CONV_W, b->out->src[1]);
    void *op =
        desc_new(b->s, CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);

    desc_link(b->s, op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
              how);
    desc_link(b->s, op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, x);
    desc_link(b->s, op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, w);
    desc_link(b->s, op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, y);
    desc_set(b->s, op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
             CUDNN_TYPE_FLOAT, 1, &one);
    desc_set(b->s, op, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA,
             CUDNN_TYPE_FLOAT, 1, &zero);
    desc_finish(b->s, op);
    b->ops[b->nops++] = op;
    return y;
}

/* x + addend, or relu(x) where addend is NULL. */
static void *pointwise(Builder *b, void *x, void *addend)
{
    const cudnnPointwiseMode_t mode =
        addend ? CUDNN_POINTWISE_ADD : CUDNN_POINTWISE_RELU_FWD;
    const cudnnDataType_t math = CUDNN_DATA_FLOAT;
    void *y, *how, *op;

    b->more--;
    y = product(b);
    how = desc_new(b->s, CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
    desc_set(b->s, how, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, 1,
             &mode);
    desc_set(b->s, how, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, 1,
             &math);
    desc_finish(b->s, how);

    op = desc_new(b->s, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
    desc_link(b->s, op, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, how);
    desc_link(b->s, op, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x);
    if (addend)
        desc_link(b->s, op, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, addend);
    desc_link(b->s, op, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y);
    desc_finish(b->s, op);
    b->ops[b->nops++] = op;
    return y;
}

/* ---- the graph --------------------------------------------------------- */

bool conv_graph_takes(const Tensor *out)
{
    const Conv2dAttr *a = out->attr;
    const Tensor *w = out->src[1];

    return tensor_is_weight(tensor_storage(w)) &&
           (a->groups == 1 || (!a->shared && w->dim[1] > 1)) &&
           a->act != ACT_RELU6;
}

bool conv_graph_has_bias(const Tensor *out)
{
    const Conv2dAttr *a = out->attr;

    return out->src[2] || out->src[3] || a->act;
}

static void build(Builder *b)
{
    const Conv2dAttr *a = b->out->attr;
    const Tensor *z = b->out->src[3];
    const bool has_bias = conv_graph_has_bias(b->out);
    void *y;

    b->more = !!z + has_bias + !!a->act;
    y = convolve(b);
    if (z)
        y = pointwise(b, y, operand_of(b, CONV_Z, z));
    if (has_bias)
        y = pointwise(b, y, bias(b));
    if (a->act)
        pointwise(b, y, NULL);

    b->g->graph = desc_new(b->s, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    desc_set(b->s, b->g->graph, CUDNN_ATTR_OPERATIONGRAPH_OPS,
             CUDNN_TYPE_BACKEND_DESCRIPTOR, b->nops, b->ops);
    if (b->g->target.handle)
        desc_set(b->s, b->g->graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE,
                 CUDNN_TYPE_HANDLE, 1, &b->g->target.handle);
    desc_finish(b->s, b->g->graph);
}

int conv_graph_init(ConvGraph *g, const Tensor *out, ConvTarget target)
{
    Builder b = { .g = g, .s = &g->made, .out = out };

    *g = (ConvGraph){ .target = target, .dtype = out->dtype };
    build(&b);
    if (g->made.err)
        conv_graph_free(g);
    return g->made.err;
}

void conv_graph_free(ConvGraph *g)
{
    desc_free_all(&g->made);
}

void conv_pack_weights(float *packed, const Tensor *w, const float *values)
{
    const size_t C = (size_t)w->dim[1];
    const size_t taps = (size_t)w->dim[2] * (size_t)w->dim[3];

    for (size_t o = 0; o < (size_t)w->dim[0]; o++)
        for (size_t t = 0; t < taps; t++)
            for (size_t c = 0; c < C; c++)
                *packed++ = values[(o * C + c) * taps + t];
}
