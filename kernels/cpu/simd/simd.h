/*
 * simd.h - what our own CPU kernels share: names, vectors, threads, state.
 *
 * Every file of this folder is compiled once per instruction set, with
 * -DISA=generic, avx2 or avx512; SIMD(relu) is then relu_avx512, so that all
 * builds link into one program.  A kernel file holds range functions, which
 * compute units begin to end of the result on one thread, and run functions,
 * which hand them to split().  All else in it is static.
 *
 * Loops over channels are plain C under `omp simd`; where sums must stay in
 * registers they are written with Vec, the vector extension of gcc and clang.
 */
#ifndef SIMD_SIMD_H
#define SIMD_SIMD_H

#include <omp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifdef SIMD_BF16
#include <immintrin.h>
#endif

#include "kernels/core/backend.h"
#include "kernels/core/err.h"
#include "kernels/ops/ops.h"

#define SIMD_PASTE_(id, isa) id##_##isa
#define SIMD_PASTE(id, isa)  SIMD_PASTE_(id, isa)
#define SIMD(id)             SIMD_PASTE(id, ISA)

/* For functions with parameters that must be constants after inlining. */
#define INLINE static inline __attribute__((always_inline))

/* Loops over an array of vectors must be gone before registers are given
 * out. */
#if defined(__clang__)
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif

/* ---- vectors ---------------------------------------------------------- */

#if defined(__AVX512F__)
#define LANES 16
#elif defined(__AVX2__)
#define LANES 8
#else
#define LANES 4
#endif

typedef float Vec __attribute__((vector_size(LANES * 4)));
typedef int32_t VecInt __attribute__((vector_size(LANES * 4)));
typedef float UnalignedVec
    __attribute__((vector_size(LANES * 4), aligned(4), may_alias));

static inline Vec load(const float *p)
{
    return *(const UnalignedVec *)p;
}

static inline void store(float *p, Vec v)
{
    *(UnalignedVec *)p = v;
}

/* -0 - 0 is -0, so this is v in every lane, whatever v. */
static inline Vec splat(float v)
{
    return v - (Vec){ 0 };
}

/* The first n < LANES floats at p, then zeros; and back. */
static inline Vec load_part(const float *p, size_t n)
{
    float part[LANES] = { 0 };

    for (size_t i = 0; i < n; i++)
        part[i] = p[i];
    return load(part);
}

static inline void store_part(float *p, Vec v, size_t n)
{
    float part[LANES];

    store(part, v);
    for (size_t i = 0; i < n; i++)
        p[i] = part[i];
}

/* ---- elements --------------------------------------------------------- */

/*
 * Numbers as tensors hold them: floats, or, in a build with -DSIMD_BF16, the
 * upper halves of floats.  Only loads and stores know: all arithmetic, scratch
 * and packed weights are float.  Rounding is to the nearest, ties to even;
 * NaN stays NaN, and what is too large becomes infinite.  Vectors flush
 * denormals, as the threads' arithmetic does (team.h); single numbers do not.
 */
#ifdef SIMD_BF16

#define SIMD_DTYPES DTYPE_BIT(BF16)

typedef struct Elem {
    uint16_t bits;
} Elem;

static inline float number(Elem e)
{
    const uint32_t bits = (uint32_t)e.bits << 16;
    float x;

    memcpy(&x, &bits, sizeof(x));
    return x;
}

static inline Elem elem(float x)
{
    uint32_t bits, rounded;

    memcpy(&bits, &x, sizeof(bits));
    rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    return (Elem){ (uint16_t)(x != x ? 0x7fc0 : rounded) };
}

/* Stores what came from an Elem: nothing is rounded. */
static inline Elem same_elem(float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof(bits));
    return (Elem){ (uint16_t)(bits >> 16) };
}

static inline Vec load_elems(const Elem *p)
{
    const __m256i halves = _mm256_loadu_si256((const __m256i_u *)p);

    return (Vec)_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16);
}

static inline void store_elems(Elem *p, Vec v)
{
    _mm256_storeu_si256((__m256i_u *)p, (__m256i)_mm512_cvtneps_pbh((__m512)v));
}

#else

#define SIMD_DTYPES DTYPE_BIT(F32)

typedef float Elem;

static inline float number(Elem e)
{
    return e;
}

static inline Elem elem(float x)
{
    return x;
}

static inline Elem same_elem(float x)
{
    return x;
}

static inline Vec load_elems(const Elem *p)
{
    return load(p);
}

static inline void store_elems(Elem *p, Vec v)
{
    store(p, v);
}

#endif

/* The first n < LANES at p, then zeros; and back. */
static inline Vec load_elems_part(const Elem *p, size_t n)
{
    float part[LANES] = { 0 };

    for (size_t i = 0; i < n; i++)
        part[i] = number(p[i]);
    return load(part);
}

static inline void store_elems_part(Elem *p, Vec v, size_t n)
{
    float part[LANES];

    store(part, v);
    for (size_t i = 0; i < n; i++)
        p[i] = elem(part[i]);
}

/* ---- numbers ---------------------------------------------------------- */

static inline size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t ceil_div(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

/* The larger; NaN if either is: b > NaN is false.  Two selections and not one
 * condition, so that it vectorises. */
static inline float max_nan(float a, float b)
{
    const float larger = b > a ? b : a;

    return b != b ? b : larger;
}

/* NaN passes through: the comparison is false for it. */
static inline float relu_of(float x)
{
    return x <= 0 ? 0 : x;
}

static inline float relu6_of(float x)
{
    const float low = relu_of(x);

    return low >= 6 ? 6 : low;
}

static inline float act_of(Activation act, float x)
{
    return act == ACT_RELU ? relu_of(x) : act == ACT_RELU6 ? relu6_of(x) : x;
}

/* ---- threads ---------------------------------------------------------- */

/* Computes units begin to end - 1 of out, on one thread. */
typedef void Range(const Tensor *out, const void *state, size_t begin,
                   size_t end);

typedef struct Split {
    Range *range;
    size_t units; /* rows, images, blocks: what range counts             */
    double work;  /* numbers moved, or multiply-adds / 4, in all         */
} Split;

/* A parallel region costs 0.5 us with both threads awake; a thread moves
 * about 16 numbers a ns in cache, so less work than this is not shared. */
enum { SERIAL_WORK = 16 * 1024 };

/*
 * Each thread gets one contiguous piece, the same in every kernel, so that an
 * image stays in the cache of the core that made it.  The team always has the
 * size of the device, even for fewer units: libgomp ends the threads that a
 * smaller one leaves over, and makes new ones for the next.
 */
static inline int split(Device *dev, const Tensor *out, const void *state,
                        Split s)
{
    if (dev->threads <= 1 || s.units <= 1 || s.work < SERIAL_WORK) {
        s.range(out, state, 0, s.units);
        return OK;
    }
#pragma omp parallel num_threads(dev->threads)
    {
        const size_t n = (size_t)omp_get_num_threads();
        const size_t i = (size_t)omp_get_thread_num();
        const size_t begin = s.units * i / n, end = s.units * (i + 1) / n;

        if (begin < end)
            s.range(out, state, begin, end);
    }
    return OK;
}

/* ---- state ------------------------------------------------------------ */

/* Memory for a kernel's state, aligned for vectors, from which free() frees. */
static inline int state_new(void **state, size_t bytes)
{
    *state = aligned_alloc(64, ceil_div(bytes, 64) * 64);
    if (!*state)
        return fail(ERR_MEMORY, "no memory for %zu bytes of kernel state",
                    bytes);
    return OK;
}

/* True if t is a weight or a view of one: then it has values at plan time. */
static inline bool is_weight(const Tensor *t)
{
    return tensor_is_weight(tensor_storage(t));
}

/* True if the sources 1 and, if there is one, 2 are: weights and bias. */
static inline bool weights_known(const Tensor *out)
{
    return is_weight(out->src[1]) && (!out->src[2] || is_weight(out->src[2]));
}

/* The values of a weight, or of a view of one; NULL for no tensor. */
static inline const float *weight_host(const Tensor *t)
{
    return t ? tensor_storage(t)->host : NULL;
}

#endif
