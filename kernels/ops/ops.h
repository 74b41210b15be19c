/*
 * ops.h - the ops: one file each in this folder, listed and declared here.
 *
 * To add one: write <name>.c, add its line to OPS and its constructor below,
 * add rows for it to tests/kernel_cases_*.c.
 *
 * Maps are (N,C,H,W), strips (N,C,L), vectors (N,C), all stored channels last;
 * weights have PyTorch's shapes and order.  x may be of any of these ranks
 * where a comment says "rows": the op treats every position alike.
 */
#ifndef OPS_OPS_H
#define OPS_OPS_H

#include "kernels/core/graph.h"

#ifdef __cplusplus
extern "C" {
#endif

#define OPS(X)             \
    X(conv2d)              \
    X(dwconv1d)            \
    X(linear)              \
    X(matmul)              \
    X(batch_norm)          \
    X(group_norm)          \
    X(layer_norm)          \
    X(avg_pool2d)          \
    X(max_pool2d)          \
    X(adaptive_avg_pool2d) \
    X(global_avg_pool)     \
    X(global_max_pool)     \
    X(mean_h)              \
    X(mean_w)              \
    X(mean_c)              \
    X(max_c)               \
    X(sum_rows)            \
    X(softmax)             \
    X(relu)                \
    X(relu6)               \
    X(sigmoid)             \
    X(hard_swish)          \
    X(gelu)                \
    X(scale_shift)         \
    X(mul)                 \
    X(add)                 \
    X(concat)              \
    X(slice)               \
    X(channel_shuffle)     \
    X(view)                \
    X(dct_pool)            \
    X(window_partition)    \
    X(window_reverse)      \
    X(window_bias)         \
    X(patch_merge)

/*
 * Ops that are defined by the graph of ops that they replace (fused.h): modules
 * that may run as one op each, in attention_zoo, in the module's file; and the
 * attention of Swin's windows.  What the kernels of a module's op need to know
 * of it is at the end of this file.
 */
#define FUSED_OPS(X) \
    MODULE_OPS(X)    \
    X(scsa)          \
    X(window_attention)

/* Those of them whose definition is what the module builds (ModuleAttr). */
#define MODULE_OPS(X) \
    X(se)             \
    X(se_conv)        \
    X(eca)            \
    X(fca)            \
    X(afgca)          \
    X(cbam)           \
    X(sa)             \
    X(ela)            \
    X(ca)             \
    X(ema)

/*
 * Further ops that gradients are made of (grad.h), each in the file of the op
 * that it belongs to or in one called <name>_grad.c.
 */
#define GRADIENT_OPS(X)         \
    X(expand)                   \
    X(reduce)                   \
    X(relu_grad)                \
    X(relu6_grad)               \
    X(sigmoid_grad)             \
    X(hard_swish_grad)          \
    X(gelu_grad)                \
    X(softmax_grad)             \
    X(conv2d_grad_x)            \
    X(conv2d_grad_w)            \
    X(batch_norm_grad_x)        \
    X(batch_norm_grad_w)        \
    X(group_norm_grad_x)        \
    X(group_norm_grad_w)        \
    X(avg_pool2d_grad)          \
    X(adaptive_avg_pool2d_grad) \
    X(max_pool2d_grad)          \
    X(global_max_pool_grad)     \
    X(max_c_grad)               \
    X(dct_pool_grad)            \
    X(slice_grad)               \
    X(patch_split)              \
    X(window_bias_grad)

/* And a step of training. */
#define TRAINING_OPS(X)   \
    X(cross_entropy)      \
    X(cross_entropy_grad) \
    X(sgd_velocity)       \
    X(sgd_weight)

#define X(id) extern const Op id##_def;
OPS(X)
FUSED_OPS(X)
GRADIENT_OPS(X)
TRAINING_OPS(X)
#undef X

/*
 * x (N,C,H,W), w (O,C/groups,kh,kw), b (O) or NULL, z like the result or NULL
 * -> (N,O,H',W'):  act(conv(x, w) + b + z), zero padding.
 * shared: w is (O/groups,C/groups,kh,kw) and b (O/groups), the same for every
 * group (what folding the groups into the batch comes to).  stride 0 and
 * groups 0 mean 1.
 */
typedef struct Conv2dAttr {
    int stride, pad_h, pad_w, groups;
    bool shared;
    Activation act;
} Conv2dAttr;
Tensor *op_conv2d(Graph *g, Tensor *x, Tensor *w, Tensor *b,
                  const Conv2dAttr *attr);
Tensor *op_conv2d_add(Graph *g, Tensor *x, Tensor *w, Tensor *b, Tensor *z,
                      const Conv2dAttr *attr);

/* x (N,C,L), w (C,1,k), b (C) or NULL -> (N,C,L): each channel's own filter
 * along L, zero padding k/2; k must be odd. */
Tensor *op_dwconv1d(Graph *g, Tensor *x, Tensor *w, Tensor *b);

/* x (N,I[,L] or [,H,W]), w (O,I), b (O) or NULL -> (N,O,...): w x + b for
 * every row. */
Tensor *op_linear(Graph *g, Tensor *x, Tensor *w, Tensor *b);

/*
 * For every image and group the product of two matrices, times scale (0
 * means 1).  An operand is
 *   a vector, strip or map: groups matrices of (C/groups x positions)
 *   a stack of matrices (N,groups,M,K), row-major: as made by this op
 * either may be transposed.  The result is such a stack, or, with strip, the
 * strip (N, groups*M, K) whose rows are channels again.
 */
typedef struct MatmulAttr {
    int groups; /* 0 means 1 */
    bool trans_a, trans_b, strip;
    double scale;
} MatmulAttr;
Tensor *op_matmul(Graph *g, Tensor *a, Tensor *b, const MatmulAttr *attr);

/* x rows; weight, bias, mean, var (C) -> the same: (x - mean) / sqrt(var +
 * eps) * weight + bias, with stored statistics (evaluation mode).  In a graph
 * that is for training (graph_set_training) with those of x, over images and
 * positions: a group norm of the channels as one image. */
Tensor *op_batch_norm(Graph *g, Tensor *x, Tensor *weight, Tensor *bias,
                      Tensor *mean, Tensor *var, double eps);

/* x (N,C,...), weight and bias (C), or (P) with P dividing C, repeated:
 * normalised over the channels of a group and all positions. */
Tensor *op_group_norm(Graph *g, Tensor *x, Tensor *weight, Tensor *bias,
                      int groups, double eps);

/* x rows, weight and bias (C): normalised over C at each position. */
Tensor *op_layer_norm(Graph *g, Tensor *x, Tensor *weight, Tensor *bias,
                      double eps);

/* x (N,C,H,W) -> (N,C,H',W'), windows k by k.  The average has no padding and
 * ignores what is left over; the maximum pads with -inf. */
Tensor *op_avg_pool2d(Graph *g, Tensor *x, int k, int stride);
Tensor *op_max_pool2d(Graph *g, Tensor *x, int k, int stride, int pad);

/* x (N,C,H,W) -> (N,C,out_h,out_w), as torch's AdaptiveAvgPool2d. */
Tensor *op_adaptive_avg_pool2d(Graph *g, Tensor *x, int out_h, int out_w);

/* How the published code writes a mean: the paper's convention counts
 * AdaptiveAvgPool2d (one per input element) but not x.mean(). */
typedef enum Squeeze { SQUEEZE_MEAN, SQUEEZE_ADAPTIVE } Squeeze;

/* x (N,C,H,W) or (N,C,L) -> (N,C): mean, maximum over all positions. */
Tensor *op_global_avg_pool(Graph *g, Tensor *x, Squeeze how);
Tensor *op_global_max_pool(Graph *g, Tensor *x);

/* x (N,C,H,W) -> (N,C,W): mean over H; -> (N,C,H): mean over W. */
Tensor *op_mean_h(Graph *g, Tensor *x, Squeeze how);
Tensor *op_mean_w(Graph *g, Tensor *x, Squeeze how);

/* x (N,C,H,W) -> (N,1,H,W): mean, maximum over channels. */
Tensor *op_mean_c(Graph *g, Tensor *x);
Tensor *op_max_c(Graph *g, Tensor *x);

/* x (N,G,M,K), a stack of matrices -> (N,G*K): sum over the rows. */
Tensor *op_sum_rows(Graph *g, Tensor *x);

/* Any shape -> the same: exp(x) over its sum along a dim.  To take it within
 * groups of channels, view them as positions first (op_view). */
Tensor *op_softmax(Graph *g, Tensor *x, int dim);

/* Any shape -> the same: max(x, 0); min(max(x, 0), 6); 1 / (1 + exp(-x));
 * x relu6(x + 3) / 6; x (1 + erf(x / sqrt 2)) / 2; a x + b. */
Tensor *op_relu(Graph *g, Tensor *x);
Tensor *op_relu6(Graph *g, Tensor *x);
Tensor *op_sigmoid(Graph *g, Tensor *x);
Tensor *op_hard_swish(Graph *g, Tensor *x);
Tensor *op_gelu(Graph *g, Tensor *x);
Tensor *op_scale_shift(Graph *g, Tensor *x, double a, double b);

/*
 * x op y, with the shape of x.  y has x's rank, or fewer dims (the missing
 * last ones are 1); each of its dims is x's or 1, except that y's C may also
 * divide x's: then one channel of y serves x.C / y.C neighbours (a group).
 */
Tensor *op_mul(Graph *g, Tensor *x, Tensor *y);
Tensor *op_add(Graph *g, Tensor *x, Tensor *y);
Tensor *op_add_act(Graph *g, Tensor *x, Tensor *y, Activation act);

/* op_mul, where an attention module multiplies features with its gate y. */
Tensor *op_gate(Graph *g, Tensor *x, Tensor *y);

/* Two to four tensors that differ in one dim only, one after the other along
 * it; and a piece of one. */
enum { CONCAT_MAX = 4 };
Tensor *op_concat(Graph *g, int dim, int n, Tensor *const *x);
Tensor *op_slice(Graph *g, Tensor *x, int dim, int begin, int count);

/* x (N,C,...) -> the same: channel g * (C/groups) + i moves to
 * i * groups + g (Zhang et al., ShuffleNet, CVPR 2018). */
Tensor *op_channel_shuffle(Graph *g, Tensor *x, int groups);

/*
 * The same storage under other dims (as many elements); costs nothing.  For
 * channels-last data that means:
 *   (N,C,H,W) as (N,C,HW); (N,C) as (N,C,1,1); (N,C) as (N,1,C)
 *   (N,C,L) as (N,C/G,L G): groups of channels become positions, so what
 *   acts on every position alike acts within every group alike.
 * The second makes a stack of matrices of it, or takes one, row-major.
 */
Tensor *op_view(Graph *g, Tensor *x, Dims dims);
Tensor *op_view_stack(Graph *g, Tensor *x, Dims dims);

/*
 * x (N,C,H,W) -> (N,C): y = sum over h,w of x B(h,u,H) B(w,v,W), where channel
 * c has the frequency (u,v)[c / (C/n)] and B(p,q,L) = cos(pi q (p+1/2) / L) /
 * sqrt(L), times sqrt 2 if q > 0 (Qin et al., FcaNet, ICCV 2021, eq. 9).
 */
enum { DCT_MAX = 32 };
typedef struct DctPoolAttr {
    int n, u[DCT_MAX], v[DCT_MAX];
} DctPoolAttr;
double dct_basis(int p, int q, int L);
Tensor *op_dct_pool(Graph *g, Tensor *x, const DctPoolAttr *attr);

/*
 * How a map is cut into windows: after rolling it by -shift on both axes, row
 * by row.  Windows must tile the map; a shift is less than a window.
 */
typedef struct WindowAttr {
    int map_h, map_w;
    int h, w; /* of a window */
    int shift_h, shift_w;
} WindowAttr;

/* x (N,C,map_h,map_w) -> (N nW,C,h,w), nW windows per image; and back. */
Tensor *op_window_partition(Graph *g, Tensor *x, const WindowAttr *attr);
Tensor *op_window_reverse(Graph *g, Tensor *x, const WindowAttr *attr);

/*
 * table ((2h-1)(2w-1),heads) -> (1,nW heads,P,P), or (1,heads,P,P) without a
 * shift, P = h w: a bias for each two positions of a window, less 100 where the
 * shift alone has made them neighbours.
 */
Tensor *op_window_bias(Graph *g, Tensor *table, const WindowAttr *attr);

/* x (N,C,H,W) -> (N,4C,H/2,W/2): each 2x2 patch, down first. */
Tensor *op_patch_merge(Graph *g, Tensor *x);

/* qkv (N,3C,H,W) and the bias table -> (N,C,H,W): attention within each
 * window, as one op. */
typedef struct WindowAttentionAttr {
    WindowAttr window;
    int heads;
} WindowAttentionAttr;
Tensor *op_window_attention(Graph *g, Tensor *qkv, Tensor *table,
                            const WindowAttentionAttr *attr);

/* ---- gradients -----------------------------------------------------------
 *
 * dy is the gradient of an op's result.  A gradient has the dims of what it
 * belongs to.
 */

/* y broadcast to x's dims, as op_mul does it, times scale (0 means 1). */
Tensor *op_expand(Graph *g, Tensor *y, Dims dims, double scale);

/* The sum of x, or of x times z, over all that is broadcast when a tensor of
 * these dims, or one like y, is multiplied with x. */
Tensor *op_reduce(Graph *g, Tensor *x, Tensor *z, Dims dims);
Tensor *op_reduce_like(Graph *g, Tensor *x, Tensor *z, const Tensor *y);

/* dy times the derivative, which follows from y = f(x) or else from x. */
Tensor *op_relu_grad(Graph *g, Tensor *y, Tensor *dy);
Tensor *op_relu6_grad(Graph *g, Tensor *y, Tensor *dy);
Tensor *op_sigmoid_grad(Graph *g, Tensor *y, Tensor *dy);
Tensor *op_hard_swish_grad(Graph *g, Tensor *x, Tensor *dy);
Tensor *op_gelu_grad(Graph *g, Tensor *x, Tensor *dy);
Tensor *op_softmax_grad(Graph *g, Tensor *y, Tensor *dy, int dim);

/* For op_conv2d without b, z and act, whose attributes are given: of x
 * (N,C,h,w) and of w (O,C/groups,h,w).  The first has two more sources, z and
 * x, which graph_fold gives it. */
Tensor *op_conv2d_grad_x(Graph *g, Tensor *dy, Tensor *w, int h, int width,
                         const Conv2dAttr *attr);
Tensor *op_conv2d_grad_w(Graph *g, Tensor *x, Tensor *dy, int h, int width,
                         const Conv2dAttr *attr);

/* For batch norm with stored statistics: of x, and of the weight (C). */
Tensor *op_batch_norm_grad_x(Graph *g, Tensor *dy, Tensor *weight, Tensor *var,
                             double eps);
Tensor *op_batch_norm_grad_w(Graph *g, Tensor *x, Tensor *dy, Tensor *mean,
                             Tensor *var, double eps);

/* For group norm: of x, and of a weight of `weights` numbers. */
Tensor *op_group_norm_grad_x(Graph *g, Tensor *x, Tensor *dy, Tensor *weight,
                             int groups, double eps);
Tensor *op_group_norm_grad_w(Graph *g, Tensor *x, Tensor *dy, int weights,
                             int groups, double eps);

/* For pools: of x, of size h by w.  The first of equal maxima counts. */
Tensor *op_avg_pool2d_grad(Graph *g, Tensor *dy, int k, int stride, int h,
                           int w);
Tensor *op_adaptive_avg_pool2d_grad(Graph *g, Tensor *dy, int h, int w);
Tensor *op_max_pool2d_grad(Graph *g, Tensor *x, Tensor *dy, int k, int stride,
                           int pad);
Tensor *op_global_max_pool_grad(Graph *g, Tensor *x, Tensor *dy);
Tensor *op_max_c_grad(Graph *g, Tensor *x, Tensor *dy);
Tensor *op_dct_pool_grad(Graph *g, Tensor *dy, int h, int w,
                         const DctPoolAttr *attr);

/* dy in zeros: where a dim of this size was sliced from begin. */
Tensor *op_slice_grad(Graph *g, Tensor *dy, int dim, int begin, int size);

/* x (N,4C,H,W) -> (N,C,2H,2W): the inverse of op_patch_merge. */
Tensor *op_patch_split(Graph *g, Tensor *x);

/* dy (1,nW heads,P,P) or (1,heads,P,P) -> of the table. */
Tensor *op_window_bias_grad(Graph *g, Tensor *dy, int heads,
                            const WindowAttr *attr);

/* ---- training ------------------------------------------------------------ */

/* Logits x (N,K), target (N,K), probabilities -> (1,1): the mean over images of
 * -sum of target log softmax(x); and the gradient of x. */
Tensor *op_cross_entropy(Graph *g, Tensor *x, Tensor *target);
Tensor *op_cross_entropy_grad(Graph *g, Tensor *x, Tensor *target);

/* Weight w, its gradient and its velocity v, a buffer: both are updated in
 * their places.  Returns w as it is then. */
typedef struct SgdAttr {
    double rate, momentum, decay;
} SgdAttr;
Tensor *op_sgd(Graph *g, Tensor *w, Tensor *dw, Tensor *v, const SgdAttr *attr);

/*
 * A new graph with what follows a convolution folded into it, where nothing
 * else reads the value between: batch norm into weights and bias, then the
 * addition of a shortcut, then ReLU or ReLU6; and an activation into the
 * addition before it. Likewise the sum of gradients and that of an activation,
 * after the gradient of a convolution: so gradients are made of a folded
 * graph, and this is folded once more. Weights without values give weights
 * without values. The caller owns the result; g is unchanged.
 */
int graph_fold(Graph **out, const Graph *g);

/* Attributes that kernels read and that no constructor takes as a struct. */
typedef struct NormAttr {
    int groups; /* of group_norm */
    double eps;
} NormAttr;

/* Channel c of a batch norm whose weights have values: x scale + shift. */
typedef struct NormAffine {
    double scale, shift;
} NormAffine;
NormAffine batch_norm_affine(const Tensor *norm, int c);

typedef struct PoolAttr {
    int k, stride, pad;
} PoolAttr;
typedef struct SizeAttr {
    int h, w;
} SizeAttr;
typedef struct SqueezeAttr {
    Squeeze how;
} SqueezeAttr;
typedef struct DimAttr { /* softmax, concat */
    int dim;
} DimAttr;
typedef struct SliceAttr {
    int dim, begin, count;
} SliceAttr;
typedef struct ShuffleAttr {
    int groups;
} ShuffleAttr;
typedef struct ScaleShiftAttr {
    double a, b;
} ScaleShiftAttr;
typedef struct AddAttr {
    Activation act;
} AddAttr;
typedef struct MulAttr {
    bool gate; /* y is what an attention module multiplies x with */
} MulAttr;
typedef struct ViewAttr {
    Dims dims;
    bool stack; /* row-major, whatever x is */
} ViewAttr;
typedef struct ExpandAttr { /* expand, reduce */
    Dims dims;
    Layout layout;
    double scale; /* of expand */
} ExpandAttr;
typedef struct Conv2dGradAttr {
    Conv2dAttr conv;
    int h, w; /* of the result: a map or a kernel */
} Conv2dGradAttr;
typedef struct NormGradAttr {
    int groups, weights; /* weights: how many, of the weight's gradient */
    double eps;
} NormGradAttr;
typedef struct PoolGradAttr {
    PoolAttr pool;
    int h, w; /* of x */
} PoolGradAttr;
typedef struct DctPoolGradAttr {
    DctPoolAttr dct;
    int h, w; /* of x */
} DctPoolGradAttr;
typedef struct SliceGradAttr {
    int dim, begin, size;
} SliceGradAttr;
typedef struct WindowBiasGradAttr {
    WindowAttr window;
    int heads;
} WindowBiasGradAttr;

/*
 * Windows, as kernels see them: how many an image has; the map's position
 * (y map_w + x) that is position i of a window; the row of the bias table for
 * positions i and j; and what is added to their score, 0 or -100.
 */
int window_count(const WindowAttr *a);
bool window_shifted(const WindowAttr *a);
int window_position(const WindowAttr *a, int window, int i);
int window_offset(const WindowAttr *a, int i, int j);
float window_mask(const WindowAttr *a, int window, int i, int j);

/*
 * A module: x (N,C,H,W), and its weights and buffers in the order in which it
 * makes them -> the same shape as x.  What kernels need to know of it besides
 * the dims of these is in facts.
 */
typedef struct ModuleFacts {
    int groups;         /* of channels, or of a norm's; 0: it has none     */
    double eps;         /* of its norms                                    */
    int pool_h, pool_w; /* of the map before a squeeze by frequencies      */
    DctPoolAttr dct;    /* these                                           */
} ModuleFacts;

enum { MODULE_ATTR_BYTES = 128 };

typedef struct ModuleAttr {
    /* Builds what it replaces, of settings. */
    Tensor *(*build)(Graph *g, Tensor *x, const void *settings);
    double settings[MODULE_ATTR_BYTES / sizeof(double)]; /* their bytes */
    ModuleFacts facts;
} ModuleAttr;

/* SCSA: x (N,C,H,W) and its weights -> the same shape as x. */
typedef struct ScsaAttr {
    int k[4];   /* what each quarter of the channels sees along a strip   */
    int window; /* of the pooling; -1: the whole map                      */
    int heads;
    double eps; /* of the norms */
} ScsaAttr;
enum ScsaSource {
    SCSA_X,
    SCSA_DWC_WEIGHT,                     /* 4 of (C/4,1,k)           */
    SCSA_DWC_BIAS = SCSA_DWC_WEIGHT + 4, /* 4 of (C/4)              */
    SCSA_NORM_H = SCSA_DWC_BIAS + 4,     /* weight and bias (C)      */
    SCSA_NORM_W = SCSA_NORM_H + 2,       /* the same                 */
    SCSA_NORM = SCSA_NORM_W + 2,         /* the same                 */
    SCSA_Q = SCSA_NORM + 2,              /* (C,1,1,1)                */
    SCSA_K,
    SCSA_V,
    SCSA_SOURCES,
};

#ifdef __cplusplus
}
#endif

#endif
