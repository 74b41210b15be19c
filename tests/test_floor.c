/*
 * test_floor.c - what is predicted from series of kernels that are made up, and
 * whether passes made the same way keep to it.
 */
#include "harness/measure/floor.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/interval.h"
#include "tests/sample.h"
#include "tests/test.h"

enum { N = 700, DAY = 86400 };
#define KERNEL_NS 7e5

/* A quiet machine of two cores, all kernels alike. */
static Floor quiet(void)
{
    Floor f = { .cores = 2, .threads = 2, .n = N, .clock_ns = 20 };

    for (int i = 0; i < N; i++)
        f.ns[i] = KERNEL_NS;
    f.quota = INFINITY;
    f.throttled = NAN;
    return f;
}

/* Kernels that know nothing of each other. */
static Floor noisy(double sigma)
{
    uint64_t state = 5;
    Floor f = quiet();

    for (int i = 0; i < N; i++)
        f.ns[i] *= exp(sigma * sample_normal(&state));
    return f;
}

static bool near(double a, double b, double part)
{
    return fabs(a / b - 1) <= part;
}

/* ---- spread --------------------------------------------------------------- */

TEST(floor, spread_is_that_of_one_kernel)
{
    const Floor f = noisy(0.02);

    CHECK_MSG(near(floor_spread(&f, 0), 0.02, 0.1), "%g", floor_spread(&f, 0));
    CHECK_MSG(near(floor_spread(&f, 6e7), 0.02, 0.1), "%g",
              floor_spread(&f, 6e7));
}

/* Steps of a random walk add up: at a hundred times the distance the spread is
 * ten times as large. */
TEST(floor, spread_grows_with_distance_where_the_speed_wanders)
{
    uint64_t state = 7;
    Floor f = quiet();
    double walk = 0, near_by, far;

    for (int i = 0; i < N; i++) {
        walk += 0.001 * sample_normal(&state);
        f.ns[i] *= exp(walk);
    }
    near_by = floor_spread(&f, KERNEL_NS);
    far = floor_spread(&f, 100 * KERNEL_NS);
    CHECK_MSG(near(near_by, 0.001 / sqrt(2), 0.1), "%g", near_by);
    CHECK_MSG(far > 5 * near_by && far < 20 * near_by, "%g %g", near_by, far);
    CHECK(floor_spread(&f, 1e12) > 0); /* as far as there are kernels */
}

TEST(floor, spread_needs_six_pairs)
{
    Floor f = noisy(0.02);

    f.n = 6;
    CHECK(isnan(floor_spread(&f, 0)));
    f.n = 7;
    CHECK(floor_spread(&f, 0) > 0);
    f.n = 0;
    CHECK(isnan(floor_spread(&f, 0)));
}

/* ---- quads ---------------------------------------------------------------- */

/* Half the interval of 27 quads of passes of that many kernels, in units of
 * their sigma, were they normal: half is sigma z / sqrt(n). */
static double sigma_of(const Floor *f, double kernels)
{
    return floor_half_log(f, kernels * KERNEL_NS, 27) * sqrt(27) / 2.9305;
}

TEST(floor, a_pass_of_many_kernels_averages_them)
{
    const Floor f = noisy(0.02);

    CHECK_MSG(near(sigma_of(&f, 1), 0.02, 0.1), "%g", sigma_of(&f, 1));
    CHECK_MSG(near(sigma_of(&f, 16), 0.02 / 4, 0.2), "%g", sigma_of(&f, 16));
    CHECK(near(sigma_of(&f, 0.1), sigma_of(&f, 1), 0.1));
}

TEST(floor, passes_too_long_for_what_was_measured_fall_by_the_square_root)
{
    enum { MOST = N / 16 }; /* kernels in a pass, of four quads */
    const Floor f = noisy(0.02);

    CHECK(near(sigma_of(&f, 4 * MOST), sigma_of(&f, MOST) / 2, 0.05));
    CHECK(near(sigma_of(&f, 100 * MOST), sigma_of(&f, MOST) / 10, 0.05));
}

/* Faster and faster, then slower and slower; few quads hold the turn. */
TEST(floor, linear_drift_disturbs_no_quad)
{
    Floor f = quiet();

    for (int i = 0; i < N; i++)
        f.ns[i] *= exp(0.0002 * abs(i - N / 2));
    CHECK_MSG(sigma_of(&f, 16) < 1e-4, "%g", sigma_of(&f, 16));
    CHECK(floor_spread(&f, 16 * KERNEL_NS) > 1e-3);
}

/* One kernel in 50 takes ten times as long.  Neighbours look quiet; of passes
 * of 16 kernels, more than one in four is hit. */
TEST(floor, rare_bursts_that_most_kernels_miss_are_seen_in_passes)
{
    uint64_t state = 11;
    Floor f = quiet();

    for (int i = 1; i < N; i++)
        if (sample_below(&state, 50) == 0)
            f.ns[i] *= 10;
    CHECK(floor_spread(&f, 0) < 1e-9);
    CHECK(floor_half_log(&f, KERNEL_NS, 27) < 1e-9);
    CHECK_MSG(floor_half_log(&f, 16 * KERNEL_NS, 27) > 0.1, "%g",
              floor_half_log(&f, 16 * KERNEL_NS, 27));
}

TEST(floor, fifteen_kernels_are_too_few)
{
    Floor f = noisy(0.02);
    const FloorPlan p = { 6e7, 1, 100, DAY };
    char text[FLOOR_TEXT];

    f.n = 16;
    CHECK(floor_half_log(&f, KERNEL_NS, 6) > 0);
    CHECK(isnan(floor_half_log(&f, KERNEL_NS, 5)));
    CHECK(floor_half_width(&f, &p) > 0);
    f.n = 15;
    CHECK(isnan(floor_half_log(&f, KERNEL_NS, 6)));
    CHECK(isnan(floor_half_width(&f, &p)));
    CHECK(isnan(floor_seconds(&f, &p, 0.01)));
    CHECK(!floor_say(text, &f, &p, 0.01)[0]);
}

/* ---- prediction ------------------------------------------------------------ */

TEST(floor, quads_are_as_many_as_the_time_holds_at_the_speed_seen)
{
    const FloorPlan p = { 6e7, 13, 110, DAY };
    Floor f = quiet();

    CHECK(floor_quads(&f, &p) == 35); /* of 4 * 13 * 60 ms */
    for (int i = N / 2; i < N; i++)
        f.ns[i] *= 2;
    CHECK(floor_quads(&f, &p) == 23); /* one and a half times as long */
    CHECK(floor_half_width(&f, &p) == exp(floor_half_log(&f, 6e7, 23)) - 1);
}

/* The time that is said to be enough for a half width has it, and four fifths
 * of it do not. */
TEST(floor, seconds_are_enough_for_the_half_width)
{
    static const double targets[] = { 0.02, 0.01, 0.005, 0.001 };
    const Floor f = noisy(0.05);
    FloorPlan p = { 6e7, 3, 0, DAY };

    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++) {
        const double seconds = floor_seconds(&f, &p, targets[i]);

        p.budget = 1.0001 * seconds;
        CHECK_MSG(floor_half_width(&f, &p) <= 1.001 * targets[i], "%g: %g %g",
                  targets[i], seconds, floor_half_width(&f, &p));
        p.budget = 0.8 * seconds;
        CHECK_MSG(!(floor_half_width(&f, &p) <= targets[i]), "%g: %g %g",
                  targets[i], seconds, floor_half_width(&f, &p));
    }
}

/* A machine on which one kernel in 25 waits 4 ms for its CPU, and kernels
 * differ by 1 % besides. */
static double next_kernel(uint64_t *machine)
{
    const bool hit = sample_below(machine, 25) == 0;

    return KERNEL_NS * exp(0.01 * sample_normal(machine)) + (hit ? 4e6 : 0);
}

static double next_pass(uint64_t *machine, int kernels)
{
    double sum = 0;

    for (int i = 0; i < kernels; i++)
        sum += next_kernel(machine);
    return sum;
}

/* Half the interval of quads that the machine runs. */
static double half_of_quads(uint64_t *machine, int kernels, int quads)
{
    double *y = malloc((size_t)quads * sizeof(*y));
    Interval i;

    BUG_IF(!y);
    for (int q = 0; q < quads; q++) {
        const double a1 = next_pass(machine, kernels),
                     b1 = next_pass(machine, kernels);
        const double b2 = next_pass(machine, kernels),
                     a2 = next_pass(machine, kernels);

        y[q] = log(b1 * b2 / (a1 * a2)) / 2;
    }
    i = hodges_lehmann(y, quads, alpha_spent(quads));
    free(y);
    return (i.hi - i.lo) / 2;
}

/* Passes of which hardly any are hit, some, and all; quads of the longest do
 * not fit into what was measured.  That holds some thirty hits, so one
 * prediction may be off by half; their middle is not off by a quarter. */
TEST(floor, what_is_predicted_is_what_quads_then_show)
{
    static const int kernels[] = { 1, 10, 40, 200 };
    enum { TIMES = 12, QUADS = 100 };

    for (size_t k = 0; k < sizeof(kernels) / sizeof(kernels[0]); k++) {
        FloorPlan p = { KERNEL_NS * kernels[k], 1, 0, DAY };
        double sum = 0, ratio;

        for (int t = 0; t < TIMES; t++) {
            uint64_t m = 100 * (uint64_t)k + (uint64_t)t;
            Floor f = quiet();

            for (int i = 0; i < N; i++)
                f.ns[i] = next_kernel(&m);
            p.budget =
                QUADS * 4 * next_pass(&m, 100000) / 100000 * kernels[k] * 1e-9;
            sum += log(log(1 + floor_half_width(&f, &p)) /
                       half_of_quads(&m, kernels[k], QUADS));
        }
        ratio = exp(sum / TIMES);
        CHECK_MSG(ratio > 0.75 && ratio < 1.33, "passes of %d: %.2f times",
                  kernels[k], ratio);
    }
}

/* ---- the sentence ---------------------------------------------------------- */

static void check_said(const Floor *f, const FloorPlan *p, const char *wanted)
{
    char text[FLOOR_TEXT];

    CHECK_MSG(!strcmp(floor_say(text, f, p, 0.01), wanted), "got\n%s\nnot\n%s",
              text, wanted);
}

static const FloorPlan bench = { 6e7, 13, 110, 10 };

TEST(floor, a_quiet_machine_needs_no_advice)
{
    Floor f = quiet();

    check_said(&f, &bench,
               "this machine resolves differences of 0.1 % in 110 s, with 13 "
               "comparisons and passes of about 60 ms");
    f = noisy(0.05);
    f.others = 1;
    check_said(&f, &bench,
               "this machine resolves differences of 0.22 % in 110 s, with 13 "
               "comparisons and passes of about 60 ms");
}

#define NOISY                                                       \
    "this machine resolves differences of 1.3 % in 110 s, with 13 " \
    "comparisons "                                                  \
    "and passes of about 60 ms; for 1 %, --budget=220"

TEST(floor, a_machine_that_is_not_says_what_would_help)
{
    Floor f = noisy(0.3);

    check_said(&f, &bench, NOISY);
    f.others = 0.8;
    check_said(&f, &bench,
               NOISY "; other programs use 0.8 of 2 cores: wait, or give "
                     "--threads=1, which is far less disturbed");
    f.threads = 1;
    check_said(&f, &bench, NOISY "; other programs use 0.8 of 2 cores: wait");
    f.others = 0;
    f.delay = 0.04;
    f.steal = 0.1;
    f.clock_ns = 900;
    check_said(
        &f, &bench,
        NOISY
        "; threads wait 4 % of the time for a CPU; the host of this virtual "
        "machine takes 5 % of its CPUs; reading the clock takes 900 ns");
    f = noisy(0.3);
    f.quota = 1.5;
    f.throttled = 3;
    f.delay = 0.5; /* which the quota explains */
    check_said(&f, &bench,
               NOISY "; a quota of 1.5 CPUs stops this process: lift it "
                     "(docker --cpus, CPUQuota) or give --threads=1");
    f.quota = 0.5;
    check_said(&f, &bench,
               NOISY "; a quota of 0.5 CPUs stops this process: lift it "
                     "(docker --cpus, CPUQuota)");
}

TEST(floor, too_short_or_too_noisy_is_said)
{
    const FloorPlan hasty = { 6e7, 13, 10, 10 };
    const FloorPlan one = { 6e7, 1, 60, DAY };
    Floor f = noisy(0.3);

    check_said(&f, &hasty,
               "10 s are too short to resolve anything: they are enough for 3 "
               "of the 6 rounds that each comparison needs; for 1 "
               "%, --budget=220");
    for (int i = 0; i < N; i += 16)
        f.ns[i] *= 100;
    check_said(&f, &one,
               "this machine resolves differences of 14 % in 60 s, with 1 "
               "comparison and passes of about 60 ms; for 1 %, --budget=12000");
    f = noisy(3);
    check_said(
        &f, &one,
        "this machine resolves nothing below 50 % in 60 s, with 1 comparison "
        "and "
        "passes of about 60 ms; 1 % is out of reach while it is so noisy");
}

/* Each pair has twice the limit at most, whatever the budget. */
TEST(floor, flags_that_would_help_are_those_that_end_the_sweep)
{
    const FloorPlan pair = { 6e7, 1, 0, 8 }, shorter = { 2.34e6, 1, 0, 10 };
    const FloorPlan limited = { 6e7, 13, 110, 2 }, both = { 6e7, 13, 30, 2 };
    const Floor f = noisy(0.3);

    CHECK(floor_most_seconds(&pair) == 16);
    CHECK(floor_most_seconds(&limited) == 52);
    CHECK(floor_most_seconds(&both) == 30);
    check_said(&f, &pair,
               "this machine resolves differences of 1 % in 16 s, with 1 "
               "comparison and passes of about 60 ms");
    check_said(&f, &limited,
               "this machine resolves differences of 1.5 % in 52 s, with 13 "
               "comparisons "
               "and passes of about 60 ms; for 1 %, --budget=220 --limit=9");
    check_said(&f, &both,
               "this machine resolves differences of 2.2 % in 30 s, with 13 "
               "comparisons "
               "and passes of about 60 ms; for 1 %, --budget=220 --limit=9");
    check_said(&f, &shorter,
               "this machine resolves differences of 1.3 % in 20 s, with 1 "
               "comparison and passes of about 2.3 ms; for 1 %, --limit=17");
}

/* ---- this machine ---------------------------------------------------------- */

TEST(floor, half_a_second_measures_it)
{
    char text[FLOOR_TEXT];
    Floor f;

    REQUIRE(floor_measure(&f, 1) == OK);
    CHECK(f.threads == 1 && f.cores >= 1);
    CHECK_MSG(f.n >= 16 && f.n <= FLOOR_KERNELS, "%d kernels", f.n);
    for (int i = 0; i < f.n; i++)
        CHECK_MSG(f.ns[i] > 1e5, "kernel %d: %g ns", i, f.ns[i]);
    CHECK(f.clock_ns > 0 && f.switches >= 0);
    CHECK(isnan(f.delay) || f.delay >= 0);
    CHECK(floor_say(text, &f, &bench, 0.01)[0]);
}

TEST(floor, more_threads_than_there_are_cpus_are_refused)
{
    Floor f;

    CHECK(floor_measure(&f, 100000) == ERR_UNSUPPORTED);
}
