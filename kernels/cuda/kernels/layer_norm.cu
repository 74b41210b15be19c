/*
 * layer_norm.cu - y = (x - mean) / sqrt(var + eps) * weight[c] + bias[c], the
 * mean and variance being those of the C numbers of a position
 *
 * Memory bound: one number in, one out, the second and third reading from L1.
 *
 *   warp_per_row   lanes take a pack each; the mean first, then the mean square
 *                  deviation from it, then the result.  Starves on fewer
 *                  channels than a warp has lanes, and on few rows.
 */
#include "kernels/cuda/kernels/row_stats.h"

enum { WARPS = 8, THREADS = WARPS * 32 };

/* y may be x: a lane writes what it alone has read. */
template <typename T, int N>
static __global__ void warp_per_row(T *y, const T *x, const T *weight,
                                    const T *bias, size_t rows, int C,
                                    float eps)
{
    const int first = threadIdx.x % WARP * N;
    const size_t warps = (size_t)gridDim.x * WARPS;

    for (size_t r = (size_t)blockIdx.x * WARPS + threadIdx.x / WARP; r < rows;
         r += warps) {
        const T *row = x + r * C;
        const Stats s = stats_of<N>(row, C, eps);

        for (int c = first; c < C; c += WARP * N) {
            const Pack<T, N> w = load_pack<N>(weight + c);
            const Pack<T, N> b = load_pack<N>(bias + c);
            Pack<T, N> v = load_pack<N>(row + c);

#pragma unroll
            for (int i = 0; i < N; i++)
                v.at[i] = (v.at[i] - s.mean) * s.scale * w.at[i] + b.at[i];
            store_pack(y + r * C + c, v);
        }
    }
}

static int run(Device *dev, const Tensor *out, void *state)
{
    const size_t rows = tensor_rows(out), blocks = ceil_div(rows, WARPS);
    const int C = tensor_channels(out);
    const float eps = (float)((const NormAttr *)out->attr)->eps;
    const Launch l = { grid_of(blocks), THREADS };
    int err = OK;

    (void)state;
    FOR_PACK(out->dtype, whole_packs(out->dtype, (size_t)C), T, N,
             err = launch(dev, l, warp_per_row<T, N>, (T *)out->data,
                          (const T *)out->src[0]->data,
                          (const T *)out->src[1]->data,
                          (const T *)out->src[2]->data, rows, C, eps));
    return err;
}

const Kernel cuda_layer_norm = {
    .op = &layer_norm_def,
    .name = "warp_per_row",
    .dtypes = ALL_DTYPES,
    .run = run,
    .inplace = 1u << 0,
};
