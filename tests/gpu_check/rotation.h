/*
 * rotation.h - over which buffers a copy goes, so that it finds nothing in the
 * cache; as harness/measure/states.c does for a plan.
 */
#ifndef GPU_CHECK_ROTATION_H
#define GPU_CHECK_ROTATION_H

#include <stddef.h>

/* All buffers are three times as large as the cache. */
enum { ROTATION_TIMES = 3 };

/* Number of pairs of buffers of that many bytes, where there are room bytes on
 * either side; at least one. */
static inline size_t rotation_pairs(size_t cache, size_t bytes, size_t room)
{
    const size_t enough =
        (ROTATION_TIMES * cache + 2 * bytes - 1) / (2 * bytes);
    const size_t fit = room / bytes, pairs = enough < fit ? enough : fit;

    return pairs ? pairs : 1;
}

/* Copies that fill the cache with what earlier ones leave there. */
static inline size_t rotation_fill(size_t pairs)
{
    return pairs / ROTATION_TIMES + 1;
}

#endif
