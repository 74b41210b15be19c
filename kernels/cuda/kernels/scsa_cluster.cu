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
 *             its channels'.
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
 * The map fits if it, the strips and x_p are at most 227 KiB per block;
 * scsa_cut.h divides an image, scsa_block.h has what a block holds of it.
 */
#include "kernels/cuda/kernels/scsa_block.h"
#include "kernels/cuda/kernels/scsa_place.h"

/* ---- SMSA ---------------------------------------------------------------- */

/* Rows [begin, end) of the map, summed in row_splits parts (H,C') each. */
template <typename T, int N>
static __device__ __forceinline__ void sum_rows(const Block<T> &b,
                                                const Scsa &s, const Cut &cut,
                                                int begin, int end)
{
    const int n = (end - begin) * cut.row_splits * cut.packs;

    for (int i = (int)threadIdx.x; i < n; i += (int)blockDim.x) {
        unsigned q = (unsigned)i;
        unsigned split = divmod(&q, cut.by_packs);
        const int h = begin + (int)divmod(&split, cut.by_row_splits);
        const T *row = b.map + (h * s.W) * cut.channels + (int)q * N;
        Pack<float, N> sum = {};

#pragma unroll 4
        for (int w = (int)split; w < s.W; w += cut.row_splits)
            add(&sum, load_pack<N>(row + w * cut.channels));
        store_floats(
            b.work + ((int)split * s.H + h) * cut.channels + (int)q * N, sum);
    }
}

/* When a stage of the map has come: its rows, and its part of the columns. */
template <int STAGE, typename T, int N>
static __device__ __forceinline__ void sum_stage(const Block<T> &b,
                                                 const Scsa &s, const Cut &cut,
                                                 const Column &c,
                                                 Pack<float, N> *sum)
{
    const int begin = stage_row(s, cut, STAGE);
    const int end = stage_row(s, cut, STAGE + 1);

    cp_async_wait<STAGES - 1 - STAGE>();
    __syncthreads();
    sum_rows<T, N>(b, s, cut, begin, end);
#pragma unroll 4
    for (int h = begin + c.row; h < end; h += cut.row_groups)
        add(sum, load_pack<N>(b.map + at(s, cut, h, c)));
}

/* n numbers: the sums of `parts` parts each, over count.  mean may be part. */
static __device__ __forceinline__ void mean_of_parts(float *mean,
                                                     const float *part,
                                                     int parts, int n,
                                                     int count)
{
    for (int i = (int)threadIdx.x; i < n; i += (int)blockDim.x) {
        float sum = part[i];

        for (int k = 1; k < parts; k++)
            sum += part[k * n + i];
        mean[i] = sum / (float)count;
    }
}

/* x_h (H,C') and x_w (W,C'): the means in front of eq. (1) and (2). */
template <typename T, int N>
static __device__ __forceinline__ void squeeze(const Block<T> &b, const Scsa &s,
                                               const Cut &cut, const Column &c,
                                               float *x_h, float *x_w)
{
    const int position = c.w * cut.channels + c.q;
    Pack<float, N> sum = {};

    sum_stage<0, T>(b, s, cut, c, &sum);
    sum_stage<1, T>(b, s, cut, c, &sum);
    sum_stage<2, T>(b, s, cut, c, &sum);
    sum_stage<3, T>(b, s, cut, c, &sum);
    static_assert(STAGES == 4, "as many as are summed");
    if (c.row < cut.row_groups)
        store_floats(x_w + c.row * s.W * cut.channels + position, sum);
    __syncthreads();
    mean_of_parts(x_h, x_h, cut.row_splits, s.H * cut.channels, s.W);
    mean_of_parts(x_w, x_w, cut.row_groups, s.W * cut.channels, s.H);
    __syncthreads();
}

/* Eq. (3) or (4) for the block's channels of a strip (L,C'), into z (L,C');
 * this warp's moments of z. */
template <typename T>
static __device__ __forceinline__ void convolve(const Block<T> &b,
                                                const Scsa &s, const Cut &cut,
                                                const float *strip, int L,
                                                float *z, Moments *moments)
{
    const int n = L * cut.channels, k = of_quarter(s.k, b.quarter);
    Moments m;

    for (int i = (int)threadIdx.x; i < n; i += (int)blockDim.x) {
        unsigned c = (unsigned)i;
        const int l = (int)divmod(&c, cut.by_channels);

        z[i] = dwconv1d(strip, L, cut.channels, l, (int)c, b.dwc_weight,
                        b.dwc_bias[c], k);
    }
    m = warp_moments(n, [z](int i) { return z[i]; });
    if (threadIdx.x % WARP == 0)
        moments[b.warp] = m;
}

/* The moments that the blocks from first on have published at where, a warp
 * each. */
static __device__ __forceinline__ Moments
moments_of_blocks(const Moments *where, int warps, int first, int blocks)
{
    return merge_moments(blocks * warps, [=](int i) {
        return *of_block(where + i % warps, first + i / warps);
    });
}

/* Eq. (5) or (6): z (L,C') becomes its gate; norm has weight and bias. */
template <typename T>
static __device__ __forceinline__ void gate_strip(const Block<T> &b,
                                                  const Scsa &s, const Cut &cut,
                                                  float *z, int L,
                                                  const Moments *moments,
                                                  const float *norm)
{
    const int blocks = cut.blocks / SCSA_QUARTERS, n = L * cut.channels;
    const Moments m =
        moments_of_blocks(moments, b.warps, b.quarter * blocks, blocks);

    for (int i = (int)threadIdx.x; i < n; i += (int)blockDim.x) {
        unsigned c = (unsigned)i;

        divmod(&c, cut.by_channels);
        z[i] = sigmoid(
            normalise(z[i], m, s.eps, norm[c], norm[cut.channels + (int)c]));
    }
}

/* attn_h and attn_w of the map. */
template <typename T, int N>
static __device__ __forceinline__ void smsa(const Block<T> &b, const Scsa &s,
                                            const Cut &cut, const Column &c)
{
    float *x_h = b.work, *x_w = x_h + cut.row_splits * s.H * cut.channels;
    Moments *of_h = b.moments, *of_w = of_h + b.warps;

    squeeze<T, N>(b, s, cut, c, x_h, x_w);
    convolve(b, s, cut, x_h, s.H, b.attn_h, of_h);
    convolve(b, s, cut, x_w, s.W, b.attn_w, of_w);
    if (cut.blocks > SCSA_QUARTERS)
        cluster_sync();
    else
        __syncthreads();
    gate_strip(b, s, cut, b.attn_h, s.H, of_h, b.norm_hw);
    gate_strip(b, s, cut, b.attn_w, s.W, of_w, b.norm_hw + 2 * cut.channels);
    __syncthreads();
}

/* ---- PCSA ---------------------------------------------------------------- */

/* Eq. (7), and the sums of eq. (8): every window in window_splits parts
 * (P,C'), by rows. */
template <typename T, int N>
static __device__ __forceinline__ void sum_windows(const Block<T> &b,
                                                   const Scsa &s,
                                                   const Cut &cut)
{
    const int n = cut.window_splits * s.P * cut.packs;

    for (int i = (int)threadIdx.x; i < n; i += (int)blockDim.x) {
        unsigned q = (unsigned)i, p = divmod(&q, cut.by_packs), pw;
        const int split = (int)divmod(&p, cut.by_P);
        const int ph = (int)divmod(&(pw = p), cut.by_PW);
        const int first = (int)pw * s.window_w * cut.channels + (int)q * N;
        Pack<float, N> sum = {};

        for (int dh = split; dh < s.window_h; dh += cut.window_splits) {
            const int h = ph * s.window_h + dh;
            const T *x = b.map + h * s.W * cut.channels + first;
            Pack<float, N> row = {};

            for (int dw = 0; dw < s.window_w; dw++)
                multiply_add(
                    &row, load_floats<N>(b.attn_w + first + dw * cut.channels),
                    load_pack<N>(x + dw * cut.channels));
            multiply_add(
                &sum, load_floats<N>(b.attn_h + h * cut.channels + (int)q * N),
                row);
        }
        store_floats(
            b.work + (split * s.P + (int)p) * cut.channels + (int)q * N, sum);
    }
}

/* Eq. (8): the block's x_p, before its norm, and this warp's moments of it. */
template <typename T, int N>
static __device__ __forceinline__ void pool(const Block<T> &b, const Scsa &s,
                                            const Cut &cut, Moments *moments)
{
    const int n = s.P * cut.channels;
    float *x_p = b.x_p;
    Moments m;

    sum_windows<T, N>(b, s, cut);
    __syncthreads();
    mean_of_parts(x_p, b.work, cut.window_splits, n, s.window_h * s.window_w);
    m = warp_moments(n, [x_p](int i) { return x_p[i]; });
    if (threadIdx.x % WARP == 0)
        moments[b.warp] = m;
}

/* x_p of all blocks, normalised, into work (P,C). */
template <typename T>
static __device__ __forceinline__ void gather(const Block<T> &b, const Scsa &s,
                                              const Cut &cut,
                                              const Moments *moments)
{
    const Moments m = moments_of_blocks(moments, b.warps, 0, cut.blocks);
    const int n = s.P * s.C;

#pragma unroll 4
    for (int i = (int)threadIdx.x; i < n; i += (int)blockDim.x) {
        unsigned c = (unsigned)i;
        const int p = (int)divmod(&c, cut.by_C);
        unsigned own = c;
        const int rank = (int)divmod(&own, cut.by_channels);

        b.work[i] =
            normalise(of_block(b.x_p, rank)[p * cut.channels + (int)own], m,
                      s.eps, b.norm[c], b.norm[s.C + (int)c]);
    }
}

/* Eq. (11) up to its gate, for the block's channels: a warp takes the channels
 * 4 t to 4 t + 3, those of them that are the block's. */
template <typename T>
static __device__ __forceinline__ void attend_own(const Block<T> &b,
                                                  const Scsa &s, const Cut &cut)
{
    const int end = b.first + cut.channels;
    int i = b.first / ATTEND_ROWS * ATTEND_ROWS + b.warp * ATTEND_ROWS;

    for (; i < end; i += b.warps * ATTEND_ROWS) {
        float gate[ATTEND_ROWS];

        attend(gate, b.work, s, b.qkv, b.qkv + s.C, b.qkv + 2 * s.C, i);
#pragma unroll
        for (int r = 0; r < ATTEND_ROWS; r++)
            if ((int)threadIdx.x % WARP == r && i + r >= b.first && i + r < end)
                b.gate[i + r - b.first] = gate[r];
    }
}

/* The gates of eq. (12), for the block's channels. */
template <typename T, int N>
static __device__ __forceinline__ void pcsa(const Block<T> &b, const Scsa &s,
                                            const Cut &cut)
{
    Moments *of_x_p = b.moments + 2 * b.warps;

    pool<T, N>(b, s, cut, of_x_p);
    cluster_sync();
    gather(b, s, cut, of_x_p);
    cluster_sync(); /* from here on no block reads another's: it may exit */
    attend_own(b, s, cut);
    __syncthreads();
}

/* ---- to device memory ---------------------------------------------------- */

/* Eq. (7) again, and (12); of y (H,W,C) from the block's first channel on. */
template <typename T, int N>
static __device__ __forceinline__ void store_map(const Block<T> &b,
                                                 const Scsa &s, const Cut &cut,
                                                 const Column &c, T *y)
{
    Pack<float, N> scale = {};

    if (c.row < s.H) {
        scale = load_floats<N>(b.attn_w + c.w * cut.channels + c.q);
        const Pack<float, N> gate = load_floats<N>(b.gate + c.q);

#pragma unroll
        for (int i = 0; i < N; i++)
            scale.at[i] *= gate.at[i];
    }
#pragma unroll 4
    for (int h = c.row; h < s.H; h += cut.row_groups) {
        const Pack<float, N> attn =
            load_floats<N>(b.attn_h + h * cut.channels + c.q);
        Pack<T, N> v = load_pack<N>(b.map + at(s, cut, h, c));

#pragma unroll
        for (int i = 0; i < N; i++)
            v.at[i] *= attn.at[i] * scale.at[i];
        store_pack(y + (size_t)(h * s.W + c.w) * s.C + c.q, v);
    }
}

template <typename T, int N>
static __global__ void __launch_bounds__(THREADS, 1)
    cluster(T *y, const T *x, const Scsa s, const ScsaWeights<T> weights,
            const Cut cut)
{
    DYN_SHARED(float, shared);
    const Block<T> b = block_of<T>(shared, s, cut);
    const Column c = column_of<N>(s, cut);
    const size_t image = blockIdx.x / (unsigned)cut.blocks;
    const size_t begin = image * (size_t)(s.H * s.W) * s.C + b.first;

    fetch_map<T, N>(b, s, cut, c, x + begin);
    fetch_weights(b, s, cut, weights);
    smsa<T, N>(b, s, cut, c);
    pcsa<T, N>(b, s, cut);
    store_map<T, N>(b, s, cut, c, y + begin);
}

/* ---- on the host --------------------------------------------------------- */

static bool supports(const Tensor *out)
{
    Cut cut;

    return cut_image(&cut, out, SCSA_QUARTERS, THREADS, CLUSTER_BLOCK_SHARED) ||
           cut_image(&cut, out, MAX_BLOCKS, THREADS, CLUSTER_BLOCK_SHARED);
}

static Launch launch_of(const Cut *cut, int images)
{
    return { dim3((unsigned)(images * cut->blocks)),
             dim3((unsigned)cut->threads), cut->bytes, (unsigned)cut->blocks };
}

/* How many clusters of the cut the card runs at once. */
static int find_active(Cut *cut, const CudaDevice *cuda, const Tensor *out)
{
    const Launch l = launch_of(cut, 1);

    FOR_PACK(out->dtype, cut->packs < cut->channels, T, N, {
        CUDA_TRY(cudaFuncSetAttribute(
            cluster<T, N>, cudaFuncAttributeMaxDynamicSharedMemorySize,
            (int)cuda->block_shared_bytes));
        cut->active = simt_active_clusters(
            cluster<T, N>, l.block, l.shared_bytes, l.cluster, cuda->sms);
    });
    return OK;
}

/* The best of the cuts, or one with no bytes if none fits; active is 0 if the
 * card runs none of those that do. */
static int choose(Cut *best, const CudaDevice *cuda, const Tensor *out)
{
    const int images = out->dim[0];

    *best = {};
    for (const Way &way : ways) {
        Cut cut;

        if (way.blocks > cuda->max_cluster ||
            !cut_image(&cut, out, way.blocks, way.threads,
                       cuda->block_shared_bytes))
            continue;
        TRY(find_active(&cut, cuda, out));
        if (!best->active ||
            (cut.active && cut_cycles(cut, images, cuda->sms) <
                               cut_cycles(*best, images, cuda->sms)))
            *best = cut;
    }
    return OK;
}

static int plan(Device *dev, const Tensor *out, void **state)
{
    const CudaDevice *cuda = cuda_device(dev);
    Cut *cut = (Cut *)calloc(1, sizeof(*cut));
    char dims[DIMS_TEXT];

    if (!cut)
        return fail(ERR_MEMORY, "no memory for a plan");
    *state = cut;
    TRY(choose(cut, cuda, out));
    if (!cut->bytes)
        return fail(ERR_UNSUPPORTED,
                    "scsa: kernel cluster needs more than the %zu bytes of "
                    "shared memory that a block has here, for %s %s",
                    cuda->block_shared_bytes, dtype_name(out->dtype),
                    tensor_dims_text(out, dims));
    if (!cut->active)
        return fail(ERR_UNSUPPORTED,
                    "scsa: this card runs no cluster of %d blocks with %zu "
                    "bytes of shared memory each, for %s %s",
                    cut->blocks, cut->bytes, dtype_name(out->dtype),
                    tensor_dims_text(out, dims));
    return OK;
}

static int run(Device *dev, const Tensor *out, void *state)
{
    const Cut *cut = (const Cut *)state;
    const Launch l = launch_of(cut, out->dim[0]);
    int err = OK;

    FOR_PACK(out->dtype, cut->packs < cut->channels, T, N, {
        err = launch(dev, l, cluster<T, N>, (T *)out->data,
                     (const T *)out->src[SCSA_X]->data, scsa_of(out),
                     scsa_weights_of<T>(out), *cut);
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
    .inplace = 1u << SCSA_X,
};
