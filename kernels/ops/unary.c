/*
 * unary.c - y = f(x), one number at a time: relu, relu6, sigmoid, hard_swish,
 * gelu, scale_shift
 *
 *   relu         max(x, 0)
 *   relu6        min(max(x, 0), 6)
 *   sigmoid      1 / (1 + exp(-x)): every gate of the zoo
 *   hard_swish   x relu6(x + 3) / 6: Howard et al., ICCV 2019; in CA
 *   gelu         x (1 + erf(x / sqrt 2)) / 2: the erf form; in CPCA
 *   scale_shift  a x + b
 *
 * They move two numbers to do a few operations: bound by bytes.  The paper's
 * convention counts none of them.
 */
#include <math.h>

#include "kernels/core/err.h"
#include "kernels/ops/shapes.h"

static int shape(Tensor *out)
{
    return shape_like(out, out->src[0]);
}

static double relu6_of(double x)
{
    return fmin(fmax(x, 0), 6);
}

/* One op: its reference by the formula, its cost, descriptor, constructor. */
#define UNARY(id, is, nflops, ntrans, tol, of, formula)      \
    static Cost id##_cost(const Tensor *out)                 \
    {                                                        \
        return cost_of_each(out, nflops, ntrans);            \
    }                                                        \
    static int id##_ref(const Tensor *out)                   \
    {                                                        \
        const float *src = out->src[0]->data;                \
        const size_t n = tensor_count(out);                  \
        float *y = out->data;                                \
                                                             \
        for (size_t i = 0; i < n; i++) {                     \
            const double x = src[i];                         \
            y[i] = (float)(formula);                         \
        }                                                    \
        return OK;                                           \
    }                                                        \
    static void id##_rule(Graph *g, Tensor *out, Tensor *dy, \
                          const bool *wants, Tensor **grad)  \
    {                                                        \
        if (wants[0])                                        \
            grad[0] = op_##id##_grad(g, of, dy);             \
    }                                                        \
    const Op id##_def = {                                    \
        .name = #id,                                         \
        .sources = 1,                                        \
        .act = is,                                           \
        .shape = shape,                                      \
        .cost = id##_cost,                                   \
        .ref = id##_ref,                                     \
        .grad = id##_rule,                                   \
        .reach = reach_same,                                 \
        .tol_f32 = tol,                                      \
    };                                                       \
    Tensor *op_##id(Graph *g, Tensor *x)                     \
    {                                                        \
        return graph_apply(g, &id##_def, NULL, &x);          \
    }

UNARY(relu, ACT_RELU, 1, 0, 0, out, x > 0 ? x : x != x ? x : 0)
UNARY(relu6, ACT_RELU6, 2, 0, 0, out, x != x ? x : relu6_of(x))
UNARY(sigmoid, ACT_NONE, 3, 1, 1e-6, out, 1 / (1 + exp(-x)))
UNARY(hard_swish, ACT_NONE, 5, 0, 1e-6, out->src[0], x *relu6_of(x + 3) / 6)
UNARY(gelu, ACT_NONE, 4, 1, 1e-6, out->src[0], x *(1 + erf(x * M_SQRT1_2)) / 2)

static Cost scale_shift_cost(const Tensor *out)
{
    return cost_of_each(out, 2, 0);
}

static int scale_shift_ref(const Tensor *out)
{
    const ScaleShiftAttr *attr = out->attr;
    const float *x = out->src[0]->data;
    const size_t n = tensor_count(out);
    float *y = out->data;

    for (size_t i = 0; i < n; i++)
        y[i] = (float)(attr->a * x[i] + attr->b);
    return OK;
}

static void scale_shift_grad(Graph *g, Tensor *out, Tensor *dy,
                             const bool *wants, Tensor **grad)
{
    const ScaleShiftAttr *attr = out->attr;

    if (wants[0])
        grad[0] = op_scale_shift(g, dy, attr->a, 0);
}

const Op scale_shift_def = {
    .name = "scale_shift",
    .sources = 1,
    .attr_size = sizeof(ScaleShiftAttr),
    .shape = shape,
    .cost = scale_shift_cost,
    .ref = scale_shift_ref,
    .grad = scale_shift_grad,
    .reach = reach_same,
    .tol_f32 = 1e-6,
};

Tensor *op_scale_shift(Graph *g, Tensor *x, double a, double b)
{
    return graph_apply(g, &scale_shift_def, &(ScaleShiftAttr){ a, b }, &x);
}
