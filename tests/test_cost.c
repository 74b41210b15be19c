/*
 * test_cost.c - what a module costs in all, by its own steps and beyond them.
 */
#include "analysis/cost.h"

#include <math.h>
#include <string.h>

#include "analysis/summary.h"
#include "tests/test.h"

enum { QUADS = 12, EACH = 2, N = QUADS * EACH };

/* A plain network of 100 ns, and one with a module whose steps take share of
 * its passes, which take 100 ns more by the factor beyond; each quad has a
 * drift of its own, and so much noise of its own. */
typedef struct Made {
    double plain_ns[N], with_ns[N], module_ns[N];
    bool disturbed[N];
    int round[N];
    Series plain, with;
} Made;

static void make(Made *m, double share, double beyond)
{
    memset(m, 0, sizeof(*m));
    for (int i = 0; i < N; i++) {
        const int quad = i / EACH;
        const double drift = 1 + 0.3 * ((quad * 5) % 7);
        const double noise = 1 + 0.001 * ((quad * 7) % 12 - 5.5);

        m->round[i] = quad;
        m->plain_ns[i] = 100 * drift;
        m->with_ns[i] = 100 * drift * noise * beyond / (1 - share);
        m->module_ns[i] = share * m->with_ns[i];
    }
    m->plain = (Series){ N, m->plain_ns, m->round, NULL, NULL, NULL };
    m->with =
        (Series){ N, m->with_ns, m->round, m->module_ns, m->disturbed, NULL };
}

TEST(cost, direct_is_the_share_of_the_steps_and_indirect_the_rest)
{
    ModuleCost c;
    Made m;

    make(&m, 0.05, 1.02);
    c = cost_of(&m.plain, &m.with);
    CHECK(c.paired.ratio.n == QUADS && c.direct.n == QUADS);
    CHECK(fabs(c.direct.ratio - 0.95) < 1e-9);
    CHECK(c.direct.hi - c.direct.lo < 1e-9);
    CHECK_MSG(fabs(c.paired.ratio.ratio - 0.95 / 1.02) < 2e-3, "%g",
              c.paired.ratio.ratio);
    CHECK(c.indirect.lo < 1 / 1.02 && c.indirect.hi > 1 / 1.02);
    CHECK(c.indirect.hi < 1 && c.indirect.hi - c.indirect.lo < 0.02);
    CHECK(fabs(c.direct.ratio * c.indirect.ratio / c.paired.ratio.ratio - 1) <
          1e-9);
}

/* Two quads of twelve take three times as long, and it is known why. */
TEST(cost, disturbed_rounds_are_left_out_of_ratio_and_indirect)
{
    ModuleCost c;
    Made m;

    make(&m, 0.05, 1);
    for (int i = 0; i < 2 * EACH; i++) {
        m.with_ns[i] *= 3;
        m.module_ns[i] *= 12;
    }
    m.disturbed[0] = m.disturbed[EACH] = true;
    c = cost_of(&m.plain, &m.with);
    CHECK(c.paired.left_out == 2 && c.paired.disturbed == 2);
    CHECK(c.paired.ratio.n == QUADS - 2 && c.paired.all.n == QUADS);
    CHECK_MSG(c.paired.ratio.lo > 0.94 && c.paired.all.lo < 0.94, "%g %g",
              c.paired.ratio.lo, c.paired.all.lo);
    CHECK(c.indirect.n == QUADS - 2 && c.indirect.lo > 0.98);
    CHECK(c.direct.n == QUADS - 2 && c.direct.lo > 0.9499);
}

TEST(cost, nothing_is_left_out_where_most_is_disturbed)
{
    ModuleCost c;
    Made m;

    make(&m, 0.05, 1);
    for (int i = 0; i < N - 5 * EACH; i++)
        m.disturbed[i] = true;
    c = cost_of(&m.plain, &m.with);
    CHECK(c.paired.left_out == 0 && c.paired.disturbed == QUADS - 5);
    CHECK(c.paired.ratio.n == QUADS && c.indirect.n == QUADS);
}

TEST(cost, steps_that_were_not_timed_have_no_cost)
{
    ModuleCost c;
    Made m;

    make(&m, 0.05, 1);
    m.with.module_ns = NULL;
    c = cost_of(&m.plain, &m.with);
    CHECK(c.direct.n == 0 && isnan(c.direct.ratio));
    CHECK(c.indirect.n == 0 && isnan(c.indirect.ratio));
    CHECK(c.paired.ratio.n == QUADS);
}

TEST(cost, runs_without_a_common_round_have_no_ratio)
{
    int later[N];
    ModuleCost c;
    Made m;

    make(&m, 0.05, 1);
    for (int i = 0; i < N; i++)
        later[i] = m.round[i] + QUADS;
    m.plain.round = later;
    c = cost_of(&m.plain, &m.with);
    CHECK(c.paired.ratio.n == 0 && isnan(c.paired.ratio.ratio));
    CHECK(isnan(c.paired.minima) && isnan(c.indirect.ratio));
    CHECK(c.direct.n == QUADS && fabs(c.direct.ratio - 0.95) < 1e-9);
}

/* Three processes: in the second the module costs 2 % more. */
TEST(cost, intervals_are_as_wide_as_processes_are_apart)
{
    int process[N];
    ModuleCost one, three;
    Made m;

    make(&m, 0.05, 1);
    for (int i = 0; i < N; i++) {
        process[i] = i / (N / 3);
        m.with_ns[i] *= process[i] == 1 ? 1.02 : 1;
    }
    one = cost_of(&m.plain, &m.with);
    m.plain.process = m.with.process = process;
    three = cost_of(&m.plain, &m.with);
    CHECK(one.paired.processes == 1 && one.paired.apart == 1);
    CHECK(three.paired.processes == 3);
    CHECK_MSG(fabs(three.paired.apart - 1.02) < 2e-3, "%g", three.paired.apart);
    CHECK(fabs(three.paired.ratio.ratio / (0.95 / cbrt(1.02)) - 1) < 1e-3);
    /* 4.30 times the deviation of 0.0114 of three, over the root of 3 */
    CHECK_MSG(fabs(log(three.paired.ratio.hi / three.paired.ratio.ratio) -
                   0.0284) < 0.003,
              "%g", log(three.paired.ratio.hi / three.paired.ratio.ratio));
    CHECK(three.indirect.lo < one.indirect.lo);
}

/* Single passes say 5 %, the medians of the steps 4 %. */
TEST(cost, medians_of_steps_count_where_most_samples_were_disturbed)
{
    for (int bad = 0; bad <= N; bad += N / 4) {
        Run run = { .time = { .n = N } };
        ModuleCost c;
        Made m;

        make(&m, 0.05, 1);
        for (int i = 0; i < bad; i++)
            m.disturbed[i] = true;
        run.ns = m.with_ns;
        run.round = m.round;
        run.module_ns = m.module_ns;
        run.disturbed = m.disturbed;
        run.o.steps_ns = 100;
        run.o.module_steps_lo_ns = 3.9;
        run.o.module_steps_ns = 4;
        run.o.module_steps_hi_ns = 4.1;
        c = summary_cost(NULL, &run);
        CHECK_MSG(fabs(c.direct.ratio - (2 * bad > N ? 0.96 : 0.95)) < 1e-9,
                  "%g of %d disturbed", c.direct.ratio, bad);
        if (2 * bad > N) /* the interval holds single passes, too */
            CHECK(fabs(c.direct.lo - 0.95) < 1e-9 &&
                  fabs(c.direct.hi - 0.961) < 1e-9);
    }
}
