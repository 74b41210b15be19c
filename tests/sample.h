/*
 * sample.h - pseudo-random test data, the same on every machine.
 *
 * splitmix64: Steele, Lea and Flood, OOPSLA 2014.
 */
#ifndef TESTS_SAMPLE_H
#define TESTS_SAMPLE_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

static inline uint64_t sample_bits(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* 0 to n - 1. */
static inline int sample_below(uint64_t *state, int n)
{
    return (int)(sample_bits(state) % (uint64_t)n);
}

/* Uniform in [-1, 1). */
static inline float sample_float(uint64_t *state)
{
    return (float)(int32_t)(sample_bits(state) >> 32) * 0x1p-31f;
}

/* Uniform in (0, 1), to 53 bits. */
static inline double sample_uniform(uint64_t *state)
{
    return ((double)(sample_bits(state) >> 11) + 0.5) / 9007199254740992.0;
}

/* Normal, of mean 0 and variance 1 (Box and Muller). */
static inline double sample_normal(uint64_t *state)
{
    const double u = sample_uniform(state);

    return sqrt(-2 * log(u)) * cos(2 * M_PI * sample_uniform(state));
}

static inline void sample_fill(uint64_t *state, float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = sample_float(state);
}

#endif
