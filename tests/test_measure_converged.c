/*
 * test_measure_converged.c - the stopping rule, on samples that are made up.
 */
#include "harness/measure/measure.h"
#include "tests/test.h"

static bool converged(double target, int least, const double *ns, int n)
{
    const Protocol p = { .target = target, .min_samples = least };

    return measure_converged(&p, ns, n);
}

TEST(measure_converged, constant_samples_converge_at_the_least_number)
{
    double ns[64];

    for (int i = 0; i < 64; i++)
        ns[i] = 1000;
    CHECK(!converged(0.01, 10, ns, 15)); /* 16 is the least of all cases */
    CHECK(converged(0.01, 10, ns, 16));
    CHECK(!converged(0.01, 30, ns, 29));
    CHECK(converged(0.01, 30, ns, 30));
}

/* Half of the samples at 100, half at 110: the median's interval spans both,
 * 9.5 % wide on each side at most, however many samples there are. */
TEST(measure_converged, two_modes_do_not_converge)
{
    double ns[1000];

    for (int i = 0; i < 1000; i++)
        ns[i] = i % 2 ? 100 : 110;
    for (int n = 10; n <= 1000; n += 90)
        CHECK(!converged(0.01, 10, ns, n));
    CHECK(converged(0.06, 10, ns, 1000));
}

/* A few slow samples are no reason to continue: the median does not see
 * them. */
TEST(measure_converged, outliers_do_not_keep_a_case_from_converging)
{
    double ns[40];

    for (int i = 0; i < 40; i++)
        ns[i] = i % 10 == 3 ? 5000 : 1000 + i % 3;
    CHECK(converged(0.01, 10, ns, 40));
}

/* Uniform noise of +-5 %: the interval narrows as 1/sqrt(n), and is within
 * 1 % of the median at n near 100, not at 10. */
TEST(measure_converged, noise_needs_as_many_samples_as_its_size_says)
{
    double ns[1000];
    uint64_t state = 88172645463325252u;
    int n = 6;

    for (int i = 0; i < 1000; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ns[i] = 950 + 100 * ((double)(state >> 11) / 9007199254740992.0);
    }
    while (n < 1000 && !converged(0.01, 6, ns, n))
        n++;
    CHECK_MSG(n > 20 && n < 400, "converged at n=%d", n);
}
