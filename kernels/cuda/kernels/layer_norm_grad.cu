/*
 * layer_norm_grad.cu - group_norm_grad_x of images of one position and group,
 * which is a layer norm's: with x^ = (x - mean) r and g = dy weight[c], means
 * being those of the C numbers of an image,
 *
 *   dx = r (g - mean of g - x^ mean of g x^)
 *
 * Memory bound: two numbers in, one out, all further reading from L1.
 *
 *   warp_per_row   as in layer_norm.cu: lanes take a pack each.  Starves on
 *                  fewer channels than a warp has lanes, and on few rows.
 */
#include "kernels/cuda/kernels/row_stats.h"

enum { WARPS = 8, THREADS = WARPS * 32 };

/* dx may be x or dy: a lane writes what it alone has read. */
template <typename T, int N>
static __global__ void __launch_bounds__(THREADS)
    warp_per_row(T *dx, const T *x, const T *dy, const T *weight, size_t rows,
                 int C, float eps)
{
    const int first = threadIdx.x % WARP * N;
    const size_t warps = (size_t)gridDim.x * WARPS;

    for (size_t r = (size_t)blockIdx.x * WARPS + threadIdx.x / WARP; r < rows;
         r += warps) {
        const Stats s = stats_of<N>(x + r * C, C, eps);
        float g = 0, with_x = 0;

        for (int c = first; c < C; c += WARP * N) {
            const Pack<T, N> w = load_pack<N>(weight + c);
            const Pack<T, N> v = load_pack<N>(x + r * C + c);
            const Pack<T, N> d = load_pack<N>(dy + r * C + c);

#pragma unroll
            for (int i = 0; i < N; i++) {
                g += d.at[i] * w.at[i];
                with_x += d.at[i] * w.at[i] * (v.at[i] - s.mean) * s.scale;
            }
        }
        g = __fdividef(warp_sum(g), (float)C);
        with_x = __fdividef(warp_sum(with_x), (float)C);
        for (int c = first; c < C; c += WARP * N) {
            const Pack<T, N> w = load_pack<N>(weight + c);
            const Pack<T, N> v = load_pack<N>(x + r * C + c);
            Pack<T, N> d = load_pack<N>(dy + r * C + c);

#pragma unroll
            for (int i = 0; i < N; i++)
                d.at[i] = s.scale * (d.at[i] * w.at[i] - g -
                                     (v.at[i] - s.mean) * s.scale * with_x);
            store_pack(dx + r * C + c, d);
        }
    }
}

static int run_rows(Device *dev, const Tensor *out, void *state)
{
    const size_t rows = (size_t)out->dim[0];
    const float eps = (float)((const NormAttr *)out->attr)->eps;
    const Launch l = { grid_of(ceil_div(rows, WARPS)), THREADS };
    const int C = out->dim[1];
    int err = OK;

    (void)state;
    FOR_PACK(out->dtype, whole_packs(out->dtype, (size_t)C), T, N,
             err = launch(dev, l, warp_per_row<T, N>, (T *)out->data,
                          (const T *)out->src[0]->data,
                          (const T *)out->src[1]->data,
                          (const T *)out->src[2]->data, rows, C, eps));
    return err;
}

/* Images of one position and group, each channel with its own weight. */
static bool are_rows(const Tensor *out)
{
    return tensor_positions(out) == 1 &&
           ((const NormAttr *)out->attr)->groups == 1 &&
           out->src[2]->dim[0] == out->dim[1];
}

const Kernel cuda_group_norm_grad_x_rows = {
    .op = &group_norm_grad_x_def,
    .name = "warp_per_row",
    .dtypes = ALL_DTYPES,
    .supports = are_rows,
    .run = run_rows,
    .inplace = (1u << 0) | (1u << 1),
};
