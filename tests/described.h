/*
 * described.h - cards that cuDNN is only told of, by files of tests/gpus: what
 * it wants to know of a card, as its own JSON, written from the public data
 * sheets and not read off a card.
 */
#ifndef TESTS_DESCRIBED_H
#define TESTS_DESCRIBED_H

#include "kernels/cuda/library/descriptors.h"

typedef struct Described {
    const char *name;
    void *device; /* cuDNN's descriptor DEVICEPROP */
    Descriptors made;
} Described;

/* "h200", "a100", "rtx4090".  Fails the test if cuDNN refuses. */
void described_open(Described *d, const char *name);
void described_close(Described *d);

#endif
