/*
 * columns.h - sums and maxima down the columns of matrices, for .cu files
 *
 *   y[o,k] = scale * sum over r of x[o,r,k]      (or the maximum)
 *
 * Bound by the bytes of x, each read once, 16 at a time where rows are packs.
 *
 *   columns   a block is `high` rows by `lanes` packs.  A thread goes down its
 *             column, four loads under way; the partial results of a block
 *             meet in shared memory, behind one barrier.  Lanes cover a line
 *             of memory, more of the row only while there are blocks enough
 *             (lanes_of).  Where even so there are too few, `splits` blocks
 *             share the rows of the same columns; the last of them to finish
 *             joins what all have left in memory, in order, so that results do
 *             not depend on who is last.  Starves on rows that are no packs:
 *             then a thread has one number at a time.
 *
 * Grid: (outer * across, splits), blocks of 64 to 256 threads; wanted are four
 * blocks a multiprocessor.  On 132 of them the positions of 8x64x56x56 in f16
 * take 200 blocks, those of 8x512x7x7 take 128, none of which is split.
 *
 * A sum in float has rows / (4 high splits) terms, each a sum of four, then
 * splits / high; those of high are in double.
 */
#ifndef CUDA_COLUMNS_H
#define CUDA_COLUMNS_H

#include <stdlib.h>

#include "kernels/cuda/kernels/reduce_packs.h"

/* Numbers to join, and how the machine is divided for it. */
typedef struct Columns {
    size_t outer;
    unsigned rows, width; /* width: numbers in a row */
    float scale;

    bool whole;             /* rows are packs of 16 bytes               */
    unsigned lanes, high;   /* packs by rows: the threads of a block    */
    Divider across;         /* blocks side by side, for one o           */
    unsigned splits, share; /* blocks above each other; rows of one     */
    float *partial;         /* (outer, splits, width)                   */
    unsigned *tickets;      /* (outer, across), 0 from launch to launch */
} Columns;

/* ---- the kernel -------------------------------------------------------- */

/* Joins the numbers of row r from column k on, number `at` of x:
 * as they are, with no weight; and so is the result of column k. */
template <typename How> struct Plain : How {
    template <typename P, typename T>
    __device__ __forceinline__ P load(const T *x, size_t at, unsigned,
                                      unsigned) const
    {
        return load_pack<P::N>(x + at);
    }

    template <typename P>
    __device__ __forceinline__ void weigh(P *, unsigned, unsigned) const
    {
    }

    template <typename T>
    __device__ __forceinline__ float finish(float v, unsigned) const
    {
        return v;
    }
};

/* Every high-th row from rows.begin on, of the P::N columns from k on; the
 * first row of all is at `from`. */
template <typename P, typename T, typename How>
static __device__ __forceinline__ P join_rows(const T *x, size_t from,
                                              const Columns &c, const How &how,
                                              Span<unsigned> rows, unsigned k)
{
    const size_t step = (size_t)c.high * c.width;
    size_t at = from + (size_t)rows.begin * c.width;
    P acc = no_pack<How, P>();

    for (unsigned r = rows.begin; r < rows.end; r += UNDER_WAY * c.high) {
        P v[UNDER_WAY];

#pragma unroll
        for (int i = 0; i < UNDER_WAY; i++, at += step) {
            v[i] = no_pack<How, P>();
            if (r + i * c.high < rows.end)
                v[i] = how.template load<P>(x, at, r + i * c.high, k);
        }
        /* Missing numbers are 0 under any weight. */
#pragma unroll
        for (int i = 0; i < UNDER_WAY; i++)
            how.weigh(&v[i], min(r + i * c.high, c.rows - 1), k);
        join_four<How>(v);
        join_pack<How>(&acc, v[0]);
    }
    return acc;
}

/* The same of what the splits left in memory. */
template <typename How, typename P>
static __device__ __forceinline__ P join_partial(const float *p,
                                                 const Columns &c)
{
    P acc = no_pack<How, P>();

    for (unsigned s = threadIdx.y; s < c.splits; s += c.high) {
        P v;

        load_floats(&v, p + s * c.width);
        join_pack<How>(&acc, v);
    }
    return acc;
}

/* True if this block is the last of `blocks` to come here; what the others
 * wrote before is then there to be read.  The ticket is 0 again after that. */
static __device__ __forceinline__ bool last_to_come(unsigned *ticket,
                                                    unsigned blocks)
{
    SHARED(bool, last, [1]);

    __syncthreads();
    if (threadIdx.x == 0 && threadIdx.y == 0) {
        __threadfence();
        last[0] = atomicAdd(ticket, 1u) == blocks - 1;
        if (last[0]) {
            *ticket = 0; /* nobody else comes */
            __threadfence();
        }
    }
    __syncthreads();
    return last[0];
}

/* Grid: (outer * across, splits), block: (lanes, high). */
template <typename T, int N, typename How>
static __global__ void __launch_bounds__(JOIN_THREADS)
    columns(T *y, const T *x, Columns c, How how)
{
    SHARED(float, part, [JOIN_THREADS * N]);
    typedef Pack<T, N> P;
    const unsigned thread = threadIdx.y * c.lanes + threadIdx.x;
    const unsigned threads = c.lanes * c.high, stride = c.lanes * N;
    unsigned block = blockIdx.x;
    const size_t o = divmod(&block, c.across);
    const unsigned first = block * stride, own = threadIdx.x * N;
    const unsigned numbers = min(stride, c.width - first);
    const unsigned begin = blockIdx.y * c.share;
    const Span<unsigned> rows = { begin + threadIdx.y,
                                  min(begin + c.share, c.rows) };
    float *partial = c.partial + o * c.splits * c.width + first;

    y += o * c.width + first;
    if (own < numbers)
        store_floats(&part[thread * N],
                     join_rows<P>(x, o * c.rows * c.width + first + own, c, how,
                                  rows, first + own));
    __syncthreads();
    for (unsigned q = thread; q < numbers; q += threads) {
        const float v = join_parts<How>(&part[q], c.high, stride);

        if (c.splits == 1)
            from_float(&y[q], how.template finish<T>(v, first + q) * c.scale);
        else
            partial[blockIdx.y * c.width + q] = v;
    }
    if (c.splits > 1 && last_to_come(&c.tickets[blockIdx.x], c.splits)) {
        if (own < numbers)
            store_floats(&part[thread * N],
                         join_partial<How, P>(partial + own, c));
        __syncthreads();
        for (unsigned q = thread; q < numbers; q += threads)
            from_float(&y[q], how.template finish<T>(
                                  join_parts<How>(&part[q], c.high, stride),
                                  first + q) *
                                  c.scale);
    }
}

/* ---- plan and launch --------------------------------------------------- */

/* A kernel's state; what else it has comes after. */
typedef struct ColumnsState {
    Columns c;
    Device *dev;
    void *memory; /* partial results and tickets; NULL: one split */
} ColumnsState;

/* Divides the machine for c, whose outer, rows, width and scale are set. */
static inline void columns_divide(Columns *c, Dtype dtype, unsigned wanted)
{
    /* Rows that keep a block busy that is as wide as a line. */
    const unsigned busy = JOIN_THREADS * 16 / LINE_BYTES * UNDER_WAY;
    const size_t most = c->outer * ceil_div(c->rows, busy);
    const Lanes l = lanes_of(dtype, c->width, most, wanted);
    unsigned splits, round, rounds;

    c->whole = l.whole;
    c->lanes = l.lanes;
    c->across = divider(l.across);
    c->high = JOIN_THREADS / c->lanes;
    while (c->high * c->lanes > LEAST_THREADS && c->high * 2 > c->rows)
        c->high /= 2;

    /* Whole rounds of loads: as many as are nearest to what is wanted. */
    round = c->high * UNDER_WAY;
    splits = max(1u, min((unsigned)(wanted / (c->outer * c->across.by)),
                         c->rows / round));
    rounds = max(1u, (c->rows + splits * round / 2) / (splits * round));
    c->share = splits == 1 ? c->rows : rounds * round;
    c->splits = (unsigned)ceil_div(c->rows, c->share);
}

static inline void columns_release(ColumnsState *s)
{
    if (s->memory)
        s->dev->backend->release(s->dev, s->memory);
}

/* Frees a state that has nothing else. */
static inline void columns_free(void *state)
{
    if (state)
        columns_release((ColumnsState *)state);
    free(state);
}

/* Divides s->c and gets what memory its splits need. */
static inline int columns_plan(ColumnsState *s, Device *dev, Dtype dtype)
{
    Columns *c = &s->c;
    const unsigned sms = (unsigned)cuda_device(dev)->sms;
    size_t partials, tickets;
    void *zeros;
    int err;

    s->dev = dev;
    columns_divide(c, dtype, sms * BLOCKS_WANTED);
    if (c->splits == 1)
        return OK;
    tickets = c->outer * c->across.by * sizeof(unsigned);
    partials = c->outer * c->splits * c->width * sizeof(float);
    TRY(dev->backend->alloc(dev, &s->memory, partials + tickets));
    c->partial = (float *)s->memory;
    c->tickets = (unsigned *)((char *)s->memory + partials);
    zeros = calloc(1, tickets);
    if (!zeros)
        return fail(ERR_MEMORY, "no memory for %zu bytes", tickets);
    err = dev->backend->upload(dev, c->tickets, zeros, tickets);
    free(zeros);
    return err;
}

template <typename How>
static inline int columns_run(Device *dev, const Tensor *out,
                              const ColumnsState *s, How how)
{
    const Columns &c = s->c;
    const Launch l = { dim3((unsigned)(c.outer * c.across.by), c.splits),
                       dim3(c.lanes, c.high) };
    int err = OK;

    FOR_PACK(out->dtype, c.whole, T, N, {
        err = launch(dev, l, columns<T, N, How>, (T *)out->data,
                     (const T *)out->src[0]->data, c, how);
    });
    return err;
}

#endif
