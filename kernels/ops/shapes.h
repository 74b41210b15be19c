/*
 * shapes.h - small rules that several ops share; for files of this folder.
 */
#ifndef OPS_SHAPES_H
#define OPS_SHAPES_H

#include "kernels/core/err.h"
#include "kernels/ops/ops.h"

/* Gives out the dims and layout of x. */
int shape_like(Tensor *out, const Tensor *x);

/* Gives out these dims, channels last. */
int shape_dims(Tensor *out, Dims dims);

/* Refuses x unless lo <= rank <= hi. */
int want_rank(const Tensor *x, const char *name, int lo, int hi);

/* Bytes of out and of every source, each once. */
double bytes_once(const Tensor *out);

/* The float at (i,j,k,l) of a tensor, by dims, whatever the layout. */
static inline float *at(const Tensor *t, int i, int j, int k, int l)
{
    return (float *)t->data + tensor_at(t, i, j, k, l);
}

#endif
