/*
 * unary_grad.cu - dx = f'(v) dy for every number, v being y or x: relu_grad,
 * relu6_grad, sigmoid_grad, hard_swish_grad, gelu_grad
 *
 * Memory bound: two numbers in, one out.
 *
 *   packs   as in unary.cu: a thread takes 16 bytes of either, and strides over
 *           the tensors by the grid; the last few numbers go one to a thread.
 */
#include "kernels/cuda/kernels/kernel.h"

enum { THREADS = 256, BLOCKS_PER_SM = 8 };

struct ReluGrad {
    static __device__ __forceinline__ float of(float y, float dy)
    {
        return y > 0 ? dy : 0;
    }
};

struct Relu6Grad {
    static __device__ __forceinline__ float of(float y, float dy)
    {
        return y > 0 && y < 6 ? dy : 0;
    }
};

struct SigmoidGrad {
    static __device__ __forceinline__ float of(float y, float dy)
    {
        return y * (1 - y) * dy;
    }
};

struct HardSwishGrad {
    static __device__ __forceinline__ float of(float x, float dy)
    {
        return x <= -3 ? 0 : x >= 3 ? dy : dy * (2 * x + 3) * (1 / 6.0f);
    }
};

struct GeluGrad {
    static __device__ __forceinline__ float of(float x, float dy)
    {
        const float normal = 0.5f * (1 + erff(x * 0.70710678f));
        const float density = 0.39894228f * expf(-0.5f * x * x);

        return dy * (normal + x * density);
    }
};

/* dx may be v or dy. */
template <typename T, typename F>
static __global__ void packs(T *dx, const T *v, const T *dy, size_t n)
{
    const size_t thread = (size_t)blockIdx.x * THREADS + threadIdx.x;
    const size_t threads = (size_t)gridDim.x * THREADS;
    const size_t whole = n / Pack<T>::N;

    for (size_t i = thread; i < whole; i += threads) {
        const Pack<T> a = load_pack(v + i * Pack<T>::N);
        Pack<T> d = load_pack(dy + i * Pack<T>::N);

#pragma unroll
        for (int k = 0; k < Pack<T>::N; k++)
            d.at[k] = F::of(a.at[k], d.at[k]);
        store_pack(dx + i * Pack<T>::N, d);
    }
    for (size_t i = whole * Pack<T>::N + thread; i < n; i += threads)
        from_float(&dx[i], F::of(to_float(v[i]), to_float(dy[i])));
}

template <typename F>
static int run(Device *dev, const Tensor *out, void *state)
{
    const size_t n = tensor_count(out);
    int err = OK;

    (void)state;
    FOR_DTYPE(out->dtype, T, {
        const size_t blocks = ceil_div(n, THREADS * Pack<T>::N);
        const Launch l = { even_grid(dev, blocks, BLOCKS_PER_SM), THREADS };

        err = launch(dev, l, packs<T, F>, (T *)out->data,
                     (const T *)out->src[0]->data, (const T *)out->src[1]->data,
                     n);
    });
    return err;
}

#define UNARY_GRAD(id, F)                 \
    const Kernel cuda_##id = {            \
        .op = &id##_def,                  \
        .name = "packs",                  \
        .dtypes = ALL_DTYPES,             \
        .run = run<F>,                    \
        .inplace = (1u << 0) | (1u << 1), \
    };

UNARY_GRAD(relu_grad, ReluGrad)
UNARY_GRAD(relu6_grad, Relu6Grad)
UNARY_GRAD(sigmoid_grad, SigmoidGrad)
UNARY_GRAD(hard_swish_grad, HardSwishGrad)
UNARY_GRAD(gelu_grad, GeluGrad)
