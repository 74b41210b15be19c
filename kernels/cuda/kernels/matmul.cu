/*
 * matmul.cu - y[n,g] = scale * a[n,g] b[n,g], a product of matrices for every
 * image n and group g
 *
 * Bound by bytes in the modules: SCSA's q k^T writes C x C numbers and sums
 * over few positions, its product with v and EMA's cross products read their
 * matrices once.  cuBLASLt has the large ones.  An operand is given by its
 * strides, so no transposition is ever made; where the result is a strip, whose
 * rows are neighbours, y^T = b^T a^T is computed.
 *
 *   each    a thread (or, where sums are long, a warp) computes one number.
 *           For a few rows or columns: EMA's vectors by maps, SCSA's values at
 *           7x7.  Neighbouring threads have neighbouring results.  Starves on
 *           few results of sums that lie apart in memory.
 *   tiles   TILE x TILE results per block, through shared memory (tiles.h).
 *           Operands are read along whichever dim is contiguous.  One block an
 *           image and group for results of up to TILE x TILE, however long
 *           their sums: starves there.
 */
#include "kernels/cuda/kernels/kernel.h"
#include "kernels/cuda/kernels/tiles.h"

/* Matrices: strides in numbers. */
struct Matrices {
    size_t image, group;
    int row, column, rows, columns;
};

struct Product {
    Matrices a, b, y;
    const void *at_a, *at_b;
    int images, groups;
    float scale;
};

static Matrices transposed(const Matrices &m)
{
    return Matrices{ m.image, m.group, m.column, m.row, m.columns, m.rows };
}

/* A stack of matrices is row-major; else channels are rows. */
static Matrices matrices(const Tensor *t, int groups)
{
    const int C = tensor_channels(t), P = (int)tensor_positions(t);
    const size_t image = (size_t)C * P;

    if (t->rank == 4 && t->layout == ROW_MAJOR) {
        const int M = t->dim[2], K = t->dim[3];
        const size_t matrix = (size_t)M * K;

        return Matrices{ matrix * t->dim[1], matrix, K, 1, M, K };
    }
    return Matrices{ image, (size_t)C / groups, 1, C, C / groups, P };
}

/* For a strip that of y^T: the columns of the result are neighbours. */
static Product product_of(const Tensor *out)
{
    const MatmulAttr *attr = (const MatmulAttr *)out->attr;
    const int G = attr->groups;
    const Matrices a = matrices(out->src[0], G), b = matrices(out->src[1], G);
    Product p = {
        .a = attr->trans_a ? transposed(a) : a,
        .b = attr->trans_b ? transposed(b) : b,
        .y = matrices(out, G),
        .at_a = out->src[0]->data,
        .at_b = out->src[1]->data,
        .images = out->dim[0],
        .groups = G,
        .scale = (float)attr->scale,
    };

    if (!attr->strip)
        return p;
    const Matrices left = transposed(p.b);

    p.b = transposed(p.a);
    p.a = left;
    p.y = transposed(p.y);
    p.at_a = out->src[1]->data;
    p.at_b = out->src[0]->data;
    return p;
}

/* ---- each --------------------------------------------------------------- */

enum { EACH_THREADS = 128, LONG_SUM = 64, FEW = 8 };

/* One of the four dims of the results, and what a step along it is in y, a and
 * b. */
struct Loop {
    size_t n, y, a, b;
    Divider by; /* n */
};

enum { EACH_DIMS = 4 };

struct Each {
    Loop loop[EACH_DIMS]; /* neighbours in y first, images last */
    Loop sum;             /* over k: y is not used              */
    float scale;
};

static void swap_if_closer(Loop *a, Loop *b)
{
    const Loop first = *a;

    if (a->y <= b->y || b->n == 1)
        return;
    *a = *b;
    *b = first;
}

static Each each_of(const Product &p)
{
    const size_t rows = p.a.rows, columns = p.b.columns, groups = p.groups;
    Each e = {
        .loop = { { columns, (size_t)p.y.column, 0, (size_t)p.b.column },
                  { rows, (size_t)p.y.row, (size_t)p.a.row, 0 },
                  { groups, p.y.group, p.a.group, p.b.group },
                  { (size_t)p.images, p.y.image, p.a.image, p.b.image } },
        .sum = { (size_t)p.a.columns, 0, (size_t)p.a.column, (size_t)p.b.row },
        .scale = p.scale,
    };

    swap_if_closer(&e.loop[1], &e.loop[2]);
    swap_if_closer(&e.loop[0], &e.loop[1]);
    for (int d = 0; d < EACH_DIMS; d++)
        e.loop[d].by = divider(e.loop[d].n);
    return e;
}

/* WIDTH threads make one of `items` numbers: 1 or a warp.  They take N products
 * at once, where both operands have them as neighbours. */
template <typename T, int N, int WIDTH>
static __global__ void __launch_bounds__(EACH_THREADS)
    each(T *y, const T *a, const T *b, unsigned items, Each p)
{
    const unsigned step = gridDim.x * (EACH_THREADS / WIDTH);
    const int lane = threadIdx.x % WIDTH;

    for (unsigned e = blockIdx.x * (EACH_THREADS / WIDTH) + threadIdx.x / WIDTH;
         e < items; e += step) {
        unsigned rest = e;
        size_t at = 0, x = 0, w = 0;
        Pack<T, N> sum = {};
        float total = 0;

#pragma unroll
        for (int d = 0; d < EACH_DIMS; d++) {
            unsigned i = rest;

            rest = divmod(&i, p.loop[d].by);
            at += i * p.loop[d].y;
            x += i * p.loop[d].a;
            w += i * p.loop[d].b;
        }
        for (size_t k = lane * N; k < p.sum.n; k += WIDTH * N) {
            const Pack<T, N> u = load_pack<N>(a + x + k * p.sum.a);
            const Pack<T, N> v = load_pack<N>(b + w + k * p.sum.b);

#pragma unroll
            for (int i = 0; i < N; i++)
                sum.at[i] += u.at[i] * v.at[i];
        }
#pragma unroll
        for (int i = 0; i < N; i++)
            total += sum.at[i];
        if (WIDTH == WARP)
            total = warp_sum(total);
        if (lane == 0)
            from_float(&y[at], p.scale * total);
    }
}

/* True if sums go along neighbours, and every sum begins at a multiple of n. */
static bool sums_in_packs(const Each &e, size_t n)
{
    size_t all = 0;

    for (int d = 0; d < EACH_DIMS; d++)
        all |= e.loop[d].a | e.loop[d].b;
    return e.sum.a == 1 && e.sum.b == 1 && all % n == 0 && e.sum.n % n == 0;
}

template <typename T, int N>
static int launch_each(Device *dev, const Tensor *out, const Product &p)
{
    const Each e = each_of(p);
    const bool warps = e.sum.n >= LONG_SUM && e.sum.a == 1 && e.sum.b == 1;
    const size_t threads = tensor_count(out) * (warps ? WARP : 1);
    const size_t blocks = ceil_div(threads, EACH_THREADS);
    const Launch l = { grid_of(blocks), EACH_THREADS };

    return launch(dev, l, warps ? each<T, N, WARP> : each<T, N, 1>,
                  (T *)out->data, (const T *)p.at_a, (const T *)p.at_b,
                  (unsigned)tensor_count(out), e);
}

/* The most products at once, of 16 bytes at most. */
template <typename T>
static int launch_in_packs(Device *dev, const Tensor *out, const Product &p)
{
    constexpr int N = Pack<T>::N;
    const Each e = each_of(p);

    if (sums_in_packs(e, N))
        return launch_each<T, N>(dev, out, p);
    if (N > 4 && sums_in_packs(e, 4))
        return launch_each<T, 4>(dev, out, p);
    if (sums_in_packs(e, 2))
        return launch_each<T, 2>(dev, out, p);
    return launch_each<T, 1>(dev, out, p);
}

static int each_run(Device *dev, const Tensor *out, void *state)
{
    const Product p = product_of(out);
    int err = OK;

    (void)state;
    FOR_DTYPE(out->dtype, T, err = launch_in_packs<T>(dev, out, p));
    return err;
}

static bool few_rows_or_columns(const Tensor *out)
{
    const Product p = product_of(out);

    return (p.a.rows <= FEW || p.b.columns <= FEW) && small_index(out);
}

/* ---- tiles -------------------------------------------------------------- */

/* How an operand is read: along k or along its rows, in packs or not. */
struct Reading {
    bool along_k, packs;
};

template <typename T> static Reading reading_of(const Matrices &m)
{
    const bool along_k = m.column == 1;
    const int run = along_k ? m.columns : m.rows;
    const size_t all =
        m.image | m.group | (along_k ? m.row : m.column) | (size_t)run;

    return Reading{ along_k, (along_k || m.row == 1) && all % Pack<T>::N == 0 };
}

/* DEPTH of TILE rows from row i and column k on; zero beyond the matrix. */
template <int N, typename T>
static __device__ __forceinline__ void load_along_k(Tile &t, const T *x,
                                                    const Matrices &m, int i,
                                                    int k)
{
    for (int e = threadIdx.x; e < TILE * DEPTH / N; e += TILE_THREADS) {
        const TilePlace at = tile_place<N>(e);
        Pack<T, N> v = {};

        if (i + at.row < m.rows && k + at.k < m.columns)
            v = load_pack<N>(x + (size_t)(i + at.row) * m.row + k + at.k);
        tile_put(t, at, v);
    }
}

template <int N, typename T>
static __device__ __forceinline__ void load_along_rows(Tile &t, const T *x,
                                                       const Matrices &m, int i,
                                                       int k)
{
    for (int e = threadIdx.x; e < TILE * DEPTH / N; e += TILE_THREADS) {
        const TilePlace at = { e % (TILE / N) * N, e / (TILE / N) };
        Pack<T, N> v = {};

        if (i + at.row < m.rows && k + at.k < m.columns)
            v = load_pack<N>(x + (size_t)(i + at.row) * m.row +
                             (size_t)(k + at.k) * m.column);
        tile_put_rows(t, at, v);
    }
}

template <typename T>
static __device__ __forceinline__ void load_tile(Tile &t, const T *x,
                                                 const Matrices &m, Reading how,
                                                 int i, int k)
{
    constexpr int N = Pack<T>::N;

    if (how.along_k && how.packs)
        load_along_k<N>(t, x, m, i, k);
    else if (how.along_k)
        load_along_k<1>(t, x, m, i, k);
    else if (how.packs)
        load_along_rows<N>(t, x, m, i, k);
    else
        load_along_rows<1>(t, x, m, i, k);
}

/* SIDE neighbours of one row, together if all rows are aligned. */
template <typename T>
static __device__ __forceinline__ void store_side(T *y, const Matrices &m,
                                                  int i, int j,
                                                  const Pack<T, SIDE> &sum,
                                                  float scale)
{
    T *to = y + (size_t)i * m.row + (size_t)j * m.column;
    Pack<T, SIDE> v;

#pragma unroll
    for (int n = 0; n < SIDE; n++)
        v.at[n] = scale * sum.at[n];
    if (m.column == 1 && (m.row | m.columns) % SIDE == 0 &&
        (m.image | m.group) % SIDE == 0) {
        if (i < m.rows && j < m.columns)
            store_pack(to, v);
        return;
    }
#pragma unroll
    for (int n = 0; n < SIDE; n++)
        if (i < m.rows && j + n < m.columns)
            from_float(to + (size_t)n * m.column, v.at[n]);
}

/* Blocks: tiles along the columns, along the rows, groups, images.  b is given
 * transposed, so that a column of it is a row here. */
template <typename T>
static __global__ void __launch_bounds__(TILE_THREADS)
    tiles(T *y, const T *x, const T *w, Product p, Reading how_a, Reading how_b)
{
    SHARED(Tile, a, [1]);
    SHARED(Tile, b, [1]);
    const unsigned across = (p.y.columns + TILE - 1) / TILE;
    const unsigned down = (p.y.rows + TILE - 1) / TILE;
    const int j = blockIdx.x % across * TILE;
    const int i = blockIdx.x / across % down * TILE;
    const int g = blockIdx.x / across / down % p.groups;
    const int n = blockIdx.x / across / down / p.groups;
    const int K = p.a.columns;
    Pack<T, SIDE> sum[SIDE] = {};

    x += n * p.a.image + g * p.a.group;
    w += n * p.b.image + g * p.b.group;
    y += n * p.y.image + g * p.y.group;
    for (int k = 0; k < K; k += DEPTH) {
        load_tile(a[0], x, p.a, how_a, i, k);
        load_tile(b[0], w, p.b, how_b, j, k);
        __syncthreads();
        tile_multiply(sum, a[0], b[0], min((int)DEPTH, K - k));
        __syncthreads();
    }
#pragma unroll
    for (int r = 0; r < SIDE; r++)
        store_side(y, p.y, i + tile_row() + r, j + tile_column(), sum[r],
                   p.scale);
}

static int tiles_run(Device *dev, const Tensor *out, void *state)
{
    Product p = product_of(out);
    const size_t blocks = ceil_div(p.y.rows, TILE) *
                          ceil_div(p.y.columns, TILE) * p.groups * p.images;
    const Launch l = { dim3((unsigned)blocks), TILE_THREADS };
    int err = OK;

    (void)state;
    p.b = transposed(p.b);
    FOR_DTYPE(out->dtype, T,
              err = launch(dev, l, tiles<T>, (T *)out->data, (const T *)p.at_a,
                           (const T *)p.at_b, p, reading_of<T>(p.a),
                           reading_of<T>(p.b)));
    return err;
}

const Kernel cuda_matmul_each = {
    .op = &matmul_def,
    .name = "each",
    .dtypes = ALL_DTYPES,
    .supports = few_rows_or_columns,
    .run = each_run,
    .exact_flops = true,
};

const Kernel cuda_matmul_tiles = {
    .op = &matmul_def,
    .name = "tiles",
    .dtypes = ALL_DTYPES,
    .run = tiles_run,
    .exact_flops = true,
};
