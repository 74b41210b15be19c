/*
 * test_profile_speed.c - the steps of a network, each timed apart, take what
 * the network takes; runs on request, and wants a quiet machine:
 *
 *     SPEED=1 build/run_tests profile_speed
 *
 * ResNet-50 with SCSA, batch 8, as written, all cores: medians of steps and of
 * whole runs, turn by turn.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness/profiler.h"
#include "kernels/core/err.h"
#include "tests/test.h"

TEST(profile_speed, steps_add_up_to_the_whole_within_3_percent)
{
    Profiled p;
    double off;
    Case c;

    if (!getenv("SPEED"))
        SKIP("takes a quiet machine: SPEED=1 build/run_tests profile_speed");
    case_defaults(&c);
    REQUIRE(case_set(&c, "backbone", "resnet50") == OK);
    REQUIRE(case_set(&c, "module", "scsa") == OK);
    REQUIRE(case_set(&c, "batch", "8") == OK);
    REQUIRE(case_complete(&c) == OK);
    REQUIRE(profiler_run(&p, &c, 10, "") == OK);
    off = p.profile.sum_ns / p.profile.whole_ns - 1;
    printf("    %d steps: %.1f ms, the whole: %.1f ms, %+.1f %%\n", p.profile.n,
           p.profile.sum_ns / 1e6, p.profile.whole_ns / 1e6, 100 * off);
    CHECK_MSG(fabs(off) < 0.03, "the steps' sum is %+.1f %% off", 100 * off);
    profiler_free(&p);
}
