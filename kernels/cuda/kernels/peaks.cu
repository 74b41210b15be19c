/*
 * peaks.cu - reads, writes, copies, multiply-adds: the roofs of a roofline
 *
 *   read, write, copy   bound by the memory they are given: 16 bytes per thread
 *                       at a time, ROUNDS of them in flight
 *   fma                 bound by arithmetic: CHAINS independent multiply-adds
 *                       per thread hide latency, WARPS per multiprocessor
 *                       fill its schedulers
 */
#include "kernels/cuda/kernels/peaks.h"

#include "kernels/cuda/kernels/kernel.h"

enum {
    THREADS = 256,
    BLOCKS_PER_SM = 8,
    ROUNDS = 4, /* packs of 4 floats in flight */
    CHAINS = 8,
    BLOCK_FLOATS = THREADS * ROUNDS * 4,
};
static_assert((int)BLOCK_FLOATS == (int)PEAK_STEP, "a block's step");

/* A thread's first float of step i. */
static __device__ __forceinline__ size_t place(size_t i)
{
    return i * BLOCK_FLOATS + 4 * threadIdx.x;
}

/* i + from, of `steps` steps in a circle: i is one, from at most all. */
static __device__ __forceinline__ size_t around(size_t i, size_t from,
                                                size_t steps)
{
    const size_t sum = i + from;

    return sum < steps ? sum : sum - steps;
}

/* How far the steps of one time are from those of the time before: another
 * block had them then.  Writes, which no multiprocessor keeps, need no such
 * thing. */
static __device__ __forceinline__ size_t turn(void)
{
    return gridDim.x / 2 + 1;
}

static __global__ void read_all(float *sink, const float *x, size_t steps,
                                int times)
{
    size_t from = 0;
    float sum = 0;

    for (int t = 0; t < times; t++, from = around(from, turn(), steps))
        for (size_t i = blockIdx.x; i < steps; i += gridDim.x) {
            const float *p = x + place(around(i, from, steps));

#pragma unroll
            for (int r = 0; r < ROUNDS; r++) {
                const Pack<float> v = load_pack(p + r * THREADS * 4);

                sum += v.at[0] + v.at[1] + v.at[2] + v.at[3];
            }
        }
    if (sum == 0.12345f) /* never, but the compiler cannot know */
        *sink = sum;
}

static __global__ void write_all(float *y, size_t steps, int times)
{
    for (int t = 0; t < times; t++) {
        const Pack<float> v = { { 1, 1, 1, (float)t } };

        for (size_t i = blockIdx.x; i < steps; i += gridDim.x) {
            float *p = y + place(i);

#pragma unroll
            for (int r = 0; r < ROUNDS; r++)
                store_pack(p + r * THREADS * 4, v);
        }
    }
}

static __global__ void copy_all(float *y, const float *x, size_t steps,
                                int times)
{
    size_t from = 0;

    for (int t = 0; t < times; t++, from = around(from, turn(), steps))
        for (size_t i = blockIdx.x; i < steps; i += gridDim.x) {
            const float *p = x + place(around(i, from, steps));
            Pack<float> v[ROUNDS];

#pragma unroll
            for (int r = 0; r < ROUNDS; r++)
                v[r] = load_pack(p + r * THREADS * 4);
#pragma unroll
            for (int r = 0; r < ROUNDS; r++)
                store_pack(y + place(i) + r * THREADS * 4, v[r]);
        }
}

static __global__ void multiply_add(float *sink, int rounds)
{
    const float a = 0.999f, b = 0.001f + 1e-9f * (float)threadIdx.x;
    float chain[CHAINS], sum = 0;

#pragma unroll
    for (int i = 0; i < CHAINS; i++)
        chain[i] = (float)i;
#pragma unroll 16
    for (int k = 0; k < rounds; k++) {
#pragma unroll
        for (int i = 0; i < CHAINS; i++)
            chain[i] = chain[i] * a + b;
    }
#pragma unroll
    for (int i = 0; i < CHAINS; i++)
        sum += chain[i];
    if (sum == 0.12345f)
        *sink = sum;
}

static Launch over(Device *dev, size_t steps)
{
    const size_t most = (size_t)cuda_device(dev)->sms * BLOCKS_PER_SM;

    return { dim3((unsigned)(steps < most ? steps : most)), THREADS };
}

extern "C" int cuda_peak_read(Device *dev, float *sink, const float *x,
                              size_t n, int times)
{
    const size_t steps = n / PEAK_STEP;

    return launch(dev, over(dev, steps), read_all, sink, x, steps, times);
}

extern "C" int cuda_peak_write(Device *dev, float *y, size_t n, int times)
{
    const size_t steps = n / PEAK_STEP;

    return launch(dev, over(dev, steps), write_all, y, steps, times);
}

extern "C" int cuda_peak_copy(Device *dev, float *y, const float *x, size_t n,
                              int times)
{
    const size_t steps = n / PEAK_STEP;

    return launch(dev, over(dev, steps), copy_all, y, x, steps, times);
}

extern "C" int cuda_peak_fma(Device *dev, float *sink, int rounds,
                             double *flops)
{
    const size_t blocks = (size_t)cuda_device(dev)->sms * BLOCKS_PER_SM;

    *flops = 2.0 * (double)(blocks * THREADS * CHAINS) * rounds;
    return launch(dev, over(dev, blocks), multiply_add, sink, rounds);
}
