/*
 * test_zoo.c - the modules: case files, what follows from their equations
 * for any weights, what they refuse, and how many parameters they have.
 */
#include "attention_zoo/zoo.h"

#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/backends.h"
#include "harness/case.h"
#include "harness/network.h"
#include "harness/seed.h"
#include "harness/verify.h"
#include "kernels/core/plan.h"
#include "tests/test.h"

/* ---- case files --------------------------------------------------------- */

static void check_module_cases(const char *backend, const char *graph)
{
    int modules[32] = { 0 };
    glob_t files;
    Case how;

    case_defaults(&how);
    REQUIRE(case_set(&how, "backend", backend) == OK);
    REQUIRE(case_set(&how, "graph", graph) == OK);
    REQUIRE(glob("tests/cases/*.safetensors", 0, NULL, &files) == 0);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        const char *path = files.gl_pathv[i], *name = strrchr(path, '/') + 1;
        Verified v;

        if (strncmp(name, "resnet", 6) == 0)
            continue;
        verify_file(&v, path, &how, NULL);
        CHECK_MSG(v.verdict == VERIFY_PASSED,
                  "attnbench verify --backend=%s --graph=%s %s: %s (%g)",
                  backend, graph, path, v.why, v.rel_l2);
        for (int m = 0; zoo_at(m); m++) {
            const size_t n = strlen(zoo_name(m));

            modules[m] += strncmp(name, zoo_name(m), n) == 0 &&
                          (!strncmp(name + n, "_c64", 4) ||
                           !strncmp(name + n, "_odd", 4) ||
                           !strncmp(name + n, "_settings", 9));
        }
    }
    for (int m = 0; zoo_at(m); m++)
        CHECK_MSG(modules[m] >= 3, "%s has %d case files", zoo_name(m),
                  modules[m]);
    globfree(&files);
}

TEST(zoo, definitions_agree_with_pytorch)
{
    check_module_cases("ref", "as_written");
}

TEST(zoo, cpu_agrees_with_pytorch)
{
    check_module_cases("cpu", "as_written");
}

TEST(zoo, folded_cpu_agrees_with_pytorch)
{
    check_module_cases("cpu", "folded");
}

/* ---- one module on one input -------------------------------------------- */

enum { N = 2, C = 32, H = 9, W = 8, COUNT = N * C * H * W };

/* A module with values, about to run.  Its weights are seeded. */
typedef struct Trial {
    const char *module;
    Case c;
    Graph *g;
    float x[COUNT], y[COUNT];
} Trial;

/* Settings are "key=value key=value"; groups of 32 channels are small. */
static void trial_open(Trial *b, const char *module, const char *settings,
                       int h, int w)
{
    const Values values = { .seed = 5 };
    char text[256], *save = NULL;

    b->module = module;
    case_defaults(&b->c);
    CHECK(case_set(&b->c, "module", module) == OK);
    if (strcmp(module, "sa") == 0)
        CHECK(case_set(&b->c, "group_num", "4") == OK);
    snprintf(text, sizeof(text), "%s", settings);
    for (char *s = strtok_r(text, " ", &save); s;
         s = strtok_r(NULL, " ", &save)) {
        char *value = strchr(s, '=');

        *value++ = '\0';
        CHECK_MSG(case_set(&b->c, s, value) == OK, "%s", err_message());
    }
    b->c.batch = N;
    b->c.channels = C;
    b->c.height = h;
    b->c.width = w;
    if (network_build(&b->g, &b->c, &values, TAPS_NONE))
        test_failed(__FILE__, __LINE__, "%s", err_message());
    seed_structured(b->x, DIMS(N, C, h, w), "input", 5);
}

static void trial_run(Trial *b, const char *backend)
{
    float *y;

    CHECK(case_set(&b->c, "backend", backend) == OK);
    if (verify_run(&y, b->g, &b->c, b->x)) {
        test_failed(__FILE__, __LINE__, "%s on %s: %s", b->module, backend,
                    err_message());
        return;
    }
    memcpy(b->y, y, sizeof(b->y));
    free(y);
}

static void trial_close(Trial *b)
{
    graph_free(b->g);
}

static void fill(Trial *b, const char *weight, float value)
{
    Tensor *t = graph_find(b->g, weight);

    CHECK_MSG(t != NULL, "%s has no weight %s", b->module, weight);
    for (size_t i = 0; t && i < tensor_count(t); i++)
        t->host[i] = value;
}

static void swap_weights(Trial *b, const char *one, const char *other)
{
    Tensor *a = graph_find(b->g, one), *z = graph_find(b->g, other);
    float *host;

    CHECK_MSG(a && z, "%s has no weights %s, %s", b->module, one, other);
    if (!a || !z)
        return;
    host = a->host;
    a->host = z->host;
    z->host = host;
}

/* ---- what the equations imply ------------------------------------------- */

/* sigmoid(0) = 1/2, so a module whose weights are all 0 multiplies by 1/2 for
 * each gate that x passes; CPCA ends with a convolution, which is then 0. */
static double factor_of(const char *module)
{
    static const struct {
        const char *module;
        double factor;
    } others[] = {
        { "cbam", 0.25 }, { "ca", 0.25 },    { "ela", 0.25 },
        { "cpca", 0 },    { "scsa", 0.125 },
    };

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (strcmp(others[i].module, module) == 0)
            return others[i].factor;
    return 0.5;
}

/* The channel that ends up at c: SA's shuffle of two halves. */
static int source_channel(const char *module, int c)
{
    return strcmp(module, "sa") ? c : c % 2 * (C / 2) + c / 2;
}

static void check_zero_weights(const char *backend)
{
    for (int m = 0; zoo_at(m); m++) {
        const double factor = factor_of(zoo_name(m));
        int wrong = 0;
        Trial b;

        trial_open(&b, zoo_name(m), "", H, W);
        for (int i = 0; i < graph_size(b.g); i++)
            if (graph_at(b.g, i)->role == ROLE_WEIGHT)
                fill(&b, graph_at(b.g, i)->name, 0);
        if (graph_find(b.g, "fc.1.running_mean"))
            fill(&b, "fc.1.running_mean", 0);
        trial_run(&b, backend);
        for (int i = 0; i < COUNT; i++) {
            const int plane = i / (H * W), c = plane % C;
            const int from = plane - c + source_channel(b.module, c);

            wrong +=
                b.y[i] != (float)(factor * b.x[from * H * W + i % (H * W)]);
        }
        CHECK_MSG(wrong == 0, "%s on %s: %d of %d are not %g x", b.module,
                  backend, wrong, COUNT, factor);
        trial_close(&b);
    }
}

TEST(zoo, zero_weights_halve_the_input_at_every_gate)
{
    check_zero_weights("ref");
    check_zero_weights("cpu");
}

static double worst_difference(const float *a, const float *b, int n)
{
    double worst = 0;

    for (int i = 0; i < n; i++)
        worst = fmax(worst, fabs((double)a[i] - b[i]));
    return worst;
}

/* No image sees another one: swapping two images swaps the answers. */
TEST(zoo, images_of_a_batch_are_apart)
{
    for (int m = 0; zoo_at(m); m++) {
        enum { ONE = COUNT / N };
        float swapped[COUNT], first[COUNT];
        Trial b;

        trial_open(&b, zoo_name(m), "", H, W);
        trial_run(&b, "cpu");
        memcpy(first, b.y, sizeof(first));
        memcpy(swapped, b.x + ONE, sizeof(float) * ONE);
        memcpy(swapped + ONE, b.x, sizeof(float) * ONE);
        memcpy(b.x, swapped, sizeof(swapped));
        trial_run(&b, "cpu");
        CHECK_MSG(worst_difference(first, b.y + ONE, ONE) < 1e-5 &&
                      worst_difference(first + ONE, b.y, ONE) < 1e-5,
                  "%s mixes images", b.module);
        trial_close(&b);
    }
}

/* A gate is between 0 and 1: nothing grows, no sign changes. */
TEST(zoo, gates_only_weaken)
{
    for (int m = 0; zoo_at(m); m++) {
        int wrong = 0;
        Trial b;

        if (strcmp(zoo_name(m), "cpca") == 0)
            continue; /* its last step is a convolution */
        trial_open(&b, zoo_name(m), "", H, W);
        trial_run(&b, "cpu");
        for (int i = 0; i < COUNT; i++) {
            const int plane = i / (H * W), c = plane % C;
            const int from = plane - c + source_channel(b.module, c);
            const float x = b.x[from * H * W + i % (H * W)];

            wrong += !(fabsf(b.y[i]) <= fabsf(x)) || b.y[i] * x < 0;
        }
        CHECK_MSG(wrong == 0, "%s: %d of %d grow or change sign", b.module,
                  wrong, COUNT);
        trial_close(&b);
    }
}

/* Without neighbours (k = 1) ECA treats every channel alike. */
TEST(zoo, eca_without_neighbours_commutes_with_any_order_of_channels)
{
    enum { PLANE = H * W };
    float first[COUNT], x[COUNT];
    Trial b;

    trial_open(&b, "eca", "kernel_size=1", H, W);
    trial_run(&b, "cpu");
    memcpy(first, b.y, sizeof(first));
    memcpy(x, b.x, sizeof(x));
    for (int p = 0; p < N * C; p++) /* channel c to 5 c + 3 mod 32 */
        memcpy(b.x + (p / C * C + (5 * (p % C) + 3) % C) * PLANE, x + p * PLANE,
               sizeof(float) * PLANE);
    trial_run(&b, "cpu");
    for (int p = 0; p < N * C; p++)
        CHECK(
            worst_difference(first + p * PLANE,
                             b.y + (p / C * C + (5 * (p % C) + 3) % C) * PLANE,
                             PLANE) < 1e-6);
    trial_close(&b);
}

/* SE reads means alone: any order of pixels gives the same gate. */
TEST(zoo, se_does_not_see_where)
{
    static const char *const blind[] = { "se", "se_conv", "eca", "afgca" };

    for (size_t m = 0; m < sizeof(blind) / sizeof(blind[0]); m++) {
        float first[COUNT], x[COUNT];
        double worst = 0;
        Trial b;

        trial_open(&b, blind[m], "", H, W);
        trial_run(&b, "cpu");
        memcpy(first, b.y, sizeof(first));
        memcpy(x, b.x, sizeof(x));
        for (int i = 0; i < COUNT; i++) /* each plane backwards */
            b.x[i] = x[i / (H * W) * H * W + H * W - 1 - i % (H * W)];
        trial_run(&b, "cpu");
        for (int i = 0; i < COUNT; i++)
            worst = fmax(
                worst,
                fabs((double)b.y[i] -
                     first[i / (H * W) * H * W + H * W - 1 - i % (H * W)]));
        CHECK_MSG(worst < 1e-5, "%s sees where: %g", b.module, worst);
        trial_close(&b);
    }
}

/* Rows are columns of the transposed map: with what belongs to each axis
 * swapped, the module of the transpose is the transpose of the module's. */
TEST(zoo, rows_and_columns_are_treated_alike)
{
    static const char *const swaps[][5] = {
        { "ela" },
        { "sa" },
        { "ca", "attn_h.weight", "attn_w.weight", "attn_h.bias",
          "attn_w.bias" },
        { "scsa", "norm_h.weight", "norm_w.weight", "norm_h.bias",
          "norm_w.bias" },
    };

    for (size_t m = 0; m < sizeof(swaps) / sizeof(swaps[0]); m++) {
        double worst = 0;
        Trial b, t;

        trial_open(&b, swaps[m][0], "", H, W);
        trial_open(&t, swaps[m][0], "", W, H);
        for (int i = 1; i < 5 && swaps[m][i]; i += 2)
            swap_weights(&t, swaps[m][i], swaps[m][i + 1]);
        for (int i = 0; i < COUNT; i++)
            t.x[i / (H * W) * H * W + i % W * H + i / W % H] = b.x[i];
        trial_run(&b, "cpu");
        trial_run(&t, "cpu");
        for (int i = 0; i < COUNT; i++)
            worst = fmax(
                worst, fabs((double)b.y[i] -
                            t.y[i / (H * W) * H * W + i % W * H + i / W % H]));
        CHECK_MSG(worst < 1e-5, "%s: the transpose differs by %g", b.module,
                  worst);
        trial_close(&b);
        trial_close(&t);
    }
}

/* Rows of a softmax sum to 1: where all values v are the same b, attention
 * gives b whatever q and k are, and y = x_s sigmoid(b). */
static void check_constant_values(const char *settings)
{
    float x_s[COUNT];
    double worst = 0;
    Trial b;

    trial_open(&b, "scsa", settings, H, W);
    fill(&b, "norm.weight", 0); /* x_p = norm.bias */
    fill(&b, "v.weight", 1);
    fill(&b, "norm.bias", 0); /* the gate is 1/2: y = x_s / 2 */
    trial_run(&b, "cpu");
    memcpy(x_s, b.y, sizeof(x_s));
    fill(&b, "norm.bias", 0.75f);
    trial_run(&b, "cpu");
    for (int i = 0; i < COUNT; i++)
        worst = fmax(worst, fabs(b.y[i] - 2 * x_s[i] / (1 + exp(-0.75))));
    CHECK_MSG(worst < 1e-5, "scsa %s: %g", settings, worst);
    trial_close(&b);
}

TEST(zoo, scsa_attention_weights_sum_to_one)
{
    check_constant_values("window_size=-1"); /* N = H'W' = 1 */
    check_constant_values("window_size=7");
    check_constant_values("window_size=2");
    check_constant_values("window_size=2 head_num=4");
}

/* With q = 0 every channel asks all others alike: one gate for all of them,
 * the mean of v over a head's channels. */
TEST(zoo, scsa_without_queries_has_one_gate_for_each_head)
{
    float half[COUNT];
    Trial b;

    trial_open(&b, "scsa", "window_size=2 head_num=4", H, W);
    fill(&b, "q.weight", 0);
    trial_run(&b, "ref");
    memcpy(half, b.y, sizeof(half));
    fill(&b, "v.weight", 0);
    trial_run(&b, "ref"); /* the gate is 1/2 */
    for (int p = 0; p < N * C; p++) {
        const int i = p * H * W, head = p / (C / 4) * (C / 4) * H * W;
        const double gate = (double)half[i] / b.y[i];

        CHECK_MSG(fabs(gate - (double)half[head] / b.y[head]) < 1e-5,
                  "channel %d has gate %g", p, gate / 2);
    }
    trial_close(&b);
}

/* ---- settings, parameters, refusals ------------------------------------- */

static Graph *build_alone(const char *module, const char *settings, int c,
                          int h, int w)
{
    char text[256], *save = NULL;
    Case k;
    Graph *g;

    case_defaults(&k);
    CHECK(case_set(&k, "module", module) == OK);
    snprintf(text, sizeof(text), "%s", settings);
    for (char *s = strtok_r(text, " ", &save); s;
         s = strtok_r(NULL, " ", &save)) {
        char *value = strchr(s, '=');

        *value++ = '\0';
        CHECK_MSG(case_set(&k, s, value) == OK, "%s", err_message());
    }
    k.channels = c;
    k.height = h;
    k.width = w;
    if (network_build(&g, &k, NULL, TAPS_NONE))
        return NULL;
    CHECK_MSG(graph_params(g) == case_module(&k)->weights(c, k.settings),
              "%s %s at %d channels: %.0f parameters, weights() says %.0f",
              module, settings, c, graph_params(g),
              case_module(&k)->weights(c, k.settings));
    CHECK_MSG(tensor_same_dims(graph_find(g, "input"),
                               graph_output_named(g, "output")),
              "%s changes the shape", module);
    return g;
}

TEST(zoo, parameters_are_as_many_as_the_formula_says)
{
    static const int channels[] = { 64, 96, 128, 256, 512, 1024, 2048 };
    static const char *const other[][2] = {
        { "se", "reduction=4" },
        { "se_conv", "reduction=8" },
        { "eca", "kernel_size=7" },
        { "fca", "reduction=2 dct_h=7 dct_w=21" },
        { "cpca", "reduction=32" },
        { "cbam", "reduction=4 kernel_size=3" },
        { "ca", "reduction=4" },
        { "ela", "kernel_size=5 groups=32" },
        { "ema", "factor=8" },
        { "sa", "group_num=8" },
        { "scsa", "group_kernel_sizes=1,3,3,21 window_size=3 head_num=8" },
    };

    for (size_t i = 0; i < sizeof(channels) / sizeof(channels[0]); i++)
        for (int m = 0; zoo_at(m); m++) {
            const bool refused =
                strcmp(zoo_name(m), "sa") == 0 && channels[i] % 128;
            Graph *g = build_alone(zoo_name(m), "", channels[i], 7, 7);

            CHECK_MSG(!g == refused, "%s at %d channels: %s", zoo_name(m),
                      channels[i], err_message());
            graph_free(g);
        }
    for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
        Graph *g = build_alone(other[i][0], other[i][1], 64, 14, 15);

        CHECK_MSG(g != NULL, "%s", err_message());
        graph_free(g);
    }
}

/* The Params column of the paper's Table 2, as what a module adds to
 * ResNet-50: at 4C channels after the block, at C within it. */
TEST(zoo, parameters_are_those_of_table_2)
{
    static const struct {
        const char *module;
        int scale;
        double added;
    } rows[] = {
        { "eca", 4, 48 },        { "se_conv", 4, 2516832 },
        { "fca", 4, 2514944 },   { "cpca", 1, 1837804 },
        { "afgca", 1, 1261338 }, { "cbam", 4, 2516512 },
        { "sa", 4, 708 },        { "ela", 1, 33984 },
        { "ca", 1, 135344 },     { "ema", 1, 12752 },
        { "scsa", 1, 60416 },
    };
    static const int blocks[] = { 3, 4, 6, 3 };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        double added = 0;
        Case c;

        case_defaults(&c);
        CHECK(case_set(&c, "module", rows[i].module) == OK);
        for (int stage = 0; stage < 4; stage++)
            added += blocks[stage] *
                     case_module(&c)->weights((64 << stage) * rows[i].scale,
                                              c.settings);
        CHECK_MSG(added == rows[i].added, "%s: %.0f, wants %.0f",
                  rows[i].module, added, rows[i].added);
    }
}

TEST(zoo, shapes_that_a_module_cannot_take_are_refused_by_name)
{
    static const struct {
        const char *module, *settings;
        int c, h, w;
        const char *says;
    } rows[] = {
        { "se", "reduction=4", 10, 7, 7,
          "se: reduction=4 does not divide channels=10" },
        { "se_conv", "", 72, 7, 7,
          "se_conv: reduction=16 does not divide channels=72" },
        { "eca", "kernel_size=4", 64, 7, 7, "eca: kernel_size=4 must be odd" },
        { "fca", "", 72, 7, 7, "fca: channels=72 is not divisible by 16" },
        { "fca", "reduction=7", 64, 7, 7,
          "fca: reduction=7 does not divide channels=64" },
        { "fca", "", 64, 6, 9,
          "fca: dct_h=6, dct_w=9 must be at least 7: the frequencies are of "
          "a 7x7 grid" },
        { "cpca", "", 24, 7, 7,
          "cpca: reduction=16 does not divide channels=24" },
        { "cbam", "kernel_size=6", 64, 7, 7,
          "cbam: kernel_size=6 must be odd" },
        { "ela", "kernel_size=2", 64, 7, 7, "ela: kernel_size=2 must be odd" },
        { "ela", "", 72, 7, 7, "ela: groups=16 does not divide channels=72" },
        { "ema", "", 48, 7, 7, "ema: factor=32 does not divide channels=48" },
        { "sa", "", 64, 7, 7,
          "sa: group_num=64 needs channels divisible by 128, got 64" },
        { "scsa", "", 66, 7, 7, "scsa: channels=66 is not divisible by 4" },
        { "scsa", "", 64, 6, 9,
          "scsa: window_size=7 needs a map of at least 7x7, got 6x9" },
        { "scsa", "window_size=0", 64, 7, 7,
          "scsa: window_size=0 must be positive, or -1" },
        { "scsa", "head_num=3", 64, 7, 7,
          "scsa: head_num=3 does not divide channels=64" },
        { "scsa", "group_kernel_sizes=3,5,7", 64, 7, 7,
          "scsa: group_kernel_sizes wants 4 sizes, got 3" },
        { "scsa", "group_kernel_sizes=3,5,7,8", 64, 7, 7,
          "scsa: group_kernel_sizes must be odd, got 8" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        Graph *g = build_alone(rows[i].module, rows[i].settings, rows[i].c,
                               rows[i].h, rows[i].w);

        CHECK_MSG(g == NULL && strcmp(err_message(), rows[i].says) == 0,
                  "%s %s: said '%s'", rows[i].module, rows[i].settings,
                  err_message());
        graph_free(g);
    }
}

static int eca_kernel(int c)
{
    Graph *g = build_alone("eca", "", c, 7, 7);
    const int k = g ? graph_find(g, "conv.weight")->dim[2] : -1;

    graph_free(g);
    return k;
}

TEST(zoo, eca_sees_neighbours_from_96_channels_on)
{
    CHECK(eca_kernel(64) == 1);
    CHECK(eca_kernel(95) == 1);
    CHECK(eca_kernel(96) == 3);
    CHECK(eca_kernel(2048) == 3);
}

static int afgca_kernel(int c)
{
    Graph *g = build_alone("afgca", "", c, 7, 7);
    const int k = g ? graph_find(g, "conv1.weight")->dim[2] : -1;

    graph_free(g);
    return k;
}

TEST(zoo, afgca_sees_more_neighbours_with_more_channels)
{
    static const int known[][2] = { { 64, 3 },  { 128, 5 },  { 256, 5 },
                                    { 512, 5 }, { 1024, 5 }, { 2048, 7 } };

    for (int i = 0; i < 6; i++)
        CHECK_MSG(afgca_kernel(known[i][0]) == known[i][1], "%d: %d",
                  known[i][0], afgca_kernel(known[i][0]));
}

TEST(zoo, fca_takes_its_size_from_the_stage_unless_told)
{
    for (int stage = 0; stage < 4; stage++) {
        char text[PARAM_TEXT_MAX];
        const Module *m = &fca_module;
        Case c;

        case_defaults(&c);
        CHECK(case_set(&c, "module", "fca") == OK);
        CHECK(case_set(&c, "dct_w", "21") == OK);
        m->at_stage(c.settings, stage);
        param_text(param_find(m->params, "dct_h"), c.settings, text);
        CHECK_MSG(atoi(text) == 56 >> stage, "stage %d: %s", stage, text);
        param_text(param_find(m->params, "dct_w"), c.settings, text);
        CHECK(atoi(text) == 21);
    }
}

TEST(zoo, every_module_says_what_it_is)
{
    for (int i = 0; zoo_at(i); i++) {
        const Module *m = zoo_at(i);

        CHECK(zoo_find(m->name) == m && zoo_name(i) == m->name);
        CHECK(m->title && m->paper && m->build && m->weights);
        CHECK_MSG(!strcmp(m->type, "Channel") || !strcmp(m->type, "Spatial") ||
                      !strcmp(m->type, "Hybrid"),
                  "%s has type %s", m->name, m->type);
        CHECK(m->settings_size <= SETTINGS_MAX);
        CHECK(!m->params == !m->settings_size);
    }
    CHECK(zoo_find("none") == NULL);
}
