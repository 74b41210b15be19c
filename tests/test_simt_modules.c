/*
 * test_simt_modules.c - whole modules by our own CUDA kernels alone, on the
 * host: every case file of every module, composed, within the limit that the
 * CPU has; and what only a plan can show of a kernel.
 */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/check/verify.h"
#include "kernels/core/plan.h"
#include "kernels/cuda/backend/device.h"
#include "kernels/ops/ops.h"
#include "tests/on_simt.h"
#include "tests/sample.h"
#include "tests/test.h"

/* A pass of the case files whose names match, each in dtype. */
static void check_pass(const char *pattern, const char *pass, const char *dtype)
{
    Device *dev = simt_device();
    glob_t files;
    Case how;

    case_defaults(&how);
    REQUIRE(case_set(&how, "impl", "composed") == OK);
    REQUIRE(case_set(&how, "dtype", dtype) == OK);
    REQUIRE(case_set(&how, "pass", pass) == OK);
    if (glob(pattern, 0, NULL, &files))
        SKIP("run me in the project's root folder");
    for (size_t i = 0; i < files.gl_pathc; i++) {
        Verified v;

        verify_file(&v, files.gl_pathv[i], &how, dev, NULL);
        CHECK_MSG(v.verdict == VERIFY_PASSED,
                  "%s, pass=%s, dtype=%s: relative L2 error %.2g, allowed "
                  "%.2g %s",
                  files.gl_pathv[i], pass, dtype, v.rel_l2, v.limit, v.why);
    }
    globfree(&files);
    simt_device_close(dev);
}

static void check_files(const char *pattern, const char *dtype)
{
    check_pass(pattern, "forward", dtype);
}

TEST(simt_modules, agree_with_pytorch_at_14x14)
{
    check_files("tests/cases/*_c64_14x14.safetensors", "f32");
}

TEST(simt_modules, agree_with_pytorch_on_odd_maps)
{
    check_files("tests/cases/*_odd_23x17.safetensors", "f32");
}

TEST(simt_modules, agree_with_pytorch_at_other_settings)
{
    check_files("tests/cases/*_settings[0-9].safetensors", "f32");
}

TEST(simt_modules, agree_with_pytorch_on_the_variants_of_scsa)
{
    check_files("tests/cases/scsa_variant_*.safetensors", "f32");
    check_files("tests/cases/scsa_variant_*.safetensors", "f16");
    check_files("tests/cases/scsa_variant_*.safetensors", "bf16");
}

TEST(simt_modules, are_as_right_in_f16_as_rounding_allows)
{
    check_files("tests/cases/*_settings[0-9].safetensors", "f16");
}

TEST(simt_modules, are_as_right_in_bf16_as_rounding_allows)
{
    check_files("tests/cases/*_settings[0-9].safetensors", "bf16");
}

TEST(simt_modules, gradients_agree_with_pytorch)
{
    check_pass("tests/cases/*_c64_14x14.safetensors", "backward", "f32");
    check_pass("tests/cases/*_odd_23x17.safetensors", "backward", "f32");
    check_pass("tests/cases/*_settings[0-9].safetensors", "backward", "f32");
    check_pass("tests/cases/scsa_variant_*.safetensors", "backward", "f32");
}

/* With fewer images, norms of 1x1 maps have almost no gradient. */
TEST(simt_modules, steps_of_training_agree_with_their_definition)
{
    Checker with = { NULL };

    if (simt_is_checked())
        SKIP("too long under the checker");
    with.dev = simt_device();
    for (int i = 0; zoo_at(i); i++) {
        Comparison v;
        Case c;

        case_defaults(&c);
        REQUIRE(case_set(&c, "module", zoo_name(i)) == OK);
        REQUIRE(case_set(&c, "pass", "train") == OK);
        REQUIRE(case_set(&c, "channels", "128") == OK);
        REQUIRE(case_set(&c, "batch", "4") == OK);
        c.height = c.width = 14;
        REQUIRE(case_complete(&c) == OK);
        CHECK_MSG(verify_case(&v, &c, VERIFY_BUDGET, &with) == OK, "%s: %s",
                  zoo_name(i), err_message());
        CHECK_MSG(v.rel_l2 <= v.limit, "%s: %g of %g", zoo_name(i), v.rel_l2,
                  v.limit);
    }
    simt_device_close(with.dev);
}

/* ---- at the size of a card ------------------------------------------------ */

/* The maps of ResNet-50's stages: channels, height and width. */
static const int stages[][2] = {
    { 64, 56 }, { 128, 28 }, { 256, 14 }, { 512, 7 }
};

enum { OF_A_CARD = 132 }; /* multiprocessors, for which kernels divide a map */

/* SA's groups need more channels than the first stage has. */
static bool fits(const char *module, const int *stage)
{
    return strcmp(module, "sa") || stage[0] > 64;
}

static void check_stage(const Checker *with, const char *module,
                        const char *dtype, const int *stage)
{
    Comparison v;
    Case c;

    case_defaults(&c);
    REQUIRE(case_set(&c, "module", module) == OK);
    REQUIRE(case_set(&c, "dtype", dtype) == OK);
    c.channels = stage[0];
    c.height = c.width = stage[1];
    c.batch = 2;
    REQUIRE(case_complete(&c) == OK);
    CHECK_MSG(verify_case(&v, &c, VERIFY_BUDGET, with) == OK, "%s %dx%d: %s",
              module, stage[0], stage[1], err_message());
    CHECK_MSG(v.rel_l2 <= v.limit, "%s %dx%d: %g of %g", module, stage[0],
              stage[1], v.rel_l2, v.limit);
}

static void check_stages(const char *dtype)
{
    Checker with = { NULL };

    if (simt_is_checked() && !getenv("SLOW"))
        SKIP("takes minutes: SLOW=1 build/run_tests_checked simt_modules");
    with.dev = simt_device();
    cuda_device(with.dev)->sms = OF_A_CARD;
    for (int i = 0; zoo_at(i); i++)
        for (int k = 0; k < 4; k++)
            if (fits(zoo_name(i), stages[k]))
                check_stage(&with, zoo_name(i), dtype, stages[k]);
    simt_device_close(with.dev);
}

TEST(simt_modules, agree_at_every_stage_divided_for_a_card_in_f16)
{
    check_stages("f16");
}

TEST(simt_modules, agree_at_every_stage_divided_for_a_card_in_f32)
{
    check_stages("f32");
}

/* 1.8 G multiply-adds: a few seconds, but a minute under the checker. */
TEST(simt_modules, a_whole_network_agrees_with_pytorch)
{
    if (simt_is_checked())
        SKIP("too long under the checker");
    check_files("tests/cases/resnet18_fca.safetensors", "f32");
}

/* ---- weights that a graph computes -------------------------------------- */

/* Half of a weight, so that it is the result of an op. */
static Tensor *computed(Graph *g, const char *name, Dims dims)
{
    return op_scale_shift(g, graph_weight(g, name, dims), 0.5, 0);
}

/* Fused SCSA, of 32 channels. */
static Tensor *scsa(Graph *g, Tensor *x)
{
    const ScsaAttr attr = { { 3, 5, 7, 9 }, 3, 1, 1e-5 };
    Tensor *src[SCSA_SOURCES] = { x };

    for (int i = SCSA_DWC_WEIGHT; i < SCSA_SOURCES; i++) {
        Dims dims = DIMS(i < SCSA_NORM_H ? 8 : 32);
        char name[16];

        if (i < SCSA_DWC_BIAS)
            dims = DIMS(8, 1, attr.k[i - SCSA_DWC_WEIGHT]);
        else if (i >= SCSA_Q)
            dims = DIMS(32, 1, 1, 1);
        snprintf(name, sizeof(name), "scsa%d", i);
        src[i] = computed(g, name, dims);
    }
    return graph_apply(g, &scsa_def, &attr, src);
}

/* One of each kernel that puts its weights in order. */
static void build(Graph *g, Tensor *x)
{
    const Conv2dAttr pad = { .pad_h = 1, .pad_w = 1 };
    const Conv2dAttr groups = { .pad_h = 1, .pad_w = 1, .groups = 4 };
    const Conv2dAttr each = { .pad_h = 1, .pad_w = 1, .groups = 32 };
    Tensor *strip = op_view(g, x, DIMS(1, 32, 63));

    graph_output(
        g, "tiles",
        op_conv2d(g, x, computed(g, "a", DIMS(24, 32, 3, 3)), NULL, &pad));
    graph_output(
        g, "direct",
        op_conv2d(g, x, computed(g, "b", DIMS(32, 8, 3, 3)), NULL, &groups));
    graph_output(
        g, "depthwise",
        op_conv2d(g, x, computed(g, "c", DIMS(32, 1, 3, 3)), NULL, &each));
    graph_output(g, "strip",
                 op_dwconv1d(g, strip, computed(g, "d", DIMS(32, 1, 3)), NULL));
    graph_output(g, "rows",
                 op_linear(g, strip, computed(g, "e", DIMS(5, 32)), NULL));
    graph_output(g, "scsa", scsa(g, x));
}

static void give_values(Graph *g)
{
    uint64_t state = 7;

    for (int i = 0; i < graph_size(g); i++) {
        Tensor *t = graph_at(g, i);

        if (t->role != ROLE_WEIGHT)
            continue;
        BUG_IF(graph_alloc_host(t) != OK);
        sample_fill(&state, t->host, tensor_count(t));
    }
}

/* Runs the graph on a device; its outputs one after the other. */
static float *run_on(Device *dev, const float *input, size_t *n)
{
    Graph *g = graph_new();
    Tensor *x = graph_input(g, "x", DIMS(1, 32, 7, 9));
    float *all = NULL;
    Plan *p = NULL;

    build(g, x);
    give_values(g);
    BUG_IF(plan_new(&p, dev, g) != OK || plan_set(p, x, input) != OK ||
           plan_run(p) != OK);
    *n = 0;
    for (int i = 0; i < graph_outputs(g); i++) {
        const char *name;
        const Tensor *t = graph_output_at(g, i, &name);

        all = realloc(all, (*n + tensor_count(t)) * sizeof(*all));
        BUG_IF(!all || plan_get(p, t, all + *n) != OK);
        *n += tensor_count(t);
    }
    plan_free(p);
    graph_free(g);
    return all;
}

/* They are not there yet when a kernel is planned. */
TEST(simt_modules, computed_weights_are_put_in_order_when_it_runs)
{
    static float input[32 * 7 * 9];
    Device *dev = simt_device(), *ref;
    uint64_t state = 1;
    float *got, *want;
    size_t n, wanted;

    REQUIRE(ref_backend.open(&ref, NULL) == OK);
    sample_fill(&state, input, sizeof(input) / sizeof(*input));
    got = run_on(dev, input, &n);
    want = run_on(ref, input, &wanted);
    CHECK(n == wanted && verify_error(got, want, n) <= 3e-6);
    free(got);
    free(want);
    ref_backend.close(ref);
    simt_device_close(dev);
}
