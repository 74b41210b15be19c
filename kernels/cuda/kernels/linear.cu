/*
 * linear.cu - y[r,o] = act(b[o] + z[r,o] + sum over i of x[r,i] w[o,i]) for few
 * rows r: linear, and conv2d 1x1 on maps of few positions
 *
 * The bottlenecks of SE, CBAM and CPCA, the full layer of AFGCA, classifiers:
 * N rows after a global pool.  Bound by the bytes of w where that is large,
 * else by latency.  Many rows are for the tiles of conv2d.cu.
 *
 *   warp_per_output   a warp takes one output of ROWS rows: its lanes stride
 *                     over w[o], which lies as PyTorch has it, and the sums are
 *                     joined by shuffles, always in the same order.  The warps
 *                     of a block take the same outputs of other rows first, so
 *                     that w comes from L1.  Starves where I is less than the
 *                     numbers that a warp loads at once (128 in f32): lanes
 *                     have nothing to do.
 */
#include "kernels/cuda/kernels/conv.h"

enum {
    ROWS = 4,
    FEW = 64, /* rows: from here on the tiles of conv2d.cu have enough to do */
    WARPS = 4,
    THREADS = WARPS * 32,
};

template <typename T, int N>
static __global__ void warp_per_output(Places<T> p, int rows, int I, int O,
                                       Activation act)
{
    const int lane = threadIdx.x % WARP;
    const int blocks = (rows + ROWS - 1) / ROWS, items = blocks * O;
    const int warps = gridDim.x * WARPS;

    for (int e = blockIdx.x * WARPS + threadIdx.x / WARP; e < items;
         e += warps) {
        const int first = e % blocks * ROWS, o = e / blocks;
        Pack<T, N> sum[ROWS] = {};
        Pack<T, 1> mine = {};

        for (int i = lane * N; i < I; i += WARP * N) {
            const Pack<T, N> w = load_pack<N>(p.w + (size_t)o * I + i);

#pragma unroll
            for (int r = 0; r < ROWS; r++) {
                const int row = min(first + r, rows - 1);

                add_product(&sum[r], w,
                            load_pack<N>(p.x + (size_t)row * I + i));
            }
        }
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            float s = 0;

#pragma unroll
            for (int i = 0; i < N; i++)
                s += sum[r].at[i];
            s = warp_sum(s);
            mine.at[0] = lane == r ? s : mine.at[0];
        }
        if (lane < ROWS && first + lane < rows)
            finish(p, (size_t)(first + lane) * O + o, o, mine, act);
    }
}

static int run(Device *dev, const Tensor *out, void *state)
{
    const Conv c = conv_of(out);
    const int rows = (int)tensor_rows(out);
    const size_t items = ceil_div(rows, ROWS) * (size_t)c.O;
    const Launch l = { dim3((unsigned)ceil_div(items, WARPS)), THREADS };
    int err = OK;

    (void)state;
    FOR_PACK(out->dtype, whole_packs(out->dtype, (size_t)c.C), T, N,
             err = launch(dev, l, warp_per_output<T, N>,
                          places_of<T>(out, out->src[1]->data), rows, c.C, c.O,
                          c.act));
    return err;
}

static bool few_rows(const Tensor *out)
{
    return tensor_rows(out) <= FEW;
}

static bool pointwise_few_rows(const Tensor *out)
{
    const Conv c = conv_of(out);

    return few_rows(out) && c.groups == 1 && c.kh == 1 && c.kw == 1 &&
           c.stride == 1 && c.pad_h == 0 && c.pad_w == 0;
}

const Kernel cuda_linear_few_rows = {
    .op = &linear_def,
    .name = "warp_per_output",
    .dtypes = ALL_DTYPES,
    .supports = few_rows,
    .run = run,
};

const Kernel cuda_conv2d_few_rows = {
    .op = &conv2d_def,
    .name = "warp_per_output",
    .dtypes = ALL_DTYPES,
    .supports = pointwise_few_rows,
    .run = run,
};
