/*
 * test_expect.c - which sweeps are told what this machine resolves, and of what
 * plan.
 */
#include "harness/measure/expect.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/test.h"
#include "tests/texts.h"

static int read_flags(Experiment *e, const char *backbone, const char *module,
                      const char *more, const char *value)
{
    const Flag flags[] = { { "backbone", backbone },
                           { "module", module },
                           { "threads", "1" },
                           { .value = value } };
    Flag all[4];

    memcpy(all, flags, sizeof(all));
    snprintf(all[3].name, sizeof(all[3].name), "%s", more ? more : "");
    return experiment_read(e, NULL, all, more ? 4 : 3);
}

static const Protocol usual = { .target = 0.01, .limit = 10, .budget = 0 };

TEST(expect, modules_and_a_second_plain_network_are_compared)
{
    FloorPlan p;
    Experiment e;

    REQUIRE(read_flags(&e, "resnet18,resnet34", "none,se,eca", NULL, NULL) ==
            OK);
    expect_plan(&p, &e, &usual, 1, 1);
    CHECK_MSG(p.pairs == 4 && p.limit == 10 && p.budget == 0, "%d pairs",
              p.pairs);
    experiment_free(&e);

    REQUIRE(read_flags(&e, "resnet18", "none", "copy", "0,1,2") == OK);
    expect_plan(&p, &e, &usual, 1, 1);
    CHECK_MSG(p.pairs == 2, "%d pairs", p.pairs);
    expect_plan(&p, &e, &usual, 2, 1); /* a peer's too, and each with ours */
    CHECK_MSG(p.pairs == 2 * 2 + 3, "%d pairs", p.pairs);
    experiment_free(&e);
}

TEST(expect, all_may_be_compared_with_the_first)
{
    const Protocol to_first = { .to_first = true, .limit = 10 };
    FloorPlan p;
    Experiment e;

    REQUIRE(read_flags(&e, "resnet18,resnet34", "se,eca", NULL, NULL) == OK);
    expect_plan(&p, &e, &to_first, 1, 1);
    CHECK_MSG(p.pairs == 3 && p.pass_ns > 0, "%d pairs", p.pairs);
    experiment_free(&e);
}

TEST(expect, without_a_plain_network_the_first_is_what_others_are_compared_with)
{
    FloorPlan p;
    Experiment e;

    REQUIRE(read_flags(&e, "resnet18", "se,eca,ca", NULL, NULL) == OK);
    expect_plan(&p, &e, &usual, 1, 1);
    CHECK_MSG(p.pairs == 2, "%d pairs", p.pairs);
    experiment_free(&e);
}

TEST(expect, modules_alone_and_what_runs_on_a_gpu_compare_nothing)
{
    static const char *const of[][4] = {
        { "none", "se,eca", NULL, NULL },
        { "resnet18", "none,se", "backend", "cuda" },
    };
    FloorPlan p;
    Experiment e;

    for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
        REQUIRE(read_flags(&e, of[i][0], of[i][1], of[i][2], of[i][3]) == OK);
        expect_plan(&p, &e, &usual, 1, 1);
        CHECK_MSG(p.pairs == 0, "%s: %d pairs", of[i][0], p.pairs);
        experiment_free(&e);
    }
}

/* ResNet-18 has 3.6 GFLOP, at 224x224; what a core makes of it in f32 is
 * known to within a factor of four. */
TEST(expect, a_pass_is_guessed_from_flops)
{
    Experiment one, four;
    FloorPlan p, q;

    REQUIRE(read_flags(&one, "resnet18", "none,se", NULL, NULL) == OK);
    REQUIRE(read_flags(&four, "resnet18", "none,se", "batch", "4") == OK);
    expect_plan(&p, &one, &usual, 1, 1);
    CHECK_MSG(p.pass_ns > 10e6 && p.pass_ns < 160e6, "%g ns", p.pass_ns);
    expect_plan(&q, &four, &usual, 1, 1);
    CHECK(fabs(q.pass_ns / p.pass_ns - 4) < 0.01);
    expect_plan(&q, &four, &usual, 1, 2);
    CHECK(fabs(q.pass_ns / p.pass_ns - 2) < 0.01);
    experiment_free(&one);
    experiment_free(&four);
}

/* To be freed. */
static char *said(const Experiment *e, const Protocol *p, double load)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);

    BUG_IF(!out);
    expect_say(out, e, p, 1, load);
    fclose(out);
    BUG_IF(!text);
    return text;
}

TEST(expect, a_sweep_of_20_s_is_told_what_is_resolved)
{
    const Protocol shorter = { .target = 0.01, .limit = 10, .budget = 19 };
    Experiment e;
    char *text;

    REQUIRE(read_flags(&e, "mobilenetv2_100", "none,se", NULL, NULL) == OK);
    text = said(&e, &usual, 0);
    check_holds(text, "this machine resolves ");
    check_holds(text, "% in 20 s, with 1 comparison and passes of about ");
    free(text);
    check_text(said(&e, &shorter, 0), "");
    experiment_free(&e);
}

TEST(expect, a_low_load_costs_other_sweeps_no_wait)
{
    Experiment e;

    REQUIRE(read_flags(&e, "none", "se,eca", NULL, NULL) == OK);
    check_text(said(&e, &usual, 0.1), "");
    check_text(said(&e, &usual, NAN), "");
    experiment_free(&e);
}
