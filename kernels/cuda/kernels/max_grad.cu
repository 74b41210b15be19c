/*
 * max_grad.cu - dx = dy where the first of the maxima is, else 0, of all
 * positions or all channels: global_max_pool_grad, max_c_grad
 *
 * Bound by bytes: x is read once and dx written once.
 *
 *   chunks   global_max_pool_grad: a block is `high` rows by `lanes` packs, as
 *            of columns.h, and has a chunk of an image's positions.  It finds
 *            the maximum of its chunk; in a second launch it joins those of all
 *            chunks and writes its own.  Starves on rows that are no packs.
 *   rows     max_c_grad: a row of channels has as many lanes of a warp as it
 *            has packs, at most all, and shuffles join them.  Starves on few
 *            long rows.
 *
 * Takes the first of two that are equal, and the first NaN
 * before any number, whatever the order in which they are joined.
 */
#include "kernels/cuda/kernels/reduce_packs.h"

/* A candidate and its place. */
struct First {
    float v;
    unsigned at;
};

static __device__ __forceinline__ First none_yet()
{
    return First{ -INFINITY, UINT_MAX };
}

static __device__ __forceinline__ First first_of(const First &a, const First &b)
{
    const bool b_more = b.v > a.v || (b.v != b.v && a.v == a.v);
    const bool a_more = a.v > b.v || (a.v != a.v && b.v == b.v);

    return b_more || (!a_more && b.at < a.at) ? b : a;
}

/* ---- over positions ------------------------------------------------------ */

struct Chunks {
    unsigned P, C; /* positions and channels of an image */
    Divider across;
    unsigned lanes, chunks, share; /* share: positions of a chunk */
    First *found;                  /* (N,chunks,C)                */
};

/* Grid: (N * across, chunks), block: (lanes, high). */
template <typename T, int N>
static __global__ void __launch_bounds__(JOIN_THREADS)
    find(const T *x, Chunks s)
{
    SHARED(First, part, [JOIN_THREADS * N]);
    const unsigned high = blockDim.y, stride = s.lanes * N;
    unsigned block = blockIdx.x;
    const size_t n = divmod(&block, s.across);
    const unsigned first = block * stride, own = threadIdx.x * N;
    const unsigned numbers = min(stride, s.C - first);
    const unsigned begin = blockIdx.y * s.share;
    const unsigned end = min(begin + s.share, s.P);
    First best[N];

#pragma unroll
    for (int i = 0; i < N; i++)
        best[i] = none_yet();
    if (own < numbers)
        for (unsigned p = begin + threadIdx.y; p < end; p += high) {
            const Pack<T, N> v =
                load_pack<N>(x + (n * s.P + p) * s.C + first + own);

#pragma unroll
            for (int i = 0; i < N; i++)
                best[i] = first_of(best[i], First{ v.at[i], p });
        }
#pragma unroll
    for (int i = 0; i < N; i++)
        part[threadIdx.y * stride + own + i] = best[i];
    __syncthreads();
    for (unsigned q = threadIdx.y * s.lanes + threadIdx.x; q < numbers;
         q += high * s.lanes) {
        First all = part[q];

        for (unsigned k = 1; k < high; k++)
            all = first_of(all, part[k * stride + q]);
        s.found[(n * s.chunks + blockIdx.y) * s.C + first + q] = all;
    }
}

/* The same grid and block. */
template <typename T, int N>
static __global__ void __launch_bounds__(JOIN_THREADS)
    place(T *dx, const T *dy, Chunks s)
{
    unsigned block = blockIdx.x;
    const size_t n = divmod(&block, s.across);
    const unsigned c = (block * s.lanes + threadIdx.x) * N;
    const unsigned begin = blockIdx.y * s.share;
    const unsigned end = min(begin + s.share, s.P);
    unsigned at[N];

    if (c >= s.C)
        return;
    const Pack<T, N> v = load_pack<N>(dy + n * s.C + c);

    for (int i = 0; i < N; i++) {
        const First *found = s.found + n * s.chunks * s.C + c + i;
        First all = found[0];

        for (unsigned k = 1; k < s.chunks; k++)
            all = first_of(all, found[k * s.C]);
        at[i] = all.at;
    }
    for (unsigned p = begin + threadIdx.y; p < end; p += blockDim.y) {
        Pack<T, N> d;

#pragma unroll
        for (int i = 0; i < N; i++)
            d.at[i] = at[i] == p ? v.at[i] : 0;
        store_pack(dx + (n * s.P + p) * s.C + c, d);
    }
}

/* How an image is divided, except the memory. */
static Chunks chunks_of(Device *dev, const Tensor *out, Lanes *l)
{
    const size_t wanted = (size_t)cuda_device(dev)->sms * BLOCKS_WANTED;
    const size_t N = (size_t)out->dim[0], C = (size_t)out->dim[1];
    Chunks s = {};
    size_t chunks;

    *l = lanes_of(out->dtype, C, N, wanted);
    s.P = (unsigned)tensor_positions(out);
    s.C = (unsigned)C;
    s.across = divider(l->across);
    s.lanes = l->lanes;
    chunks = min(wanted / (N * l->across),
                 (size_t)s.P * l->lanes / (JOIN_THREADS * UNDER_WAY));
    s.share = (unsigned)ceil_div(s.P, max(chunks, (size_t)1));
    s.chunks = (unsigned)ceil_div(s.P, s.share);
    return s;
}

static int plan_global(Device *dev, const Tensor *out, void **state)
{
    Lanes l;
    const Chunks s = chunks_of(dev, out, &l);

    (void)state;
    return cuda_workspace(cuda_device(dev),
                          sizeof(First) * out->dim[0] * s.chunks * (size_t)s.C);
}

static int run_global(Device *dev, const Tensor *out, void *state)
{
    Lanes lanes;
    Chunks s = chunks_of(dev, out, &lanes);
    const Launch l = { dim3((unsigned)out->dim[0] * lanes.across, s.chunks),
                       dim3(s.lanes, JOIN_THREADS / s.lanes) };
    int err = OK;

    (void)state;
    s.found = (First *)cuda_device(dev)->workspace;
    FOR_PACK(out->dtype, lanes.whole, T, N, {
        err = launch(dev, l, find<T, N>, (const T *)out->src[0]->data, s);
        if (!err)
            err = launch(dev, l, place<T, N>, (T *)out->data,
                         (const T *)out->src[1]->data, s);
    });
    return err;
}

const Kernel cuda_global_max_pool_grad = {
    .op = &global_max_pool_grad_def,
    .name = "chunks",
    .dtypes = ALL_DTYPES,
    .plan = plan_global,
    .run = run_global,
};

/* ---- over channels ------------------------------------------------------- */

/* Grid: any; block: (lanes, high), a row each `lanes`. */
template <typename T, int N>
static __global__ void __launch_bounds__(JOIN_THREADS)
    rows(T *dx, const T *x, const T *dy, size_t n, unsigned C)
{
    const unsigned lanes = blockDim.x, high = blockDim.y;
    const unsigned own = threadIdx.x * N;

    /* All of a block go round equally often: shuffles need whole warps. */
    for (size_t first = (size_t)blockIdx.x * high; first < n;
         first += (size_t)gridDim.x * high) {
        const size_t r = first + threadIdx.y;
        First best = none_yet();

        for (unsigned c = own; r < n && c < C; c += lanes * N) {
            const Pack<T, N> v = load_pack<N>(x + r * C + c);

#pragma unroll
            for (int i = 0; i < N; i++)
                best = first_of(best, First{ v.at[i], c + i });
        }
        for (unsigned d = lanes / 2; d > 0; d /= 2)
            best =
                first_of(best, First{ __shfl_xor_sync(FULL_WARP, best.v, d),
                                      __shfl_xor_sync(FULL_WARP, best.at, d) });
        for (unsigned c = own; r < n && c < C; c += lanes * N) {
            Pack<T, N> d;

#pragma unroll
            for (int i = 0; i < N; i++)
                d.at[i] = best.at == c + i ? to_float(dy[r]) : 0;
            store_pack(dx + r * C + c, d);
        }
    }
}

/* dx may be x: a lane writes what it alone has read. */
static int run_over_channels(Device *dev, const Tensor *out, void *state)
{
    const size_t n = tensor_rows(out);
    const unsigned C = (unsigned)out->dim[1];
    const Lanes lanes = lanes_of(out->dtype, C, 0, 0);
    const unsigned high = JOIN_THREADS / lanes.lanes;
    const Launch l = { even_grid(dev, ceil_div(n, high), BLOCKS_WANTED),
                       dim3(lanes.lanes, high) };
    int err = OK;

    (void)state;
    FOR_PACK(out->dtype, lanes.whole, T, N,
             err = launch(dev, l, rows<T, N>, (T *)out->data,
                          (const T *)out->src[0]->data,
                          (const T *)out->src[1]->data, n, C));
    return err;
}

const Kernel cuda_max_c_grad = {
    .op = &max_c_grad_def,
    .name = "rows",
    .dtypes = ALL_DTYPES,
    .run = run_over_channels,
    .inplace = 1u << 0,
};
