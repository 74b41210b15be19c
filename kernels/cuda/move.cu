/*
 * move.cu - numbers to other places: concat, slice, channel_shuffle
 *
 * Bound by bytes: each number is read once and written once.
 *
 *   gather   what moves together is a unit: of 16 bytes where every run of
 *            neighbours is, else of 8, 4 or 2, so that one kernel serves all
 *            dtypes.  A thread makes 16 bytes of the result, of as many units
 *            as that is, and strides over it by the grid; a map says where
 *            unit i comes from.  Reads of small units (a shuffle's: one
 *            number) are as many as there are units, but neighbours in the
 *            warp find them in the same lines.
 *
 * Grid: what the machine holds at once, each block equally many rounds.
 */
#include "kernels/cuda/kernel.h"

enum { THREADS = 256, BLOCKS_PER_SM = 8 };

/* ---- where unit i of the result is ------------------------------------- */

/* Rows of `row` units: `run` of them in a row of the result. */
template <typename U> struct FromSlice {
    const U *x;
    Divider run;
    unsigned row;

    __device__ __forceinline__ U operator()(unsigned i) const
    {
        const unsigned r = divmod(&i, run);

        return x[r * row + i];
    }
};

/* Rows of one run of each source. */
template <typename U> struct FromConcat {
    const U *x[CONCAT_MAX];
    unsigned run[CONCAT_MAX]; /* 0: no such source */
    Divider row;

    __device__ __forceinline__ U operator()(unsigned i) const
    {
        const unsigned r = divmod(&i, row);
        const U *from = x[0] + (size_t)r * run[0] + i;

        i -= run[0];
#pragma unroll
        for (int s = 1; s < CONCAT_MAX; s++)
            if ((int)i >= 0) {
                from = x[s] + (size_t)r * run[s] + i;
                i -= run[s];
            }
        return *from;
    }
};

/* Rows of `groups` by `each` numbers, transposed. */
template <typename U> struct FromShuffle {
    const U *x;
    Divider row, groups;
    unsigned each;

    __device__ __forceinline__ U operator()(unsigned i) const
    {
        const unsigned r = divmod(&i, row), k = divmod(&i, groups);

        return x[r * row.by + i * each + k];
    }
};

/* ---- the kernel -------------------------------------------------------- */

template <typename U, typename From>
static __global__ void __launch_bounds__(THREADS)
    gather(U *y, unsigned n, From from)
{
    constexpr unsigned N = 16 / sizeof(U);
    const unsigned thread = blockIdx.x * THREADS + threadIdx.x;
    const unsigned threads = gridDim.x * THREADS;
    const unsigned whole = n / N;

    for (unsigned i = thread; i < whole; i += threads) {
        union {
            uint4 word;
            U at[N];
        } u;

#pragma unroll
        for (unsigned k = 0; k < N; k++)
            u.at[k] = from(i * N + k);
        reinterpret_cast<uint4 *>(y)[i] = u.word;
    }
    for (unsigned i = whole * N + thread; i < n; i += threads)
        y[i] = from(i);
}

/* from is of units of U. */
template <typename U, typename From>
static int run(Device *dev, const Tensor *out, From from)
{
    const unsigned n = (unsigned)(tensor_bytes(out) / sizeof(U));
    const size_t blocks = ceil_div(tensor_bytes(out), THREADS * 16);
    const Launch l = { even_grid(dev, blocks, BLOCKS_PER_SM), THREADS };

    return launch(dev, l, gather<U, From>, (U *)out->data, n, from);
}

/* Runs a statement with U standing for the largest unit that `bytes` (of all
 * sizes the bits, or-ed) is a multiple of. */
#define FOR_UNIT(bytes, U, ...)        \
    do {                               \
        if ((bytes) % 16 == 0) {       \
            typedef uint4 U;           \
            __VA_ARGS__;               \
        } else if ((bytes) % 8 == 0) { \
            typedef uint2 U;           \
            __VA_ARGS__;               \
        } else if ((bytes) % 4 == 0) { \
            typedef unsigned U;        \
            __VA_ARGS__;               \
        } else {                       \
            typedef unsigned short U;  \
            __VA_ARGS__;               \
        }                              \
    } while (0)

/* Bytes between neighbours of t along dim. */
static size_t step_along(const Tensor *t, int dim)
{
    size_t stride[MAX_RANK];

    tensor_strides(t, stride);
    return stride[dim] * dtype_size(t->dtype);
}

static int run_slice(Device *dev, const Tensor *out, void *state)
{
    const SliceAttr *a = (const SliceAttr *)out->attr;
    const Tensor *x = out->src[0];
    const size_t step = step_along(x, a->dim);
    const size_t begin = a->begin * step, piece = a->count * step;
    const size_t row = x->dim[a->dim] * step;
    int err = OK;

    (void)state;
    FOR_UNIT(begin | piece | row, U, {
        const FromSlice<U> from = { (const U *)x->data + begin / sizeof(U),
                                    divider(piece / sizeof(U)),
                                    (unsigned)(row / sizeof(U)) };

        err = run<U>(dev, out, from);
    });
    return err;
}

template <typename U>
static int run_concat_of(Device *dev, const Tensor *out, int dim, size_t step)
{
    FromConcat<U> from = { .row = divider(out->dim[dim] * step / sizeof(U)) };

    for (int s = 0; s < CONCAT_MAX && out->src[s]; s++) {
        from.x[s] = (const U *)out->src[s]->data;
        from.run[s] = (unsigned)(out->src[s]->dim[dim] * step / sizeof(U));
    }
    return run<U>(dev, out, from);
}

static int run_concat(Device *dev, const Tensor *out, void *state)
{
    const int dim = ((const DimAttr *)out->attr)->dim;
    const size_t step = step_along(out, dim);
    size_t runs = 0;
    int err = OK;

    (void)state;
    for (int s = 0; s < CONCAT_MAX && out->src[s]; s++)
        runs |= out->src[s]->dim[dim] * step;
    FOR_UNIT(runs, U, { err = run_concat_of<U>(dev, out, dim, step); });
    return err;
}

template <typename U>
static int run_shuffle_of(Device *dev, const Tensor *out, int C, int G)
{
    const FromShuffle<U> from = { (const U *)out->src[0]->data, divider(C),
                                  divider(G), (unsigned)(C / G) };

    return run<U>(dev, out, from);
}

static int run_shuffle(Device *dev, const Tensor *out, void *state)
{
    const int G = ((const ShuffleAttr *)out->attr)->groups, C = out->dim[1];

    (void)state;
    return dtype_size(out->dtype) == sizeof(unsigned)
               ? run_shuffle_of<unsigned>(dev, out, C, G)
               : run_shuffle_of<unsigned short>(dev, out, C, G);
}

/* All that it reads and writes has an index of 31 bits. */
static bool small(const Tensor *out)
{
    return small_index(out) && small_index(out->src[0]);
}

#define GATHER(id, run_id)     \
    const Kernel cuda_##id = { \
        .op = &id##_def,       \
        .name = "gather",      \
        .dtypes = ALL_DTYPES,  \
        .supports = small,     \
        .run = run_id,         \
    };
GATHER(concat, run_concat)
GATHER(slice, run_slice)
GATHER(channel_shuffle, run_shuffle)
