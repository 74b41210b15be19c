/*
 * window_move.cu - rows of channels to and from windows: window_partition,
 * window_reverse, patch_merge, patch_split; window_bias and
 * window_bias_grad
 *
 * Bound by bytes: each number is read once and written once.
 *
 *   gather   (move_units.h) a map says where unit i comes from: rows of a
 *            window are together in the map except where the shift has rolled
 *            it.
 *   lookup   window_bias: a thread makes one number, from a table that is in L1
 *            after the first block.
 *   collect  window_bias_grad: a warp makes one number of the table, from all
 *            windows and pairs of positions that lie so to each other; its
 *            lanes go through them in one order always.  Reads single numbers.
 */
#include "kernels/cuda/kernels/move_units.h"
#include "kernels/cuda/kernels/window.h"

/* Rows of `row` units, in the order of the windows, from the map. */
template <typename U> struct FromMap {
    const U *x;
    Divider row;
    Windows s;

    __device__ __forceinline__ U operator()(unsigned i) const
    {
        unsigned p = divmod(&i, row), k = divmod(&p, s.area);
        const unsigned image = divmod(&k, s.count);
        const unsigned at = unrolled(s, rolled(s, k, p));

        return x[(image * s.map.by + at) * row.by + i];
    }
};

/* Rows of `row` units, in the order of the map, from the windows. */
template <typename U> struct FromWindows {
    const U *x;
    Divider row;
    Windows s;

    __device__ __forceinline__ U operator()(unsigned i) const
    {
        unsigned p = divmod(&i, row), k = divmod(&p, s.map);
        unsigned y = divmod(&p, s.map_w);

        y += y < s.shift_h ? s.map_h - s.shift_h : 0 - s.shift_h;
        p += p < s.shift_w ? s.map_w.by - s.shift_w : 0 - s.shift_w;
        k *= s.count.by;
        k += divmod(&y, s.h) * s.across.by;
        k += divmod(&p, s.w);
        return x[(k * s.area.by + y * s.w.by + p) * row.by + i];
    }
};

/* Rows of four times `row` units, of maps that are twice `half_w` wide. */
template <typename U> struct FromPatches {
    const U *x;
    Divider row, half_w;

    __device__ __forceinline__ U operator()(unsigned i) const
    {
        const unsigned r = divmod(&i, row);
        unsigned p = r / 4, y = divmod(&p, half_w);

        y = 2 * y + r % 2;
        p = 2 * p + r % 4 / 2;
        return x[(y * 2 * half_w.by + p) * row.by + i];
    }
};

/* And back: rows of `row` units, of maps that are twice `half_w` wide. */
template <typename U> struct ToPatches {
    const U *x;
    Divider row, half_w;

    __device__ __forceinline__ U operator()(unsigned i) const
    {
        unsigned r = divmod(&i, row);
        const unsigned y = divide(r / 2, half_w);
        const unsigned p = r - y * 2 * half_w.by; /* across */

        r = (y / 2 * half_w.by + p / 2) * 4 + p % 2 * 2 + y % 2;
        return x[r * row.by + i];
    }
};

static size_t row_bytes(const Tensor *t)
{
    return t->dim[1] * dtype_size(t->dtype);
}

static int run_partition(Device *dev, const Tensor *out, void *state)
{
    const size_t row = row_bytes(out);
    int err = OK;

    (void)state;
    FOR_UNIT(row, U, {
        const FromMap<U> from = { (const U *)out->src[0]->data,
                                  divider(row / sizeof(U)),
                                  windows_on((const WindowAttr *)out->attr) };

        err = run_gather<U>(dev, out, from);
    });
    return err;
}

static int run_reverse(Device *dev, const Tensor *out, void *state)
{
    const size_t row = row_bytes(out);
    int err = OK;

    (void)state;
    FOR_UNIT(row, U, {
        const FromWindows<U> from = {
            (const U *)out->src[0]->data, divider(row / sizeof(U)),
            windows_on((const WindowAttr *)out->attr)
        };

        err = run_gather<U>(dev, out, from);
    });
    return err;
}

static int run_merge(Device *dev, const Tensor *out, void *state)
{
    const size_t row = row_bytes(out->src[0]);
    int err = OK;

    (void)state;
    FOR_UNIT(row, U, {
        const FromPatches<U> from = { (const U *)out->src[0]->data,
                                      divider(row / sizeof(U)),
                                      divider(out->dim[3]) };

        err = run_gather<U>(dev, out, from);
    });
    return err;
}

static int run_split(Device *dev, const Tensor *out, void *state)
{
    const size_t row = row_bytes(out);
    int err = OK;

    (void)state;
    FOR_UNIT(row, U, {
        const ToPatches<U> from = { (const U *)out->src[0]->data,
                                    divider(row / sizeof(U)),
                                    divider(out->src[0]->dim[3]) };

        err = run_gather<U>(dev, out, from);
    });
    return err;
}

GATHER(window_partition, run_partition)
GATHER(window_reverse, run_reverse)
GATHER(patch_merge, run_merge)
GATHER(patch_split, run_split)

/* ---- window_bias --------------------------------------------------------- */

enum { WARPS = 8, THREADS = WARPS * 32 };

/* Number i of (windows,heads,area,area). */
template <typename T>
static __global__ void __launch_bounds__(THREADS)
    lookup(T *y, const T *table, unsigned n, Divider heads, Windows s)
{
    const unsigned threads = gridDim.x * THREADS;

    for (unsigned at = blockIdx.x * THREADS + threadIdx.x; at < n;
         at += threads) {
        unsigned j = at, i = divmod(&j, s.area), head = divmod(&i, s.area);
        const unsigned k = divmod(&head, heads);
        const int offset = code(s, i) - code(s, j) + code_of_equal(s);
        const bool masked =
            (s.shift_h || s.shift_w) &&
            region(s, rolled(s, k, i)) != region(s, rolled(s, k, j));

        from_float(&y[at], to_float(table[offset * heads.by + head]) +
                               (masked ? WINDOW_MASK : 0.0f));
    }
}

static int run_bias(Device *dev, const Tensor *out, void *state)
{
    const unsigned n = (unsigned)tensor_count(out);
    const Launch l = { grid_of(ceil_div(n, THREADS)), THREADS };
    const Windows s = windows_on((const WindowAttr *)out->attr);
    int err = OK;

    (void)state;
    FOR_DTYPE(out->dtype, T,
              err = launch(dev, l, lookup<T>, (T *)out->data,
                           (const T *)out->src[0]->data, n,
                           divider(out->src[0]->dim[1]), s));
    return err;
}

const Kernel cuda_window_bias = {
    .op = &window_bias_def,
    .name = "lookup",
    .dtypes = ALL_DTYPES,
    .supports = gather_supports,
    .run = run_bias,
};

/* ---- window_bias_grad --------------------------------------------------- */

/* Number q of (offsets,heads).  Position i of a window has a partner j there,
 * `down` above it and `across` to its left, or none. */
template <typename T>
static __global__ void __launch_bounds__(THREADS)
    collect(T *table, const T *dy, unsigned n, unsigned windows, Divider heads,
            Divider width, Windows s)
{
    const unsigned lane = threadIdx.x % WARP, warps = gridDim.x * WARPS;

    for (unsigned q = blockIdx.x * WARPS + threadIdx.x / WARP; q < n;
         q += warps) {
        unsigned head = q, x = divmod(&head, heads), y = divmod(&x, width);
        const int down = (int)y - (int)(s.h.by - 1);
        const int across = (int)x - (int)(s.w.by - 1);
        float sum = 0;

        for (unsigned e = lane; e < windows * s.area.by; e += WARP) {
            unsigned i = e, k = divmod(&i, s.area), l = i, h = divmod(&l, s.w);
            const int above = (int)h - down, left = (int)l - across;

            if (above >= 0 && above < (int)s.h.by && left >= 0 &&
                left < (int)s.w.by)
                sum += to_float(
                    dy[((k * heads.by + head) * s.area.by + i) * s.area.by +
                       (unsigned)above * s.w.by + (unsigned)left]);
        }
        sum = warp_sum(sum);
        if (lane == 0)
            from_float(&table[q], sum);
    }
}

static int run_bias_grad(Device *dev, const Tensor *out, void *state)
{
    const WindowBiasGradAttr *a = (const WindowBiasGradAttr *)out->attr;
    const unsigned n = (unsigned)tensor_count(out);
    const unsigned windows = (unsigned)(out->src[0]->dim[1] / a->heads);
    const Launch l = { grid_of(ceil_div(n, WARPS)), THREADS };
    int err = OK;

    (void)state;
    FOR_DTYPE(out->dtype, T,
              err = launch(dev, l, collect<T>, (T *)out->data,
                           (const T *)out->src[0]->data, n, windows,
                           divider(a->heads), divider(2 * a->window.w - 1),
                           windows_on(&a->window)));
    return err;
}

const Kernel cuda_window_bias_grad = {
    .op = &window_bias_grad_def,
    .name = "collect",
    .dtypes = ALL_DTYPES,
    .supports = gather_supports,
    .run = run_bias_grad,
};
