/*
 * reparam.h - re-parameterisation: the weights of form=deploy from those of
 * form=train.
 *
 * Branches that are linear and read the same map add up to one convolution.
 * With s = weight / sqrt(var + eps) and t = bias - mean s, of a batch norm:
 *
 *     bn(conv(x, W, b))            = conv(x, s W, s b + t)
 *     conv(x, W1) + conv(x, W2)    = conv(x, pad(W1) + pad(W2))
 *     x                            = conv(x, I), where I is 1 in the middle of
 *                                    a channel's own kernel and 0 elsewhere
 *     linear(bn(x), W, b)          = linear(x, W s, b + W t)
 *
 * where pad() puts a smaller kernel in the middle of a larger one, which holds
 * for odd kernels with zero padding of half their size.  All sums are in
 * double and rounded once.
 *
 * A layer is named by its scope, and what it is (values, groups, eps) comes
 * from its node in the graph.
 */
#ifndef BACKBONES_REPARAM_H
#define BACKBONES_REPARAM_H

#include <stdbool.h>

#include "kernels/core/graph.h"

/* One layer of form=deploy in the making; zero to begin with. */
typedef struct Merge Merge;

/*
 * Gives every weight of deploy its value.  One that has its namesake in train
 * gets that one's; a layer that has none, whose name is then "scope" or, with
 * layer not "", "scope.layer", is made by merge() from layers inside that scope
 * of train.  ERR_INPUT, with the name, if a weight is left or does not fit.
 */
int reparam(Graph *deploy, const Graph *train, const char *layer,
            void (*merge)(Merge *m));

/* True if train has this layer. */
bool merge_has(const Merge *m, const char *layer);

/* Adds a convolution with its batch norm (NULL: it has none); or a linear. */
void merge_conv(Merge *m, const char *conv, const char *bn);
void merge_linear(Merge *m, const char *linear);

/* Adds x itself, or its batch norm. */
void merge_identity(Merge *m, const char *bn);

/* Adds a batch norm after all that was added so far; or before it, which only
 * a 1x1 and a linear allow (zero padding lies between for all others). */
void merge_norm_after(Merge *m, const char *bn);
void merge_norm_before(Merge *m, const char *bn);

#endif
