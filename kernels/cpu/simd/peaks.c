/*
 * peaks.c - loops that do one thing as fast as this instruction set can: the
 * roofs of a roofline.
 *
 *   fma    multiply-adds in registers: as many chains as hide the latency
 *   read   loads, and an addition each, which costs less
 *   write  stores; those past the caches where there is such an instruction
 *   copy   a load and such a store
 *   update a load, and a store to the same place
 */
#include "kernels/cpu/peaks.h"

#include "kernels/cpu/simd/simd.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

enum {
    CHAINS = LANES == 16 ? 24 : 12, /* latency 4 or 5, two a cycle */
    BLOCK = 1024, /* multiply-adds of a chain between looks at the count */
    AT_ONCE = 8,  /* vectors */
};

/* Any vector register, for an empty statement that keeps the compiler from
 * merging chains, or from dropping what nobody reads. */
#if LANES == 16
#define REGISTER "v"
#else
#define REGISTER "x"
#endif

static double fma_flops(size_t rounds)
{
    const Vec a = splat(0.999f), b = splat(0.001f);
    Vec chain[CHAINS];

    UNROLL
    for (int i = 0; i < CHAINS; i++)
        chain[i] = splat((float)i);
    for (size_t r = 0; r < rounds; r++)
        for (int k = 0; k < BLOCK; k++) {
            UNROLL
            for (int i = 0; i < CHAINS; i++) {
                chain[i] = chain[i] * a + b;
                __asm__ volatile("" : "+" REGISTER(chain[i]));
            }
        }
    UNROLL
    for (int i = 1; i < CHAINS; i++)
        chain[0] += chain[i];
    __asm__ volatile("" : : REGISTER(chain[0]));
    return 2.0 * LANES * CHAINS * BLOCK * (double)rounds;
}

static void read_all(const float *p, size_t n)
{
    Vec sum[AT_ONCE];

    UNROLL
    for (int i = 0; i < AT_ONCE; i++)
        sum[i] = splat(0);
    for (size_t k = 0; k + AT_ONCE * LANES <= n; k += AT_ONCE * LANES) {
        UNROLL
        for (int i = 0; i < AT_ONCE; i++)
            sum[i] += load(p + k + (size_t)i * LANES);
    }
    UNROLL
    for (int i = 1; i < AT_ONCE; i++)
        sum[0] += sum[i];
    __asm__ volatile("" : : REGISTER(sum[0]));
}

/* To a multiple of the vector's size, past the caches. */
static void stream(float *p, Vec v)
{
#if LANES == 16
    _mm512_stream_ps(p, (__m512)v);
#elif LANES == 8
    _mm256_stream_ps(p, (__m256)v);
#else
    store(p, v);
#endif
}

static void fence(void)
{
#if defined(__AVX2__)
    _mm_sfence();
#endif
}

static void write_all(float *p, size_t n, bool past_caches)
{
    const Vec v = splat(1);

    for (size_t k = 0; k + AT_ONCE * LANES <= n; k += AT_ONCE * LANES)
        for (size_t i = k; i < k + AT_ONCE * LANES; i += LANES) {
            if (past_caches)
                stream(p + i, v);
            else
                store(p + i, v);
        }
    fence();
}

static void copy_all(float *to, const float *from, size_t n, bool past_caches)
{
    for (size_t k = 0; k + AT_ONCE * LANES <= n; k += AT_ONCE * LANES)
        for (size_t i = k; i < k + AT_ONCE * LANES; i += LANES) {
            if (past_caches)
                stream(to + i, load(from + i));
            else
                store(to + i, load(from + i));
        }
    fence();
}

static void update_all(float *p, size_t n)
{
    const Vec one = splat(1);

    for (size_t k = 0; k + AT_ONCE * LANES <= n; k += AT_ONCE * LANES)
        for (size_t i = k; i < k + AT_ONCE * LANES; i += LANES)
            store(p + i, one - load(p + i));
}

const Peaks SIMD(peaks) = { fma_flops, read_all, write_all, copy_all,
                            update_all };
