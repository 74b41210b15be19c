/*
 * test_zoo_equations.c - what follows from the modules' equations for any
 * weights: zeros, symmetries, bounds, sums.
 */
#include "attention_zoo/zoo.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/check/verify.h"
#include "harness/network/case.h"
#include "harness/network/network.h"
#include "harness/network/seed.h"
#include "tests/case_file.h"
#include "tests/test.h"

/* ---- one module on one input -------------------------------------------- */

enum { N = 2, C = 32, H = 9, W = 8, COUNT = N * C * H * W };

/* A module with values, about to run.  Its weights are seeded. */
typedef struct Trial {
    const char *module;
    Case c;
    Graph *g;
    float x[COUNT], y[COUNT];
} Trial;

/* Settings are "key=value key=value". */
static void trial_open(Trial *b, const char *module, const char *settings,
                       int h, int w)
{
    const WeightValues values = { .seed = 5 };
    char text[256], *save = NULL;

    b->module = module;
    case_defaults(&b->c);
    CHECK(case_set(&b->c, "module", module) == OK);
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
    case_fit(&b->c);
    if (network_build(&b->g, &b->c, &values, TAPS_NONE))
        test_failed(__FILE__, __LINE__, "%s", err_message());
    seed_structured(b->x, DIMS(N, C, h, w), "input", 5);
}

static void trial_run(Trial *b, const char *backend)
{
    float *y;

    CHECK(case_set(&b->c, "backend", backend) == OK);
    if (verify_run(&y, b->g, &b->c, NULL, (float *[]){ b->x })) {
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
static bool has_factor(const Module *m, double *factor)
{
    *factor = m == &cpca_module ? 0 : ldexp(1, -m->gates);
    return m->gates || m == &cpca_module;
}

/* The channel that ends up at c: SA's shuffle of two halves. */
static int source_channel(const char *module, int c)
{
    return strcmp(module, "sa") ? c : c % 2 * (C / 2) + c / 2;
}

static void check_zero_weights(const char *backend)
{
    for (int m = 0; zoo_at(m); m++) {
        double factor;
        int wrong = 0;
        Trial b;

        if (!has_factor(zoo_at(m), &factor))
            continue;
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

TEST(zoo_equations, zero_weights_halve_the_input_at_every_gate)
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
TEST(zoo_equations, images_of_a_batch_are_apart)
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
TEST(zoo_equations, gates_only_weaken)
{
    for (int m = 0; zoo_at(m); m++) {
        int wrong = 0;
        Trial b;

        if (!zoo_at(m)->gates)
            continue;
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
TEST(zoo_equations, eca_without_neighbours_commutes_with_any_order_of_channels)
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
TEST(zoo_equations, se_does_not_see_where)
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
TEST(zoo_equations, rows_and_columns_are_treated_alike)
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

TEST(zoo_equations, scsa_attention_weights_sum_to_one)
{
    check_constant_values("window_size=-1"); /* N = H'W' = 1 */
    check_constant_values("window_size=7");
    check_constant_values("window_size=2");
    check_constant_values("window_size=2 head_num=4");
}

/* With q = 0 every channel asks all others alike: one gate for all of them,
 * the mean of v over a head's channels. */
TEST(zoo_equations, scsa_without_queries_has_one_gate_for_each_head)
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
