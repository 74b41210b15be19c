/*
 * conv_graph.c - a convolution, or a gradient of one, as a graph of cuDNN's
 * operations
 *
 * cuDNN has engines built in for few graphs: channels last, the addend before
 * the bias, the bias of the map's type, and no activation without a bias.
 * Hence the order here, and a bias of zeros where there is none.  Of a gradient
 * nothing may follow; its filters need not be channels last: engines that want
 * them so reorder them in the workspace, and they are small.
 *
 * Refused: filters that the groups share, which it has no notion of; relu6 and
 * one filter a channel, for which it has only its slowest engine.
 *
 * Source: docs.nvidia.com/deeplearning/cudnn, "Graph API"; which graphs have
 * engines is tried by tests/test_cudnn.c.
 */
#include "kernels/cuda/library/conv_graph.h"

#include <cudnn.h>

#include "kernels/core/err.h"

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
    ConvParts parts; /* out's */
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

/* dim is (N,C,H,W) or (O,C,kh,kw); in memory C comes last, or where it is. */
static void *operand(Builder *b, int64_t id, const int64_t dim[4],
                     Layout layout)
{
    const bool between = id >= FIRST_BETWEEN;
    const cudnnDataType_t type =
        between ? CUDNN_DATA_FLOAT : data_type(b->g->dtype);
    const bool last = layout == CHANNELS_LAST;
    const int64_t stride[] = { dim[1] * dim[2] * dim[3],
                               last ? 1 : dim[2] * dim[3],
                               last ? dim[1] * dim[3] : dim[3],
                               last ? dim[1] : 1 };
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

static void *map(Builder *b, int64_t id, const Tensor *t)
{
    const int64_t dim[] = { t->dim[0], t->dim[1], t->dim[2], t->dim[3] };

    return operand(b, id, dim, CHANNELS_LAST);
}

static void *filters(Builder *b)
{
    const Tensor *w = b->parts.w;
    const int64_t dim[] = { w->dim[0], w->dim[1], w->dim[2], w->dim[3] };

    return operand(b, CONV_W, dim,
                   b->out->op == &conv2d_def ? CHANNELS_LAST : ROW_MAJOR);
}

static void *bias(Builder *b)
{
    const int64_t dim[] = { 1, b->out->dim[1], 1, 1 };

    return operand(b, CONV_B, dim, CHANNELS_LAST);
}

/* Tensor that the next operation makes: the result, if it is the last one. */
static void *product(Builder *b)
{
    return map(b, b->more ? FIRST_BETWEEN + b->nops : CONV_Y, b->parts.y);
}

/* ---- operations -------------------------------------------------------- */

static void *window(Builder *b)
{
    const Conv2dAttr *a = b->parts.attr;
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

/* cuDNN's names for one operation's attributes. */
typedef struct Names {
    int op, how, x, w, y, alpha, beta;
} Names;

#define NAMES(OP, PREFIX, X, W, Y)                                 \
    {                                                              \
        CUDNN_BACKEND_OPERATION_CONVOLUTION_##OP##_DESCRIPTOR,     \
            CUDNN_ATTR_OPERATION_CONVOLUTION_##PREFIX##_CONV_DESC, \
            CUDNN_ATTR_OPERATION_CONVOLUTION_##PREFIX##_##X,       \
            CUDNN_ATTR_OPERATION_CONVOLUTION_##PREFIX##_##W,       \
            CUDNN_ATTR_OPERATION_CONVOLUTION_##PREFIX##_##Y,       \
            CUDNN_ATTR_OPERATION_CONVOLUTION_##PREFIX##_ALPHA,     \
            CUDNN_ATTR_OPERATION_CONVOLUTION_##PREFIX##_BETA       \
    }

static const Names *names_of(const Op *op)
{
    static const Names forward = NAMES(FORWARD, FORWARD, X, W, Y);
    static const Names of_x = NAMES(BACKWARD_DATA, BWD_DATA, DX, W, DY);
    static const Names of_w = NAMES(BACKWARD_FILTER, BWD_FILTER, X, DW, DY);

    return op == &conv2d_def          ? &forward
           : op == &conv2d_grad_x_def ? &of_x
                                      : &of_w;
}

/* Groups follow from the dims of x and w.  Gives y. */
static void *convolve(Builder *b)
{
    const Names *names = names_of(b->out->op);
    const float one = 1, zero = 0;
    void *y = product(b), *how = window(b);
    void *x = map(b, CONV_X, b->parts.x), *w = filters(b);
    void *op = desc_new(b->s, names->op);

    desc_link(b->s, op, names->how, how);
    desc_link(b->s, op, names->x, x);
    desc_link(b->s, op, names->w, w);
    desc_link(b->s, op, names->y, y);
    desc_set(b->s, op, names->alpha, CUDNN_TYPE_FLOAT, 1, &one);
    desc_set(b->s, op, names->beta, CUDNN_TYPE_FLOAT, 1, &zero);
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

ConvParts conv_parts(const Tensor *out)
{
    const Tensor *const *src = (const Tensor *const *)out->src;
    const Conv2dGradAttr *of_gradient = out->attr;

    if (out->op == &conv2d_def)
        return (ConvParts){ src[0], src[1], out, out->attr };
    if (out->op == &conv2d_grad_x_def)
        return (ConvParts){ out, src[1], src[0], &of_gradient->conv };
    return (ConvParts){ src[0], out, src[1], &of_gradient->conv };
}

bool conv_graph_takes(const Tensor *out)
{
    const bool forward = out->op == &conv2d_def;
    const ConvParts p = conv_parts(out);

    if (forward &&
        (!tensor_is_weight(tensor_storage(p.w)) || p.attr->act == ACT_RELU6))
        return false;
    return p.attr->groups == 1 || (!p.attr->shared && p.w->dim[1] > 1);
}

bool conv_graph_has_bias(const Tensor *out)
{
    const Conv2dAttr *a = out->attr;

    return out->op == &conv2d_def && (out->src[2] || out->src[3] || a->act);
}

/* z, the bias and the activation after y = conv(x, w). */
static void follow(Builder *b, void *y)
{
    const Tensor *z = b->out->src[3];

    if (z)
        y = pointwise(b, y, map(b, CONV_Z, z));
    if (conv_graph_has_bias(b->out))
        y = pointwise(b, y, bias(b));
    if (b->parts.attr->act)
        pointwise(b, y, NULL);
}

static void build(Builder *b)
{
    void *y;

    if (b->out->op == &conv2d_def)
        b->more = !!b->out->src[3] + conv_graph_has_bias(b->out) +
                  !!b->parts.attr->act;
    y = convolve(b);
    if (b->more)
        follow(b, y);

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
    Builder b = { .g = g, .s = &g->made, .out = out, .parts = conv_parts(out) };

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
