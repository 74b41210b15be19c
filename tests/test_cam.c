/*
 * test_cam.c - class activation maps against what they must be.
 *
 * Where a mean and a linear layer follow the tap, the gradient of a score is
 * the layer's weight over the number of positions, everywhere alike:
 *
 *     map[y,x] = ReLU(sum over c of w[k,c] A[c,y,x]) / (h w)
 */
#include "harness/attribution/cam.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/devices/backends.h"
#include "harness/network/network.h"
#include "kernels/ops/ops.h"
#include "tests/fake_device.h"
#include "tests/stored.h"
#include "tests/test.h"

/* ---- a network small enough to do by hand -------------------------------- */

enum { INPUTS = 2, CHANNELS = 3, CLASSES = 4, H = 3, W = 5 };

/* A change of the network below. */
static struct {
    float scale, bias, others;
} change;

static const float conv_weight[CHANNELS][INPUTS] = { { 1, 0 },
                                                     { -1, 2 },
                                                     { 0.5f, 0.25f } };
static const float fc_weight[CLASSES][CHANNELS] = {
    { 1, 2, 3 }, { -1, 0.5f, 4 }, { -1, -1, -40 }, { 0, 0, 0 }
};

static float input_at(int i, int y, int x)
{
    return i ? (float)(2 * x - y) : (float)(x * y) - 2.5f;
}

static Tensor *weight(Graph *g, const char *name, Dims dims)
{
    Tensor *t = graph_weight(g, name, dims);

    BUG_IF(graph_alloc_host(t) != OK);
    return t;
}

/* A 1x1 convolution, the mean, a linear layer. */
static int build_small(Graph **out, const Case *c, const WeightValues *values,
                       const char *const *tap, int n)
{
    Graph *g = *out = graph_new();
    Tensor *x = graph_input(g, "input", DIMS(1, INPUTS, H, W));
    Tensor *conv = weight(g, "conv.weight", DIMS(CHANNELS, INPUTS, 1, 1));
    Tensor *fc = weight(g, "fc.weight", DIMS(CLASSES, CHANNELS));
    Tensor *bias = weight(g, "fc.bias", DIMS(CLASSES));

    (void)c;
    (void)values;
    BUG_IF(n != 2);
    memcpy(conv->host, conv_weight, sizeof(conv_weight));
    for (int k = 0; k < CLASSES; k++) {
        bias->host[k] = change.bias * (float)k;
        for (int i = 0; i < CHANNELS; i++)
            fc->host[k * CHANNELS + i] =
                change.scale * fc_weight[k][i] +
                (k == 3 ? change.others * (float)i : 0);
    }
    x = op_conv2d(g, x, conv, NULL, &(Conv2dAttr){ .stride = 1 });
    graph_output(g, tap[0], x);
    x = op_global_avg_pool(g, x, SQUEEZE_MEAN);
    graph_output(g, tap[1], op_linear(g, x, fc, bias));
    return graph_error(g);
}

/* The map of that network by hand, before ReLU; returns the score. */
static double by_hand(double map[H][W], int k)
{
    double score = 0;

    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) {
            map[y][x] = 0;
            for (int c = 0; c < CHANNELS; c++)
                for (int i = 0; i < INPUTS; i++)
                    map[y][x] += (double)fc_weight[k][c] * conv_weight[c][i] *
                                 input_at(i, y, x) / (H * W);
            score += map[y][x];
        }
    return score;
}

static int run_small(Cam *cam, int k)
{
    const Case c = stored_case("backbone=resnet18 backend=ref");
    float input[INPUTS][H][W];
    Device *dev;
    int err;

    for (int i = 0; i < INPUTS; i++)
        for (int y = 0; y < H; y++)
            for (int x = 0; x < W; x++)
                input[i][y][x] = input_at(i, y, x);
    BUG_IF(backend_open(&dev, "ref", NULL) != OK);
    err = cam_run(cam, &c, &(CamAsk){ "tap", k, &input[0][0][0], build_small },
                  dev);
    backend_close(dev);
    return err;
}

static void reset(void)
{
    change.scale = 1;
    change.bias = change.others = 0;
}

TEST(cam, is_what_it_is_by_hand)
{
    reset();
    for (int k = 0; k < CLASSES; k++) {
        double map[H][W];
        const double score = by_hand(map, k);
        Cam cam;

        REQUIRE(run_small(&cam, k) == OK);
        CHECK(cam.class == k && cam.classes == CLASSES);
        CHECK(cam.rows == H && cam.columns == W && cam.channels == CHANNELS);
        CHECK_MSG(fabs(cam.score - score) < 1e-5, "%d: %g for %g", k, cam.score,
                  score);
        for (int y = 0; y < H; y++)
            for (int x = 0; x < W; x++)
                CHECK_MSG(fabs(cam.map[y * W + x] - fmax(map[y][x], 0)) < 1e-6,
                          "%d at %d,%d: %g for %g", k, y, x, cam.map[y * W + x],
                          map[y][x]);
        cam_free(&cam);
    }
}

TEST(cam, is_of_the_highest_score_unless_a_class_is_given)
{
    double score[CLASSES], map[H][W], sum = 0;
    int top = 0;
    Cam cam;

    reset();
    for (int k = 0; k < CLASSES; k++) {
        score[k] = by_hand(map, k);
        top = score[k] > score[top] ? k : top;
        sum += exp(score[k]);
    }
    REQUIRE(run_small(&cam, CAM_TOP) == OK);
    CHECK(cam.class == top);
    CHECK(fabs(cam.probability - exp(score[top]) / sum) < 1e-5);
    cam_free(&cam);
    change.bias = 1000; /* the last class wins */
    REQUIRE(run_small(&cam, CAM_TOP) == OK);
    CHECK(cam.class == CLASSES - 1 && cam.probability == 1);
    CHECK(cam.number[CAM_peak] == 0 && isnan(cam.number[CAM_central]));
    cam_free(&cam);
}

/* Only the slope of the class's score counts. */
TEST(cam, is_indifferent_to_offsets_and_to_other_classes)
{
    Cam a, b, c;

    reset();
    REQUIRE(run_small(&a, 1) == OK);
    change.bias = 7;
    change.others = 100;
    REQUIRE(run_small(&b, 1) == OK);
    CHECK(memcmp(a.map, b.map, H * W * sizeof(float)) == 0);
    CHECK(b.score != a.score && b.probability != a.probability);
    reset();
    change.scale = 1e6f;
    REQUIRE(run_small(&c, 1) == OK);
    for (int i = 0; i < H * W; i++)
        CHECK(fabs(c.map[i] - 1e6 * a.map[i]) <= 1e-6 * 1e6 * a.map[i]);
    for (int i = 0; i < CAM_NUMBERS; i++)
        if (i != CAM_peak && i != CAM_mean)
            CHECK(fabs(c.number[i] - a.number[i]) < 1e-6);
    cam_free(&a);
    cam_free(&b);
    cam_free(&c);
}

/* ---- networks ------------------------------------------------------------ */

static const WeightValues seeded = { .seed = 1 };

static float *input_of(const Case *c)
{
    const size_t n = (size_t)(c->channels * c->height * c->width);
    float *input = malloc(n * sizeof(*input));

    BUG_IF(!input);
    for (size_t i = 0; i < n; i++)
        input[i] = (float)((i * 7919) % 1013) / 500 - 1;
    return input;
}

static int run_case(Cam *cam, const Case *c, const char *tap, int class,
                    const float *input)
{
    Device *dev;
    int err;

    BUG_IF(backend_open(&dev, case_name("backend", c->backend), NULL) != OK);
    err = cam_run(cam, c, &(CamAsk){ tap, class, input, NULL }, dev);
    backend_close(dev);
    return err;
}

/* The tap, and the scores, by a run forward of the network alone. */
static Graph *forward(float *values[2], const Case *c, const char *tap,
                      float *input)
{
    const char *const taps[] = { tap, "output" };
    Device *dev;
    Graph *g;

    BUG_IF(network_build_tapped(&g, c, &seeded, taps, 2) != OK);
    BUG_IF(backend_open(&dev, case_name("backend", c->backend), NULL) != OK);
    BUG_IF(network_run(values, g, dev, false, &input) != OK);
    backend_close(dev);
    return g;
}

/* Map of a network that ends with a mean and the linear layer `last`, at the
 * tap before these. */
static void check_closed_form(const char *settings, const char *tap,
                              const char *last, int rows, int columns)
{
    const Case c = stored_case(settings);
    float *input = input_of(&c), *value[2] = { NULL };
    double wrong = 0, all = 0;
    const float *w;
    Graph *g;
    Cam cam;

    REQUIRE(run_case(&cam, &c, tap, CAM_TOP, input) == OK);
    CHECK_MSG(cam.rows == rows && cam.columns == columns, "%dx%d", cam.rows,
              cam.columns);
    g = forward(value, &c, tap, input);
    w = graph_find(g, last)->host + cam.class * cam.channels;
    CHECK(fabs(cam.score - value[1][cam.class]) <= 1e-5 * fabs(cam.score));
    for (int k = 0; k < cam.classes; k++)
        CHECK(value[1][k] <= value[1][cam.class]);
    for (int i = 0; i < rows * columns; i++) {
        double want = 0;

        for (int k = 0; k < cam.channels; k++)
            want += (double)w[k] * value[0][k * rows * columns + i];
        want = fmax(want / (rows * columns), 0);
        wrong += (cam.map[i] - want) * (cam.map[i] - want);
        all += want * want;
    }
    CHECK_MSG(all > 0 && wrong <= 1e-10 * all, "%s: %g of %g", settings, wrong,
              all);
    free(value[0]);
    free(value[1]);
    free(input);
    graph_free(g);
    cam_free(&cam);
}

/* Tokens in rows of channels are a map like any other: seven rows of fourteen,
 * each where it is. */
TEST(cam, has_swins_tokens_where_they_are)
{
    check_closed_form("backbone=swin_t height=224 width=448", "norm",
                      "head.fc.weight", 7, 14);
}

TEST(cam, of_networks_has_its_closed_form)
{
    check_closed_form("backbone=resnet18 height=96 width=64", "layer4",
                      "fc.weight", 3, 2);
    check_closed_form("backbone=resnet18 module=ca height=96 width=64",
                      "stage4", "fc.weight", 3, 2);
    check_closed_form("backbone=mobilenetv2_100 height=64 width=96 channels=3",
                      "bn2", "classifier.weight", 2, 3);
}

/* Through what lies between, folded or not, on either backend. */
TEST(cam, is_the_same_folded_and_by_definition)
{
    static const char *const others[] = {
        "backbone=resnet18 module=se height=32 width=48 graph=folded",
        "backbone=resnet18 module=se height=32 width=48 backend=ref",
    };
    const Case c =
        stored_case("backbone=resnet18 module=se height=32 width=48");
    float *input = input_of(&c);
    Cam a, b;

    REQUIRE(run_case(&a, &c, "layer2.0.bn1", 5, input) == OK);
    CHECK(!strcmp(a.layer, "layer2.0.bn1") && a.rows == 4 && a.columns == 6);
    CHECK(a.number[CAM_peak] > 0);
    for (int i = 0; i < 2; i++) {
        const Case other = stored_case(others[i]);

        REQUIRE(run_case(&b, &other, "layer2.0.bn1", 5, input) == OK);
        CHECK_MSG(!strcmp(b.layer, a.layer), "%s", b.layer);
        for (int k = 0; k < a.rows * a.columns; k++)
            CHECK_MSG(fabs(b.map[k] - a.map[k]) <= 1e-5 * a.number[CAM_peak],
                      "%s: %g for %g", others[i], b.map[k], a.map[k]);
        cam_free(&b);
    }
    cam_free(&a);
    free(input);
}

TEST(cam, refuses_what_has_no_map)
{
    static const struct {
        const char *settings, *tap;
        int class, code;
        const char *why;
    } cases[] = {
        { "", "layer4", 1000, ERR_INPUT,
          "unknown class 1000; the network has classes 0 to" },
        { "", "layer4", -2, ERR_INPUT, "unknown class -2" },
        { "", "layr4", 0, ERR_INPUT, "unknown tap 'layr4'" },
        { "", "fc", 0, ERR_INPUT, "fc is not a map of channels" },
        { "batch=2", "layer4", 0, ERR_INPUT, "batch=2" },
        { "dtype=bf16", "layer4", 0, ERR_UNSUPPORTED, "f32 only (dtype=bf16)" },
        { "pass=backward", "layer4", 0, ERR_INPUT, "pass=forward" },
    };
    const Case plain = stored_case("backbone=resnet18 height=32 width=32");
    float *input = input_of(&plain);

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char settings[128];
        Case c;
        Cam cam;

        snprintf(settings, sizeof(settings),
                 "backbone=resnet18 height=32 width=32 %s", cases[i].settings);
        c = stored_case(settings);
        CHECK_MSG(run_case(&cam, &c, cases[i].tap, cases[i].class, input) ==
                      cases[i].code,
                  "%s %s: not refused", settings, cases[i].tap);
        CHECK_MSG(strstr(err_message(), cases[i].why), "'%s' has no '%s'",
                  err_message(), cases[i].why);
        CHECK(!cam.map);
    }
    free(input);
}

/* The third of all scores, though another one is asked for. */
TEST(cam, refuses_scores_that_are_not_finite)
{
    Cam cam;

    reset();
    change.bias = 2e38f;
    CHECK(run_small(&cam, 1) == ERR_UNSUPPORTED);
    CHECK_MSG(strstr(err_message(), "the score of class 2 is inf"), "%s",
              err_message());
    CHECK(!cam.map);
    reset();
}

/* By a device whose convolution is wrong. */
TEST(cam, refuses_what_the_definition_does_not_give)
{
    const Case c = stored_case("backbone=resnet18 height=32 width=32");
    FakeDevice *fake = fake_open();
    float *input = input_of(&c);
    const CamAsk ask = { "layer2", 3, input, NULL };
    Cam cam;

    REQUIRE(cam_run(&cam, &c, &ask, &fake->base) == OK);
    CHECK_MSG(cam.rel_l2 <= cam.limit && cam.limit < 1e-3, "%g, limit %g",
              cam.rel_l2, cam.limit);
    cam_free(&cam);
    fake->factor = 1.5f;
    fake->only = &max_pool2d_def;
    CHECK(cam_run(&cam, &c, &ask, &fake->base) == ERR_DEVICE);
    CHECK_MSG(
        strstr(err_message(), "differs from the definition by ") &&
            strstr(err_message(), "max_pool2d by any, (1,64,8,8), off by"),
        "%s", err_message());
    CHECK(!cam.map);
    fake_backend.close(&fake->base);
    free(input);
}

/* ---- numbers ------------------------------------------------------------- */

TEST(cam, numbers_are_exact_where_they_are_known)
{
    static const float spot[] = { 0, -1, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0 };
    static const float low[] = { -1, -3 }, none[] = { 0, 0 };
    static const float steps[] = { 1, 2, 3, 4 };
    float flat[7 * 7];
    double n[CAM_NUMBERS];

    for (int i = 0; i < 7 * 7; i++)
        flat[i] = 2;
    cam_numbers(n, flat, 7, 7);
    CHECK(n[CAM_peak] == 2 && n[CAM_mean] == 2 && n[CAM_kept] == 1);
    CHECK(fabs(n[CAM_central] - 0.25) < 1e-15);
    CHECK(fabs(n[CAM_half_in] - 0.5) < 1e-15);

    cam_numbers(n, spot, 3, 4); /* the middle row, the last column */
    CHECK(n[CAM_peak] == 3 && n[CAM_mean] == 0.25 && n[CAM_kept] == 0.75);
    CHECK(n[CAM_peak_y] == 0.5 && n[CAM_peak_x] == 0.875);
    CHECK(n[CAM_central] == 0);
    CHECK(fabs(n[CAM_half_in] - 0.5 / 12) < 1e-15);
    cam_numbers(n, spot, 4, 3); /* the third row, the second column: half of
                                   the row is in the middle, all of it */
    CHECK(n[CAM_central] == 1);

    cam_numbers(n, steps, 2, 2); /* half of ten: four, and a third of three */
    CHECK(fabs(n[CAM_half_in] - (1 + 1 / 3.0) / 4) < 1e-15);

    cam_numbers(n, low, 1, 2);
    CHECK(n[CAM_peak] == 0 && n[CAM_mean] == 0 && n[CAM_kept] == 0);
    CHECK(isnan(n[CAM_central]) && isnan(n[CAM_half_in]) &&
          isnan(n[CAM_peak_y]));
    cam_numbers(n, none, 2, 1);
    CHECK(isnan(n[CAM_kept]));
}
