/*
 * test_coverage.c - how often intervals are right, by simulation of samples
 * that are correlated in time, with and without rules to stop by.
 *
 * The seeds are fixed, so the shares are always the same; that of 2000 trials
 * is good to 0.005.
 */
#include <math.h>
#include <stdbool.h>

#include "analysis/paired.h"
#include "analysis/stats.h"
#include "harness/measure/measure.h"
#include "tests/sample.h"
#include "tests/test.h"

enum { TRIALS = 2000 };

/* ---- medians ------------------------------------------------------------- */

/* Log-normal times whose median is 1, with a lag-1 correlation of rho. */
static void make_times(double *x, int n, double rho, double sigma,
                       uint64_t *state)
{
    double z = sample_normal(state);

    for (int i = 0; i < n; i++) {
        x[i] = exp(sigma * z);
        z = rho * z + sqrt(1 - rho * rho) * sample_normal(state);
    }
}

static double median_coverage(double rho, int n, int trials)
{
    static double x[200];
    uint64_t state = 1;
    int hits = 0;

    for (int t = 0; t < trials; t++) {
        Stats s;

        make_times(x, n, rho, 1.0, &state);
        s = stats_of(x, n);
        hits += s.lo <= 1 && 1 <= s.hi;
    }
    return (double)hits / trials;
}

TEST(coverage, of_medians_is_93_percent_from_40_samples_on)
{
    static const double rhos[] = { 0, 0.4, 0.75, 0.9 };
    static const int ns[] = { 40, 60, 200 };

    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 3; k++) {
            const double c = median_coverage(rhos[i], ns[k], TRIALS);

            CHECK_MSG(c >= 0.93, "rho=%g n=%d: %g", rhos[i], ns[k], c);
        }
}

/* Shares that stats.h gives for few samples: honest while they are not too much
 * correlated. */
TEST(coverage, of_medians_of_few_samples_is_what_it_is_said_to_be)
{
    static const struct {
        int n;
        double rho, said;
    } known[] = { { 10, 0, 1.00 },  { 10, 0.4, 0.97 }, { 10, 0.75, 0.84 },
                  { 20, 0, 0.99 },  { 20, 0.4, 0.98 }, { 20, 0.75, 0.95 },
                  { 20, 0.9, 0.82 } };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        const double c = median_coverage(known[i].rho, known[i].n, TRIALS);

        CHECK_MSG(fabs(c - known[i].said) < 0.03, "rho=%g n=%d: %g, not %g",
                  known[i].rho, known[i].n, c, known[i].said);
    }
}

/* Share of trials whose interval holds the median when the stopping rule says
 * that it is narrow enough, or at 1000 samples. */
static double stopped_coverage(double rho, double sigma, int trials)
{
    enum { MOST = 1000 };
    static double x[MOST];
    const Protocol p = { .target = 0.01, .min_samples = 10 };
    uint64_t state = 7;
    int hits = 0;

    for (int t = 0; t < trials; t++) {
        int n = p.min_samples;
        Stats s;

        make_times(x, MOST, rho, sigma, &state);
        while (n < MOST && !measure_converged(&p, x, n))
            n = next_look(n) < MOST ? next_look(n) : MOST;
        s = stats_of(x, n);
        hits += s.lo <= 1 && 1 <= s.hi;
    }
    return (double)hits / trials;
}

TEST(coverage, of_medians_is_93_percent_where_a_narrow_interval_stops)
{
    static const double rhos[] = { 0, 0.4, 0.75, 0.9 };
    static const double sigmas[] = { 0.005, 0.01, 0.02 };

    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 3; k++) {
            const double c = stopped_coverage(rhos[i], sigmas[k], 1000);

            CHECK_MSG(c >= 0.93, "rho=%g sigma=%g: %g", rhos[i], sigmas[k], c);
        }
}

/* ---- ratios -------------------------------------------------------------- */

/* Quads a b b a on a machine whose weather has a lag-1 correlation of rho from
 * sample to sample, a spread of 10 %, and drifts by 0.1 % a sample; on top of
 * it 2 % of noise of each sample.  Copies of one case. */
static void make_rounds(double *a, double *b, int *round, int n, double rho,
                        uint64_t *state)
{
    double weather = sample_normal(state);

    for (int i = 0; i < 4 * n; i++) {
        const int in_quad = i % 4, is_b = in_quad == 1 || in_quad == 2;
        const int k = 2 * (i / 4) + (in_quad > 1);

        weather = rho * weather + sqrt(1 - rho * rho) * sample_normal(state);
        (is_b ? b : a)[k] =
            exp(0.1 * weather + 0.001 * i + 0.02 * sample_normal(state));
        round[k] = i / 4;
    }
}

/* Share of trials whose interval of n rounds holds 1 at every look from
 * `first` to n. */
static double ratio_coverage(double rho, int first, int n, int trials)
{
    static double a[2 * 200], b[2 * 200];
    static int round[2 * 200];
    uint64_t state = 11;
    int hits = 0;

    for (int t = 0; t < trials; t++) {
        bool right = true;

        make_rounds(a, b, round, n, rho, &state);
        for (int k = first; k <= n && right; k = next_look(k)) {
            const Ratio r = ratio_paired(a, round, 2 * k, b, round, 2 * k);

            right = ratio_verdict(&r) == NOT_RESOLVED;
        }
        hits += right;
    }
    return (double)hits / trials;
}

TEST(coverage, ratios_of_copies_hold_one_under_drift_and_correlated_noise)
{
    static const double rhos[] = { 0, 0.4, 0.75, 0.9 };
    static const int ns[] = { 12, 40 };

    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 2; k++) {
            const double c = ratio_coverage(rhos[i], ns[k], ns[k], TRIALS);

            CHECK_MSG(c >= 0.95, "rho=%g n=%d: %g", rhos[i], ns[k], c);
        }
}

/* Who looks at 12, 18, 27, 40, 60, 90 and 135 rounds, and believes whatever
 * any of them says. */
TEST(coverage, looking_at_every_look_gives_at_most_five_percent_of_verdicts)
{
    static const double rhos[] = { 0, 0.4, 0.75, 0.9 };

    for (int i = 0; i < 4; i++) {
        const double c = ratio_coverage(rhos[i], 12, 135, TRIALS);

        CHECK_MSG(c >= 0.95, "rho=%g: %g", rhos[i], c);
    }
}

/* Each process moves its quads by a normal of its own, twice as large as their
 * noise: share of trials whose interval holds 1. */
static double processes_coverage(int processes, bool known, double *width)
{
    enum { EACH = 15, MOST = 5 };
    double y[EACH * MOST];
    int process[EACH * MOST], hits = 0;
    uint64_t state = 5;

    for (int t = 0; t < TRIALS; t++) {
        Ratio r;

        for (int i = 0; i < processes; i++) {
            const double layout = 0.02 * sample_normal(&state);

            for (int k = i * EACH; k < (i + 1) * EACH; k++) {
                y[k] = layout + 0.01 * sample_normal(&state);
                process[k] = i;
            }
        }
        r = ratio_of_processes(y, known ? process : NULL, processes * EACH);
        hits += r.lo <= 1 && 1 <= r.hi;
        *width += log(r.hi / r.lo) / 2 / TRIALS;
    }
    return (double)hits / TRIALS;
}

TEST(coverage, of_ratios_is_93_percent_where_processes_differ)
{
    for (int processes = 2; processes <= 5; processes++) {
        double width = 0;
        const double c = processes_coverage(processes, true, &width);
        const double t = student_point(processes - 1, 0.05);

        CHECK_MSG(c >= 0.93, "%d processes: %g", processes, c);
        /* no wider than the mean of these normals, and the noise, make it */
        CHECK_MSG(width < 1.1 * t * 0.0203 / sqrt(processes), "%d: +-%g",
                  processes, width);
    }
    /* batches of quads see some of it by themselves, but not enough */
    CHECK(processes_coverage(3, false, &(double){ 0 }) < 0.9);
}
