/*
 * calibrate.cu - chains of v a + b, v + b, v a + b, v a of floats; of pairs of
 * halves v a + b alone
 *
 * Not to be fast, but to be counted: no loop, no tail, intrinsics that a
 * compiler may not join.  Bound by memory, or nearly so.
 *
 *   f32_chain   a thread has four floats, 16 bytes
 *   f16_chain   a thread has four pairs, 16 bytes; multiply-adds alone, for of
 *               additions and multiplications of pairs ptxas makes every second
 *               one a multiply-add by 1, or with -0, to keep two pipes busy
 *
 * ptxas likes to turn a constant in a register into a multiply-add of pairs of
 * zeros with it, which is counted like any other: hence a parameter that is
 * always 16.  What it makes of this file has been read for sm_80, sm_90, sm_100
 * and sm_120: these operations and no others.
 */
#include "kernels/cuda/kernels/calibrate.h"

#include "kernels/cuda/kernels/kernel.h"

enum { THREADS = 256, EACH = 4, ROUNDS = 4 };
static_assert((int)CALIBRATE_STEP == THREADS * EACH, "a block's step");
static_assert((int)CALIBRATE_F32_FLOPS == ROUNDS * (2 + 1 + 2 + 1), "f32");
static_assert((int)CALIBRATE_F16_FLOPS == ROUNDS * 4 * 2 * 2, "f16");

/* Where a thread's 16 bytes are, n being 16. */
template <typename T>
static __device__ __forceinline__ T *mine(T *p, unsigned n)
{
    const unsigned at = blockIdx.x * THREADS + threadIdx.x;

    return (T *)((const char *)p + (size_t)at * n);
}

static __global__ void f32_chain(float *y, const float *x, float a, float b,
                                 unsigned n)
{
    Pack<float> v = load_pack(mine(x, n));

#pragma unroll
    for (int i = 0; i < EACH; i++)
#pragma unroll
        for (int r = 0; r < ROUNDS; r++) {
            v.at[i] = __fmaf_rn(v.at[i], a, b);
            v.at[i] = __fadd_rn(v.at[i], b);
            v.at[i] = __fmaf_rn(v.at[i], a, b);
            v.at[i] = __fmul_rn(v.at[i], a);
        }
    store_pack(mine(y, n), v);
}

static __global__ void f16_chain(uint4 *y, const uint4 *x, __half2 a, __half2 b,
                                 unsigned n)
{
    union {
        uint4 word;
        __half2 at[EACH];
    } v;

    v.word = *mine(x, n);
#pragma unroll
    for (int i = 0; i < EACH; i++)
#pragma unroll
        for (int r = 0; r < 4 * ROUNDS; r++)
            v.at[i] = __hfma2(v.at[i], a, b);
    *mine(y, n) = v.word;
}

static Launch over(size_t n)
{
    return { dim3((unsigned)(n / CALIBRATE_STEP)), THREADS };
}

extern "C" int cuda_calibrate_f32(Device *dev, float *y, const float *x,
                                  size_t n, float a, float b)
{
    return launch(dev, over(n), f32_chain, y, x, a, b, 16);
}

extern "C" int cuda_calibrate_f16(Device *dev, void *y, const void *x, size_t n,
                                  float a, float b)
{
    return launch(dev, over(n), f16_chain, (uint4 *)y, (const uint4 *)x,
                  __floats2half2_rn(a, a), __floats2half2_rn(b, b), 16);
}
