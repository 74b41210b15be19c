/*
 * conv2d_grad_w.cu - dw[o,c,u,v] = sum of dy[n,o,i,j] x[n,c,h,w] over all n, i
 * and j, h = i s + u - p_h and w = j s + v - p_w
 *
 * Bound by multiply-adds where a group has many channels and outputs, by bytes
 * and latency else.  There are few sums, of many products: positions are cut
 * into `splits`, each of which sums its own, and a last launch adds what all
 * have left in memory, in order, and puts it into PyTorch's order; of weights
 * that groups share it adds the groups as well.
 *
 *   tiles    a product of matrices, (taps * channels) by outputs of a group,
 *            summed over positions.  A block makes TILE by TILE; neighbours in
 *            memory are neighbouring rows of either.  Starves where a group has
 *            fewer outputs than a tile.
 *   direct   a thread makes the sums of a pack of outputs and RUN neighbouring
 *            taps with one channel of their group, or, depthwise, with as many
 *            channels; it goes down the positions and asks L1 for x at each of
 *            its taps.  The rows of a block meet in shared memory.  For groups
 *            of few outputs, and few channels.  Starves on few positions.
 *
 * Not yet run on a GPU.
 */
#include "kernels/cuda/kernels/conv.h"
#include "kernels/cuda/kernels/reduce_packs.h"
#include "kernels/cuda/kernels/tiles.h"

/* A Conv, of which y is dy and w the result, and how the sums are divided. */
struct Work {
    Conv c;
    Divider out_w, out_h;
    unsigned positions, splits, share; /* share: positions of a split */
    float *partial;                    /* (splits,kh,kw,cg,O)         */
};

/* Where x is for an output position: its image, and its first tap there. */
struct Spot {
    size_t image;
    int h, l;
};

static __device__ __forceinline__ Spot spot_of(const Work &w, unsigned p)
{
    const Conv &c = w.c;
    unsigned j = p, i = divmod(&j, w.out_w), n = divmod(&i, w.out_h);

    return Spot{ (size_t)n * c.H * c.W * c.C, (int)i * c.stride - c.pad_h,
                 (int)j * c.stride - c.pad_w };
}

/* The sums of a split for one tap and channel, from output o on. */
static __device__ __forceinline__ float *partial_at(const Work &w,
                                                    unsigned split, int tap,
                                                    int channel, int o)
{
    const Conv &c = w.c;
    const size_t row = ((size_t)split * c.kh * c.kw + tap) * c.cg + channel;

    return w.partial + row * c.O + o;
}

/* ---- tiles --------------------------------------------------------------- */

/* DEPTH positions of x from `first` on: rows are TILE of the taps' channels
 * from `row` on, 0 outside the map. */
template <int N, typename T>
static __device__ __forceinline__ void load_taps(Tile &t, const T *x,
                                                 const Work &w, unsigned first,
                                                 unsigned end, int row)
{
    const Conv &c = w.c;

    for (int e = threadIdx.x; e < TILE * DEPTH / N; e += TILE_THREADS) {
        const TilePlace at = { e % (TILE / N) * N, e / (TILE / N) };
        const int r = row + at.row, tap = r / c.cg;
        Pack<T, N> v = {};

        if (first + at.k < end && tap < c.kh * c.kw) {
            const Spot s = spot_of(w, first + at.k);
            const int h = s.h + tap / c.kw, l = s.l + tap % c.kw;

            if (h >= 0 && h < c.H && l >= 0 && l < c.W)
                v = load_pack<N>(x + s.image + ((size_t)h * c.W + l) * c.C +
                                 r % c.cg);
        }
        tile_put_rows(t, at, v);
    }
}

/* The same of dy: rows are TILE outputs. */
template <int N, typename T>
static __device__ __forceinline__ void load_outputs(Tile &t, const T *dy,
                                                    const Conv &c,
                                                    unsigned first,
                                                    unsigned end, int outputs)
{
    for (int e = threadIdx.x; e < TILE * DEPTH / N; e += TILE_THREADS) {
        const TilePlace at = { e % (TILE / N) * N, e / (TILE / N) };
        Pack<T, N> v = {};

        if (first + at.k < end && at.row < outputs)
            v = load_pack<N>(dy + (size_t)(first + at.k) * c.O + at.row);
        tile_put_rows(t, at, v);
    }
}

/* Blocks: tiles of taps' channels by tiles of outputs, groups, splits.  N
 * divides channels and outputs of a group. */
template <typename T, int N>
static __global__ void __launch_bounds__(TILE_THREADS)
    tiles(const T *x, const T *dy, Work w)
{
    SHARED(Tile, a, [1]);
    SHARED(Tile, b, [1]);
    const Conv &c = w.c;
    const unsigned across = (c.og + TILE - 1) / TILE, g = blockIdx.y;
    const int o = blockIdx.x % across * TILE, row = blockIdx.x / across * TILE;
    const unsigned begin = blockIdx.z * w.share;
    const unsigned end = min(begin + w.share, w.positions);
    Pack<float, SIDE> sum[SIDE] = {};

    x += g * c.cg;
    dy += g * c.og + o;
    for (unsigned p = begin; p < end; p += DEPTH) {
        load_taps<N>(a[0], x, w, p, end, row);
        load_outputs<N>(b[0], dy, c, p, end, c.og - o);
        __syncthreads();
        tile_multiply(sum, a[0], b[0], (int)min((unsigned)DEPTH, end - p));
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < SIDE; i++) {
        const int r = row + tile_row() + i, at = o + tile_column();

        if (r >= c.kh * c.kw * c.cg)
            continue;
        float *to =
            partial_at(w, blockIdx.z, r / c.cg, r % c.cg, g * c.og + at);
#pragma unroll
        for (int j = 0; j < SIDE; j++)
            if (at + j < c.og)
                to[j] = sum[i].at[j];
    }
}

/* ---- direct -------------------------------------------------------------- */

enum {
    RUN = 4,                 /* taps of a thread                    */
    DIRECT_FLOATS = 4 * 256, /* of the threads of a block, for a tap */
};

/* Share of a thread: taps v to v + RUN - 1 of row u. */
struct Item {
    int o, channel, u, v;
};

/* Outputs first, then runs of taps, then channels. */
static __device__ __forceinline__ Item item_of(const Conv &c, unsigned i,
                                               unsigned packs)
{
    const unsigned runs = (c.kw + RUN - 1) / RUN;
    const unsigned pack = i % packs, run = i / packs;

    return Item{ (int)pack, (int)(run / runs / c.kh), (int)(run / runs % c.kh),
                 (int)(run % runs * RUN) };
}

/* Adds the products of one position: x is N channels, or one for all. */
template <typename T, int N, int M>
static __device__ __forceinline__ void add_taps(Pack<T, N> sum[RUN],
                                                const T *line, const Conv &c,
                                                int l, int v,
                                                const Pack<T, N> &dy)
{
#pragma unroll
    for (int k = 0; k < RUN; k++) {
        const int at = l + v + k;

        if (v + k >= c.kw || at < 0 || at >= c.W)
            continue;
        const Pack<T, M> x = load_pack<M>(line + (size_t)at * c.C);

#pragma unroll
        for (int i = 0; i < N; i++)
            sum[k].at[i] += x.at[M == 1 ? 0 : i] * dy.at[i];
    }
}

/* Grid: (items / lanes, splits), block: (lanes, high).  M: channels of x that a
 * pack of N outputs meets, N or 1. */
template <typename T, int N, int M>
static __global__ void __launch_bounds__(JOIN_THREADS)
    direct(const T *x, const T *dy, Work w, unsigned items)
{
    SHARED(float, part, [DIRECT_FLOATS * RUN]);
    const Conv &c = w.c;
    const unsigned lanes = blockDim.x, high = blockDim.y;
    const unsigned i = blockIdx.x * lanes + threadIdx.x;
    const unsigned begin = blockIdx.y * w.share;
    const unsigned end = min(begin + w.share, w.positions);
    Item it = item_of(c, i, c.O / N);
    Pack<T, N> sum[RUN] = {};

    it.o *= N;
    x += it.o / c.og * c.cg + it.channel;
    for (unsigned p = begin + threadIdx.y; p < end && i < items; p += high) {
        const Spot s = spot_of(w, p);
        const int h = s.h + it.u;

        if (h >= 0 && h < c.H)
            add_taps<T, N, M>(sum, x + s.image + (size_t)h * c.W * c.C, c, s.l,
                              it.v, load_pack<N>(dy + (size_t)p * c.O + it.o));
    }
#pragma unroll
    for (int k = 0; k < RUN; k++)
        store_floats(&part[((threadIdx.y * RUN + k) * lanes + threadIdx.x) * N],
                     sum[k]);
    __syncthreads();
    for (unsigned k = threadIdx.y; k < RUN && i < items; k += high) {
        if (it.v + (int)k >= c.kw)
            continue;
        float *to = partial_at(w, blockIdx.y, it.u * c.kw + it.v + (int)k,
                               it.channel, it.o);

        for (int e = 0; e < N; e++)
            to[e] = join_parts<Sum>(&part[(k * lanes + threadIdx.x) * N + e],
                                    high, RUN * lanes * N);
    }
}

/* ---- the last launch ----------------------------------------------------- */

enum { THREADS = 128 };

/* One thread per number of dw, in the order of `partial`. */
template <typename T>
static __global__ void __launch_bounds__(THREADS) settle(T *dw, Work w)
{
    const Conv &c = w.c;
    const unsigned outputs = c.shared ? c.og : c.O, taps = c.kh * c.kw;
    const unsigned all = outputs * c.cg * taps;
    const unsigned e = blockIdx.x * THREADS + threadIdx.x;

    if (e >= all)
        return;
    const unsigned o = e % outputs, channel = e / outputs % c.cg,
                   tap = e / outputs / c.cg;
    float sum = 0;

    for (unsigned s = 0; s < w.splits; s++)
        sum += join_parts<Sum>(partial_at(w, s, tap, channel, o), c.O / outputs,
                               outputs);
    from_float(&dw[((size_t)o * c.cg + channel) * taps + tap], sum);
}

/* ---- host ---------------------------------------------------------------- */

enum {
    BLOCKS_PER_SM = 2,  /* of tiles; of direct it is BLOCKS_WANTED   */
    LEAST_SHARE = 256,  /* positions that are worth a block          */
    MOST_SPLITS = 256,  /* which the last launch adds one by one     */
    TILES_OUTPUTS = 24, /* below, a tile would be mostly empty       */
    TILES_ROWS = 16,
    MOST_GROUPS = 65535,
};

/* The convolution of which out is the gradient. */
static Conv conv_of_grad_w(const Tensor *out)
{
    const Conv2dGradAttr *attr = (const Conv2dGradAttr *)out->attr;
    const Conv2dAttr *a = &attr->conv;
    const Tensor *x = out->src[0], *dy = out->src[1];

    return Conv{
        .N = x->dim[0],
        .H = x->dim[2],
        .W = x->dim[3],
        .C = x->dim[1],
        .OH = dy->dim[2],
        .OW = dy->dim[3],
        .O = dy->dim[1],
        .kh = attr->h,
        .kw = attr->w,
        .stride = a->stride,
        .pad_h = a->pad_h,
        .pad_w = a->pad_w,
        .apart = 1,
        .groups = a->groups,
        .cg = x->dim[1] / a->groups,
        .og = dy->dim[1] / a->groups,
        .shared = a->shared,
        .act = ACT_NONE,
    };
}

typedef struct State {
    Device *dev;
    Work w;
} State;

static void release(void *state)
{
    State *s = (State *)state;

    if (s && s->w.partial)
        s->dev->backend->release(s->dev, s->w.partial);
    free(s);
}

/* Splits for `blocks` blocks to become as many as are wanted. */
static int plan(Device *dev, const Tensor *out, void **state, size_t blocks,
                size_t each)
{
    const size_t wanted = (size_t)cuda_device(dev)->sms * each;
    const Conv c = conv_of_grad_w(out);
    State *s = (State *)calloc(1, sizeof(*s));
    size_t splits;

    if (!s)
        return fail(ERR_MEMORY, "no memory for a kernel's state");
    *state = s;
    s->dev = dev;
    s->w.c = c;
    s->w.out_w = divider(c.OW);
    s->w.out_h = divider(c.OH);
    s->w.positions = (unsigned)tensor_rows(out->src[1]);
    splits = min(wanted / blocks, (size_t)s->w.positions / LEAST_SHARE);
    splits = max((size_t)1, min(splits, (size_t)MOST_SPLITS));
    s->w.share =
        (unsigned)(ceil_div(ceil_div(s->w.positions, splits), DEPTH) * DEPTH);
    s->w.splits = (unsigned)ceil_div(s->w.positions, s->w.share);
    return dev->backend->alloc(dev, (void **)&s->w.partial,
                               sizeof(float) * s->w.splits * c.kh * c.kw *
                                   c.cg * (size_t)c.O);
}

static int run_settle(Device *dev, const Tensor *out, const Work &w)
{
    const Launch l = { dim3((unsigned)ceil_div(tensor_count(out), THREADS)),
                       THREADS };
    int err = OK;

    FOR_DTYPE(out->dtype, T,
              err = launch(dev, l, settle<T>, (T *)out->data, w));
    return err;
}

static size_t tiles_of(const Conv &c)
{
    return ceil_div((size_t)c.kh * c.kw * c.cg, TILE) * ceil_div(c.og, TILE);
}

static int tiles_plan(Device *dev, const Tensor *out, void **state)
{
    const Conv c = conv_of_grad_w(out);

    return plan(dev, out, state, tiles_of(c) * c.groups, BLOCKS_PER_SM);
}

static int tiles_run(Device *dev, const Tensor *out, void *state)
{
    const Work &w = ((const State *)state)->w;
    const Conv &c = w.c;
    const bool packs = whole_packs(out->dtype, (size_t)c.cg) &&
                       whole_packs(out->dtype, (size_t)c.og);
    const Launch l = { dim3((unsigned)tiles_of(c), c.groups, w.splits),
                       TILE_THREADS };
    int err = OK;

    FOR_PACK(out->dtype, packs, T, N,
             err = launch(dev, l, tiles<T, N>, (const T *)out->src[0]->data,
                          (const T *)out->src[1]->data, w));
    return err ? err : run_settle(dev, out, w);
}

static bool tiles_supports(const Tensor *out)
{
    const Conv c = conv_of_grad_w(out);

    return c.og >= TILES_OUTPUTS && c.kh * c.kw * c.cg >= TILES_ROWS &&
           c.groups <= MOST_GROUPS && tensor_rows(out->src[1]) <= INT_MAX;
}

/* Packs: of as many channels where each has one output, else of one. */
static bool depthwise(const Conv &c)
{
    return c.cg == 1 && c.og == 1;
}

static size_t items_of(const Conv &c, size_t pack)
{
    return c.O / pack * c.cg * c.kh * ceil_div(c.kw, RUN);
}

static size_t pack_of(const Tensor *out, const Conv &c)
{
    const size_t side = (size_t)(depthwise(c) ? c.O : c.og);

    return whole_packs(out->dtype, side) ? 16 / dtype_size(out->dtype) : 1;
}

static unsigned lanes_for(size_t items)
{
    unsigned lanes = 1;

    while (lanes < WARP && lanes < items)
        lanes *= 2;
    return lanes;
}

static int direct_plan(Device *dev, const Tensor *out, void **state)
{
    const Conv c = conv_of_grad_w(out);
    const size_t items = items_of(c, pack_of(out, c));

    return plan(dev, out, state, ceil_div(items, lanes_for(items)),
                BLOCKS_WANTED);
}

template <typename T, int N>
static int launch_direct(Device *dev, const Tensor *out, const Work &w)
{
    const size_t items = items_of(w.c, N);
    const unsigned lanes = lanes_for(items);
    const unsigned threads =
        min((unsigned)DIRECT_FLOATS / N, (unsigned)JOIN_THREADS);
    const Launch l = { dim3((unsigned)ceil_div(items, lanes), w.splits),
                       dim3(lanes, threads / lanes) };

    return launch(dev, l, depthwise(w.c) ? direct<T, N, N> : direct<T, N, 1>,
                  (const T *)out->src[0]->data, (const T *)out->src[1]->data, w,
                  (unsigned)items);
}

static int direct_run(Device *dev, const Tensor *out, void *state)
{
    const Work &w = ((const State *)state)->w;
    int err = OK;

    FOR_PACK(out->dtype, pack_of(out, w.c) > 1, T, N,
             err = launch_direct<T, N>(dev, out, w));
    return err ? err : run_settle(dev, out, w);
}

static bool direct_supports(const Tensor *out)
{
    return !tiles_supports(out) && tensor_rows(out->src[1]) <= INT_MAX;
}

#define GRAD_W(way)                           \
    const Kernel cuda_conv2d_grad_w_##way = { \
        .op = &conv2d_grad_w_def,             \
        .name = #way,                         \
        .dtypes = ALL_DTYPES,                 \
        .supports = way##_supports,           \
        .plan = way##_plan,                   \
        .run = way##_run,                     \
        .release = release,                   \
    };
GRAD_W(tiles)
GRAD_W(direct)
