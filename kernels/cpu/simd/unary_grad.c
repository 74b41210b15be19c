/*
 * unary_grad.c - dx = f'(v) dy, v being x or y = f(x): relu_grad, relu6_grad,
 * sigmoid_grad, hard_swish_grad, gelu_grad
 *
 * Bound by bytes: three numbers moved for a few operations, in place of either
 * source where the plan allows it.  gelu_grad does 40 per number: bound by
 * arithmetic while the data is in cache.
 *
 *   flat   one loop over the numbers, whatever the dims.
 */
#include "kernels/cpu/simd/math.h"
#include "kernels/cpu/simd/simd.h"

/* At -3 it is 0, at 3 it is 1. */
static inline float hard_swish_slope(float x)
{
    const float slope = x >= 3 ? 1 : (2 * x + 3) / 6;

    return x <= -3 ? 0 : slope;
}

/*
 * The normal distribution function and x times its density, of one exponential
 * e = exp(-x^2/2): the function at -|x| is e t P(t), with t = 1 / (1 + |x| /
 * sqrt 8).  P was fitted (Chebyshev, degree 10, error 1.2e-8) for all t in
 * (0,1].
 */
static inline float gelu_slope(float x)
{
    const float e = exp_of(-x * x / 2);
    const float t = 1 / (1 + fabsf(x) * 0.35355339f);
    float p = 0.02159771696f, tail;

    p = p * t - 0.1173667982f;
    p = p * t + 0.2468474656f;
    p = p * t - 0.2274869978f;
    p = p * t + 0.06608851999f;
    p = p * t - 0.02960567921f;
    p = p * t + 0.0467312187f;
    p = p * t + 0.08765798807f;
    p = p * t + 0.1234422848f;
    p = p * t + 0.1410468817f;
    p = p * t + 0.1410474032f;
    tail = e * t * p;
    return (x > 0 ? 1 - tail : tail) + x * (0.39894228f * e);
}

/* One kernel: its loop by the formula; weight: its cost over a copy's. */
#define UNARY_GRAD(id, weight, formula)                                        \
    static void id##_range(const Tensor *out, const void *state, size_t begin, \
                           size_t end)                                         \
    {                                                                          \
        const float *src = out->src[0]->data, *grad = out->src[1]->data;       \
        float *dx = out->data;                                                 \
                                                                               \
        (void)state;                                                           \
        _Pragma("omp simd") for (size_t i = begin; i < end; i++)               \
        {                                                                      \
            const float v = src[i], dy = grad[i];                              \
            dx[i] = formula;                                                   \
        }                                                                      \
    }                                                                          \
    static int id##_run(Device *dev, const Tensor *out, void *state)           \
    {                                                                          \
        const size_t n = tensor_count(out);                                    \
                                                                               \
        return split(dev, out, state,                                          \
                     (Split){ id##_range, n, 3.0 * weight * (double)n });      \
    }                                                                          \
    const Kernel SIMD(id) = {                                                  \
        .op = &id##_def,                                                       \
        .name = "flat",                                                        \
        .run = id##_run,                                                       \
        .inplace = 1 << 0 | 1 << 1,                                            \
    };

UNARY_GRAD(relu_grad, 1, v > 0 ? dy : 0)
UNARY_GRAD(relu6_grad, 1, v > 0 && v < 6 ? dy : 0)
UNARY_GRAD(sigmoid_grad, 1, v *(1 - v) * dy)
UNARY_GRAD(hard_swish_grad, 1, hard_swish_slope(v) * dy)
UNARY_GRAD(gelu_grad, 4, gelu_slope(v) * dy)
