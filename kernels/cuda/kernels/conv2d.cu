/*
 * conv2d.cu - y = act(conv(x, w) + b + z), zero padding; linear of many rows,
 * which is a 1x1 convolution; and conv2d_grad_x, which is one of dy (conv.h)
 *
 * Bound by multiply-adds where a group has many channels and outputs, by bytes
 * and latency else.  cuDNN has the regular ones; what it refuses, does badly,
 * or is not there for (the tests) comes here.
 *
 *   tiles    an implicit product of matrices: positions by outputs of a group,
 *            summed over K = taps * channels.  A block makes TILE positions by
 *            TILE outputs; a row of the one matrix is a position's channels at
 *            one tap after another, of the other an output's weights in the
 *            same order, so both are read as packs along K.  Starves on few
 *            positions, and where a group has fewer outputs than a tile; of a
 *            gradient with a stride most products are with zeros.
 *   direct   a thread computes a pack of outputs of one group at one position
 *            or at RUN neighbours, straight from memory: x is few channels, w
 *            ([tap][c][o]) comes from L1.  For few outputs (CBAM's 7x7): takes
 *            what tiles refuse.
 *   packs_of_groups   the same for groups of two or four channels and as many
 *            outputs (EMA's, ResNeXt's), of which a pack holds several: a
 *            thread computes all outputs of a pack of channels at one position.
 *
 * Depthwise ones are in depthwise.cu, 1x1 on few rows in linear.cu.
 */
#include "kernels/cuda/kernels/conv.h"
#include "kernels/cuda/kernels/tiles.h"

/* ---- tiles -------------------------------------------------------------- */

/* A position as a row of the matrix: where its first tap would be. */
struct Row {
    size_t image;
    int h, l;
};

/* DEPTH of TILE rows of x from `first` on: 0 outside the map and beyond K. */
template <int N, typename T>
static __device__ __forceinline__ void load_positions(Tile &t, const Row *rows,
                                                      const T *x, const Conv &c,
                                                      int first, int K)
{
    for (int e = threadIdx.x; e < TILE * DEPTH / N; e += TILE_THREADS) {
        const TilePlace at = tile_place<N>(e);
        const Row row = rows[at.row];
        const int k = first + at.k, tap = k / c.cg;
        int h = row.h + tap / c.kw, l = row.l + tap % c.kw;
        Pack<T, N> v = {};

        if (k < K && place_of(&h, c.H, c.apart) && place_of(&l, c.W, c.apart))
            v = load_pack<N>(x + row.image + ((size_t)h * c.W + l) * c.C +
                             k % c.cg);
        tile_put(t, at, v);
    }
}

/* The same of w, `outputs` rows of K numbers. */
template <int N, typename T>
static __device__ __forceinline__ void load_outputs(Tile &t, const T *w,
                                                    int outputs, int first,
                                                    int K)
{
    for (int e = threadIdx.x; e < TILE * DEPTH / N; e += TILE_THREADS) {
        const TilePlace at = tile_place<N>(e);
        Pack<T, N> v = {};

        if (first + at.k < K && at.row < outputs)
            v = load_pack<N>(w + (size_t)at.row * K + first + at.k);
        tile_put(t, at, v);
    }
}

/* The sums of one position: SIDE neighbouring outputs, together if they are
 * aligned. */
template <typename T>
static __device__ __forceinline__ void finish_side(const Places<T> &p,
                                                   const Conv &c,
                                                   size_t position, int g,
                                                   int o,
                                                   const Pack<T, SIDE> &sum)
{
    const size_t y = position * c.O + (size_t)g * c.og + o;
    const int b = c.shared ? o : g * c.og + o;

    if (c.og % SIDE == 0) {
        if (o < c.og)
            finish(p, y, b, sum, c.act);
        return;
    }
#pragma unroll
    for (int i = 0; i < SIDE; i++)
        if (o + i < c.og)
            finish(p, y + i, b + i, Pack<T, 1>{ { sum.at[i] } }, c.act);
}

/* Blocks: tiles of positions, tiles of a group's outputs, groups. */
template <typename T, int N>
static __global__ void __launch_bounds__(TILE_THREADS)
    tiles(Places<T> p, Conv c)
{
    SHARED(Tile, a, [1]);
    SHARED(Tile, b, [1]);
    SHARED(Row, rows, [TILE]);
    const int K = c.kh * c.kw * c.cg, g = blockIdx.z;
    const size_t positions = (size_t)c.N * c.OH * c.OW;
    const size_t first = (size_t)blockIdx.x * TILE;
    const int o = blockIdx.y * TILE;
    const T *w = p.w + ((size_t)(c.shared ? 0 : g) * c.og + o) * K;
    Pack<T, SIDE> sum[SIDE] = {};

    if (threadIdx.x < TILE) {
        const size_t at = first + threadIdx.x;
        const int j = at % c.OW, i = at / c.OW % c.OH;

        /* A row that is none has all its taps outside the map. */
        rows[threadIdx.x] =
            at < positions
                ? Row{ at / c.OW / c.OH * c.H * c.W * c.C,
                       i * c.stride - c.pad_h, j * c.stride - c.pad_w }
                : Row{ 0, c.H * c.apart, 0 };
    }
    __syncthreads();
    for (int k = 0; k < K; k += DEPTH) {
        load_positions<N>(a[0], rows, p.x + (size_t)g * c.cg, c, k, K);
        load_outputs<N>(b[0], w, c.og - o, k, K);
        __syncthreads();
        tile_multiply(sum, a[0], b[0], min((int)DEPTH, K - k));
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < SIDE; i++)
        if (first + tile_row() + i < positions)
            finish_side(p, c, first + tile_row() + i, g, o + tile_column(),
                        sum[i]);
}

static int tiles_run(Device *dev, const Tensor *out, void *state)
{
    const Conv c = conv_of(out);
    const size_t positions = (size_t)c.N * c.OH * c.OW;
    const Launch l = { dim3((unsigned)ceil_div(positions, TILE),
                            (unsigned)ceil_div(c.og, TILE), c.groups),
                       TILE_THREADS };
    int err = OK;

    TRY(reordered_before_run(dev, out, state));
    FOR_PACK(out->dtype, whole_packs(out->dtype, (size_t)c.cg), T, N,
             err = launch(dev, l, tiles<T, N>,
                          places_of<T>(out, ((Reordered *)state)->at), c));
    return err;
}

static int tiles_plan(Device *dev, const Tensor *out, void **state)
{
    return reordered_plan(dev, out, state, false);
}

enum { TILES_OUTPUTS = 24, TILES_K = 8, MOST_GROUPS = 65535 };

/* Below, a tile would be mostly empty. */
static bool tiles_supports(const Tensor *out)
{
    const Conv c = conv_of(out);

    return c.og >= TILES_OUTPUTS && c.kh * c.kw * c.cg >= TILES_K &&
           c.groups <= MOST_GROUPS;
}

/* Fewer rows are for linear.cu. */
static bool linear_tiles_supports(const Tensor *out)
{
    return tensor_rows(out) > TILE / 2;
}

/* ---- direct ------------------------------------------------------------- */

enum { RUN = 4, RUN_THREADS_PER_SM = 512 };

/* Adds one tap of R neighbouring positions, l apart from each other by the
 * stride: M channels of x at a time, N outputs. */
template <int N, int M, int R, typename T>
static __device__ __forceinline__ void add_tap(Pack<T, N> sum[R], const T *line,
                                               const T *w, const Conv &c, int l)
{
    const int wo = c.shared ? c.og : c.O;

    for (int ch = 0; ch < c.cg; ch += M) {
        Pack<T, M> x[R];

#pragma unroll
        for (int r = 0; r < R; r++) {
            int at = l + r * c.stride;

            x[r] = place_of(&at, c.W, c.apart)
                       ? load_pack<M>(line + (size_t)at * c.C + ch)
                       : Pack<T, M>{};
        }
#pragma unroll
        for (int m = 0; m < M; m++) {
            const Pack<T, N> tap = load_pack<N>(w + (size_t)(ch + m) * wo);

#pragma unroll
            for (int r = 0; r < R; r++)
#pragma unroll
                for (int i = 0; i < N; i++)
                    sum[r].at[i] += x[r].at[m] * tap.at[i];
        }
    }
}

template <typename T, int N, int M, int R>
static __global__ void direct(Places<T> p, Conv c, Runs items)
{
    const unsigned threads = gridDim.x * CONV_THREADS;

    for (int n = blockIdx.y; n < c.N; n += gridDim.y)
        for (unsigned e = blockIdx.x * CONV_THREADS + threadIdx.x;
             e < items.count; e += threads) {
            const Run item = run_at(e, items);
            const int i = item.line, j = item.length * R;
            const int o = item.pack * N, g = divide(o, c.by_og);
            const int wo = c.shared ? o - g * c.og : o;
            const int tap = c.cg * (c.shared ? c.og : c.O);
            const T *x = p.x + (size_t)n * c.H * c.W * c.C + g * c.cg;
            const size_t y = (((size_t)n * c.OH + i) * c.OW + j) * c.O + o;
            Pack<T, N> sum[R] = {};

            for (int u = 0; u < c.kh; u++) {
                int h = i * c.stride + u - c.pad_h;
                const bool there = place_of(&h, c.H, c.apart);

                for (int v = 0; there && v < c.kw; v++)
                    add_tap<N, M, R>(sum, x + (size_t)h * c.W * c.C,
                                     p.w + (size_t)(u * c.kw + v) * tap + wo, c,
                                     j * c.stride + v - c.pad_w);
            }
#pragma unroll
            for (int r = 0; r < R; r++)
                if (j + r < c.OW)
                    finish(p, y + (size_t)r * c.O, wo, sum[r], c.act);
        }
}

template <typename T, int N, int M, int R>
static int launch_direct(Device *dev, const Places<T> &p, const Conv &c)
{
    const Runs items = runs_of(c.O / N, ceil_div(c.OW, R), c.OH);

    return launch(dev, launch_per_image(items, c.N), direct<T, N, M, R>, p, c,
                  items);
}

/* Adds one tap of N / G groups: each output of a group has a product with each
 * of the G channels.  The groups' weights are neighbours, or those of one. */
template <int G, bool SHARED_W, typename T, int N>
static __device__ __forceinline__ void add_groups(Pack<T, N> *sum,
                                                  const Pack<T, N> &x,
                                                  const T *w, int O)
{
    constexpr int OUTPUTS = SHARED_W ? G : N;

#pragma unroll
    for (int m = 0; m < G; m++) {
        const Pack<T, OUTPUTS> tap =
            load_pack<OUTPUTS>(w + (SHARED_W ? m * G : m * O));

#pragma unroll
        for (int i = 0; i < N; i++)
            sum->at[i] += x.at[i / G * G + m] * tap.at[i % OUTPUTS];
    }
}

/* The bias of the group that all share, for each of them. */
template <int G, typename T>
static __device__ __forceinline__ Pack<T> repeated(const T *b)
{
    const Pack<T, G> one = b ? load_pack<G>(b) : Pack<T, G>{};
    Pack<T> all;

#pragma unroll
    for (int i = 0; i < Pack<T>::N; i++)
        all.at[i] = one.at[i % G];
    return all;
}

template <typename T, int G, bool SHARED_W>
static __global__ void __launch_bounds__(CONV_THREADS)
    packs_of_groups(Places<T> p, Conv c, Runs items)
{
    constexpr int N = Pack<T>::N;
    const unsigned threads = gridDim.x * CONV_THREADS;
    const int tap = G * (SHARED_W ? G : c.O);
    const Pack<T> first = SHARED_W ? repeated<G>(p.b) : Pack<T>{};

    if (SHARED_W)
        p.b = NULL;

    for (int n = blockIdx.y; n < c.N; n += gridDim.y)
        for (unsigned e = blockIdx.x * CONV_THREADS + threadIdx.x;
             e < items.count; e += threads) {
            const Run item = run_at(e, items);
            const int i = item.line, j = item.length, o = item.pack * N;
            const T *x = p.x + (size_t)n * c.H * c.W * c.C + o;
            const T *w = p.w + (SHARED_W ? 0 : o);
            const size_t y = (((size_t)n * c.OH + i) * c.OW + j) * c.O + o;
            Pack<T> sum = first;

            for (int u = 0; u < c.kh; u++)
                for (int v = 0; v < c.kw; v++, w += tap) {
                    int h = i * c.stride + u - c.pad_h;
                    int l = j * c.stride + v - c.pad_w;

                    if (place_of(&h, c.H, c.apart) &&
                        place_of(&l, c.W, c.apart))
                        add_groups<G, SHARED_W>(
                            &sum, load_pack(x + (size_t)(h * c.W + l) * c.C), w,
                            c.O);
                }
            finish(p, y, o, sum, c.act);
        }
}

template <typename T, int G>
static int launch_groups(Device *dev, const Places<T> &p, const Conv &c)
{
    const Runs items = runs_of(c.O / Pack<T>::N, c.OW, c.OH);

    return launch(dev, launch_per_image(items, c.N),
                  c.shared ? packs_of_groups<T, G, true>
                           : packs_of_groups<T, G, false>,
                  p, c, items);
}

/* True if packs hold whole groups, and more than one. */
template <typename T> static bool small_groups(const Conv &c)
{
    return c.cg == c.og && (c.cg == 2 || c.cg == 4) && c.cg < Pack<T>::N &&
           c.C % Pack<T>::N == 0;
}

/* RUN positions per thread only where x and w both come in packs. */
template <typename T, int N>
static int run_direct(Device *dev, const Places<T> &p, const Conv &c)
{
    const size_t few = (size_t)cuda_device(dev)->sms * RUN_THREADS_PER_SM;
    const size_t threads = (size_t)c.N * c.OH * c.OW * c.O / (RUN * N);

    if (c.cg % Pack<T>::N)
        return launch_direct<T, N, 1, 1>(dev, p, c);
    if (N == 1 || threads < few)
        return launch_direct<T, N, Pack<T>::N, 1>(dev, p, c);
    return launch_direct < T, N, Pack<T>::N, N == 1 ? 1 : RUN > (dev, p, c);
}

static int direct_run(Device *dev, const Tensor *out, void *state)
{
    const void *w = ((Reordered *)state)->at;
    const Conv c = conv_of(out);
    int err = OK;

    TRY(reordered_before_run(dev, out, state));
    FOR_DTYPE(out->dtype, T, {
        const Places<T> p = places_of<T>(out, w);

        if (small_groups<T>(c))
            return c.cg == 2 ? launch_groups<T, 2>(dev, p, c)
                             : launch_groups<T, 4>(dev, p, c);
    });
    FOR_PACK(out->dtype, whole_packs(out->dtype, (size_t)c.og), T, N,
             err = run_direct<T, N>(dev, places_of<T>(out, w), c));
    return err;
}

static bool direct_supports(const Tensor *out)
{
    return !tiles_supports(out);
}

static int direct_plan(Device *dev, const Tensor *out, void **state)
{
    return reordered_plan(dev, out, state, true);
}

#define PRODUCT(id, op_id, way, supports_id, exact) \
    const Kernel cuda_##id = {                      \
        .op = &op_id##_def,                         \
        .name = #way,                               \
        .dtypes = ALL_DTYPES,                       \
        .supports = supports_id,                    \
        .plan = way##_plan,                         \
        .run = way##_run,                           \
        .release = reordered_release,               \
        .repack = reordered_repack,                 \
        .packs = 1u << 1,                           \
        .exact_flops = exact,                       \
    };
PRODUCT(conv2d_tiles, conv2d, tiles, tiles_supports, true)
PRODUCT(conv2d_direct, conv2d, direct, direct_supports, true)
PRODUCT(conv2d_grad_x_tiles, conv2d_grad_x, tiles, tiles_supports, false)
PRODUCT(conv2d_grad_x_direct, conv2d_grad_x, direct, direct_supports, false)
PRODUCT(linear_tiles, linear, tiles, linear_tiles_supports, true)
