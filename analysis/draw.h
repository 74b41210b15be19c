/*
 * draw.h - pseudo-random numbers for resampling, the same wherever they run.
 *
 * splitmix64: Steele, Lea and Flood, OOPSLA 2014.
 */
#ifndef ANALYSIS_DRAW_H
#define ANALYSIS_DRAW_H

#include <stdint.h>

static inline uint64_t draw_bits(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* One of 0 to n - 1: the high bits, by multiplication. */
static inline int draw_below(uint64_t *state, int n)
{
    return (int)(((draw_bits(state) >> 32) * (uint64_t)n) >> 32);
}

#endif
