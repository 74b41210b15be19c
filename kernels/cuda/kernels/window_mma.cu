/*
 * window_mma.cu - window_attention of f16 and bf16 by tensor cores
 *
 * Bound by bytes: at 49 positions and 32 channels q, k, v and y of a window are
 * 12 KiB, and its products 34 instructions of each of four warps.
 *
 *   head_on_cores   a block has one head, and takes window after window: the
 *                   next one's q, k, v come by cp.async while this one is
 *                   computed.  A warp has 16 rows of scores, from the product
 *                   to the values in registers.  The head's bias is there, too,
 *                   read once for all windows: the product is added to it.
 *                   Sums of rows are a product with ones.  Windows of up to 64
 *                   positions, heads of 8, 16, 24 or 32 channels; what is not
 *                   there is zero, and -infinity as a bias.  Starves on windows
 *                   of few positions: rows are padded to 16 a warp.
 *
 * Lanes are g = lane / 4 and t = lane % 4, as in kernels/simt/prims.h.  Columns
 * of a product may have any names if both operands agree.  So that no access to
 * shared memory meets a bank twice:
 *
 *   rows   of 64 bytes have their 16-byte packs in an order of their own:
 *          place() says which.  Eight lanes that read a pack of eight rows, or
 *          write two rows, are in all banks.
 *   keys   column c of a tile of 8 is key c ^ (c / 2 % 2): 0 1 3 2 4 5 7 6, so
 *          that a lane's keys are odd and even ones for neighbouring t.
 *   p v    column g of tile i is channel 4g + i: 8 bytes of a row of v are of
 *          four tiles, and a lane has 8 neighbouring channels of y.
 */
#include "kernels/cuda/kernels/kernel.h"
#include "kernels/cuda/kernels/window.h"
#include "kernels/simt/prims.h"

enum {
    WARPS = 4,
    THREADS = WARPS * 32,
    RESIDENT = 4, /* blocks a multiprocessor: 128 registers a thread */
    SIDE = 64,    /* positions of a window, at most   */
    DEPTH = 32,   /* channels of a head, at most      */
    PACK = 8,     /* numbers in 16 bytes              */
    ROW_PACKS = DEPTH / PACK,
    SLOTS = SIDE * ROW_PACKS / THREADS, /* packs of q that a thread brings */
    TILE = 8,                           /* keys, or channels, of a product */
    OFFSETS = 4 * SIDE, /* rows of the bias table, fewer than that */
};
static const float LOG2_E = 1.44269504f;

/* Arguments of a launch; the addresses are of T. */
template <typename T> struct Job {
    T *y;
    const T *qkv, *table;
    Windows s;
    Divider heads;
    unsigned d, windows, groups; /* windows of all images, at a time */
    float unscale, to_log2;      /* sqrt d, and log2 e over that     */
};

/* A window's rows; what lies beyond them stays zero. */
template <typename T> struct __align__(16) Window
{
    T q[SIDE * DEPTH], k[SIDE * DEPTH], v[SIDE * DEPTH];
    unsigned row[SIDE]; /* of the map, in all images */
    int region[SIDE];
};

/* A lane's part of the scores of 16 rows, by tiles of keys. */
template <int TILES> struct Scores {
    float at[TILES][4];
};

static __device__ __forceinline__ unsigned key_of_column(unsigned c)
{
    return c ^ (c / 2 % 2);
}

/* Where pack `part` of row i is. */
static __device__ __forceinline__ unsigned place(unsigned i, unsigned part)
{
    return i * DEPTH + (part ^ i / 2 % ROW_PACKS) * PACK;
}

template <typename T>
static __device__ __forceinline__ void clear(Window<T> *w, int n)
{
    uint4 *p = reinterpret_cast<uint4 *>(w);

    for (unsigned i = threadIdx.x; i < n * sizeof(*w) / sizeof(*p);
         i += THREADS)
        p[i] = uint4{ 0, 0, 0, 0 };
}

/* Where a window begins. */
struct Corner {
    unsigned image; /* its first position, of all images' */
    Pair at;
    bool is_masked; /* positions are of several regions */
};

static __device__ __forceinline__ Corner corner(const Windows &s,
                                                unsigned window)
{
    const unsigned image = divmod(&window, s.count) * s.map.by;
    const unsigned down = divmod(&window, s.across);
    const Pair at = { down * s.h.by, window * s.w.by };

    return { image, at,
             (s.shift_h && at.y + s.h.by == s.map_h) ||
                 (s.shift_w && at.x + s.w.by == s.map_w.by) };
}

/* Begins to bring the window; the copies are one group. */
template <typename T>
static __device__ __forceinline__ void fetch(Window<T> *to, const Job<T> &j,
                                             unsigned head, const Corner &c)
{
    const unsigned C = j.heads.by * j.d, part = threadIdx.x % ROW_PACKS;

#pragma unroll
    for (int slot = 0; slot < SLOTS; slot++) {
        const unsigned i = (slot * THREADS + threadIdx.x) / ROW_PACKS;

        if (i < j.s.area.by && part * PACK < j.d) {
            unsigned x = i;
            const unsigned y = divmod(&x, j.s.w);
            const Pair at = { c.at.y + y, c.at.x + x };
            const unsigned row = c.image + unrolled(j.s, at);
            const T *from = j.qkv + (row * 3 * C + head * j.d + part * PACK);

            cp_async16(to->q + place(i, part), from);
            cp_async16(to->k + place(i, part), from + C);
            cp_async16(to->v + place(i, part), from + 2 * C);
            if (part == 0) {
                to->row[i] = row;
                if (c.is_masked)
                    to->region[i] = region(j.s, at);
            }
        }
    }
    cp_async_commit();
}

/* The scores begin with the bias, as scores are before they are scaled.
 * table: the head's, in shared memory. */
template <int TILES>
static __device__ __forceinline__ void bias(Scores<TILES> *b,
                                            const float *table,
                                            const Windows &s, float unscale)
{
    const unsigned lane = threadIdx.x % WARP, P = s.area.by;
    const unsigned i = threadIdx.x / WARP * 16 + lane / 4;
    const int equal = code_of_equal(s);
    const int row[2] = { code(s, min(i, P - 1)), code(s, min(i + 8, P - 1)) };

#pragma unroll
    for (int n = 0; n < TILES; n++)
#pragma unroll
        for (int e = 0; e < 2; e++) {
            const unsigned key = n * TILE + key_of_column(lane % 4 * 2 + e);
            const int from = equal - code(s, min(key, P - 1));

            for (int r = 0; r < 2; r++)
                b->at[n][2 * r + e] =
                    key < P ? table[row[r] + from] * unscale : -INFINITY;
        }
}

/* Adds WINDOW_MASK between regions. */
template <int TILES>
static __device__ __forceinline__ void mask(Scores<TILES> *s, const int *region,
                                            float unscale)
{
    const unsigned lane = threadIdx.x % WARP;
    const unsigned i = threadIdx.x / WARP * 16 + lane / 4;
    const int row[2] = { region[i], region[i + 8] };

#pragma unroll
    for (int n = 0; n < TILES; n++)
#pragma unroll
        for (int e = 0; e < 2; e++) {
            const int key = region[n * TILE + key_of_column(lane % 4 * 2 + e)];

            for (int r = 0; r < 2; r++)
                if (row[r] != key)
                    s->at[n][2 * r + e] += WINDOW_MASK * unscale;
        }
}

/* s = bias + q' k, of the warp's rows. */
template <typename T, int TILES>
static __device__ __forceinline__ void scores(Scores<TILES> *s,
                                              const Window<T> &w,
                                              const Scores<TILES> &bias)
{
    const unsigned lane = threadIdx.x % WARP;
    const unsigned row = threadIdx.x / WARP * 16 + lane % 16;
    const T *key = w.k + place(key_of_column(lane % TILE), lane / TILE);
    unsigned q[2][4];

    load_tiles(q[0], w.q + place(row, lane / 16));
    load_tiles(q[1], w.q + place(row, lane / 16 + 2));
#pragma unroll
    for (int n = 0; n < TILES; n++) {
        unsigned k[4];

        load_tiles(k, key + n * TILE * DEPTH);
        mma_16x8x16<T>(s->at[n], q[0], k, bias.at[n]);
        mma_16x8x16<T>(s->at[n], q[1], k + 2, s->at[n]);
    }
}

/* exp(s - max) of the scaled scores.  NaN goes through the sums, so that the
 * maximum need not see it. */
template <int TILES>
static __device__ __forceinline__ void powers(Scores<TILES> *s, float to_log2)
{
#pragma unroll
    for (int r = 0; r < 4; r += 2) {
        float most = -INFINITY;

#pragma unroll
        for (int n = 0; n < TILES; n++)
            most = fmaxf(most, fmaxf(s->at[n][r], s->at[n][r + 1]));
        most = fmaxf(most, __shfl_xor_sync(FULL_WARP, most, 1));
        most = fmaxf(most, __shfl_xor_sync(FULL_WARP, most, 2)) * to_log2;
#pragma unroll
        for (int n = 0; n < TILES; n++)
#pragma unroll
            for (int e = r; e < r + 2; e++)
                s->at[n][e] = power2(__fmaf_rn(s->at[n][e], to_log2, -most));
    }
}

template <typename T>
static __device__ __forceinline__ unsigned two(float x, float y)
{
    union {
        unsigned word;
        T at[2];
    } u;

    from_float(&u.at[0], x);
    from_float(&u.at[1], y);
    return u.word;
}

/* Operands of four products from two rows of v: b[i] of tile i. */
static __device__ __forceinline__ void pair_rows(unsigned b[4], uint2 upper,
                                                 uint2 lower)
{
    const unsigned low = 0x5410, high = 0x7632; /* halves of both */

    b[0] = __byte_perm(upper.x, lower.x, low);
    b[1] = __byte_perm(upper.x, lower.x, high);
    b[2] = __byte_perm(upper.y, lower.y, low);
    b[3] = __byte_perm(upper.y, lower.y, high);
}

/* v's rows of a tile of keys, for the lane. */
template <typename T>
static __device__ __forceinline__ void load_values(unsigned b[4], const T *v,
                                                   unsigned tile)
{
    const unsigned lane = threadIdx.x % WARP, g = lane / 4, t = lane % 4;
    uint2 row[2];

#pragma unroll
    for (int e = 0; e < 2; e++)
        row[e] = *reinterpret_cast<const uint2 *>(
            v + tile * TILE * DEPTH + place(key_of_column(2 * t + e), g / 2) +
            g % 2 * 4);
    pair_rows(b, row[0], row[1]);
}

/* A lane's part of the products with p, and of its rows' sums. */
struct Values {
    float at[ROW_PACKS][4], sum[4];
};

template <typename T, int TILES>
static __device__ __forceinline__ void values(Values *y, const Window<T> &w,
                                              const Scores<TILES> &p)
{
    const unsigned one = two<T>(1, 1), ones[2] = { one, one };

#pragma unroll
    for (int n = 0; n < TILES; n += 2) {
        const float *left = p.at[n];
        unsigned b[2][4] = {};
        unsigned a[4] = { two<T>(left[0], left[1]), two<T>(left[2], left[3]) };

        load_values(b[0], w.v, n);
        if (n + 1 < TILES) {
            const float *right = p.at[n + 1 < TILES ? n + 1 : n];

            a[2] = two<T>(right[0], right[1]);
            a[3] = two<T>(right[2], right[3]);
            load_values(b[1], w.v, n + 1);
        }
        mma_16x8x16<T>(y->sum, a, ones, y->sum);
#pragma unroll
        for (int i = 0; i < ROW_PACKS; i++) {
            const unsigned bi[2] = { b[0][i], b[1][i] };

            mma_16x8x16<T>(y->at[i], a, bi, y->at[i]);
        }
    }
}

template <typename T>
static __device__ __forceinline__ void write(const Job<T> &j, unsigned head,
                                             const Values &y,
                                             const Window<T> &w)
{
    const unsigned lane = threadIdx.x % WARP, c = lane % 4 * PACK;
    const unsigned first = threadIdx.x / WARP * 16 + lane / 4;

#pragma unroll
    for (int r = 0; r < 2; r++) {
        const unsigned i = first + 8 * r;
        const float share = __fdividef(1, y.sum[2 * r]);
        unsigned pair[4];

#pragma unroll
        for (int e = 0; e < 4; e++)
            pair[e] = two<T>(y.at[2 * e % 4][2 * r + e / 2] * share,
                             y.at[2 * e % 4 + 1][2 * r + e / 2] * share);
        if (i < j.s.area.by && c < j.d)
            store_words(j.y + ((w.row[i] * j.heads.by + head) * j.d + c),
                        pair[0], pair[1], pair[2], pair[3]);
    }
}

/* TILES: of the keys of a window. */
template <typename T, int TILES>
static __global__ void __launch_bounds__(THREADS, RESIDENT)
    head_on_cores(Job<T> j)
{
    SHARED(Window<T>, buffer, [2]);
    SHARED(float, table, [OFFSETS]);
    unsigned head = blockIdx.x;
    const unsigned group = divmod(&head, j.heads);
    Corner c = corner(j.s, group);
    Scores<TILES> start;
    int now = 0;

    clear(buffer, 2);
    for (unsigned i = threadIdx.x; i < (2 * j.s.h.by - 1) * (2 * j.s.w.by - 1);
         i += THREADS)
        table[i] = to_float(j.table[i * j.heads.by + head]);
    __syncthreads();
    fetch(&buffer[0], j, head, c);
    bias(&start, table, j.s, j.unscale);
    for (unsigned w = group; w < j.windows; w += j.groups) {
        const bool is_masked = c.is_masked;
        Scores<TILES> s;
        Values y = {};

        cp_async_wait<0>();
        __syncthreads(); /* and all are done with the other buffer */
        if (w + j.groups < j.windows) {
            c = corner(j.s, w + j.groups);
            fetch(&buffer[!now], j, head, c);
        }
        scores(&s, buffer[now], start);
        if (is_masked)
            mask(&s, buffer[now].region, j.unscale);
        powers(&s, j.to_log2);
        values(&y, buffer[now], s);
        write(j, head, y, buffer[now]);
        now = !now;
    }
}

static bool supports(const Tensor *out)
{
    const WindowAttentionAttr *a = (const WindowAttentionAttr *)out->attr;
    const int d = out->dim[1] / a->heads;

    return small_index(out->src[0]) && a->window.h * a->window.w <= SIDE &&
           d <= DEPTH && d % PACK == 0;
}

template <typename T> static int run_as(Device *dev, const Tensor *out)
{
    const WindowAttentionAttr *attr = (const WindowAttentionAttr *)out->attr;
    const WindowAttr *a = &attr->window;
    const size_t P = a->h * a->w, heads = attr->heads;
    const size_t windows = tensor_rows(out) / P;
    const size_t groups =
        ceil_div(even_grid(dev, windows * heads, RESIDENT), heads);
    const double root = sqrt((double)out->dim[1] / attr->heads);
    const Job<T> job = {
        (T *)out->data,
        (const T *)out->src[0]->data,
        (const T *)out->src[1]->data,
        windows_on(a),
        divider(heads),
        (unsigned)(out->dim[1] / attr->heads),
        (unsigned)windows,
        (unsigned)groups,
        (float)root,
        (float)(LOG2_E / root),
    };
    const Launch l = { dim3((unsigned)(groups * heads)), THREADS, 0 };

    return launch(dev, l,
                  P <= SIDE - TILE ? head_on_cores<T, SIDE / TILE - 1>
                                   : head_on_cores<T, SIDE / TILE>,
                  job);
}

static int run(Device *dev, const Tensor *out, void *state)
{
    (void)state;
    return out->dtype == F16 ? run_as<__half>(dev, out)
                             : run_as<__nv_bfloat16>(dev, out);
}

const Kernel cuda_window_attention_mma = {
    .op = &window_attention_def,
    .name = "head_on_cores",
    .dtypes = DTYPE_BIT(F16) | DTYPE_BIT(BF16),
    .supports = supports,
    .run = run,
};
