/*
 * test_cpu_bf16.c - bf16 on the CPU: how its kernels round, and who refuses it.
 *
 * That every kernel computes what its op says is in test_kernels.c.
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/core/plan.h"
#include "kernels/cpu/cpu.h"
#include "kernels/ops/ops.h"
#include "tests/test.h"

enum { ALL = 1 << 16 }; /* numbers of bf16 */

static float bf16_at(int i)
{
    const uint16_t bits = (uint16_t)i;
    float x;

    dtype_load(BF16, &x, &bits, 1);
    return x;
}

typedef Tensor *Build(Graph *g, Tensor *x);

/* y = f(x) in a dtype, on one thread; x (1,channels,1,W). */
static int run(float *y, const float *x, Build *f, int W, Dtype dtype,
               const char *isa)
{
    const DeviceSettings settings = { .threads = 1, .isa = isa };
    Graph *g = graph_new();
    Tensor *in = graph_input(g, "x", DIMS(1, ALL, 1, W)), *out = f(g, in);
    Device *dev = NULL;
    Plan *plan = NULL;
    int err = cpu_backend.open(&dev, &settings);

    graph_output(g, "y", out);
    graph_set_dtype(g, dtype);
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
    return err;
}

/* got is want, rounded; threads take denormals for 0. */
static void check_rounded(float got, float want, float x)
{
    const float rounded = dtype_round(BF16, want);

    CHECK_MSG(got == rounded || (isnan(got) && isnan(rounded)) ||
                  (got == 0 && fabsf(rounded) <= 2 * FLT_MIN),
              "%.9g gave %.9g, should be %.9g", (double)x, (double)got,
              (double)rounded);
}

/* Takes a power of two halfway to its neighbour, the largest to infinity. */
static const float factor = 1 + 0x1p-8f;

static Tensor *scaled(Graph *g, Tensor *x)
{
    return op_scale_shift(g, x, factor, 0);
}

TEST(cpu_bf16, results_are_rounded_to_the_nearest)
{
    float *x = malloc(2 * ALL * sizeof(*x)), *y = x + ALL;

    if (cpu_check_bf16() != OK) {
        free(x);
        SKIP(err_message());
    }
    for (int i = 0; i < ALL; i++)
        x[i] = bf16_at(i);
    CHECK_MSG(run(y, x, scaled, 1, BF16, "") == OK, "%s", err_message());
    for (int i = 0; i < ALL; i++)
        check_rounded(y[i], x[i] * factor, x[i]);
    free(x);
}

static Tensor *mean_of_two(Graph *g, Tensor *x)
{
    return op_mean_w(g, x, SQUEEZE_MEAN);
}

static Tensor *window_of_two(Graph *g, Tensor *x)
{
    return op_adaptive_avg_pool2d(g, x, 1, 1);
}

/* The mean of two neighbours is halfway: it rounds to the even one. */
static void check_halfway(Build *f)
{
    float *x = malloc(3 * ALL * sizeof(*x)), *y = x + 2 * ALL;

    for (int i = 0; i < ALL; i++)
        for (int k = 0; k < 2; k++)
            x[2 * i + k] = bf16_at((i & 0x7fff) == 0x7f7f ? i : i + k);
    CHECK_MSG(run(y, x, f, 2, BF16, "") == OK, "%s", err_message());
    for (int i = 0; i < ALL; i++) {
        const float a = x[2 * i], b = x[2 * i + 1];

        if (isinf(a + b) && !isinf(a))
            continue; /* the sum is too large */
        check_rounded(y[i], (a + b) / 2, a);
    }
    free(x);
}

TEST(cpu_bf16, halfway_goes_to_the_even_neighbour)
{
    if (cpu_check_bf16() != OK)
        SKIP(err_message());
    check_halfway(mean_of_two);   /* number by number */
    check_halfway(window_of_two); /* vectors */
}

TEST(cpu_bf16, is_refused_with_the_reason_where_it_cannot_be)
{
    float *x = calloc(2 * ALL, sizeof(*x));
    const bool here = cpu_check_bf16() == OK;

    if (!here) {
        CHECK(strstr(err_message(), "needs AVX512-BF16 or AMX"));
        CHECK(run(x + ALL, x, scaled, 1, BF16, "") == ERR_UNSUPPORTED);
        CHECK(strstr(err_message(), "needs AVX512-BF16 or AMX"));
    } else {
        CHECK(run(x + ALL, x, scaled, 1, BF16, "generic") == ERR_UNSUPPORTED);
        CHECK(strcmp(err_message(),
                     "cpu: isa=generic has no kernels in bf16") == 0);
    }
    free(x);
}

TEST(cpu_bf16, other_short_types_are_refused)
{
    float *x = calloc(2 * ALL, sizeof(*x));

    CHECK(run(x + ALL, x, scaled, 1, F16, "") == ERR_UNSUPPORTED);
    CHECK(strcmp(err_message(), "cpu: there are no kernels for dtype=f16; "
                                "there are for f32 and bf16") == 0);
    CHECK(run(x + ALL, x, scaled, 1, TF32, "") == ERR_UNSUPPORTED);
    free(x);
}
