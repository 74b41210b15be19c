/*
 * test_scsa_fused.c - what holds for the fused SCSA whatever its weights are,
 * on "cpu": what follows from the equations, and that neither threads, nor
 * neighbours in the batch, nor the place of the result change a bit of it.
 */
#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attention_zoo/zoo.h"
#include "harness/check/verify.h"
#include "kernels/core/plan.h"
#include "kernels/cpu/cpu.h"
#include "tests/sample.h"
#include "tests/test.h"

/* One SCSA on one device: values go in, the result comes out. */
typedef struct Scsa {
    Device *dev;
    Graph *g;
    Tensor *input, *x, *y; /* x: what it reads, y: its result */
    Plan *plan;
} Scsa;

typedef struct Shape {
    int N, C, H, W, window, heads;
} Shape;

static void open_cpu(Scsa *m, int threads)
{
    const DeviceSettings settings = { threads, "", .crowded = true };

    *m = (Scsa){ .g = graph_new() };
    BUG_IF(cpu_backend.open(&m->dev, &settings) != OK);
}

/* Weights in [-1,1).  between: an op stands between input and SCSA, so that
 * SCSA may write its result over what it reads. */
static void build(Scsa *m, Shape s, bool between)
{
    ScsaAttr attr = { { 3, 5, 7, 9 }, s.window, s.heads, 1e-5 };
    Tensor *src[SCSA_SOURCES];
    uint64_t state = 3;
    char name[24];

    m->input = graph_input(m->g, "input", DIMS(s.N, s.C, s.H, s.W));
    m->x = between ? op_scale_shift(m->g, m->input, 1, 0) : m->input;
    src[SCSA_X] = m->x;
    for (int k = SCSA_DWC_WEIGHT; k < SCSA_SOURCES; k++) {
        const int i = k - SCSA_DWC_WEIGHT;
        const Dims dims = i < 4        ? DIMS(s.C / 4, 1, attr.k[i])
                          : i < 8      ? DIMS(s.C / 4)
                          : k < SCSA_Q ? DIMS(s.C)
                                       : DIMS(s.C, 1, 1, 1);

        snprintf(name, sizeof(name), "source%d", k);
        src[k] = graph_weight(m->g, name, dims);
        BUG_IF(!src[k] || graph_alloc_host(src[k]) != OK);
        sample_fill(&state, src[k]->host, tensor_count(src[k]));
    }
    m->y = graph_apply(m->g, &scsa_def, &attr, src);
    BUG_IF(!m->y);
    graph_output(m->g, "output", m->y);
}

static void scale(const Scsa *m, int source, float by)
{
    Tensor *w = m->y->src[source];

    for (size_t i = 0; i < tensor_count(w); i++)
        w->host[i] *= by;
}

static float *sample(size_t n)
{
    float *x = malloc(n * sizeof(*x));
    uint64_t state = 5;

    BUG_IF(!x);
    sample_fill(&state, x, n);
    return x;
}

/* The result for the first numbers of one sequence; ends m. */
static float *finish(Scsa *m)
{
    const size_t n = tensor_count(m->y);
    float *x = sample(n), *y = malloc(n * sizeof(*y));

    BUG_IF(!y || plan_new(&m->plan, m->dev, m->g) != OK);
    BUG_IF(plan_set(m->plan, m->input, x) != OK);
    BUG_IF(plan_run(m->plan) != OK);
    BUG_IF(plan_get(m->plan, m->y, y) != OK);
    plan_free(m->plan);
    graph_free(m->g);
    m->dev->backend->close(m->dev);
    free(x);
    return y;
}

static float *result(Shape s, int threads)
{
    Scsa m;

    open_cpu(&m, threads);
    build(&m, s, false);
    return finish(&m);
}

/* With scaled q, k and v; and by the definition, on the backend "ref". */
static float *with_scales(Shape s, const float by[3], bool by_definition)
{
    Scsa m;

    open_cpu(&m, 2);
    if (by_definition) {
        cpu_backend.close(m.dev);
        BUG_IF(ref_backend.open(&m.dev, &(DeviceSettings){ 0 }) != OK);
    }
    build(&m, s, false);
    for (int i = 0; i < 3; i++)
        scale(&m, SCSA_Q + i, by[i]);
    return finish(&m);
}

static size_t numbers(Shape s)
{
    return (size_t)s.N * (size_t)s.C * (size_t)s.H * (size_t)s.W;
}

static bool same_bits(const float *a, const float *b, size_t n)
{
    return memcmp(a, b, n * sizeof(*a)) == 0;
}

static double relative_error(const float *got, const float *want, size_t n)
{
    double error = 0, norm = 0;

    for (size_t i = 0; i < n; i++) {
        error += ((double)got[i] - want[i]) * ((double)got[i] - want[i]);
        norm += (double)want[i] * want[i];
    }
    return sqrt(error / norm);
}

static const Shape shapes[] = {
    { 2, 64, 14, 21, 7, 1 },  { 1, 68, 7, 7, 7, 1 },  { 3, 132, 9, 8, 3, 2 },
    { 2, 20, 15, 16, -1, 5 }, { 1, 36, 7, 30, 7, 4 }, { 5, 96, 13, 13, 2, 8 },
};
enum { NSHAPES = sizeof(shapes) / sizeof(shapes[0]) };

/* ---- the equations ------------------------------------------------------- */

/* The gates of SMSA without a filter, and of PCSA without v, are 1/2 each. */
TEST(scsa_fused, without_weights_it_divides_by_eight)
{
    for (int i = 0; i < NSHAPES; i++) {
        const size_t n = numbers(shapes[i]);
        float *x = sample(n), *y;
        bool right = true;
        Scsa m;

        open_cpu(&m, 2);
        build(&m, shapes[i], false);
        for (int k = SCSA_DWC_WEIGHT; k < SCSA_SOURCES; k++)
            scale(&m, k, 0);
        y = finish(&m);
        for (size_t k = 0; k < n; k++)
            right &= y[k] == x[k] / 8;
        CHECK_MSG(right, "shape %d", i);
        free(x);
        free(y);
    }
}

/* Without q all scores are alike, so a head has one attention: the sigmoid of
 * the mean of its v.  Without v it is 1/2, which gives x_s. */
TEST(scsa_fused, without_q_a_head_has_one_attention)
{
    for (int i = 0; i < NSHAPES; i++) {
        const Shape s = shapes[i];
        const size_t P = (size_t)s.H * (size_t)s.W, d = (size_t)s.C / s.heads;
        float *y = with_scales(s, (float[]){ 0, 1, 1 }, false);
        float *half = with_scales(s, (float[]){ 0, 1, 0 }, false);
        double worst = 0;

        for (size_t head = 0; head < (size_t)s.N * s.heads; head++) {
            const float *a = y + head * d * P, *b = half + head * d * P;
            const double ratio = (double)a[0] / b[0];

            CHECK(ratio > 0 && ratio < 2);
            for (size_t k = 0; k < d * P; k++)
                worst = fmax(worst, fabs(a[k] / (b[k] * ratio) - 1));
        }
        CHECK_MSG(worst < 1e-6, "shape %d: %g", i, worst);
        free(y);
        free(half);
    }
}

/* Scores are products of q and k: powers of two pass from one to the other
 * without a rounding, and so do signs. */
TEST(scsa_fused, what_q_gains_k_may_lose)
{
    for (int i = 0; i < NSHAPES; i++) {
        float *y = with_scales(shapes[i], (float[]){ 1, 1, 1 }, false);
        float *z = with_scales(shapes[i], (float[]){ -4, -0.25f, 1 }, false);

        CHECK_MSG(relative_error(z, y, numbers(shapes[i])) < 1e-7, "shape %d",
                  i);
        free(y);
        free(z);
    }
}

/* From scores near 0, where one window has a series, to scores whose maximum
 * must be taken off before exp(). */
TEST(scsa_fused, small_and_large_scores_agree_with_the_definition)
{
    static const float scales[] = { 0.01f, 1, 2, 4, 20, 100 };

    for (int i = 0; i < NSHAPES; i++)
        for (size_t k = 0; k < sizeof(scales) / sizeof(scales[0]); k++) {
            const float by[] = { scales[k], 1, 1 };
            float *y = with_scales(shapes[i], by, false);
            float *want = with_scales(shapes[i], by, true);
            const double error = relative_error(y, want, numbers(shapes[i]));

            CHECK_MSG(error < 3e-6, "shape %d, q times %g: %g", i,
                      (double)scales[k], error);
            free(y);
            free(want);
        }
}

/* Scores whose exponentials no float can hold. */
TEST(scsa_fused, huge_scores_choose_one_channel)
{
    for (int i = 0; i < NSHAPES; i++) {
        float *y = with_scales(shapes[i], (float[]){ 1e6f, 1e6f, 1 }, false);
        bool finite = true;

        for (size_t k = 0; k < numbers(shapes[i]); k++)
            finite &= (bool)isfinite(y[k]);
        CHECK_MSG(finite, "shape %d", i);
        free(y);
    }
}

/* ---- the same bits ------------------------------------------------------- */

TEST(scsa_fused, threads_do_not_change_a_bit)
{
    for (int i = 0; i < NSHAPES; i++) {
        float *one = result(shapes[i], 1);

        for (int threads = 2; threads <= 5; threads++) {
            float *y = result(shapes[i], threads);

            CHECK_MSG(same_bits(one, y, numbers(shapes[i])),
                      "shape %d, %d threads", i, threads);
            free(y);
        }
        free(one);
    }
}

TEST(scsa_fused, an_image_does_not_see_its_neighbours)
{
    for (int i = 0; i < NSHAPES; i++) {
        Shape first = shapes[i];
        float *all = result(shapes[i], 2), *alone;

        first.N = 1;
        alone = result(first, 2);
        CHECK_MSG(same_bits(all, alone, numbers(first)), "shape %d", i);
        free(all);
        free(alone);
    }
}

TEST(scsa_fused, in_place_it_computes_the_same)
{
    for (int i = 0; i < NSHAPES; i++) {
        float *apart = result(shapes[i], 2), *y;
        Scsa m;

        open_cpu(&m, 2);
        build(&m, shapes[i], true);
        BUG_IF(plan_new(&m.plan, m.dev, m.g) != OK);
        CHECK_MSG(m.x->data == m.y->data, "shape %d is not in place", i);
        plan_free(m.plan);
        y = finish(&m);
        CHECK_MSG(same_bits(apart, y, numbers(shapes[i])), "shape %d", i);
        free(apart);
        free(y);
    }
}

/* ---- the authors' code, alone and in ResNets ----------------------------- */

TEST(scsa_fused, agrees_with_pytorch)
{
    int passed = 0;
    glob_t files;
    Case how;

    case_defaults(&how);
    REQUIRE(case_set(&how, "impl", "fused") == OK);
    REQUIRE(glob("tests/cases/*scsa*", 0, NULL, &files) == 0);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        Verified v;

        verify_file(&v, files.gl_pathv[i], &how, NULL, NULL);
        if (strstr(v.why, "has no impl=fused"))
            continue; /* a variant: test_scsa_variants.c says which */
        passed += v.verdict == VERIFY_PASSED;
        CHECK_MSG(v.verdict == VERIFY_PASSED,
                  "attnbench verify --impl=fused %s: %s (%g)",
                  files.gl_pathv[i], v.why, v.rel_l2);
    }
    CHECK(passed >= 8);
    globfree(&files);
}
