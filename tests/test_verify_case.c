/*
 * test_verify_case.c - a case against the definitions of its ops.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness/check/agreement.h"
#include "harness/check/verify.h"
#include "kernels/core/err.h"
#include "tests/databases.h"
#include "tests/fake_device.h"
#include "tests/test.h"

static void make_case(Case *c, const char *backbone, const char *module,
                      int batch, int channels, int size)
{
    case_defaults(c);
    CHECK(case_set(c, "backbone", backbone) == OK);
    CHECK(case_set(c, "module", module) == OK);
    c->batch = batch;
    c->channels = channels;
    c->height = c->width = size;
    CHECK(case_complete(c) == OK);
}

TEST(verify_case, every_module_agrees_with_its_definition_at_512_channels)
{
    for (int m = 0; zoo_at(m); m++) {
        Comparison v;
        Case c;

        make_case(&c, "none", zoo_name(m), 2, 512, 7);
        CHECK_MSG(
            verify_case(&v, &c, VERIFY_BUDGET, NULL) == OK &&
                v.rel_l2 <= verify_limit(&c) && !strcmp(v.at, "2x512x7x7"),
            "%s at %s: %g %s", zoo_name(m), v.at, v.rel_l2, err_message());
    }
}

TEST(verify_case, a_large_case_is_compared_with_fewer_images_then_smaller)
{
    Comparison v;
    Case c;

    make_case(&c, "none", "se", 8, 64, 28);
    REQUIRE(verify_case(&v, &c, 32e6, NULL) == OK);
    CHECK_MSG(!strcmp(v.at, "3x64x28x28"), "%s", v.at);
    CHECK(v.rel_l2 <= verify_limit(&c));
    REQUIRE(verify_case(&v, &c, 4e6, NULL) == OK);
    CHECK_MSG(!strcmp(v.at, "1x64x14x14"), "%s", v.at);
    REQUIRE(verify_case(&v, &c, 1, NULL) == OK);
    CHECK_MSG(!strcmp(v.at, "1x64x7x7"), "%s", v.at);
}

TEST(verify_case, a_map_is_not_made_smaller_than_its_module_takes)
{
    Comparison v;
    Case c;

    make_case(&c, "none", "scsa", 2, 64, 40);
    REQUIRE(case_set(&c, "window_size", "16") == OK);
    REQUIRE(verify_case(&v, &c, 1, NULL) == OK);
    CHECK_MSG(!strcmp(v.at, "1x64x20x20"), "%s", v.at);
}

TEST(verify_case, a_backbone_keeps_its_map)
{
    Comparison v;
    Case c;

    make_case(&c, "resnet18", "se", 4, 3, 64);
    REQUIRE(case_set(&c, "graph", "folded") == OK);
    REQUIRE(verify_case(&v, &c, 1, NULL) == OK);
    CHECK_MSG(!strcmp(v.at, "1x3x64x64"), "%s", v.at);
    CHECK_MSG(v.rel_l2 <= verify_limit(&c), "%g", v.rel_l2);
}

/* With eight modules that are one op each, folded around them. */
TEST(verify_case,
     a_folded_backbone_with_fused_modules_agrees_with_its_definition)
{
    Comparison v;
    Case c;

    make_case(&c, "resnet18", "scsa", 1, 3, 224);
    REQUIRE(case_set(&c, "graph", "folded") == OK);
    REQUIRE(case_set(&c, "impl", "fused") == OK);
    REQUIRE(verify_case(&v, &c, VERIFY_BUDGET, NULL) == OK);
    CHECK_MSG(v.rel_l2 > 0 && v.rel_l2 <= verify_limit(&c), "%g", v.rel_l2);
}

/* The kept reference serves the next case of the same definition, and no
 * other. */
TEST(verify_case, a_reference_is_kept_for_the_same_definition_alone)
{
    Reference *ref = NULL, *first;
    const Checker with = { NULL, &ref };
    Comparison v;
    Case c;

    make_case(&c, "none", "scsa", 2, 64, 14);
    REQUIRE(verify_case(&v, &c, VERIFY_BUDGET, &with) == OK);
    first = ref;
    CHECK(case_set(&c, "impl", "fused") == OK);
    CHECK(case_set(&c, "state", "cold") == OK);
    CHECK(case_set(&c, "threads", "1") == OK);
    REQUIRE(verify_case(&v, &c, VERIFY_BUDGET, &with) == OK);
    CHECK(ref == first && v.rel_l2 <= v.limit && !strcmp(v.at, "2x64x14x14"));
    c.batch = 3;
    REQUIRE(verify_case(&v, &c, VERIFY_BUDGET, &with) == OK);
    CHECK(ref->c.batch == 3 && v.rel_l2 <= v.limit &&
          !strcmp(v.at, "3x64x14x14"));
    CHECK(case_set(&c, "module", "se") == OK);
    CHECK(case_set(&c, "impl", "composed") == OK);
    REQUIRE(verify_case(&v, &c, VERIFY_BUDGET, &with) == OK);
    CHECK(v.rel_l2 <= v.limit);
    reference_free(ref);
}

/* 324 positions make scores of 60 and more, whose exponentials have 60 times
 * their error: right, and yet it may be beyond the limit for case files.  (132
 * channels are none of those whose scores are summed in double.) */
TEST(verify_case, a_case_that_amplifies_rounding_has_a_higher_limit)
{
    Comparison v;
    Case c;

    make_case(&c, "none", "scsa", 4, 132, 56);
    REQUIRE(case_set(&c, "window_size", "3") == OK);
    REQUIRE(verify_case(&v, &c, VERIFY_BUDGET, NULL) == OK);
    CHECK_MSG(v.rel_l2 <= v.limit && v.limit <= 1e-4, "%g, limit %g", v.rel_l2,
              v.limit);
    CHECK(v.rel_l2 <= verify_limit(&c) || v.limit > verify_limit(&c));
    make_case(&c, "none", "se", 2, 64, 14);
    REQUIRE(verify_case(&v, &c, VERIFY_BUDGET, NULL) == OK);
    CHECK(v.limit == verify_limit(&c));
}

/* So may another program's error be, where ours was small by chance. */
TEST(verify_case, an_error_elsewhere_is_allowed_as_roundings_are)
{
    const double low = 1e-9, error = 1e-7;
    Reference *ref = NULL;
    const Checker with = { NULL, &ref };
    double limit = low;
    Case c;

    make_case(&c, "none", "se", 2, 64, 14);
    REQUIRE(verify_other(&limit, &c, error, &with) == OK);
    CHECK_MSG(limit > error && limit < 1e-5, "%g", limit);
    limit = low;
    REQUIRE(verify_other(&limit, &c, 1e-3, &with) == OK);
    CHECK_MSG(limit < 1e-5, "%g", limit);
    reference_free(ref);
}

/* The outputs of a reference, with that called name multiplied by a factor, as
 * another program would give them. */
static Safetensors *theirs_of(const Reference *r, const char *name, float by)
{
    const char *path = temp_path("theirs.safetensors"), *of;
    StWriter *w = st_writer_new();
    Safetensors *st = NULL;

    for (int i = 0; i < graph_outputs(r->graph); i++) {
        const Tensor *t = graph_output_at(r->graph, i, &of);
        const size_t n = tensor_count(t);
        float *values = malloc(n * sizeof(*values));

        BUG_IF(!values);
        for (size_t k = 0; k < n; k++)
            values[k] = r->expected[i][k] * (strcmp(of, name) ? 1 : by);
        st_writer_tensor(w, of, t->rank, t->dim, values);
        free(values);
    }
    CHECK(st_writer_save(w, path) == OK && st_open(&st, path) == OK);
    st_writer_free(w);
    return st;
}

/* How much they then disagree, at batch times the reference's. */
static double disagreement(const Reference *r, const Case *c, bool floors,
                           const char *name, float by)
{
    Safetensors *theirs = theirs_of(r, name, by);
    Agreement found = { .rel_l2 = NAN };

    CHECK(agreement_find(&found, theirs,
                         &(Ours){ r->graph, NULL, r->expected, c,
                                  floors ? r : NULL }) == OK);
    CHECK(!strcmp(found.output, name));
    st_close(theirs);
    return found.rel_l2;
}

/* The weights of sa's norm have gradients that are the difference of numbers
 * hundreds of times as large: what their roundings make of it is no
 * disagreement. */
TEST(verify_case, gradients_of_two_programs_are_compared_against_floors)
{
    const double limit = 2 * 5e-5;
    const char *const name = "grad/gn.weight";
    Reference *ref = NULL;
    const Checker with = { NULL, &ref };
    Case c;

    make_case(&c, "none", "sa", 2, 128, 14);
    REQUIRE(verify_other_floors(&c, &with) == OK);
    CHECK(!ref->floor); /* there are no gradients */
    REQUIRE(case_set(&c, "pass", "backward") == OK);
    REQUIRE(verify_other_floors(&c, &with) == OK && ref->floor);
    for (int batch = 2; batch <= 4; batch += 2) {
        c.batch = batch;
        CHECK(disagreement(ref, &c, false, name, 1.0004f) > limit);
        CHECK(disagreement(ref, &c, true, name, 1.0004f) < limit);
        CHECK(disagreement(ref, &c, true, name, 1.01f) > limit);
        CHECK(disagreement(ref, &c, true, "output", 1.1f) > limit);
    }
    reference_free(ref);
}

/* Corners of ReLUs, which one rounding crosses by chance and 32 do. */
TEST(verify_case, gradients_may_change_as_by_32_roundings_at_once)
{
    Reference *ref = NULL;
    double moved, jumped;
    Case c;

    make_case(&c, "resnet18", "none", 1, 3, 64);
    REQUIRE(case_set(&c, "pass", "input_grad") == OK);
    REQUIRE(reference_find(&ref, &c, VERIFY_BUDGET) == OK);
    REQUIRE(reference_moved(ref, F32, &moved) == OK);
    REQUIRE(reference_jumped(ref, &jumped) == OK);
    CHECK_MSG(moved > 0 && jumped > 4 * moved && jumped < 1e-1,
              "%g by one, %g by 32", moved, jumped);
    reference_free(ref);
}

/* CPCA's shortcut, folded into a depthwise convolution. */
TEST(verify_case, addends_of_one_position_are_added)
{
    Comparison v;
    Case c;

    for (int C = 48; C <= 128; C += 80) {
        make_case(&c, "none", "cpca", 1, C, 1);
        CHECK(case_set(&c, "graph", "folded") == OK);
        REQUIRE(verify_case(&v, &c, VERIFY_BUDGET, NULL) == OK);
        CHECK_MSG(v.rel_l2 <= v.limit, "%d channels: %g, limit %g, %s", C,
                  v.rel_l2, v.limit, v.culprit);
    }
}

/* ... and only where the result is wrong. */
TEST(verify_case, the_step_that_is_wrong_is_named)
{
    FakeDevice *fake = fake_open();
    const Checker with = { &fake->base, NULL };
    Comparison v;
    Case c;

    make_case(&c, "none", "cbam", 1, 64, 7);
    REQUIRE(verify_case(&v, &c, VERIFY_BUDGET, &with) == OK);
    CHECK_MSG(v.rel_l2 <= v.limit && !v.culprit[0], "%g %s", v.rel_l2,
              v.culprit);
    fake->factor = 1.5f;
    fake->only = &max_c_def;
    REQUIRE(verify_case(&v, &c, VERIFY_BUDGET, &with) == OK);
    CHECK(v.rel_l2 > v.limit);
    CHECK_MSG(strstr(v.culprit, "max_c by any, (1,1,7,7), off by "), "'%s'",
              v.culprit);
    fake->factor = INFINITY;
    REQUIRE(verify_case(&v, &c, VERIFY_BUDGET, &with) == OK);
    CHECK_MSG(strstr(v.culprit, "max_c by any, (1,1,7,7), off by inf"), "'%s'",
              v.culprit);
    fake->factor = NAN; /* which all the steps after it have, too */
    REQUIRE(verify_case(&v, &c, VERIFY_BUDGET, &with) == OK);
    CHECK(isnan(v.rel_l2));
    CHECK_MSG(strstr(v.culprit, "max_c by any, (1,1,7,7), off by "), "'%s'",
              v.culprit);
    fake_backend.close(&fake->base);
}

TEST(verify_case, a_case_that_cannot_be_built_says_why)
{
    Comparison v;
    Case c;

    make_case(&c, "none", "sa", 1, 64, 7);
    CHECK(verify_case(&v, &c, VERIFY_BUDGET, NULL) == ERR_INPUT);
    CHECK(strstr(err_message(), "sa: group_num=64 needs"));
    CHECK(isnan(v.rel_l2));
}

/* CPCA's maps are products of products: in ACNet with norms of 1 they outgrow
 * floats. */
TEST(verify_case, a_reference_that_overflows_is_no_reference)
{
    Comparison v;
    Case c;

    make_case(&c, "acnet_r18", "cpca", 1, 3, 33);
    REQUIRE(case_set(&c, "norm_gain", "1") == OK);
    CHECK(verify_case(&v, &c, VERIFY_BUDGET, NULL) == ERR_UNSUPPORTED);
    CHECK_MSG(strstr(err_message(), "overflows floats"), "%s", err_message());
}

/* An answer of zeros would pass: its error is 1. */
TEST(verify_case, a_dtype_in_which_the_definition_is_lost_is_refused)
{
    Reference r = { .moved = { NAN } };
    double limit;
    Case c;

    make_case(&c, "none", "se", 1, 64, 7);
    CHECK(case_set(&c, "dtype", "bf16") == OK);
    r.moved[BF16] = 0.49;
    CHECK(verify_rounded_limit(&r, &c, &limit) == OK);
    CHECK(limit > 0.97 && limit < 0.99);
    r.moved[BF16] = 0.51;
    CHECK(verify_rounded_limit(&r, &c, &limit) == ERR_UNSUPPORTED);
    CHECK_MSG(strstr(err_message(), "is off by 51 %"), "%s", err_message());
}

/* CA in RepViT, folded, with norms of 1: a neighbour for each number makes a
 * difference of 5e-3.
 * No kernel can do better, so none is called wrong. */
TEST(verify_case, a_network_that_amplifies_roundings_is_not_called_wrong)
{
    Comparison v;
    Case c;
    int err;

    make_case(&c, "repvit_m1_0", "ca", 1, 3, 64);
    REQUIRE(case_set(&c, "norm_gain", "1") == OK);
    CHECK(case_set(&c, "graph", "folded") == OK);
    err = verify_case(&v, &c, VERIFY_BUDGET, NULL);
    CHECK_MSG(err == OK ? v.rel_l2 <= v.limit : err == ERR_UNSUPPORTED,
              "%g, limit %g", v.rel_l2, v.limit);
    CHECK(err == OK || strstr(err_message(), "amplifies rounding errors"));
}
