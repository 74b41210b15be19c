/*
 * test_simd_math.c - exp, sigmoid and gelu of our own kernels, over the whole
 * range of floats.
 *
 * The functions are tried as they stand in math.h, compiled with the tests,
 * and as each instruction set's kernels compute them, which fuse multiply-adds
 * and flush denormals.
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "kernels/core/plan.h"
#include "kernels/cpu/cpu.h"
#include "kernels/cpu/simd/math.h"
#include "kernels/ops/ops.h"
#include "tests/test.h"

/* Every STRIDE-th float, an odd number of them apart so that all exponents
 * and all patterns of low bits are met. */
enum { STRIDE = 4099, COUNT = (int)((1ll << 32) / STRIDE) };

static float sample(int i)
{
    return float_of((uint32_t)i * STRIDE);
}

/* Units in the last place of `want` between it and got. */
static double ulps(float got, double want)
{
    const float near = (float)want;
    const double unit =
        (double)nextafterf(fabsf(near), INFINITY) - (double)fabsf(near);

    return fabs((double)got - want) / unit;
}

TEST(simd_math, exp_is_right_to_2_ulp_below_0)
{
    double worst = 0;
    float at = 0;

    for (int i = 0; i < COUNT; i++) {
        const float x = sample(i);

        if (!(x <= 0) || ulps(exp_of(x), exp(x)) <= worst)
            continue;
        worst = ulps(exp_of(x), exp(x));
        at = x;
    }
    CHECK_MSG(worst <= 2, "exp(%g) is %.2f ulp off", at, worst);
}

TEST(simd_math, exp_of_the_extremes)
{
    CHECK(exp_of(0) == 1);
    CHECK(exp_of(-0.0f) == 1);
    CHECK(exp_of(-FLT_TRUE_MIN) == 1);
    CHECK(exp_of(-FLT_MAX) == 0);
    CHECK(exp_of(-INFINITY) == 0);
    CHECK(isnan(exp_of(NAN)));
    CHECK(exp_of(-103.0f) == FLT_TRUE_MIN);
}

/* erfc where 1 + erf would cancel. */
static double exact_gelu(double x)
{
    return x * erfc(-x * M_SQRT1_2) / 2;
}

static double exact_sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

/* The smaller of gelu's factors is denormal from x = -12.9 on. */
#define SMALL (16.0 * FLT_MIN)

static bool close_to(float got, double want, double relative)
{
    if (isnan(want) || isinf(want))
        return isnan(want) ? isnan(got) : got == want;
    if (fabs(want) < SMALL) /* it, or a factor of it, may be flushed to 0 */
        return fabs((double)got) <= SMALL;
    return fabs(got - want) <= relative * fabs(want);
}

TEST(simd_math, gelu_and_sigmoid_hold_their_relative_error)
{
    for (int i = 0; i < COUNT; i++) {
        const float x = sample(i);

        CHECK_MSG(close_to(sigmoid_of(x), exact_sigmoid(x), 3e-7),
                  "sigmoid(%.9g) = %.9g, should be %.9g", x, sigmoid_of(x),
                  exact_sigmoid(x));
        CHECK_MSG(close_to(gelu_of(x), exact_gelu(x), 1e-6),
                  "gelu(%.9g) = %.9g, should be %.9g", x, gelu_of(x),
                  exact_gelu(x));
    }
}

typedef Tensor *Unary(Graph *g, Tensor *x);

/* y = f(x) of every sample, on one instruction set. */
static int run_unary(float *y, Unary *f, const char *isa)
{
    const DeviceSettings settings = { .threads = 1, .isa = isa };
    float *x = malloc(COUNT * sizeof(*x));
    Graph *g = graph_new();
    Tensor *in = graph_input(g, "x", DIMS(1, COUNT)), *out = f(g, in);
    Device *dev = NULL;
    Plan *plan = NULL;
    int err = cpu_backend.open(&dev, &settings);

    BUG_IF(!x);
    graph_output(g, "y", out);
    for (int i = 0; i < COUNT; i++)
        x[i] = sample(i);
    if (!err)
        err = plan_new(&plan, dev, g);
    if (!err)
        err = plan_set(plan, in, x);
    if (!err)
        err = plan_run(plan);
    if (!err)
        err = plan_get(plan, out, y);
    plan_free(plan);
    cpu_backend.close(dev);
    graph_free(g);
    free(x);
    return err;
}

static void check_unary(Unary *f, double (*exact)(double), double relative)
{
    float *y = malloc(COUNT * sizeof(*y));

    BUG_IF(!y);
    for (int k = 0; cpu_isa_name(k); k++) {
        REQUIRE(run_unary(y, f, cpu_isa_name(k)) == OK);
        for (int i = 0; i < COUNT; i++) {
            const float x = sample(i);

            /* A denormal is taken for 0, of the same sign. */
            CHECK_MSG(
                close_to(y[i], exact(x), relative) ||
                    (fabsf(x) < FLT_MIN && close_to(y[i], exact(0), relative)),
                "%s: f(%.9g) = %.9g, should be %.9g", cpu_isa_name(k), x, y[i],
                exact(x));
        }
    }
    free(y);
}

TEST(simd_math, sigmoid_kernels_do_on_every_instruction_set)
{
    check_unary(op_sigmoid, exact_sigmoid, 3e-7);
}

TEST(simd_math, gelu_kernels_do_on_every_instruction_set)
{
    check_unary(op_gelu, exact_gelu, 1e-6);
}
