/*
 * unary.c - y = f(x): relu, relu6, sigmoid, hard_swish, gelu, scale_shift
 *
 * Bound by bytes: two numbers moved for a few operations, in place where the
 * plan allows it, which halves the lines touched.  sigmoid and gelu do 30 and
 * 50 operations per number: bound by arithmetic while the data is in cache.
 *
 *   flat   one loop over the numbers, whatever the dims.
 */
#include "kernels/cpu/simd/math.h"
#include "kernels/cpu/simd/simd.h"

static inline float hard_swish_of(float x)
{
    return x * relu6_of(x + 3) / 6;
}

/* One kernel: its loop by the formula; weight: its cost over a copy's. */
#define UNARY(id, weight, formula)                                             \
    static void id##_range(const Tensor *out, const void *state, size_t begin, \
                           size_t end)                                         \
    {                                                                          \
        const Elem *src = out->src[0]->data;                                   \
        Elem *y = out->data;                                                   \
                                                                               \
        (void)state;                                                           \
        _Pragma("omp simd") for (size_t i = begin; i < end; i++)               \
        {                                                                      \
            const float x = number(src[i]);                                    \
            y[i] = elem(formula);                                              \
        }                                                                      \
    }                                                                          \
    static int id##_run(Device *dev, const Tensor *out, void *state)           \
    {                                                                          \
        const size_t n = tensor_count(out);                                    \
                                                                               \
        return split(dev, out, state,                                          \
                     (Split){ id##_range, n, 2.0 * weight * (double)n });      \
    }                                                                          \
    const Kernel SIMD(id) = {                                                  \
        .op = &id##_def,                                                       \
        .dtypes = SIMD_DTYPES,                                                 \
        .name = "flat",                                                        \
        .run = id##_run,                                                       \
        .inplace = 1,                                                          \
    };

UNARY(relu, 1, relu_of(x))
UNARY(relu6, 1, relu6_of(x))
UNARY(sigmoid, 4, sigmoid_of(x))
UNARY(hard_swish, 1, hard_swish_of(x))
UNARY(gelu, 6, gelu_of(x))

static void scale_shift_range(const Tensor *out, const void *state,
                              size_t begin, size_t end)
{
    const ScaleShiftAttr *attr = out->attr;
    const float a = (float)attr->a, b = (float)attr->b;
    const Elem *x = out->src[0]->data;
    Elem *y = out->data;

    (void)state;
#pragma omp simd
    for (size_t i = begin; i < end; i++)
        y[i] = elem(a * number(x[i]) + b);
}

static int scale_shift_run(Device *dev, const Tensor *out, void *state)
{
    const size_t n = tensor_count(out);

    return split(dev, out, state,
                 (Split){ scale_shift_range, n, 2.0 * (double)n });
}

const Kernel SIMD(scale_shift) = {
    .op = &scale_shift_def,
    .dtypes = SIMD_DTYPES,
    .name = "flat",
    .run = scale_shift_run,
    .inplace = 1,
};
