/*
 * move.cu - numbers to other places: concat, slice, slice_grad,
 * channel_shuffle
 *
 * Bound by bytes: each number is read once and written once.
 *
 *   gather   (move_units.h) a map says where unit i comes from.  Reads of small
 *            units (a shuffle's: one number) are as many as there are units,
 *            but neighbours in the warp find them in the same lines.
 */
#include "kernels/cuda/kernels/move_units.h"

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

/* The other way: a run in each row, zeros around it. */
template <typename U> struct FromPiece {
    const U *x;
    Divider row;
    unsigned begin, run;

    __device__ __forceinline__ U operator()(unsigned i) const
    {
        const unsigned r = divmod(&i, row);

        i -= begin;
        return i < run ? x[r * run + i] : U{};
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

        err = run_gather<U>(dev, out, from);
    });
    return err;
}

static int run_slice_grad(Device *dev, const Tensor *out, void *state)
{
    const SliceGradAttr *a = (const SliceGradAttr *)out->attr;
    const size_t step = step_along(out, a->dim);
    const size_t begin = a->begin * step, row = a->size * step;
    const size_t piece = out->src[0]->dim[a->dim] * step;
    int err = OK;

    (void)state;
    FOR_UNIT(begin | piece | row, U, {
        const FromPiece<U> from = { (const U *)out->src[0]->data,
                                    divider(row / sizeof(U)),
                                    (unsigned)(begin / sizeof(U)),
                                    (unsigned)(piece / sizeof(U)) };

        err = run_gather<U>(dev, out, from);
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
    return run_gather<U>(dev, out, from);
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

    return run_gather<U>(dev, out, from);
}

static int run_shuffle(Device *dev, const Tensor *out, void *state)
{
    const int G = ((const ShuffleAttr *)out->attr)->groups, C = out->dim[1];

    (void)state;
    return dtype_size(out->dtype) == sizeof(unsigned)
               ? run_shuffle_of<unsigned>(dev, out, C, G)
               : run_shuffle_of<unsigned short>(dev, out, C, G);
}

GATHER(concat, run_concat)
GATHER(slice, run_slice)
GATHER(slice_grad, run_slice_grad)
GATHER(channel_shuffle, run_shuffle)
