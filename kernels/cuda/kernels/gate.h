/*
 * gate.h - modules that squeeze a map, excite what comes of it, and gate the
 *          map: y = x times up to three gates, in one kernel
 *
 * Memory bound: x is read once from device memory and y written once, so the
 * best possible time is two maps over the copy bandwidth.
 *
 *   gate      an image is cut by rows over the blocks of a cluster, so that a
 *             block's part is one piece of memory.  All of it is asked for at
 *             once (cp.async), in four stages, and a stage is squeezed while
 *             the next are on their way.  What blocks have found of their own
 *             rows, each reads of all others, by one barrier of the cluster;
 *             then each excites by itself and gates its rows.  A module may
 *             squeeze the gated rows once more, and meet again (MEETS).
 *
 *             Where no cluster holds an image (RESIDENT is false), the same
 *             kernel reads its rows from device memory each time, where L2 has
 *             them from the second time on; so it does where channels are no
 *             packs of 16 bytes (N = 1), and where there are no clusters, with
 *             a block per image.
 *
 * It wins wherever images fit and the batch fills the card.  It starves where
 * they do not, and a batch is small: no more than eight multiprocessors work
 * for an image.
 *
 * A module is a struct M (gate_channels.cu is the simplest):
 *
 *   STATS     what is squeezed: Stat
 *   PARTS     floats per thread and channel that a squeeze joins
 *   HALO      rows that a block has above and below its own
 *   MEETS     excite() waits for the cluster again, and says cluster_done()
 *   GATES     gate_rows() writes y by itself
 *   before()  fills c.spare, before the squeeze
 *   weigh()   what a pack counts in SUMS
 *   excite()  the gates, of c.all and c.row
 *   hold(), gated()    what a thread keeps for its channels; a pack of y
 *
 * gate_plan.h has what is done on the host.
 */
#ifndef CUDA_GATE_H
#define CUDA_GATE_H

#include "kernels/cuda/kernels/gate_squeeze.h"

/* ---- modules ------------------------------------------------------------- */

/* Members that modules have unless they say otherwise: gates of channels. */
struct ByChannel {
    static constexpr int STATS = SUMS, PARTS = 1, HALO = 0, MEETS = 0,
                         GATES = 0;

    template <int N> struct Held {
        Pack<float, N> gate;
    };

    /* On the host: whether it takes packs of n, which are whole ones of a row;
     * floats of c.spare; of tables, and these. */
    static bool takes_packs(const Tensor *, int)
    {
        return true;
    }

    static size_t spare(const Shape &)
    {
        return 0;
    }

    static size_t tables(const Shape &)
    {
        return 0;
    }

    static void fill(float *, const Shape &, const Tensor *)
    {
    }

    template <typename T> static __device__ void before(const Part<T> &)
    {
    }

    template <int N, typename T>
    static __device__ __forceinline__ Pack<float, N> weigh(const Part<T> &,
                                                           const Pack<T, N> &x,
                                                           int, int, int)
    {
        return floats_of(x);
    }

    template <int N, typename T>
    static __device__ __forceinline__ Held<N> hold(const Part<T> &c,
                                                   int channel)
    {
        Held<N> h;

        h.gate = load_gates<N>(c.gate + channel);
        return h;
    }

    /* x: the channels of the position. */
    template <int N, typename T>
    static __device__ __forceinline__ Pack<T, N> gated(const Part<T> &,
                                                       const Held<N> &h,
                                                       const T *x, int, int,
                                                       int channel)
    {
        Pack<T, N> v = load_pack<N>(x + channel);

#pragma unroll
        for (int k = 0; k < N; k++)
            v.at[k] *= h.gate.at[k];
        return v;
    }
};

/* ---- the kernel ---------------------------------------------------------- */

template <typename T, int N, bool RESIDENT, typename M>
static __device__ __forceinline__ Part<T> part_of(float *shared, const T *x,
                                                  const Weights<T> &w,
                                                  const Shape &s)
{
    const int rank = cluster_rank(), first = min(rank * s.rows, s.H);
    const size_t image = blockIdx.x / (unsigned)s.blocks;
    const T *tile = reinterpret_cast<const T *>(shared) + M::HALO * s.W * s.C;
    unsigned own = threadIdx.x;
    const int lane = (int)divmod(&own, s.by_across);

    Weights<T> own_w = w;

    if (s.staged)
#pragma unroll
        for (int k = 0; k < M::WEIGHTS; k++)
            own_w.at[k] = reinterpret_cast<const T *>(shared + s.weights) +
                          s.weight_at[k];
    x += image * (size_t)s.H * (size_t)(s.W * s.C);
    return { s,
             own_w,
             x,
             RESIDENT ? tile : x + first * s.W * s.C,
             rank,
             first,
             min(s.rows, s.H - first),
             (int)own,
             lane,
             shared + s.part,
             shared + s.mine,
             shared + s.all,
             shared + s.row,
             shared + s.gate,
             shared + s.spare };
}

/* Writes the block's rows of y. */
template <typename M, int N, typename T>
static __device__ __forceinline__ void gate_rows(const Part<T> &c, T *y)
{
    const Shape &s = c.s;
    const int end = c.rows * s.W, C = s.C;

#pragma unroll 1
    for (int p = c.own; p < s.packs && c.lane < s.lanes; p += s.across) {
        const auto held = M::template hold<N>(c, p * N);

#pragma unroll 1
        for (int q0 = c.lane; q0 < end; q0 += UNDER_WAY * s.lanes) {
            Pack<T, N> v[UNDER_WAY];

            /* y may be x: all reads come first. */
#pragma unroll
            for (int i = 0; i < UNDER_WAY; i++) {
                const int q = q0 + i * s.lanes;
                unsigned column = (unsigned)q;
                const int row = (int)divmod(&column, s.by_W);

                if (q < end)
                    v[i] = M::template gated<N>(c, held, c.x + q * C, row,
                                                (int)column, p * N);
            }
#pragma unroll
            for (int i = 0; i < UNDER_WAY; i++) {
                const int q = q0 + i * s.lanes;

                if (q < end)
                    store_pack(y + q * C + p * N, v[i]);
            }
        }
    }
}

/* The squeezes of the block's rows, into c.mine and c.row. */
template <typename M, int N, bool RESIDENT, typename T>
static __device__ __forceinline__ void squeeze_all(const Part<T> &c)
{
    constexpr Order FIRST = RESIDENT ? AS_THEY_COME : IN_STEPS;
    const Shape &s = c.s;
    float *sum = c.mine;
    const auto same = [](const Pack<T, N> &x, int, int, int) {
        return floats_of(x);
    };

    if constexpr (M::STATS & SPREADS)
        squeeze_moments<N, FIRST>(
            c, sum, sum + vectors_before(M::STATS, SPREADS) * s.C, same);
    else if constexpr (M::STATS & SUMS)
        squeeze<Sum, N, FIRST>(
            c, sum, [&c](const Pack<T, N> &x, int row, int column, int ch) {
                return M::template weigh<N>(c, x, row, column, ch);
            });
    else if constexpr (RESIDENT) {
        wait_for_stage(STAGES - 1);
        __syncthreads();
    }
    if constexpr (M::STATS & MAXIMA)
        squeeze<Max, N, IN_STEPS>(
            c, c.mine + vectors_before(M::STATS, MAXIMA) * s.C, same);
    if constexpr (M::STATS & ROWS)
        squeeze_rows<N>(c);
    if constexpr (M::STATS & COLUMNS)
        squeeze_columns<N>(c, c.mine + vectors_before(M::STATS, ROWS) * s.C);
}

/* The same of all blocks, into c.all. */
template <typename M, int N, typename T>
static __device__ __forceinline__ void join_all(const Part<T> &c)
{
    const Shape &s = c.s;
    const int spreads = vectors_before(M::STATS, SPREADS) * s.C;
    const int maxima = vectors_before(M::STATS, MAXIMA) * s.C;
    const int columns = vectors_before(M::STATS, ROWS) * s.C;

    if constexpr (M::STATS & SPREADS)
        join_spreads(s, c.all, c.all + spreads, c.mine, c.mine + spreads);
    else if constexpr (M::STATS & SUMS)
        join_blocks<Sum, N>(c.all, c.mine, s.C, s.blocks);
    if constexpr (M::STATS & MAXIMA)
        join_blocks<Max, N>(c.all + maxima, c.mine + maxima, s.C, s.blocks);
    if constexpr (M::STATS & COLUMNS)
        join_blocks<Sum, N>(c.all + columns, c.mine + columns, s.W * s.C,
                            s.blocks);
}

template <typename T, int N, bool RESIDENT, typename M>
static __global__ void __launch_bounds__(THREADS, 2)
    gate(T *y, const T *x, const Weights<T> w, const Shape s)
{
    DYN_SHARED(float, shared);
    const Part<T> c = part_of<T, N, RESIDENT, M>(shared, x, w, s);
    const size_t begin =
        (blockIdx.x / (unsigned)s.blocks * (size_t)s.H + (size_t)c.first) *
        (size_t)(s.W * s.C);

    fetch_weights<M::WEIGHTS>(s, reinterpret_cast<T *>(shared + s.weights), w);
    if constexpr (RESIDENT)
        fetch<N, M::HALO>(c, reinterpret_cast<T *>(shared), x + begin);
    else
        cp_async_commit();
    M::before(c);
    squeeze_all<M, N, RESIDENT>(c);
    cp_async_wait<0>();
    meet(s);
    join_all<M, N>(c);
    if (!M::MEETS)
        cluster_done();
    __syncthreads();
    M::template excite<N>(c);
    __syncthreads();
    if constexpr (M::GATES)
        M::template gate_rows<N>(c, y + begin);
    else
        gate_rows<M, N>(c, y + begin);
    cluster_all_done();
}

#endif
