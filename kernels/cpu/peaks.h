/*
 * peaks.h - what the roofs of a CPU are measured with: loops, one set for each
 * instruction set (simd/peaks.c), each on one thread.
 */
#ifndef CPU_PEAKS_H
#define CPU_PEAKS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct Peaks {
    double (*fma)(size_t rounds); /* returns floating-point operations */
    void (*read)(const float *p, size_t n);
    /* Take numbers that begin at a line of the cache. */
    void (*write)(float *p, size_t n, bool past_caches);
    void (*copy)(float *to, const float *from, size_t n, bool past_caches);
    void (*update)(float *p, size_t n); /* each x becomes 1 - x */
} Peaks;

extern const Peaks peaks_generic;
#if defined(__x86_64__)
extern const Peaks peaks_avx2, peaks_avx512;
#endif

#endif
