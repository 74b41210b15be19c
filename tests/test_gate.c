/*
 * test_gate.c - limits are judged by whole intervals.
 */
#include "analysis/gate.h"

#include <math.h>
#include <string.h>

#include "tests/test.h"

static const RatioGate five = { .limited = true, .fail_above = 0.05 };

static int answer(double lo, double hi)
{
    const Ratio r = { 20, sqrt(lo * hi), lo, hi };

    return gate_answer(&five, &r);
}

TEST(gate, fails_only_if_all_of_the_interval_is_above)
{
    CHECK(answer(1.06, 1.09) == GATE_FAILED);
    CHECK(answer(1.049, 1.50) == GATE_AMBIGUOUS);
    CHECK(answer(0.2, 1.051) == GATE_AMBIGUOUS);
    CHECK(answer(1.01, 1.05) == GATE_PASSED);
    CHECK(answer(0.5, 0.6) == GATE_PASSED);
}

TEST(gate, few_rounds_and_unknown_ratios_are_ambiguous)
{
    const Ratio five_rounds = { 5, 2, 1.9, 2.1 }, none = { 0, NAN, NAN, NAN };
    const Ratio unpaired = { 0, 2, 1.9, 2.1 };
    const RatioGate open = { .limited = false };

    CHECK(gate_answer(&five, &five_rounds) == GATE_AMBIGUOUS);
    CHECK(gate_answer(&five, &none) == GATE_AMBIGUOUS);
    CHECK(gate_answer(&five, &unpaired) == GATE_AMBIGUOUS);
    CHECK(gate_rounds(&five, &unpaired) == -1);
    CHECK(gate_answer(&open, &none) == GATE_PASSED);
}

TEST(gate, a_failure_outweighs_what_is_ambiguous)
{
    CHECK(gate_worst(GATE_FAILED, GATE_AMBIGUOUS) == GATE_FAILED);
    CHECK(gate_worst(GATE_AMBIGUOUS, GATE_FAILED) == GATE_FAILED);
    CHECK(gate_worst(GATE_AMBIGUOUS, GATE_PASSED) == GATE_AMBIGUOUS);
    CHECK(gate_worst(GATE_PASSED, GATE_AMBIGUOUS) == GATE_AMBIGUOUS);
    CHECK(gate_worst(GATE_PASSED, GATE_PASSED) == GATE_PASSED);
}

TEST(gate, is_clear_when_all_that_is_asked_is_answered)
{
    const RatioGate none = { .limited = false }, same = { .delta = 0.01 };
    const RatioGate both = { true, 0.05, 0.01 };
    const Ratio above = { 20, 1.08, 1.06, 1.1 };
    const Ratio within = { 20, 1.001, 0.995, 1.009 };
    const Ratio between = { 20, 1.01, 1.005, 1.015 };

    CHECK(!gate_is_clear(&none, &above));
    CHECK(gate_is_clear(&five, &above) && gate_is_clear(&five, &between));
    CHECK(gate_is_clear(&same, &within) && gate_is_clear(&same, &above));
    CHECK(!gate_is_clear(&same, &between) && !gate_is_clear(&both, &between));
    CHECK(gate_is_clear(&both, &within) && gate_is_clear(&both, &above));
}

/* Twenty rounds at 1.10 with a half width of 0.1 in logs; the limit is 0.0465
 * away, so more than four times as many rounds are needed. */
TEST(gate, says_how_many_rounds_would_answer)
{
    const Ratio r = { 20, 1.10, 1.10 * exp(-0.1), 1.10 * exp(0.1) };
    const Ratio at = { 20, 1.05, 0.95, 1.15 };
    const double far = log(1.10 / 1.05);

    CHECK(gate_answer(&five, &r) == GATE_AMBIGUOUS);
    CHECK_MSG(gate_rounds(&five, &r) > 20 * (pow(0.1 / far, 2) - 1) &&
                  gate_rounds(&five, &r) < 400,
              "%d", gate_rounds(&five, &r));
    CHECK(gate_rounds(&five, &at) == -1);
    CHECK(gate_rounds(&five, &(Ratio){ 20, 1.2, 1.19, 1.21 }) == 0);
}

TEST(gate, percentages_are_read_with_and_without_their_sign)
{
    double x = -1;

    CHECK(gate_percent(&x, "fail_above", "5%", 0, 100) == OK && x == 0.05);
    CHECK(gate_percent(&x, "fail_above", "2.5", 0, 100) == OK && x == 0.025);
    CHECK(gate_percent(&x, "fail_above", "0", 0, 100) == OK && x == 0);
    CHECK(gate_percent(&x, "fail_above", "5 %", 0, 100) == ERR_INPUT);
    CHECK(gate_percent(&x, "fail_above", "%", 0, 100) == ERR_INPUT);
    CHECK(gate_percent(&x, "fail_above", "101", 0, 100) == ERR_INPUT);
    CHECK(gate_percent(&x, "fail_above", "nan", 0, 100) == ERR_INPUT);
    CHECK(!strcmp(err_message(),
                  "fail_above='nan' is not a percentage from 0 to 100"));
}
