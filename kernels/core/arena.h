/*
 * arena.h - buffers that live at different times, in one piece of memory.
 */
#ifndef CORE_ARENA_H
#define CORE_ARENA_H

#include <stddef.h>

/* Tensors that share storage share one. */
typedef struct Buffer {
    size_t bytes, offset;
    int first, last; /* steps by tensor id; last is INT32_MAX for outputs */
} Buffer;

/* Gives each of n buffers its offset, so that none that live at the same time
 * overlap; and the bytes of all. */
int arena_place(size_t *bytes, Buffer *buffers, int n);

#endif
