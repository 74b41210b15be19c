/*
 * test_reference.c - gradients that are differences of larger numbers, or 0:
 * what their errors are measured against, and that faults still show.
 */
#include "harness/check/reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/check/verify.h"
#include "kernels/core/err.h"
#include "kernels/ops/ops.h"
#include "tests/fake_device.h"
#include "tests/stored.h"
#include "tests/test.h"

static void agrees(const Case *c, Device *dev)
{
    const Checker with = { dev, NULL };
    char text[CASE_TEXT];
    Comparison v;
    const int err = verify_case(&v, c, VERIFY_BUDGET, &with);

    CHECK_MSG(err == OK && v.rel_l2 <= v.limit, "%s: %g, limit %g: %s",
              case_print(c, text), v.rel_l2, v.limit,
              err ? err_message() : v.culprit);
}

/* A batch norm over the two means of two images. */
TEST(reference, statistics_of_two_values_leave_roundings)
{
    static const int channels[] = { 64, 128, 256, 512 };

    for (int i = 0; i < 4; i++)
        for (int side = 7; side <= (i < 2 ? 56 : 14); side *= 2) {
            Case c =
                stored_case("module=se_conv batch=2 pass=train channels=64 "
                            "height=7 width=7");

            c.channels = channels[i];
            c.height = c.width = side;
            agrees(&c, NULL);
        }
}

/* EMA's norms at the last stage of an image of 32x32 are over one pixel. */
TEST(reference, gradients_that_are_zero_are_measured_beside_their_terms)
{
    const Case alone = stored_case("module=ema channels=256 height=1 width=1 "
                                   "pass=backward");
    const Case network = stored_case("backbone=resnet18 module=ema height=32 "
                                     "width=32 pass=backward");

    agrees(&alone, NULL);
    agrees(&network, NULL);
}

TEST(reference, training_takes_more_than_one_value_per_channel)
{
    const Case one = stored_case("module=se_conv channels=64 height=7 width=7 "
                                 "pass=train");
    Comparison v;

    CHECK(verify_case(&v, &one, VERIFY_BUDGET, NULL) == ERR_UNSUPPORTED);
    CHECK_MSG(strstr(err_message(), "batch_norm: ") &&
                  strstr(err_message(), "batch=1") &&
                  strstr(err_message(), "--batch"),
              "%s", err_message());
}

/* So a large case of training is compared with two images, and a map that is
 * smaller. */
TEST(reference, of_training_keeps_two_images)
{
    const Case c = stored_case("module=se_conv channels=64 height=28 width=28 "
                               "batch=8 pass=train");
    Comparison v;

    REQUIRE(verify_case(&v, &c, 1, NULL) == OK);
    CHECK_MSG(!strcmp(v.at, "2x64x7x7"), "%s", v.at);
    CHECK_MSG(v.rel_l2 <= v.limit, "%g, limit %g", v.rel_l2, v.limit);
}

/* On a device that is right except for the first number of one op. */
TEST(reference, a_wrong_gradient_still_shows)
{
    static const struct {
        const char *settings;
        const Op *op;
    } cases[] = {
        { "module=se_conv channels=128 height=7 width=7 batch=2 pass=train",
          &conv2d_grad_w_def },
        { "module=se_conv channels=128 height=7 width=7 batch=2 pass=train",
          &group_norm_grad_w_def },
        { "module=ema channels=64 height=7 width=7 pass=backward",
          &group_norm_grad_x_def },
        { "module=ema channels=64 height=1 width=1 pass=backward",
          &sigmoid_grad_def },
        { "module=scsa channels=64 height=7 width=7 pass=backward",
          &softmax_grad_def },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const Case c = stored_case(cases[i].settings);
        FakeDevice *fake = fake_open();
        const Checker with = { &fake->base, NULL };
        Comparison v;

        agrees(&c, &fake->base);
        fake->factor = 1.5f;
        fake->only = cases[i].op;
        CHECK(verify_case(&v, &c, VERIFY_BUDGET, &with) == OK);
        CHECK_MSG(v.rel_l2 > v.limit, "%s, %s: %g, limit %g", cases[i].settings,
                  cases[i].op->name, v.rel_l2, v.limit);
        CHECK_MSG(strstr(case_name("pass", c.pass), "train") ||
                      strstr(v.culprit, cases[i].op->name),
                  "%s: '%s' is not %s", cases[i].settings, v.culprit,
                  cases[i].op->name);
        fake_backend.close(&fake->base);
    }
}

static bool is_zero(const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (x[i] != 0)
            return false;
    return true;
}

/* The verdict on the expected values, where the first number of output i is
 * this. */
static Comparison with_first(Reference *r, const Case *c, int i, float first)
{
    const size_t n = tensor_count(graph_output_at(r->graph, i, NULL));
    float **got = calloc((size_t)graph_outputs(r->graph), sizeof(*got));
    float *changed = malloc(n * sizeof(*changed));
    Comparison v;

    BUG_IF(!got || !changed);
    memcpy(got, r->expected, (size_t)graph_outputs(r->graph) * sizeof(*got));
    memcpy(changed, r->expected[i], n * sizeof(*changed));
    changed[0] = first;
    got[i] = changed;
    CHECK_MSG(verify_outputs(&v, r, c, got) == OK, "%s", err_message());
    free(changed);
    free(got);
    return v;
}

/* Gradients of norms over one pixel are 0; their terms are some hundreds. */
TEST(reference, what_should_be_zero_may_be_no_more_than_rounding)
{
    const Case c = stored_case("module=ema channels=64 height=1 width=1 "
                               "pass=backward");
    const WeightValues values = { .seed = 1 };
    Reference *r;
    int zeros = 0;

    REQUIRE(reference_new(&r, &c, &values, TAPS_NONE, NULL) == OK);
    for (int i = 0; i < graph_outputs(r->graph); i++) {
        const char *name;
        const Tensor *t = graph_output_at(r->graph, i, &name);
        Comparison little, much;

        if (!is_zero(r->expected[i], tensor_count(t)))
            continue;
        zeros++;
        little = with_first(r, &c, i, 1e-6f);
        much = with_first(r, &c, i, 0.1f);
        CHECK_MSG(little.rel_l2 <= little.limit, "%s: %g, limit %g", name,
                  little.rel_l2, little.limit);
        CHECK_MSG(much.rel_l2 > much.limit, "%s: %g, limit %g", name,
                  much.rel_l2, much.limit);
    }
    CHECK_MSG(zeros > 0, "no gradient is 0");
    reference_free(r);
}
