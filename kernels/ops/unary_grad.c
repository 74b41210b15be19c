/*
 * unary_grad.c - dx = f'(x) dy, one number at a time: relu_grad, relu6_grad,
 * sigmoid_grad, hard_swish_grad, gelu_grad
 *
 *   relu         dy where y > 0              from y = f(x)
 *   relu6        dy where 0 < y < 6
 *   sigmoid      y (1 - y) dy
 *   hard_swish   dy times 0 up to x = -3, (2x + 3) / 6, 1 from x = 3
 *   gelu         dy (erf(x / sqrt 2) + 1) / 2 + dy x exp(-x^2 / 2) / sqrt(2 pi)
 *
 * Where a derivative jumps, it is PyTorch's: 0 at the corners of the relus, and
 * of hard_swish at -3, 1 at 3.  Three numbers moved for a few operations: bound
 * by bytes.
 */
#include <math.h>

#include "kernels/core/err.h"
#include "kernels/ops/shapes.h"

static int shape(Tensor *out)
{
    const Tensor *v = out->src[0], *dy = out->src[1];
    char is[DIMS_TEXT], other[DIMS_TEXT];

    if (!tensor_same_dims(v, dy) || (v->rank > 2 && v->layout != dy->layout))
        return fail(ERR_INPUT, "dy %s is not like %s",
                    tensor_dims_text(dy, other), tensor_dims_text(v, is));
    return shape_like(out, v);
}

/* The source that is not dy is v in the formula: y or x. */
#define UNARY_GRAD(id, act, nflops, ntrans, tol, formula)                \
    static Cost id##_cost(const Tensor *out)                             \
    {                                                                    \
        return cost_of_each(out, nflops, ntrans);                        \
    }                                                                    \
    static int id##_ref(const Tensor *out)                               \
    {                                                                    \
        const float *src = out->src[0]->data, *grad = out->src[1]->data; \
        const size_t n = tensor_count(out);                              \
        float *result = out->data;                                       \
                                                                         \
        for (size_t i = 0; i < n; i++) {                                 \
            const double v = src[i], dy = grad[i];                       \
            result[i] = (float)(formula);                                \
        }                                                                \
        return OK;                                                       \
    }                                                                    \
    const Op id##_def = {                                                \
        .name = #id,                                                     \
        .sources = 2,                                                    \
        .grad_of = act,                                                  \
        .shape = shape,                                                  \
        .cost = id##_cost,                                               \
        .ref = id##_ref,                                                 \
        .tol_f32 = tol,                                                  \
    };                                                                   \
    Tensor *op_##id(Graph *g, Tensor *v, Tensor *dy)                     \
    {                                                                    \
        return graph_apply(g, &id##_def, NULL, (Tensor *[]){ v, dy });   \
    }

UNARY_GRAD(relu_grad, ACT_RELU, 1, 0, 0, v > 0 ? dy : 0)
UNARY_GRAD(relu6_grad, ACT_RELU6, 2, 0, 0, v > 0 && v < 6 ? dy : 0)
UNARY_GRAD(sigmoid_grad, ACT_NONE, 3, 0, 1e-6, v *(1 - v) * dy)
UNARY_GRAD(hard_swish_grad, ACT_NONE, 5, 0, 1e-6,
           v <= -3  ? 0
           : v >= 3 ? dy
                    : dy * (2 * v + 3) / 6)
UNARY_GRAD(gelu_grad, ACT_NONE, 8, 2, 1e-6,
           dy *(erf(v *M_SQRT1_2) + 1) / 2 +
               dy * v * exp(-v * v / 2) * M_2_SQRTPI * M_SQRT1_2 / 2)
