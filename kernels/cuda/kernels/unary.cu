/*
 * unary.cu - y = f(x) for every number: relu, relu6, sigmoid, hard_swish,
 *            gelu, scale_shift
 *
 * Memory bound: one number in, one out.  The best possible time is twice the
 * tensor over the copy bandwidth.
 *
 *   packs   a thread takes 16 bytes, and strides over the tensor by the grid;
 *           the last few numbers, less than a pack, go one to a thread.
 */
#include "kernels/cuda/kernels/kernel.h"

enum { THREADS = 256, BLOCKS_PER_SM = 8 };

struct Relu {
    __device__ float operator()(float x) const
    {
        return x < 0 ? 0 : x; /* NaN passes */
    }
};

struct Relu6 {
    __device__ float operator()(float x) const
    {
        return x < 0 ? 0 : x > 6 ? 6 : x;
    }
};

struct Sigmoid {
    __device__ float operator()(float x) const
    {
        return __fdividef(1, 1 + expf(-x));
    }
};

struct HardSwish {
    __device__ float operator()(float x) const
    {
        const float r = x + 3;

        return x * (r < 0 ? 0 : r > 6 ? 6 : r) * (1 / 6.0f);
    }
};

struct Gelu {
    __device__ float operator()(float x) const
    {
        return 0.5f * x * (1 + erff(x * 0.70710678f));
    }
};

struct ScaleShift {
    float a, b;
    __device__ float operator()(float x) const
    {
        return a * x + b;
    }
};

/* y may be x. */
template <typename T, typename F>
static __global__ void packs(T *y, const T *x, size_t n, F f)
{
    const size_t thread = (size_t)blockIdx.x * THREADS + threadIdx.x;
    const size_t threads = (size_t)gridDim.x * THREADS;
    const size_t whole = n / Pack<T>::N;

    for (size_t i = thread; i < whole; i += threads) {
        Pack<T> v = load_pack(x + i * Pack<T>::N);

#pragma unroll
        for (int k = 0; k < Pack<T>::N; k++)
            v.at[k] = f(v.at[k]);
        store_pack(y + i * Pack<T>::N, v);
    }
    for (size_t i = whole * Pack<T>::N + thread; i < n; i += threads)
        from_float(&y[i], f(to_float(x[i])));
}

template <typename F> static int run(Device *dev, const Tensor *out, F f)
{
    const size_t n = tensor_count(out);
    int err = OK;

    FOR_DTYPE(out->dtype, T, {
        const size_t blocks = ceil_div(n, THREADS * Pack<T>::N);
        const Launch l = { even_grid(dev, blocks, BLOCKS_PER_SM), THREADS };

        err = launch(dev, l, packs<T, F>, (T *)out->data,
                     (const T *)out->src[0]->data, n, f);
    });
    return err;
}

#define UNARY(id, exact, ...)                                        \
    static int run_##id(Device *dev, const Tensor *out, void *state) \
    {                                                                \
        (void)state;                                                 \
        return run(dev, out, __VA_ARGS__);                           \
    }                                                                \
    const Kernel cuda_##id = {                                       \
        .op = &id##_def,                                             \
        .name = "packs",                                             \
        .dtypes = ALL_DTYPES,                                        \
        .run = run_##id,                                             \
        .inplace = 1u << 0,                                          \
        .exact_flops = exact,                                        \
    };

static ScaleShift scale_shift_of(const Tensor *out)
{
    const ScaleShiftAttr *p = (const ScaleShiftAttr *)out->attr;

    return { (float)p->a, (float)p->b };
}

UNARY(relu, false, Relu())
UNARY(relu6, false, Relu6())
UNARY(sigmoid, false, Sigmoid())
UNARY(hard_swish, false, HardSwish())
UNARY(gelu, false, Gelu())
UNARY(scale_shift, true, scale_shift_of(out))
