/*
 * scsa_cluster.cu - SCSA in one kernel, an image in the shared memory of a
 *                   cluster of blocks
 *
 *   attn_h = sigmoid(GN4(dwconv(mean_w x)))   eq. (3) (5)   attention_zoo has
 *   attn_w = sigmoid(GN4(dwconv(mean_h x)))   eq. (4) (6)   these equations,
 *   x_p    = GN1(pool(x attn_h attn_w))       eq. (7) (8)   in scsa.c
 *   y      = x attn_h attn_w sigmoid(attention(x_p))    eq. (9) to (12)
 *
 * Memory bound: each number of x is read from device memory once and each of y
 * written once, so the best possible time is two maps over the copy bandwidth.
 * All between needs a few operations per number, and happens in shared memory.
 *
 *   cluster   a block has a quarter of an image's channels, which is one size
 *             of convolution and one group of the norms of the strips; or, in a
 *             cluster of 8, half of that, and the pair shares the norm.  All
 *             up to x_p is the block's own.  Then each reads the others' x_p,
 *             P numbers per channel, and has the rows of the attention that are
 *             its channels': of a copy, or where that does not fit, in place.
 *
 *             The whole of a block's map is asked for at once (cp.async), in
 *             four stages, and rows and columns of a stage are summed while
 *             the next are on their way.  A thread has one column of packs,
 *             (w, channels q to q + N - 1), and rows of it at one step: its
 *             neighbours have the next pack of the position, then the next
 *             position, so that reads of the map in shared memory meet no bank
 *             twice and those of device memory are runs of a block's channels.
 *
 * It wins wherever it fits.  It starves where a batch has fewer blocks than
 * the card has multiprocessors, and then takes clusters of 8; where one image
 * more than clusters run at once is left, it takes blocks of half as many
 * threads, of which a multiprocessor has two (scsa_place.h).  At 64 channels
 * in f16 the runs are 32 bytes, a sector, with clusters of 4, and half of one
 * with clusters of 8: sectors then travel twice from L2, which has bandwidth to
 * spare where so few blocks run, and once from memory.
 *
 * The map fits if it, the strips and x_p are at most 227 KiB per block; twice
 * in a multiprocessor, with blocks of 256 threads, if they are at most 113 KiB.
 * scsa_cut.h divides an image, scsa_block.h has what a block holds of it,
 * scsa_weights.h packs the weights for that, and scsa_smsa.h has the first half
 * of the equations.  Most loops are not unrolled: each runs once or twice, and
 * all the code must come from memory with the first block.
 */
#include "kernels/cuda/kernels/scsa_place.h"
#include "kernels/cuda/kernels/scsa_smsa.h"

/* ---- PCSA ---------------------------------------------------------------- */

/* Eq. (7), and a part of the sums of eq. (8): rows dh, dh + splits, ... of a
 * window that begins at (h, w) with channel q.  A few columns of attn_w at a
 * time are in registers, on the way down the rows. */
template <typename T, int N>
static __device__ __forceinline__ Pack<float, N> sum_window(const Block<T> &b,
                                                            const Scsa &s,
                                                            const Cut &cut,
                                                            int h, int w, int q,
                                                            int dh)
{
    constexpr int COLS = N > 1 ? 32 / N : 4;
    const int C = cut.channels, rows = s.window_h - dh;
    const float *attn_h = b.attn_h + (h + dh) * C + q;
    Pack<float, N> sum = {};

#pragma unroll 1
    for (int dw = 0; dw < s.window_w; dw += COLS) {
        const float *attn_w = b.attn_w + (w + dw) * C + q;
        const T *x = b.map + ((h + dh) * s.W + w + dw) * C + q;
        Pack<float, N> gate[COLS];

#pragma unroll
        for (int k = 0; k < COLS; k++)
            if (dw + k < s.window_w)
                gate[k] = load_floats<N>(attn_w + k * C);
#pragma unroll 1
        for (int i = 0; i < rows; i += cut.window_splits) {
            Pack<float, N> row = {};

#pragma unroll
            for (int k = 0; k < COLS; k++)
                if (dw + k < s.window_w)
                    multiply_add(&row, gate[k],
                                 load_pack<N>(x + (i * s.W + k) * C));
            multiply_add(&sum, load_floats<N>(attn_h + i * C), row);
        }
    }
    return sum;
}

/* Eq. (8): the block's x_p, before its norm, and this warp's moments of it. */
template <typename T, int N>
static __device__ __forceinline__ void pool(const Block<T> &b, const Scsa &s,
                                            const Cut &cut, Moments *moments)
{
    const int n = cut.window_splits * s.P * cut.packs;
    const float scale = __fdividef(1, (float)(s.window_h * s.window_w));
    const float *x_p = b.x_p;
    Moments m;

#pragma unroll 1
    for (int i0 = 0; i0 < n; i0 += (int)blockDim.x) {
        const int i = i0 + (int)threadIdx.x;
        unsigned q = (unsigned)i, p = divmod(&q, cut.by_packs), pw;
        const int split = (int)divmod(&p, cut.by_P);
        const int ph = (int)divmod(&(pw = p), cut.by_PW);
        const int place = (int)p * cut.channels + (int)q * N;
        Pack<float, N> sum = {};

        if (i < n)
            sum = sum_window<T, N>(b, s, cut, ph * s.window_h,
                                   (int)pw * s.window_w, (int)q * N, split);
        join_parts(&sum, split, cut.window_splits, b.work, cut.window_planes,
                   s.P * cut.channels, place);
        multiply(&sum, scale);
        if (i < n && split == 0)
            store_floats(b.x_p + place, sum);
    }
    __syncthreads();
    m = warp_moments(s.P * cut.channels, [x_p](int i) { return x_p[i]; });
    if (threadIdx.x % WARP == 0)
        moments[b.warp] = m;
}

/* x_p of all blocks, normalised, into work (P,C). */
template <typename T>
static __device__ __forceinline__ void gather(const Block<T> &b, const Scsa &s,
                                              const Cut &cut, const Moments &m)
{
    const int n = s.P * s.C;

#pragma unroll 4
    for (int i = (int)threadIdx.x; i < n; i += (int)blockDim.x) {
        unsigned c = (unsigned)i;
        const int p = (int)divmod(&c, cut.by_C);
        unsigned own = c;
        const int rank = (int)divmod(&own, cut.by_channels);

        b.work[i] =
            normalise(of_block(b.x_p, rank)[p * cut.channels + (int)own], m,
                      s.eps, b.w.norm[c], b.w.norm[s.C + (int)c]);
    }
}

/* The same where there is no room for all: each block's own, where it is. */
template <typename T>
static __device__ __forceinline__ void normalise_own(const Block<T> &b,
                                                     const Scsa &s,
                                                     const Cut &cut,
                                                     const Moments &m)
{
    const int n = s.P * cut.channels;

#pragma unroll 1
    for (int i = (int)threadIdx.x; i < n; i += (int)blockDim.x) {
        unsigned own = (unsigned)i;

        divmod(&own, cut.by_channels);
        const int c = b.first + (int)own;

        b.x_p[i] =
            normalise(b.x_p[i], m, s.eps, b.w.norm[c], b.w.norm[s.C + c]);
    }
}

/* Rows of the attention that are the block's channels', in groups of four that
 * are multiples of it; those of a group go to `parts` warps. */
template <typename T>
static __device__ __forceinline__ void attend_own(const Block<T> &b,
                                                  const Scsa &s, const Cut &cut)
{
    const int begin = b.first / ATTEND_ROWS * ATTEND_ROWS;
    const int channels = b.first + cut.channels - begin;
    const int groups = (channels + ATTEND_ROWS - 1) / ATTEND_ROWS;
    const bool gathered = cut.gathered;
    const int pitch = gathered ? s.C : cut.channels;
    const Divider by_channels = cut.by_channels;
    const float *work = b.work, *x_p = b.x_p;
    const auto column = [=](int j) {
        unsigned own = (unsigned)j;
        const int rank = (int)divmod(&own, by_channels);

        return gathered ? work + j : of_block(x_p, rank) + own;
    };

#pragma unroll 1
    for (int item = b.warp; item < groups * cut.parts; item += b.warps) {
        unsigned own = (unsigned)item;
        const int i = begin + (int)divmod(&own, cut.by_parts) * ATTEND_ROWS;
        const float *rows = gathered ? b.work + i : b.x_p + (i - b.first);
        SoftmaxMean row[ATTEND_ROWS];

        attend(row, related(i, rows, column, pitch), s, b.w.qkv, b.w.qkv + s.C,
               b.w.qkv + 2 * s.C, { (int)own, cut.parts });
#pragma unroll
        for (int r = 0; r < ATTEND_ROWS; r++)
            if ((int)threadIdx.x % WARP == r)
                b.rows[item * ATTEND_ROWS + r] = row[r];
    }
}

/* The gates of eq. (12), of rows that several warps have parts of. */
template <typename T>
static __device__ __forceinline__ void gate_rows(const Block<T> &b,
                                                 const Cut &cut)
{
    const int skipped = b.first % ATTEND_ROWS;

#pragma unroll 1
    for (int c = (int)threadIdx.x; c < cut.channels; c += (int)blockDim.x) {
        const int i = c + skipped;
        const SoftmaxMean *part = b.rows +
                                  i / ATTEND_ROWS * cut.parts * ATTEND_ROWS +
                                  i % ATTEND_ROWS;
        SoftmaxMean all = part[0];

#pragma unroll 1
        for (int k = 1; k < cut.parts; k++)
            admit_part(&all, part[k * ATTEND_ROWS]);
        b.gate[c] = gate_of(all);
    }
}

/* The gates of eq. (12), for the block's channels. */
template <typename T, int N>
static __device__ __forceinline__ void pcsa(const Block<T> &b, const Scsa &s,
                                            const Cut &cut)
{
    Moments *of_x_p = b.moments + 2 * MOMENTS;

    pool<T, N>(b, s, cut, of_x_p);
    cluster_sync();
    const Moments m = moments_of_blocks(of_x_p, b.warps, 0, cut.blocks);

    if (cut.gathered) {
        gather(b, s, cut, m);
        __syncthreads();
    } else {
        normalise_own(b, s, cut, m);
        cluster_sync();
    }
    attend_own(b, s, cut);
    cluster_done();
    __syncthreads();
    gate_rows(b, cut);
    __syncthreads();
}

/* ---- to device memory ---------------------------------------------------- */

/* A pack of the map times the gates of its row and of its column. */
template <typename T, int N>
static __device__ __forceinline__ void store_gated(T *y, const T *x,
                                                   const Pack<float, N> &row,
                                                   const Pack<float, N> &column)
{
    Pack<T, N> v = load_pack<N>(x);

#pragma unroll
    for (int i = 0; i < N; i++)
        v.at[i] *= row.at[i] * column.at[i];
    store_pack(y, v);
}

/* attn_w at p, times the gates of its channels. */
template <int N>
static __device__ __forceinline__ Pack<float, N> gate_of_column(
    const float *p, const Pack<float, N> &gate)
{
    Pack<float, N> both = load_floats<N>(p);

#pragma unroll
    for (int i = 0; i < N; i++)
        both.at[i] *= gate.at[i];
    return both;
}

/* Eq. (7) again, and (12); of y (H,W,C) from the block's first channel on.  A
 * thread has two columns, of either half, so that attn_h is read once for
 * both. */
template <typename T, int N>
static __device__ __forceinline__ void store_map(const Block<T> &b,
                                                 const Scsa &s, const Cut &cut,
                                                 T *y)
{
    const int half = (s.W + 1) / 2, C = cut.channels;
    const Column c = column_of<N>(s, cut, cut.by_pair, cut.pair_groups);
    const bool two = c.w + half < s.W;
    Pack<float, N> first = {}, second = {};

    if (c.row < s.H) {
        const Pack<float, N> gate = load_floats<N>(b.gate + c.q);
        const float *attn_w = b.attn_w + c.w * C + c.q;

        first = gate_of_column(attn_w, gate);
        if (two)
            second = gate_of_column(attn_w + half * C, gate);
    }
#pragma unroll 2
    for (int h = c.row; h < s.H; h += cut.pair_groups) {
        const Pack<float, N> row = load_floats<N>(b.attn_h + h * C + c.q);
        const T *x = b.map + at(s, cut, h, c);
        T *to = y + (size_t)(h * s.W + c.w) * s.C + c.q;

        store_gated(to, x, row, first);
        if (two)
            store_gated(to + half * s.C, x + half * C, row, second);
    }
}

template <typename T, int N>
static __global__ void __launch_bounds__(THREADS, 1)
    cluster(T *y, const T *x, const float *pieces, const Scsa s, const Cut cut)
{
    DYN_SHARED(float, shared);
    const Block<T> b = block_of<T>(shared, s, cut);
    const Column c = column_of<N>(s, cut, cut.by_column, cut.row_groups);
    const size_t image = blockIdx.x / (unsigned)cut.blocks;
    const size_t begin = image * (size_t)(s.H * s.W) * s.C + b.first;

    fetch<T, N>(b, s, cut, c, x + begin, pieces);
    smsa<T, N>(b, s, cut, c);
    pcsa<T, N>(b, s, cut);
    store_map<T, N>(b, s, cut, y + begin);
    cluster_all_done();
}

/* ---- on the host --------------------------------------------------------- */

static bool supports(const Tensor *out)
{
    Cut cut;

    return cut_image(&cut, out, SCSA_QUARTERS, THREADS, CLUSTER_BLOCK_SHARED) ||
           cut_image(&cut, out, MAX_BLOCKS, THREADS, CLUSTER_BLOCK_SHARED);
}

/* The state: how images are cut, and the pieces of weights, one per rank. */
typedef struct Cluster {
    Cut cut;
    Device *dev;
    void *pieces;
} Cluster;

static void release(void *state)
{
    Cluster *c = (Cluster *)state;

    if (c && c->pieces)
        c->dev->backend->release(c->dev, c->pieces);
    free(c);
}

static Launch launch_of(const Cut *cut, int images)
{
    return { dim3((unsigned)(images * cut->blocks)),
             dim3((unsigned)cut->threads), cut->bytes, (unsigned)cut->blocks };
}

/* Asks how many clusters of the cut the card runs at once, all memory that a
 * multiprocessor has for it being shared memory. */
static int find_active(Cut *cut, const CudaDevice *cuda, const Tensor *out)
{
    const Launch l = launch_of(cut, 1);

    FOR_PACK(out->dtype, cut->packs < cut->channels, T, N, {
        CUDA_TRY(cudaFuncSetAttribute(
            cluster<T, N>, cudaFuncAttributeMaxDynamicSharedMemorySize,
            (int)cuda->block_shared_bytes));
        CUDA_TRY(cudaFuncSetAttribute(
            cluster<T, N>, cudaFuncAttributePreferredSharedMemoryCarveout,
            100));
        cut->active = simt_active_clusters(
            cluster<T, N>, l.block, l.shared_bytes, l.cluster, cuda->sms);
    });
    return OK;
}

/* The best of the cuts, or one with no bytes if none fits; active is 0 if the
 * card runs none of those that do. */
static int choose(Cut *best, const CudaDevice *cuda, const Tensor *out)
{
    const Scsa s = scsa_of(out);

    *best = {};
    for (const Way &way : ways) {
        Cut cut;

        if (way.blocks > cuda->max_cluster ||
            !cut_image(&cut, out, way.blocks, way.threads,
                       cuda->block_shared_bytes))
            continue;
        TRY(find_active(&cut, cuda, out));
        if (!best->active ||
            (cut.active &&
             cut_cycles(cut, s, cuda->sms) < cut_cycles(*best, s, cuda->sms)))
            *best = cut;
    }
    return OK;
}

/* Packs the weights, of which there may have been others before. */
static int repack(Device *dev, const Tensor *out, void *state)
{
    const Cluster *c = (const Cluster *)state;
    const Launch l = { dim3((unsigned)c->cut.blocks), dim3(PACK_THREADS) };
    int err = OK;

    FOR_DTYPE(out->dtype, T,
              err = launch(dev, l, pack_weights<T>, (float *)c->pieces,
                           scsa_weights_of<T>(out), scsa_of(out), c->cut));
    return err;
}

/* True if no run computes any of the weights. */
static bool weights_stay(const Tensor *out)
{
    for (int i = SCSA_X + 1; i < SCSA_SOURCES; i++)
        if (!tensor_is_weight(tensor_storage(out->src[i])))
            return false;
    return true;
}

static int pack(Cluster *c, const Tensor *out)
{
    const size_t bytes =
        (size_t)c->cut.blocks * c->cut.weight_floats * sizeof(float);

    TRY(c->dev->backend->alloc(c->dev, &c->pieces, bytes));
    if (!weights_stay(out))
        return OK;
    TRY(repack(c->dev, out, c));
    CUDA_TRY(cudaStreamSynchronize((cudaStream_t)cuda_device(c->dev)->stream));
    return OK;
}

static int plan(Device *dev, const Tensor *out, void **state)
{
    const CudaDevice *cuda = cuda_device(dev);
    Cluster *c = (Cluster *)calloc(1, sizeof(*c));
    char dims[DIMS_TEXT];

    if (!c)
        return fail(ERR_MEMORY, "no memory for a plan");
    *state = c;
    c->dev = dev;
    TRY(choose(&c->cut, cuda, out));
    if (!c->cut.bytes)
        return fail(ERR_UNSUPPORTED,
                    "scsa: kernel cluster needs more than the %zu bytes of "
                    "shared memory that a block has here, for %s %s",
                    cuda->block_shared_bytes, dtype_name(out->dtype),
                    tensor_dims_text(out, dims));
    if (!c->cut.active)
        return fail(ERR_UNSUPPORTED,
                    "scsa: this card runs no cluster of %d blocks with %zu "
                    "bytes of shared memory each, for %s %s",
                    c->cut.blocks, c->cut.bytes, dtype_name(out->dtype),
                    tensor_dims_text(out, dims));
    return pack(c, out);
}

static int run(Device *dev, const Tensor *out, void *state)
{
    const Cluster *c = (const Cluster *)state;
    const Launch l = launch_of(&c->cut, out->dim[0]);
    int err = OK;

    if (!weights_stay(out))
        TRY(repack(dev, out, state));
    FOR_PACK(out->dtype, c->cut.packs < c->cut.channels, T, N, {
        err = launch(dev, l, cluster<T, N>, (T *)out->data,
                     (const T *)out->src[SCSA_X]->data,
                     (const float *)c->pieces, scsa_of(out), c->cut);
    });
    return err;
}

const Kernel cuda_scsa_cluster = {
    .op = &scsa_def,
    .name = "cluster",
    .dtypes = ALL_DTYPES,
    .supports = supports,
    .plan = plan,
    .run = run,
    .release = release,
    .repack = repack,
    .inplace = 1u << SCSA_X,
    .packs = (1u << SCSA_SOURCES) - (2u << SCSA_X),
};
