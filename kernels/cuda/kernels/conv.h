/*
 * conv.h - what the kernels of conv2d, conv2d_grad_x, dwconv1d and linear
 * share: the shape of the work, weights in another order, and how a result is
 * finished.
 */
#ifndef CUDA_CONV_H
#define CUDA_CONV_H

#include <stdlib.h>

#include "kernels/cuda/kernels/kernel.h"

/*
 * A convolution.  linear is one of 1x1 on a map of one row, all its rows.
 *
 * conv2d_grad_x is one as well, whose x is dy: with the turned kernel, outputs
 * and channels having changed places, and with stride 1 on a map that was drawn
 * apart by the stride, zeros between its numbers.
 */
typedef struct Conv {
    int N, H, W, C; /* of x                               */
    int OH, OW, O;  /* of y                               */
    int kh, kw, stride, pad_h, pad_w;
    int apart; /* x's positions are as far apart; 1 except in gradients */
    int groups, cg, og; /* channels and outputs of a group   */
    Divider by_og;
    bool shared; /* all groups use the weights of one */
    Activation act;
} Conv;

static inline const Conv2dAttr *conv_attr(const Tensor *out)
{
    static const Conv2dAttr plain = { 1, 0, 0, 1, false, ACT_NONE };

    return out->op == &conv2d_def ? (const Conv2dAttr *)out->attr
           : out->op == &conv2d_grad_x_def
               ? &((const Conv2dGradAttr *)out->attr)->conv
               : &plain;
}

static inline Conv conv_of(const Tensor *out)
{
    const bool linear = out->op == &linear_def;
    const bool turned = out->op == &conv2d_grad_x_def;
    const Conv2dAttr *a = conv_attr(out);
    const Tensor *x = out->src[0], *w = out->src[1];
    const int rows = (int)tensor_rows(x);
    const int kh = linear ? 1 : w->dim[2], kw = linear ? 1 : w->dim[3];

    return Conv{
        .N = linear ? 1 : x->dim[0],
        .H = linear ? 1 : x->dim[2],
        .W = linear ? rows : x->dim[3],
        .C = x->dim[1],
        .OH = linear ? 1 : out->dim[2],
        .OW = linear ? rows : out->dim[3],
        .O = out->dim[1],
        .kh = kh,
        .kw = kw,
        .stride = turned ? 1 : a->stride,
        .pad_h = turned ? kh - 1 - a->pad_h : a->pad_h,
        .pad_w = turned ? kw - 1 - a->pad_w : a->pad_w,
        .apart = turned ? a->stride : 1,
        .groups = a->groups,
        .cg = x->dim[1] / a->groups,
        .og = out->dim[1] / a->groups,
        .by_og = divider(out->dim[1] / a->groups),
        .shared = a->shared,
        .act = a->act,
    };
}

/* True if a place along a side of n positions, drawn apart, has a number; which
 * one. */
static __device__ __forceinline__ bool place_of(int *i, int n, int apart)
{
    if (apart > 1) {
        if (*i % apart)
            return false;
        *i /= apart;
    }
    return *i >= 0 && *i < n;
}

/* Where the numbers of a product are; b and z may be NULL, and so may made,
 * which act has made where y is to go through its gradient. */
template <typename T> struct Places {
    T *y;
    const T *x, *w, *b, *z, *made;
};

template <typename T>
static inline Places<T> places_of(const Tensor *out, const void *w)
{
    const bool turned = out->op == &conv2d_grad_x_def;
    const Tensor *b = turned ? NULL : out->src[2];
    const Tensor *z = turned                   ? out->src[2]
                      : out->op == &conv2d_def ? out->src[3]
                                               : NULL;
    const Tensor *made = turned ? out->src[3] : NULL;

    return Places<T>{
        .y = (T *)out->data,
        .x = (const T *)out->src[0]->data,
        .w = (const T *)w,
        .b = b ? (const T *)b->data : NULL,
        .z = z ? (const T *)z->data : NULL,
        .made = made ? (const T *)made->data : NULL,
    };
}

/* sum += a * b, number by number. */
template <typename T, int N>
static __device__ __forceinline__ void add_product(Pack<T, N> *sum,
                                                   const Pack<T, N> &a,
                                                   const Pack<T, N> &b)
{
#pragma unroll
    for (int i = 0; i < N; i++)
        sum->at[i] += a.at[i] * b.at[i];
}

static __device__ __forceinline__ float activation_of(float v, Activation act)
{
    if (act != ACT_NONE && v < 0)
        v = 0;
    return act == ACT_RELU6 && v > 6 ? 6 : v;
}

/* v where act' is 1 at what act has made, elsewhere 0. */
static __device__ __forceinline__ float through(float v, float made,
                                                Activation act)
{
    return made > 0 && (act == ACT_RELU || made < 6) ? v : 0;
}

/* y[at...] = act(sum + b[o...] + z[at...]), or act'(made[at...]) (sum + ...) */
template <int N, typename T>
static __device__ __forceinline__ void finish(const Places<T> &p, size_t at,
                                              int o, Pack<T, N> sum,
                                              Activation act)
{
    const Pack<T, N> z = p.z ? load_pack<N>(p.z + at) : Pack<T, N>{};
    const Pack<T, N> b = p.b ? load_pack<N>(p.b + o) : Pack<T, N>{};
    const Pack<T, N> made = p.made ? load_pack<N>(p.made + at) : Pack<T, N>{};

#pragma unroll
    for (int i = 0; i < N; i++) {
        const float v = sum.at[i] + b.at[i] + z.at[i];

        sum.at[i] =
            p.made ? through(v, made.at[i], act) : activation_of(v, act);
    }
    store_pack(p.y + at, sum);
}

/* ---- weights in another order ------------------------------------------ */

/* dst[i][j][k][l] = src[from + i step[0] + j step[1] + ... ] */
typedef struct Order {
    int dim[4], step[4], from;
    Divider by[4]; /* each dim, for the kernel */
} Order;

static inline int taps_of(const Tensor *w)
{
    return (int)(tensor_count(w) / (size_t)w->dim[0] / (size_t)w->dim[1]);
}

/* w (O,c,taps) with the channels as neighbours. */
static inline Order channels_last(const Tensor *w)
{
    const int c = w->dim[1], taps = taps_of(w);

    return Order{ { 1, w->dim[0], taps, c }, { 0, c * taps, 1, taps }, 0 };
}

/* The same of out's weights, or with the outputs as neighbours; turned for a
 * gradient. */
static inline Order order_of(const Tensor *out, bool outputs_last)
{
    const Tensor *w = out->src[1];
    const int O = w->dim[0], c = w->dim[1], taps = taps_of(w);
    const Conv2dAttr *a = conv_attr(out);
    const int groups = a->shared ? 1 : a->groups, o = O / groups,
              whole = c * taps;

    if (out->op == &conv2d_grad_x_def) /* c are the outputs, o the channels */
        return outputs_last ? Order{ { taps, o, groups, c },
                                     { -1, whole, o * whole, taps },
                                     taps - 1 }
                            : Order{ { groups, c, taps, o },
                                     { o * whole, taps, -1, whole },
                                     taps - 1 };
    return outputs_last ? Order{ { 1, taps, c, O }, { 0, 1, taps, whole }, 0 }
                        : channels_last(w);
}

template <typename T>
static __global__ void reorder(T *dst, const T *src, Order o)
{
    const unsigned n = (unsigned)o.dim[0] * o.dim[1] * o.dim[2] * o.dim[3];
    const unsigned threads = gridDim.x * blockDim.x;

    for (unsigned e = blockIdx.x * blockDim.x + threadIdx.x; e < n;
         e += threads) {
        int at = o.from;
        unsigned rest = e;

#pragma unroll
        for (int d = 3; d >= 0; d--) {
            unsigned i = rest;

            rest = divmod(&i, o.by[d]);
            at += (int)i * o.step[d];
        }
        dst[e] = src[at];
    }
}

static inline int reorder_weights(Device *dev, void *dst, const Tensor *w,
                                  Order order)
{
    enum { THREADS = 128, BLOCKS_PER_SM = 4 };
    const size_t most = (size_t)cuda_device(dev)->sms * BLOCKS_PER_SM;
    const size_t blocks = ceil_div(tensor_count(w), THREADS);
    const Launch l = { dim3(blocks < most ? blocks : most), THREADS };
    int err = OK;

    for (int d = 0; d < 4; d++)
        order.by[d] = divider(order.dim[d]);
    FOR_DTYPE(
        w->dtype, T,
        err = launch(dev, l, reorder<T>, (T *)dst, (const T *)w->data, order));
    return err;
}

/* A kernel's state: the weights in its order, on the device. */
typedef struct Reordered {
    Device *dev;
    void *at;
    Order order;
} Reordered;

static inline void reordered_release(void *state)
{
    Reordered *r = (Reordered *)state;

    if (r && r->at)
        r->dev->backend->release(r->dev, r->at);
    free(r);
}

/* Kernel.repack */
static inline int reordered_repack(Device *dev, const Tensor *out, void *state)
{
    const Reordered *r = (const Reordered *)state;

    return reorder_weights(dev, r->at, out->src[1], r->order);
}

/* Weights are put in order once, here; computed ones at each run. */
static inline int reordered_plan(Device *dev, const Tensor *out, void **state,
                                 bool outputs_last)
{
    const Tensor *w = out->src[1];
    Reordered *r = (Reordered *)calloc(1, sizeof(*r));

    if (!r)
        return fail(ERR_MEMORY, "no memory for a kernel's state");
    *state = r;
    r->dev = dev;
    r->order = order_of(out, outputs_last);
    TRY(dev->backend->alloc(dev, &r->at, tensor_bytes(w)));
    if (!tensor_is_weight(tensor_storage(w)))
        return OK;
    TRY(reordered_repack(dev, out, r));
    CUDA_TRY(cudaStreamSynchronize((cudaStream_t)cuda_device(dev)->stream));
    return OK;
}

static inline int reordered_before_run(Device *dev, const Tensor *out,
                                       void *state)
{
    return tensor_is_weight(tensor_storage(out->src[1]))
               ? OK
               : reordered_repack(dev, out, state);
}

/* ---- launches ---------------------------------------------------------- */

enum { CONV_THREADS = 128, MOST_IMAGES = 65535 };

/* Runs that the threads compute of an image: packs of channels, of each length
 * of a line, of each line. */
struct Runs {
    Divider packs, lengths;
    unsigned count;
};

static inline Runs runs_of(size_t packs, size_t lengths, size_t lines)
{
    return Runs{ divider(packs), divider(lengths),
                 (unsigned)(packs * lengths * lines) };
}

struct Run {
    int pack, length, line;
};

static __device__ __forceinline__ Run run_at(unsigned e, const Runs &items)
{
    unsigned pack = e, length = divmod(&pack, items.packs);
    const unsigned line = divmod(&length, items.lengths);

    return Run{ (int)pack, (int)length, (int)line };
}

/* Threads for the items of each image; a kernel strides over both by the grid,
 * so that within an image 31 bits are enough. */
static inline Launch launch_per_image(const Runs &items, int images)
{
    return Launch{ dim3(
                       (unsigned)ceil_div(items.count, CONV_THREADS),
                       (unsigned)(images < MOST_IMAGES ? images : MOST_IMAGES)),
                   CONV_THREADS };
}

#endif
