/*
 * scsa_passes.cu - SCSA in six kernels, for any map and any device
 *
 *   attn_h = sigmoid(GN4(dwconv(mean_w x)))   eq. (3) (5)   attention_zoo has
 *   attn_w = sigmoid(GN4(dwconv(mean_h x)))   eq. (4) (6)   these equations,
 *   x_p    = GN1(pool(x attn_h attn_w))       eq. (7) (8)   in scsa.c
 *   y      = x attn_h attn_w sigmoid(attention(x_p))    eq. (9) to (12)
 *
 * Memory bound: x is read three times and y written once.  Where a map and its
 * result stay in L2, device memory sees two maps as with the kernel "cluster",
 * which is preferred where it runs; else up to four.
 *
 *   passes   squeeze     reads x: a thread has a column of packs and ROWS rows
 *                        of it, all asked for at once; the column's sum goes to
 *                        the workspace, the rows' are added over the block.
 *                        The columns' sums of ROWS rows are 4 bytes for ROWS
 *                        numbers: in f16 a quarter of the map again, written
 *                        and read back
 *            excite      a block has one axis and quarter of an image: adds
 *                        those up, eq. (3) to (6)
 *            pool        reads x: a thread has some rows of a window, one pack
 *                        wide: as few as fill the card
 *            norm_pooled one block per image, of P C numbers
 *            relate      a warp has four rows of the attention
 *            scale       reads x as squeeze does, the last image first: that
 *                        is what L2 still has of it
 *
 * It starves where a batch is small: six launches, of which three (excite,
 * norm_pooled, relate) have less work than the card has multiprocessors.
 * Nothing is added in an order that depends on timing: results repeat exactly.
 */
#include "kernels/cuda/kernels/scsa_attend.h"

enum {
    THREADS = 256,
    ROWS = 8,           /* of squeeze: in flight, and summed in registers    */
    ROUND = 4,          /* rows that a block adds up at a time               */
    SCALE_ROWS = 4,     /* of scale, whose gates are in registers too        */
    FEWEST_PACKS = 4,   /* of a slice: 64 bytes in a row                     */
    POOL_THREADS = 256, /* a multiprocessor, of pool: bytes in flight        */
    RELATE_CHANNELS = 32, /* of a block: a warp has ATTEND_ROWS              */
    NORM_WARPS = 16, /* of excite and norm_pooled                         */
    NORM_THREADS = 32 * NORM_WARPS,
};

/* How a map is shared out: a block has a slice of the packs of a position, and
 * THREADS / packs columns at a time. */
typedef struct Share {
    int packs;        /* of a position        */
    int slice, slots; /* packs, columns of a block */
    int splits;       /* of a window, by rows */
    Divider by_slice, by_packs, by_P, by_PW, by_N, by_C, by_quarter;
} Share;

/* All of f32.  sums has those of columns (rows of tiles,N,W,C), then those of
 * windows (splits,N,P,C), of which the first become x_p. */
typedef struct Work {
    float *strips, *attn; /* (N,H+W,C): x_h over x_w; attn_h over attn_w */
    float *sums, *gate;   /* gate (N,C) */
} Work;

/* A thread's pack of channels, and the first of its columns; W, so none, where
 * there is nothing left to have. */
typedef struct Lane {
    int w, channel;
} Lane;

template <int N>
static __device__ __forceinline__ Lane lane_of(const Scsa &s,
                                               const Share &share)
{
    unsigned q = threadIdx.x;
    const int slot = (int)divmod(&q, share.by_slice);
    const int pack = (int)blockIdx.z * share.slice + (int)q;
    Lane c;

    c.w = slot < share.slots && pack < share.packs ? slot : s.W;
    c.channel = pack * N;
    return c;
}

/* Row h of a map of image n, column w, from a channel on. */
static __device__ __forceinline__ size_t at(const Scsa &s, int n, int h, int w,
                                            int channel)
{
    return (((size_t)n * s.H + h) * s.W + w) * s.C + channel;
}

/* ---- squeeze ------------------------------------------------------------- */

/* The block's sums of ROUND rows, over its columns, as means into x_h (H,C). */
template <int N>
static __device__ __forceinline__ void add_up_rows(float *x_h, const Scsa &s,
                                                   const Share &share, int h0,
                                                   const Pack<float, N> *sum)
{
    SHARED(float, part, [ROUND][THREADS * N]);
    const int channels = share.slice * N, first = (int)blockIdx.z * channels;

    __syncthreads(); /* part is free of the last round's */
#pragma unroll
    for (int r = 0; r < ROUND; r++)
        store_floats(part[r] + threadIdx.x * N, sum[r]);
    __syncthreads();
    for (int i = (int)threadIdx.x; i < ROUND * channels; i += THREADS) {
        const int r = i / channels, c = i % channels;
        float total = 0;

        for (int slot = 0; slot < share.slots; slot++)
            total += part[r][slot * channels + c];
        if (h0 + r < s.H && first + c < s.C)
            x_h[(size_t)(h0 + r) * s.C + first + c] = total / (float)s.W;
    }
}

/* The means in front of eq. (1): x_h; and of (2): sums over ROWS rows each. */
template <typename T, int N>
static __global__ void __launch_bounds__(THREADS)
    squeeze(const T *x, const Work work, const Scsa s, const Share share)
{
    const Lane c = lane_of<N>(s, share);
    const int n = (int)blockIdx.x, tile = (int)blockIdx.y, h0 = tile * ROWS;
    const size_t sums = ((size_t)tile * s.N + n) * s.W;
    float *x_h = work.strips + (size_t)n * (s.H + s.W) * s.C;
    Pack<float, N> sum_h[ROWS] = {};

    for (int w = c.w; w < s.W; w += share.slots) {
        Pack<float, N> sum_w = {};
        Pack<T, N> v[ROWS];

#pragma unroll
        for (int r = 0; r < ROWS; r++)
            v[r] = load_pack_if<N>(h0 + r < s.H,
                                   x + at(s, n, h0 + r, w, c.channel));
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            add(&sum_w, v[r]);
            add(&sum_h[r], v[r]);
        }
        store_floats(work.sums + (sums + w) * s.C + c.channel, sum_w);
    }
#pragma unroll
    for (int r = 0; r < ROWS; r += ROUND)
        add_up_rows<N>(x_h, s, share, h0 + r, sum_h + r);
}

/* ---- norms --------------------------------------------------------------- */

/* Moments of value(i), each thread's own i in [0, n), in every thread. */
template <typename F>
static __device__ __forceinline__ Moments block_moments(int n, F value)
{
    SHARED(Moments, of_warp, [NORM_WARPS]);
    const Moments m = warp_moments(n, value);

    if (threadIdx.x % WARP == 0)
        of_warp[threadIdx.x / WARP] = m;
    __syncthreads();
    return merge_moments(NORM_WARPS, [&](int i) { return of_warp[i]; });
}

/* ---- excite -------------------------------------------------------------- */

/* A strip (L,C) of one image, from the first channel of a quarter on. */
typedef struct Strip {
    float *x, *z; /* before and after eq. (3) or (4) */
    int L, n;     /* n: numbers of the quarter       */
} Strip;

/* x_w (W,C): the sums of all tiles, over H. */
static __device__ __forceinline__ void add_up_columns(const Strip &strip,
                                                      const float *sums,
                                                      const Scsa &s,
                                                      const Share &share)
{
    const int tiles = (s.H + ROWS - 1) / ROWS;
    const size_t tile = (size_t)s.N * s.W * s.C;

    for (int i = (int)threadIdx.x; i < strip.n; i += NORM_THREADS) {
        unsigned c = (unsigned)i;
        const size_t at = (size_t)divmod(&c, share.by_quarter) * s.C + c;
        float total = 0;

        for (int k = 0; k < tiles; k++)
            total += sums[k * tile + at];
        strip.x[at] = total / (float)s.H;
    }
    __syncthreads();
}

/* Eq. (3) to (6): a block has the quarter blockIdx.y of an image, and its strip
 * of heights or of widths. */
template <typename T>
static __global__ void __launch_bounds__(NORM_THREADS)
    excite(const Work work, const Scsa s, const ScsaWeights<T> w,
           const Share share)
{
    const int n = (int)blockIdx.x, quarter = (int)blockIdx.y;
    const int channels = s.C / SCSA_QUARTERS, first = quarter * channels;
    const bool of_w = blockIdx.z == 1;
    const size_t row = (size_t)n * (s.H + s.W) + (of_w ? s.H : 0);
    const int L = of_w ? s.W : s.H;
    const Strip strip = { work.strips + row * s.C + first,
                          work.attn + row * s.C + first, L, L * channels };
    const T *weight = of_quarter(w.dwc_weight, quarter);
    const T *bias = of_quarter(w.dwc_bias, quarter);
    const T *gamma = (of_w ? w.norm_hw[2] : w.norm_hw[0]) + first;
    const T *beta = (of_w ? w.norm_hw[3] : w.norm_hw[1]) + first;
    const int k = of_quarter(s.k, quarter);
    Moments m;

    if (of_w)
        add_up_columns(strip, work.sums + (size_t)n * s.W * s.C + first, s,
                       share);
    for (int i = (int)threadIdx.x; i < strip.n; i += NORM_THREADS) {
        unsigned c = (unsigned)i;
        const int l = (int)divmod(&c, share.by_quarter);

        strip.z[(size_t)l * s.C + c] =
            dwconv1d(strip.x, L, s.C, l, (int)c, weight, bias[c], k);
    }
    m = block_moments(strip.n, [&](int i) {
        unsigned c = (unsigned)i;
        const size_t l = divmod(&c, share.by_quarter);

        return strip.z[l * s.C + c];
    });
    for (int i = (int)threadIdx.x; i < strip.n; i += NORM_THREADS) {
        unsigned c = (unsigned)i;
        const size_t l = divmod(&c, share.by_quarter);
        float *z = strip.z + l * s.C + c;

        *z = sigmoid(
            normalise(*z, m, s.eps, to_float(gamma[c]), to_float(beta[c])));
    }
}

/* ---- pool, norm_pooled, relate ------------------------------------------- */

/* Eq. (7), and the sums of eq. (8): rows split, split + splits, ... of each
 * window, into sums (splits,N,P,C). */
template <typename T, int N>
static __global__ void __launch_bounds__(THREADS)
    pool(const T *x, const Work work, const Scsa s, const Share share)
{
    unsigned q = blockIdx.x * THREADS + threadIdx.x;
    const unsigned row = divmod(&q, share.by_packs);
    unsigned p = row, n = divmod(&p, share.by_P), pw = p;
    const int split = (int)divmod(&n, share.by_N);
    const int ph = (int)divmod(&pw, share.by_PW), channel = (int)q * N;
    const int w0 = (int)pw * s.window_w;
    const float *attn_h = work.attn + (size_t)n * (s.H + s.W) * s.C + channel;
    const float *attn_w = attn_h + (size_t)(s.H + w0) * s.C;
    Pack<float, N> sum = {};

    if (split >= share.splits)
        return;
    for (int dh = split; dh < s.window_h; dh += share.splits) {
        const int h = ph * s.window_h + dh;
        const T *from = x + at(s, (int)n, h, w0, channel);
        Pack<float, N> part = {};

#pragma unroll 4
        for (int dw = 0; dw < s.window_w; dw++)
            multiply_add(&part, load_floats<N>(attn_w + (size_t)dw * s.C),
                         load_pack<N>(from + (size_t)dw * s.C));
        multiply_add(&sum, load_floats<N>(attn_h + (size_t)h * s.C), part);
    }
    store_floats(work.sums + (size_t)row * s.C + channel, sum);
}

/* x_p of an image: the rest of eq. (8), and its norm. */
template <typename T>
static __global__ void __launch_bounds__(NORM_THREADS)
    norm_pooled(const Work work, const Scsa s, const ScsaWeights<T> w,
                const Share share)
{
    const int count = s.P * s.C;
    const float window = (float)s.window_h * (float)s.window_w;
    const size_t split = (size_t)s.N * count;
    float *x_p = work.sums + (size_t)blockIdx.x * count;
    Moments m;

    for (int i = (int)threadIdx.x; i < count; i += NORM_THREADS) {
        float sum = x_p[i];

        for (int k = 1; k < share.splits; k++)
            sum += x_p[k * split + i];
        x_p[i] = sum / window;
    }
    m = block_moments(count, [x_p](int i) { return x_p[i]; });
    for (int i = (int)threadIdx.x; i < count; i += NORM_THREADS) {
        unsigned c = (unsigned)i;

        divmod(&c, share.by_C);
        x_p[i] = normalise(x_p[i], m, s.eps, to_float(w.norm[0][c]),
                           to_float(w.norm[1][c]));
    }
}

/* Eq. (11) up to its gate. */
template <typename T>
static __global__ void __launch_bounds__(THREADS, 2) /* else: spills */
    relate(const Work work, const Scsa s, const ScsaWeights<T> w)
{
    const size_t n = blockIdx.x;
    const int i =
        (int)(blockIdx.y * THREADS + threadIdx.x) / WARP * ATTEND_ROWS;
    const float *x_p = work.sums + n * s.P * s.C;
    const auto column = [x_p](int j) { return x_p + j; };
    SoftmaxMean row[ATTEND_ROWS];

    if (i >= s.C)
        return;
    attend(row, related(i, x_p + i, column, s.C), s, w.qkv[0], w.qkv[1],
           w.qkv[2], { 0, 1 });
#pragma unroll
    for (int r = 0; r < ATTEND_ROWS; r++)
        if ((int)threadIdx.x % WARP == r)
            work.gate[n * s.C + i + r] = gate_of(row[r]);
}

/* ---- scale --------------------------------------------------------------- */

/* Eq. (7) and (12).  y may be x. */
template <typename T, int N>
static __global__ void __launch_bounds__(THREADS)
    scale(T *y, const T *x, const Work work, const Scsa s, const Share share)
{
    const Lane c = lane_of<N>(s, share);
    const int n = s.N - 1 - (int)blockIdx.x, h0 = (int)blockIdx.y * SCALE_ROWS;
    const float *attn_h = work.attn + (size_t)n * (s.H + s.W) * s.C + c.channel;
    const float *attn_w = attn_h + (size_t)s.H * s.C;
    Pack<float, N> gate[SCALE_ROWS] = {};

    if (c.w < s.W) {
        const Pack<float, N> of_image =
            load_floats<N>(work.gate + (size_t)n * s.C + c.channel);

#pragma unroll
        for (int r = 0; r < SCALE_ROWS; r++)
            if (h0 + r < s.H)
                multiply_add(&gate[r], of_image,
                             load_floats<N>(attn_h + (size_t)(h0 + r) * s.C));
    }
    for (int w = c.w; w < s.W; w += share.slots) {
        const Pack<float, N> column = load_floats<N>(attn_w + (size_t)w * s.C);
        Pack<T, N> v[SCALE_ROWS];

#pragma unroll
        for (int r = 0; r < SCALE_ROWS; r++)
            v[r] = load_pack_if<N>(h0 + r < s.H,
                                   x + at(s, n, h0 + r, w, c.channel));
#pragma unroll
        for (int r = 0; r < SCALE_ROWS; r++) {
#pragma unroll
            for (int i = 0; i < N; i++)
                v[r].at[i] *= gate[r].at[i] * column.at[i];
            if (h0 + r < s.H)
                store_pack(y + at(s, n, h0 + r, w, c.channel), v[r]);
        }
    }
}

/* ---- on the host --------------------------------------------------------- */

static Share share_map(const Scsa &s, Dtype dtype, int sms)
{
    const size_t size = dtype_size(dtype), C = (size_t)s.C;
    const long tiles = (long)s.N * (long)ceil_div((size_t)s.H, ROWS);
    long pool_threads;
    Share share = {};

    share.packs = s.C;
    if (whole_packs(dtype, C))
        share.packs /= (int)(16 / size);
    share.slice = least(share.packs, WARP);
    while (share.slice >= 2 * FEWEST_PACKS &&
           tiles * (long)ceil_div((size_t)share.packs, (size_t)share.slice) <
               sms)
        share.slice /= 2;
    share.slots = THREADS / share.slice;
    pool_threads = (long)s.N * s.P * share.packs;
    share.splits = 1;
    while (share.splits < s.window_h &&
           pool_threads * share.splits < (long)sms * POOL_THREADS)
        share.splits++;
    share.by_slice = divider((size_t)share.slice);
    share.by_packs = divider((size_t)share.packs);
    share.by_P = divider((size_t)s.P);
    share.by_PW = divider((size_t)s.PW);
    share.by_N = divider((size_t)s.N);
    share.by_C = divider(C);
    share.by_quarter = divider(C / SCSA_QUARTERS);
    return share;
}

/* Floats of strips or attn; of sums. */
static size_t strip_floats(const Scsa &s)
{
    return (size_t)s.N * ((size_t)s.H + (size_t)s.W) * (size_t)s.C;
}

static size_t sum_floats(const Scsa &s, const Share &share)
{
    const size_t images = (size_t)s.N * (size_t)s.C;
    const size_t columns = ceil_div((size_t)s.H, ROWS) * (size_t)s.W;
    const size_t windows = (size_t)share.splits * (size_t)s.P;

    return images * (columns > windows ? columns : windows);
}

static Work work_in(float *workspace, const Scsa &s, const Share &share)
{
    Work work;

    work.strips = workspace;
    work.attn = work.strips + strip_floats(s);
    work.sums = work.attn + strip_floats(s);
    work.gate = work.sums + sum_floats(s, share);
    return work;
}

/* Indices have 31 bits, also those of threads that are left over. */
static bool supports(const Tensor *out)
{
    return tensor_count(out) <= INT_MAX - NORM_THREADS &&
           out->dim[1] <= 0xffff * RELATE_CHANNELS &&
           out->dim[2] <= 0xffff * SCALE_ROWS;
}

static int plan(Device *dev, const Tensor *out, void **state)
{
    CudaDevice *cuda = cuda_device(dev);
    const Scsa s = scsa_of(out);
    const Share share = share_map(s, out->dtype, cuda->sms);
    const size_t gates = (size_t)s.N * (size_t)s.C;

    (void)state;
    return cuda_workspace(cuda, sizeof(float) * (2 * strip_floats(s) +
                                                 sum_floats(s, share) + gates));
}

/* How many have a things, b each. */
static unsigned blocks(size_t a, size_t b)
{
    return (unsigned)ceil_div(a, b);
}

template <typename T, int N>
static int run_passes(Device *dev, const Tensor *out)
{
    const CudaDevice *cuda = cuda_device(dev);
    const Scsa s = scsa_of(out);
    const Share share = share_map(s, out->dtype, cuda->sms);
    const ScsaWeights<T> w = scsa_weights_of<T>(out);
    const T *x = (const T *)out->src[SCSA_X]->data;
    T *y = (T *)out->data;
    const size_t H = (size_t)s.H, C = (size_t)s.C;
    const unsigned images = (unsigned)s.N;
    const unsigned slices = blocks((size_t)share.packs, (size_t)share.slice);
    const size_t pooled =
        (size_t)share.splits * images * (unsigned)(s.P * share.packs);
    const Launch of_squeeze = { dim3(images, blocks(H, ROWS), slices),
                                THREADS };
    const Launch of_excite = { dim3(images, SCSA_QUARTERS, 2), NORM_THREADS };
    const Launch of_pool = { blocks(pooled, THREADS), THREADS };
    const Launch of_norm = { images, NORM_THREADS };
    const Launch of_relate = { dim3(images, blocks(C, RELATE_CHANNELS)),
                               THREADS };
    const Launch of_scale = { dim3(images, blocks(H, SCALE_ROWS), slices),
                              THREADS };
    const Work work = work_in((float *)cuda->workspace, s, share);

    TRY(launch(dev, of_squeeze, squeeze<T, N>, x, work, s, share));
    TRY(launch(dev, of_excite, excite<T>, work, s, w, share));
    TRY(launch(dev, of_pool, pool<T, N>, x, work, s, share));
    TRY(launch(dev, of_norm, norm_pooled<T>, work, s, w, share));
    TRY(launch(dev, of_relate, relate<T>, work, s, w));
    return launch(dev, of_scale, scale<T, N>, y, x, work, s, share);
}

static int run(Device *dev, const Tensor *out, void *state)
{
    const bool whole = whole_packs(out->dtype, (size_t)out->dim[1]);
    int err = OK;

    (void)state;
    FOR_PACK(out->dtype, whole, T, N, err = run_passes<T, N>(dev, out));
    return err;
}

const Kernel cuda_scsa = {
    .op = &scsa_def,
    .name = "passes",
    .dtypes = ALL_DTYPES,
    .supports = supports,
    .plan = plan,
    .run = run,
    .inplace = 1u << SCSA_X,
};
