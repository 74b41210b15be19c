/*
 * arena.c - places buffers: largest first, each at the lowest offset that is
 * free for its whole life.
 */
#include "kernels/core/arena.h"

#include <stdbool.h>
#include <stdlib.h>

#include "kernels/core/err.h"

static bool overlap_in_time(const Buffer *a, const Buffer *b)
{
    return a->first <= b->last && b->first <= a->last;
}

/* Largest first, each at the lowest offset free during its life. */
static int by_size(const void *a, const void *b)
{
    const Buffer *x = *(Buffer *const *)a, *y = *(Buffer *const *)b;

    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return x->first - y->first;
}

/* The lowest offset at which b meets none of n others during its life. */
static void place(Buffer *b, Buffer *const *other, int n)
{
    bool moved = true;

    b->offset = 0;
    while (moved) {
        moved = false;
        for (int j = 0; j < n; j++) {
            const Buffer *o = other[j];

            if (overlap_in_time(b, o) && b->offset < o->offset + o->bytes &&
                o->offset < b->offset + b->bytes) {
                b->offset = o->offset + o->bytes;
                moved = true;
            }
        }
    }
}

int arena_place(size_t *bytes, Buffer *buffers, int n)
{
    Buffer **order = malloc(((size_t)n + 1) * sizeof(Buffer *));

    *bytes = 0;
    if (!order)
        return fail(ERR_MEMORY, "no memory to place %d buffers", n);
    for (int i = 0; i < n; i++)
        order[i] = &buffers[i];
    qsort(order, (size_t)n, sizeof(Buffer *), by_size);
    for (int i = 0; i < n; i++) {
        place(order[i], order, i);
        if (*bytes < order[i]->offset + order[i]->bytes)
            *bytes = order[i]->offset + order[i]->bytes;
    }
    free(order);
    return OK;
}
