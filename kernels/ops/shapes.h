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

/* Refuses x unless lo <= rank <= hi and its channels come last: a vector,
 * strip or map, but no stack of matrices. */
int want_rows(const Tensor *x, int lo, int hi);

/* Refuses w unless it has exactly these dims; NULL is accepted. */
int want_dims(const Tensor *w, const char *name, Dims dims);

/* Refuses windows that do not tile their map, and shifts beyond a window. */
int want_windows(const WindowAttr *a);

/* n doubles of 0 for a ref(), to be freed.  NULL with fail() where there is no
 * memory: ref() then returns, and the backend ref looks at err_message(). */
double *ref_doubles(size_t n);

/* For Op.reach: of an op that treats every position by itself, and of one with
 * windows, for which k, stride and pad are given. */
typedef struct Window {
    int k, stride, pad;
} Window;
bool reach_same(const Tensor *out, int k, Extent *rows, Extent *columns);
void reach_window(Extent *span, Window w);

/* Bytes of out and of every source, each once. */
double bytes_once(const Tensor *out);

/* Cost of an op that does the same for every number of out. */
Cost cost_of_each(const Tensor *out, double flops, double transcendentals);

/* Multiply-adds below which the references stay on one thread. */
enum { SMALL_WORK = 1 << 20 };

/* Operations of an activation on one number, and the activation itself. */
double act_flops(Activation act);
double act_of(Activation act, double x);

/* ---- for gradient rules ------------------------------------------------- */

Dims dims_of(const Tensor *t);

/* dy before the activation that made y. */
Tensor *act_grad(Graph *g, Activation act, Tensor *y, Tensor *dy);

/* Gradient of a bias of n numbers that was added to dy's channels, repeated if
 * these are more. */
Tensor *bias_grad(Graph *g, Tensor *dy, int n);

/* A vector, strip or map as a map of the same positions. */
Tensor *as_map(Graph *g, Tensor *x);

/* The larger; NaN if either is. */
static inline float max_of(float a, float b)
{
    return b > a || b != b ? b : a;
}

/* True if a is to be the maximum in place of b: larger, or the first NaN. */
static inline bool is_more(float a, float b)
{
    return a > b || (a != a && b == b);
}

/* The float at (i,j,k,l) of a tensor, by dims, whatever the layout. */
static inline float *at(const Tensor *t, int i, int j, int k, int l)
{
    return (float *)t->data + tensor_at(t, i, j, k, l);
}

#endif
