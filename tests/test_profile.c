/*
 * test_profile.c - a profile has every step once, and its sums are right.
 */
#include <stdlib.h>

#include "harness/cmd.h"
#include "harness/network.h"
#include "harness/profile.h"
#include "harness/seed.h"
#include "tests/test.h"

TEST(profile, has_every_step_once_and_sums_that_agree)
{
    const Values values = { .seed = 1 };
    Device *dev = NULL;
    ProfileKind *kinds;
    double outside = 0, sum = 0;
    Plan *plan = NULL;
    Graph *g = NULL;
    Tensor *input;
    float *x;
    int steps = 0, n;
    Profile p;
    Cost cost = { 0 };
    Case c;

    case_defaults(&c);
    CHECK(case_set(&c, "module", "scsa") == OK);
    CHECK(case_set(&c, "height", "14") == OK);
    CHECK(case_set(&c, "width", "14") == OK);
    CHECK(case_complete(&c) == OK);
    REQUIRE(ref_backend.open(&dev, &(DeviceSettings){ 0, "" }) == OK);
    REQUIRE(network_build(&g, &c, &values, TAPS_NONE) == OK);
    REQUIRE(plan_new(&plan, dev, g) == OK);
    input = graph_find(g, "input");
    x = malloc(tensor_bytes(input));
    seed_input(x, tensor_count(input), "input", 1);
    REQUIRE(plan_set(plan, input, x) == OK);
    REQUIRE(profile_plan(&p, dev, plan, 0) == OK);

    CHECK(p.n == plan_steps(plan) && p.rounds >= 5 && p.whole_ns > 0);
    kinds = calloc((size_t)p.n, sizeof(*kinds));
    n = profile_kinds(&p, kinds);
    for (int i = 0; i < n; i++) {
        steps += kinds[i].steps;
        sum += kinds[i].ns;
        cost_add(&cost, &kinds[i].cost);
        if (kinds[i].op != &conv2d_def && kinds[i].op != &dwconv1d_def)
            outside += kinds[i].ns;
        CHECK(i == 0 || kinds[i - 1].ns >= kinds[i].ns);
    }
    CHECK(steps == p.n);
    CHECK(sum > 0.999 * p.sum_ns && sum < 1.001 * p.sum_ns);
    CHECK(outside > 0.999 * p.outside_ns && outside < 1.001 * p.outside_ns);
    CHECK(cost.flops == network_cost(g, &c).flops);
    free(kinds);
    profile_free(&p);
    plan_free(plan);
    graph_free(g);
    dev->backend->close(dev);
    free(x);
}

TEST(profile, refuses_a_state_that_it_would_not_measure)
{
    CHECK(cmd_profile(2, (char *[]){ "--module=eca", "--state=cold" }) ==
          ERR_INPUT);
}
