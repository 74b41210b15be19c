/*
 * culprit.h - which kernel of a wrong graph is wrong.
 */
#ifndef HARNESS_CULPRIT_H
#define HARNESS_CULPRIT_H

#include "kernels/core/backend.h"
#include "kernels/core/graph.h"

enum { CULPRIT_TEXT = 256 };

/*
 * Runs g, which has values and no plan, on dev and by its definitions, keeping
 * every step, and names the one that adds most to the error of what it reads:
 * "layer4.1.attn: conv2d by onednn, 1x512x1x1, off by 0.9".  inputs has an
 * array for each input.  Text becomes "" where none stands out, as where the
 * fault is in the graph, or in memory that two steps share, and of training.
 * g has further outputs after that.
 */
void culprit_find(char text[CULPRIT_TEXT], Graph *g, Device *dev,
                  float *const *inputs);

#endif
