/*
 * reach.h - the theoretical receptive field of a unit, from its graph.
 */
#ifndef HARNESS_REACH_H
#define HARNESS_REACH_H

#include <stdbool.h>

#include "kernels/core/graph.h"

typedef struct Reach {
    /* The pixels that it reaches through convolutions, pools and attention of
     * windows, from tap to input, whatever the input's size: those of the first
     * two may lie outside. */
    Extent rows, columns;

    /* True if another way leads to all of the input: a mean over the map or a
     * strip of it, a norm over positions, attention. */
    bool whole;
} Reach;

/*
 * Reach of the units of tap (N,C,H,W) in these rows and columns, with respect
 * to input (N,C,H,W). through as in grad.h, NULL for all ways.  An op that
 * does not state its reach counts as whole.
 */
void reach_of(Reach *out, const Graph *g, const Tensor *tap,
              const Tensor *input, const Reach *units,
              bool (*through)(const Tensor *out, int k));

/* How many pixels of an input of this many are in reach. */
int reach_within(const Reach *f, bool vertical, int pixels);

#endif
