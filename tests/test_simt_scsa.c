/*
 * test_simt_scsa.c - fused SCSA by its CUDA kernels, on the host: how often
 * they touch a map in device memory, where clusters of four and eight blocks
 * end, and that nothing depends on the order in which threads run.
 *
 * tests/kernel_cases_fused.c has its shapes; test_kernels.c runs them.
 */
#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/check/verify.h"
#include "harness/network/network.h"
#include "kernels/core/plan.h"
#include "kernels/cuda/backend/cuda.h"
#include "kernels/cuda/backend/device.h"
#include "kernels/simt/host.h"
#include "tests/scsa_on_simt.h"
#include "tests/test.h"

/* ---- what is right ------------------------------------------------------- */

/* Every case file of the module, fused. */
static void check_files(const Kernel *const *kernels, int sms,
                        const char *dtype)
{
    Device *dev = scsa_open(kernels, sms);
    int passed = 0;
    glob_t files;
    Case how;

    case_defaults(&how);
    REQUIRE(case_set(&how, "impl", "fused") == OK);
    REQUIRE(case_set(&how, "dtype", dtype) == OK);
    if (glob("tests/cases/scsa_*.safetensors", 0, NULL, &files))
        SKIP("run me in the project's root folder");
    for (size_t i = 0; i < files.gl_pathc; i++) {
        Verified v;

        verify_file(&v, files.gl_pathv[i], &how, dev, NULL);
        if (strstr(v.why, "has no impl=fused"))
            continue; /* a variant: test_scsa_variants.c says which */
        passed += v.verdict == VERIFY_PASSED;
        CHECK_MSG(v.verdict == VERIFY_PASSED,
                  "%s, dtype=%s: relative L2 error %.2g, allowed %.2g %s",
                  files.gl_pathv[i], dtype, v.rel_l2, v.limit, v.why);
        CHECK(strcmp(dtype, "f32") || v.limit <= 3e-6);
    }
    CHECK(passed >= 5);
    globfree(&files);
    scsa_close(dev);
}

TEST(simt_scsa, clusters_of_four_agree_with_pytorch)
{
    check_files(scsa_by_cluster, 0, "f32");
    check_files(scsa_by_cluster, 0, "f16");
    check_files(scsa_by_cluster, 0, "bf16");
}

TEST(simt_scsa, clusters_of_eight_agree_with_pytorch)
{
    check_files(scsa_by_cluster, OF_A_CARD, "f32");
    check_files(scsa_by_cluster, OF_A_CARD, "f16");
}

TEST(simt_scsa, passes_agree_with_pytorch)
{
    check_files(scsa_by_passes, 0, "f32");
    check_files(scsa_by_passes, OF_A_CARD, "f16");
    check_files(scsa_by_passes, OF_A_CARD, "bf16");
}

static const Shape eights[] = {
    { 1, 64, 14, 14, 7, 1, "f32", "packs" },
    { 1, 64, 14, 14, 7, 1, "f16", "one pack a position" },
    { 2, 8, 9, 16, 7, 2, "f32", "one channel a block" },
    { 1, 24, 8, 15, 7, 3, "f32", "three channels a block, heads astride" },
    { 1, 72, 7, 8, 7, 1, "bf16", "nine channels a block" },
    { 1, 256, 14, 14, 7, 8, "f16", "four heads a pair of blocks" },
    { 1, 512, 7, 7, 7, 1, "f32", "a single window" },
    { 2, 40, 9, 13, -1, 5, "f32", "the whole map is the window" },
    { 1, 96, 20, 16, 1, 8, "f32", "320 windows" },
};
enum { NEIGHTS = sizeof(eights) / sizeof(eights[0]) };

TEST(simt_scsa, clusters_of_eight_agree_with_the_definition)
{
    Device *dev = scsa_open(scsa_by_cluster, OF_A_CARD);

    for (int i = 0; i < NEIGHTS; i++) {
        simt_set_order(i % SIMT_ORDERS, 1);
        scsa_agrees(dev, &eights[i]);
    }
    scsa_close(dev);
}

/* Scores over many positions are large, and a softmax makes their rounding
 * more: they are summed in spans. */
TEST(simt_scsa, many_windows_agree_with_the_definition)
{
    static const Shape shapes[] = {
        { 1, 64, 40, 40, 1, 1, "f32", "1600 windows" },
        { 1, 16, 56, 56, 1, 1, "f32", "3136 windows" },
    };
    Device *dev = scsa_open(scsa_by_passes, OF_A_CARD);

    scsa_agrees(dev, &shapes[0]);
    scsa_agrees(dev, &shapes[1]);
    scsa_close(dev);
}

/* ---- the same in any order ----------------------------------------------- */

static float *result_of(Device *dev, const Shape *s, size_t *n)
{
    Graph *g = scsa_graph(s);
    Plan *p = NULL;
    const char *name;
    const Tensor *y = graph_output_at(g, 0, &name);
    float *result;

    *n = tensor_count(y);
    result = malloc(*n * sizeof(*result));
    BUG_IF(!result);
    for (size_t i = 0; i < *n; i++)
        result[i] = sinf((float)i);
    BUG_IF(plan_new(&p, dev, g) != OK);
    for (int i = 0; i < graph_size(g); i++)
        if (graph_at(g, i)->role == ROLE_INPUT)
            BUG_IF(plan_set(p, graph_at(g, i), result) != OK);
    BUG_IF(plan_run(p) != OK || plan_get(p, y, result) != OK);
    plan_free(p);
    graph_free(g);
    return result;
}

TEST(simt_scsa, results_repeat_bit_for_bit_in_any_order_of_threads)
{
    const Shape shape = { 2, 24, 15, 16, 7, 2, "f32", "" };
    const Kernel *const *kernels[] = { scsa_by_cluster, scsa_by_passes };

    for (int k = 0; k < 4; k++) {
        Device *dev = scsa_open(kernels[k / 2], k % 2 ? OF_A_CARD : 0);
        float *first = NULL;

        for (int order = 0; order < SIMT_ORDERS; order++) {
            float *y;
            size_t n;

            simt_set_order(order, 1);
            y = result_of(dev, &shape, &n);
            CHECK(!first || !memcmp(first, y, n * sizeof(*y)));
            free(first);
            first = y;
        }
        free(first);
        scsa_close(dev);
    }
}

/* ---- traffic ------------------------------------------------------------- */

/* Counts the bytes of x and y that one run reads and writes. */
static void count(Device *dev, const Shape *s, SimtTraffic *x, SimtTraffic *y,
                  double *map_bytes)
{
    Graph *g = scsa_graph(s);
    Plan *p = NULL;
    const char *name;
    const Tensor *out = graph_output_at(g, 0, &name);
    const size_t n = tensor_count(out);
    float *input = calloc(n, sizeof(*input));

    BUG_IF(!input || plan_new(&p, dev, g) != OK);
    for (int i = 0; i < graph_size(g); i++) {
        Tensor *t = graph_at(g, i);

        if (t->role != ROLE_INPUT)
            continue;
        BUG_IF(plan_set(p, t, input) != OK);
        simt_watch(0, t->data, tensor_bytes(t));
    }
    simt_watch(1, out->data, tensor_bytes(out));
    BUG_IF(plan_run(p) != OK);
    *x = simt_watched(0);
    *y = simt_watched(1);
    *map_bytes = (double)tensor_bytes(out);
    free(input);
    plan_free(p);
    graph_free(g);
}

static const Shape maps[] = {
    { 1, 64, 56, 56, 7, 1, "f16", "stage 1" },
    { 2, 128, 28, 28, 7, 1, "f16", "stage 2" },
    { 2, 256, 14, 14, 7, 1, "f32", "stage 3" },
    { 2, 512, 7, 7, 7, 1, "f32", "stage 4" },
    { 3, 12, 9, 16, 7, 1, "f32", "three channels a block, or packs of rows" },
    { 1, 40, 15, 17, -1, 1, "f16", "the whole map is the window" },
    { 2, 36, 10, 9, 3, 2, "bf16", "nothing is a whole pack" },
    { 1, 64, 64, 65, 8, 1, "f32", "no four blocks hold it" },
};
enum { NMAPS = sizeof(maps) / sizeof(maps[0]) };

static void check_cluster_traffic(int sms)
{
    Device *dev = scsa_open(scsa_by_cluster, sms);

    for (int i = 0; i < NMAPS; i++) {
        SimtTraffic x, y;
        double bytes;

        count(dev, &maps[i], &x, &y, &bytes);
        CHECK_MSG(x.read == bytes && x.written == 0 && y.written == bytes &&
                      y.read == 0,
                  "%s: read %g of x and %g of y, wrote %g and %g, a map has %g",
                  maps[i].why, x.read, y.read, x.written, y.written, bytes);
    }
    scsa_close(dev);
}

TEST(simt_scsa, clusters_read_a_map_once_and_write_it_once)
{
    if (!simt_is_checked())
        SKIP("only the checked build counts");
    check_cluster_traffic(0);
    check_cluster_traffic(OF_A_CARD);
}

/* The second time only what a window covers. */
TEST(simt_scsa, passes_read_a_map_three_times_and_write_it_once)
{
    Device *dev;

    if (!simt_is_checked())
        SKIP("only the checked build counts");
    dev = scsa_open(scsa_by_passes, 0);
    for (int i = 0; i < NMAPS; i++) {
        const Shape *s = &maps[i];
        const int of_h = s->window > 0 ? s->window : s->h;
        const int of_w = s->window > 0 ? s->window : s->w;
        const double covered =
            (double)(s->h / of_h * of_h) * (s->w / of_w * of_w) / (s->h * s->w);
        SimtTraffic x, y;
        double bytes;

        count(dev, s, &x, &y, &bytes);
        CHECK_MSG(fabs(x.read - (2 + covered) * bytes) < 1 && x.written == 0 &&
                      y.written == bytes && y.read == 0,
                  "%s: read %g of x and %g of y, wrote %g and %g, a map has %g",
                  s->why, x.read, y.read, x.written, y.written, bytes);
    }
    scsa_close(dev);
}

/* ---- the limits of shared memory ----------------------------------------- */

static bool cluster_takes(const Shape *s)
{
    Graph *g = scsa_graph(s);
    const char *name;
    const bool takes =
        kernel_takes(&cuda_scsa_cluster, graph_output_at(g, 0, &name));

    graph_free(g);
    return takes;
}

/* The largest maps of the given channels and columns, then one row more. */
static void check_largest(Shape s)
{
    Device *dev = scsa_open(scsa_by_cluster, 0);

    while (cluster_takes(&s))
        s.h++;
    s.h--;
    scsa_agrees(dev, &s);
    scsa_close(dev);

    dev = scsa_open(scsa_by_passes, 0);
    s.h++;
    CHECK(!cluster_takes(&s));
    scsa_agrees(dev, &s);
    scsa_close(dev);
}

TEST(simt_scsa, the_largest_map_fits_and_one_row_more_goes_in_passes)
{
    check_largest((Shape){ 1, 8, 200, 100, 7, 1, "f32", "one by one" });
    check_largest((Shape){ 1, 32, 400, 8, 7, 1, "f32", "by packs" });
}

/* A row of 513 packs has more columns than a block has threads. */
TEST(simt_scsa, the_widest_row_fits_and_one_more_goes_in_passes)
{
    Shape s = { 1, 8, 7, 512, 7, 1, "f32", "512 columns" };
    Device *dev = scsa_open(scsa_by_cluster, 0);

    CHECK(cluster_takes(&s));
    scsa_agrees(dev, &s);
    s.w = 513;
    CHECK(!cluster_takes(&s));
    scsa_close(dev);
}

TEST(simt_scsa, a_card_with_less_shared_memory_says_so)
{
    const Shape s = { 1, 64, 56, 56, 7, 1, "f32", "" };
    Device *dev = scsa_open(scsa_by_cluster, 0);
    Graph *g = scsa_graph(&s);
    Plan *p = NULL;

    cuda_device(dev)->block_shared_bytes = 99 << 10;
    CHECK(plan_new(&p, dev, g) == ERR_UNSUPPORTED);
    CHECK(strstr(err_message(), "101376 bytes of shared memory"));
    plan_free(p);
    graph_free(g);
    scsa_close(dev);
}
