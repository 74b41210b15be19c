/*
 * kernel.h - what every .cu file of this folder starts from: the types that
 * numbers are stored in, 16-byte accesses, indices, sums over a warp, launches.
 *
 * A .cu file is compiled by nvcc, and by a C++ compiler for kernels/simt, as
 * it stands; kernels/simt/simt.h lists what of CUDA it may use.
 */
#ifndef CUDA_KERNEL_H
#define CUDA_KERNEL_H

#include <limits.h>

#include "kernels/core/err.h"
#include "kernels/cuda/backend/cuda.h"
#include "kernels/cuda/backend/device.h"
#include "kernels/ops/ops.h"
#include "kernels/simt/simt.h"

enum { WARP = 32, MAX_GRID = 0x7fffffff };
static const unsigned FULL_WARP = 0xffffffffu;

/* ---- numbers: stored as T, computed as float --------------------------- */

static __device__ __forceinline__ float to_float(float x)
{
    return x;
}

static __device__ __forceinline__ float to_float(__half x)
{
    return __half2float(x);
}

static __device__ __forceinline__ float to_float(__nv_bfloat16 x)
{
    return __bfloat162float(x);
}

static __device__ __forceinline__ void from_float(float *y, float x)
{
    *y = x;
}

static __device__ __forceinline__ void from_float(__half *y, float x)
{
    *y = __float2half(x);
}

static __device__ __forceinline__ void from_float(__nv_bfloat16 *y, float x)
{
    *y = __float2bfloat16(x);
}

/* Memory of BYTES bytes, moved in one access. */
template <int BYTES> struct Word;
template <> struct Word<2> {
    typedef unsigned short Type;
};
template <> struct Word<4> {
    typedef unsigned Type;
};
template <> struct Word<8> {
    typedef uint2 Type;
};
template <> struct Word<16> {
    typedef Word16 Type;
};

/* Neighbours in memory, as floats in registers: those of 16 bytes, unless N
 * says how many. */
template <typename T, int N_ = 16 / sizeof(T)> struct Pack {
    static constexpr int N = N_;
    float at[N];
};

/* p is aligned to the bytes of the pack: one access of the whole. */
template <int N, typename T>
static __device__ __forceinline__ Pack<T, N> load_pack(const T *p)
{
    union {
        typename Word<N * sizeof(T)>::Type word;
        T at[N];
    } u;
    Pack<T, N> v;

    u.word = *reinterpret_cast<const decltype(u.word) *>(p);
#pragma unroll
    for (int i = 0; i < N; i++)
        v.at[i] = to_float(u.at[i]);
    return v;
}

template <typename T>
static __device__ __forceinline__ Pack<T> load_pack(const T *p)
{
    return load_pack<Pack<T>::N, T>(p);
}

template <typename T, int N>
static __device__ __forceinline__ void store_pack(T *p, const Pack<T, N> &v)
{
    union {
        typename Word<N * sizeof(T)>::Type word;
        T at[N];
    } u;

#pragma unroll
    for (int i = 0; i < N; i++)
        from_float(&u.at[i], v.at[i]);
    *reinterpret_cast<decltype(u.word) *>(p) = u.word;
}

/* Four words in one access: p is aligned to 16 bytes. */
static __device__ __forceinline__ void store_words(void *p, unsigned a,
                                                   unsigned b, unsigned c,
                                                   unsigned d)
{
    const union {
        unsigned at[4];
        Word16 word;
    } u = { { a, b, c, d } };

    *static_cast<Word16 *>(p) = u.word;
}

/* A pack as floats in memory: p is aligned to 16 bytes, or to what it has. */
template <typename T, int N>
static __device__ __forceinline__ void store_floats(float *p,
                                                    const Pack<T, N> &v)
{
    constexpr int M = N < 4 ? N : 4;

#pragma unroll
    for (int i = 0; i < N; i += M)
        store_pack(p + i, *reinterpret_cast<const Pack<float, M> *>(&v.at[i]));
}

template <typename T, int N>
static __device__ __forceinline__ void load_floats(Pack<T, N> *v,
                                                   const float *p)
{
    constexpr int M = N < 4 ? N : 4;

#pragma unroll
    for (int i = 0; i < N; i += M)
        *reinterpret_cast<Pack<float, M> *>(&v->at[i]) = load_pack<M>(p + i);
}

/* Runs a statement with T standing for the storage type of a Dtype. */
#define FOR_DTYPE(dtype, T, ...)      \
    do {                              \
        if ((dtype) == F16) {         \
            typedef __half T;         \
            __VA_ARGS__;              \
        } else if ((dtype) == BF16) { \
            typedef __nv_bfloat16 T;  \
            __VA_ARGS__;              \
        } else {                      \
            typedef float T;          \
            __VA_ARGS__;              \
        }                             \
    } while (0)

/* The same, with N standing for the numbers in 16 bytes where rows are whole
 * packs, else for 1. */
#define FOR_PACK(dtype, whole, T, N, ...) \
    FOR_DTYPE(dtype, T, {                 \
        if (whole) {                      \
            constexpr int N = Pack<T>::N; \
            __VA_ARGS__;                  \
        } else {                          \
            constexpr int N = 1;          \
            __VA_ARGS__;                  \
        }                                 \
    })

/* True if rows of n numbers are packs of 16 bytes and nothing else, so that
 * each begins aligned: tensors themselves do. */
static inline bool whole_packs(Dtype dtype, size_t n)
{
    return n * dtype_size(dtype) % 16 == 0;
}

/* ---- indices ----------------------------------------------------------- */

/* Division by a number that only the host knows: a multiplication and a shift
 * (Granlund and Montgomery, PLDI 1994, fig. 4.1).  Of i < 2^31. */
struct Divider {
    unsigned by, factor, shift;
};

static inline Divider divider(size_t by)
{
    Divider d = { (unsigned)by, 0, 0 };

    while (by > (size_t)1 << d.shift)
        d.shift++;
    d.factor = (unsigned)(((((uint64_t)1 << d.shift) - by) << 32) / by + 1);
    return d;
}

static __device__ __forceinline__ unsigned divide(unsigned i, const Divider &d)
{
    const unsigned high = (unsigned)((uint64_t)i * d.factor >> 32);

    return (high + i) >> d.shift;
}

/* i / d, and what is left of i. */
static __device__ __forceinline__ unsigned divmod(unsigned *i, const Divider &d)
{
    const unsigned quotient = divide(*i, d);

    *i -= quotient * d.by;
    return quotient;
}

/* True if 31 bits count the numbers of t. */
static inline bool small_index(const Tensor *t)
{
    return tensor_count(t) <= INT_MAX;
}

/* ---- sums and maxima --------------------------------------------------- */

/* Every lane gets the sum over the warp. */
static __device__ __forceinline__ float warp_sum(float v)
{
#pragma unroll
    for (int d = WARP / 2; d > 0; d /= 2)
        v += __shfl_xor_sync(FULL_WARP, v, d);
    return v;
}

/* The larger, NaN if either is, as PyTorch has it. */
static __device__ __forceinline__ float max_nan(float a, float b)
{
    return a > b || a != a ? a : b;
}

static __device__ __forceinline__ float warp_max(float v)
{
#pragma unroll
    for (int d = WARP / 2; d > 0; d /= 2)
        v = max_nan(v, __shfl_xor_sync(FULL_WARP, v, d));
    return v;
}

/* ---- launches ---------------------------------------------------------- */

static inline size_t ceil_div(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

/* This many blocks; fewer where a grid cannot have them: strides are needed. */
static inline dim3 grid_of(size_t blocks)
{
    return dim3((unsigned)(blocks < MAX_GRID ? blocks : (size_t)MAX_GRID));
}

/* Blocks for n rounds of a block in all, no more than the machine holds at once
 * (`each` a multiprocessor), and every one with as many rounds. */
static inline unsigned even_grid(Device *dev, size_t n, size_t each)
{
    const size_t rounds = ceil_div(n, (size_t)cuda_device(dev)->sms * each);

    return (unsigned)ceil_div(n, rounds);
}

/* Passes an error of the call up. */
#define CUDA_TRY(call) TRY(cuda_check(call, #call))

/* Launches on the device's stream: grid, block, bytes of dynamic shared memory,
 * blocks in a cluster (1: none).  OK or ERR_DEVICE. */
typedef struct Launch {
    dim3 grid, block;
    size_t shared_bytes;
    unsigned cluster;
} Launch;

template <typename... P, typename... A>
static inline int launch(Device *dev, const Launch &l, void (*kernel)(P...),
                         A... args)
{
    return cuda_check(simt_launch(kernel, l.grid, l.block, l.shared_bytes,
                                  (cudaStream_t)cuda_device(dev)->stream,
                                  l.cluster ? l.cluster : 1, args...),
                      "cudaLaunchKernel");
}

#endif
