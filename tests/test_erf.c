/*
 * test_erf.c - the numbers of an effective receptive field, on maps that are
 * known.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/erf.h"
#include "analysis/stats.h"
#include "tests/test.h"

enum { SIDE = 129, MIDDLE = SIDE / 2 };

static float map_of[SIDE * SIDE];

typedef double Shape(double y, double x);

/* value(i - cy, j - cx) at every pixel. */
static ErfMap drawn(Shape *value, double cy, double cx)
{
    for (int i = 0; i < SIDE; i++)
        for (int j = 0; j < SIDE; j++)
            map_of[i * SIDE + j] = (float)value(i - cy, j - cx);
    return (ErfMap){ SIDE, SIDE, cy, cx, map_of };
}

#define CHECK_NEAR(x, wanted, within)                                        \
    do {                                                                     \
        const double got_ = (x);                                             \
                                                                             \
        CHECK_MSG(fabs(got_ - (wanted)) <= (within), "%s is %.9g, not %.9g", \
                  #x, got_, (double)(wanted));                               \
    } while (0)

/* sigma 6 down, 4 across. */
static double gaussian(double y, double x)
{
    return exp(-y * y / 72 - x * x / 32);
}

static double flat(double y, double x)
{
    (void)y;
    (void)x;
    return 3;
}

static double point(double y, double x)
{
    return y == 0 && x == 0;
}

static double cross(double y, double x)
{
    return y == 0 || x == 0;
}

/* The four pixels about a place between pixels. */
static double four(double y, double x)
{
    return fabs(y) < 1 && fabs(x) < 1;
}

TEST(erf_numbers, a_gaussian_has_its_own_spread)
{
    const ErfMap m = drawn(gaussian, MIDDLE, MIDDLE);
    double n[ERF_NUMBERS];

    erf_numbers(n, &m);
    CHECK_NEAR(n[ERF_sigma_y], 6, 1e-4);
    CHECK_NEAR(n[ERF_sigma_x], 4, 1e-4);
    CHECK_NEAR(n[ERF_radius], sqrt(52), 1e-4);
    CHECK_NEAR(n[ERF_offset_y], 0, 1e-6);
    CHECK_NEAR(n[ERF_offset_x], 0, 1e-6);
    /* 2 pi e sigma_y sigma_x pixels */
    CHECK_NEAR(n[ERF_entropy_area] * SIDE * SIDE, 2 * acos(-1) * exp(1) * 6 * 4,
               0.01);
    /* an ellipse of half axes sigma sqrt(2 ln(1 / 0.0455)) */
    CHECK_NEAR(n[ERF_luo_side], sqrt(acos(-1) * 24 * 2 * log(1 / (1 - 0.9545))),
               0.3);
    CHECK(isnan(n[ERF_luo_ratio]) && isnan(n[ERF_mass_share]));
}

/* The mass in a square of each side is a product of error functions. */
TEST(erf_numbers, areas_are_of_the_smallest_square_that_suffices)
{
    const ErfMap m = drawn(gaussian, MIDDLE, MIDDLE);
    double n[ERF_NUMBERS], half;

    erf_numbers(n, &m);
    for (int k = 0; k < ERF_AREAS; k++) {
        int side = 1;

        while (erf(side / 2.0 / 6 / sqrt(2)) * erf(side / 2.0 / 4 / sqrt(2)) <=
               erf_level[k] / 100.0)
            side += 2;
        CHECK_NEAR(n[ERF_area_20 + k] * SIDE * SIDE, side * side, 1e-6);
        CHECK(erf_square(&m, erf_level[k] / 100.0, &half) == side * side);
        CHECK(half == side / 2);
    }
}

/* RepLKNet's script had no square of one pixel, and none of the whole input. */
TEST(erf_numbers, squares_go_from_one_pixel_to_the_whole_input)
{
    ErfMap m = drawn(point, MIDDLE, MIDDLE);
    double n[ERF_NUMBERS], half;

    erf_numbers(n, &m);
    CHECK(n[ERF_area_20] == 1.0 / SIDE / SIDE);
    CHECK(n[ERF_area_99] == 1.0 / SIDE / SIDE);
    CHECK(n[ERF_luo_side] == 1 && n[ERF_radius] == 0);
    CHECK_NEAR(n[ERF_entropy_area] * SIDE * SIDE, 1, 1e-12);

    m = drawn(flat, MIDDLE, MIDDLE);
    erf_numbers(n, &m);
    CHECK(n[ERF_luo_side] == SIDE);
    CHECK_NEAR(n[ERF_entropy_area], 1, 1e-9);
    CHECK_NEAR(n[ERF_sigma_x], sqrt((SIDE * SIDE - 1) / 12.0), 1e-6);
    /* 59^2 / 129^2 = 20.9 %, 57^2 only 19.5 % */
    CHECK(n[ERF_area_20] == 59.0 * 59 / SIDE / SIDE);
    CHECK(erf_square(&m, 0.99999, &half) == SIDE * SIDE && half == MIDDLE);
}

/* Seen from a corner, a square is cut by the edges; it still ends. */
TEST(erf_numbers, squares_are_about_the_units_own_place)
{
    ErfMap m = drawn(point, 3, MIDDLE);
    double n[ERF_NUMBERS], half;

    erf_numbers(n, &m);
    CHECK(n[ERF_area_99] == 1.0 / SIDE / SIDE);
    m.y = 1; /* the unit is two pixels above what it sees */
    erf_numbers(n, &m);
    CHECK(n[ERF_offset_y] == 2 && n[ERF_offset_x] == 0);
    CHECK(n[ERF_area_20] == 4.0 * 5 / SIDE / SIDE);
    m = drawn(four, MIDDLE + 0.5, MIDDLE + 0.5);
    CHECK(erf_square(&m, 0.99, &half) == 4 && half == 0.5);
    erf_numbers(n, &m);
    CHECK(n[ERF_luo_side] == 2 && n[ERF_sigma_x] == 0.5);
}

TEST(erf_numbers, a_cross_is_as_wide_as_it_is_high)
{
    const ErfMap m = drawn(cross, MIDDLE, MIDDLE);
    double n[ERF_NUMBERS];

    erf_numbers(n, &m);
    CHECK(n[ERF_sigma_y] == n[ERF_sigma_x]);
    CHECK_NEAR(n[ERF_entropy_area] * SIDE * SIDE, 2 * SIDE - 1, 1e-6);
    /* half of 257 pixels: 4 r + 1 > 128.5 */
    CHECK(n[ERF_area_50] == 65.0 * 65 / SIDE / SIDE);
}

TEST(erf_numbers, no_factor_changes_them)
{
    ErfMap m = drawn(gaussian, MIDDLE, 40);
    double once[ERF_NUMBERS], scaled[ERF_NUMBERS];

    erf_numbers(once, &m);
    for (double factor = 1e-6; factor < 1e7; factor *= 1e12) {
        for (int i = 0; i < SIDE * SIDE; i++)
            map_of[i] *= (float)factor;
        erf_numbers(scaled, &m);
        for (int i = 0; i < ERF_luo_ratio; i++)
            CHECK_NEAR(scaled[i], once[i], 1e-6 * fabs(once[i]));
    }
}

TEST(erf_numbers, a_map_without_mass_has_none)
{
    static const float nothing[4];
    const ErfMap m = { 2, 2, 0.5, 0.5, nothing };
    double n[ERF_NUMBERS];

    erf_numbers(n, &m);
    for (int i = 0; i < ERF_NUMBERS; i++)
        CHECK(isnan(n[i]));
}

/* ---- intervals ----------------------------------------------------------- */

enum { DRAWS = 12 };

/* Points at heights 0, 1, ..., 11 on a column. */
static ErfDraws column(float maps[DRAWS][64], float *of[DRAWS])
{
    memset(maps, 0, sizeof(float) * DRAWS * 64);
    for (int k = 0; k < DRAWS; k++) {
        maps[k][k] = 1;
        of[k] = maps[k];
    }
    return (ErfDraws){
        .n = DRAWS, .shape = { 64, 1, 0, 0, NULL }, .map = of, .field = 10
    };
}

/* The centroid is the mean of what was drawn, so its interval is known: t. */
TEST(erf_numbers, intervals_are_over_draws)
{
    float maps[DRAWS][64], *of[DRAWS], mean[64];
    double share[DRAWS];
    ErfDraws d = column(maps, of);
    ErfEstimate e[ERF_NUMBERS], again[ERF_NUMBERS];
    /* t of 11 degrees, sd sqrt(13), over sqrt(12) */
    const double half = 2.201 * sqrt(13 / 12.0);

    for (int k = 0; k < DRAWS; k++)
        share[k] = k / 10.0;
    d.mass_share = share;
    erf_estimate(e, mean, &d);
    CHECK_NEAR(e[ERF_offset_y].value, 5.5, 1e-6);
    CHECK_NEAR(e[ERF_offset_y].lo, 5.5 - half, 0.12 * half);
    CHECK_NEAR(e[ERF_offset_y].hi, 5.5 + half, 0.12 * half);
    CHECK_NEAR(e[ERF_mass_share].value, 0.55, 1e-9);
    CHECK_NEAR(e[ERF_mass_share].lo, e[ERF_offset_y].lo / 10, 1e-6);
    CHECK(e[ERF_luo_ratio].value == e[ERF_luo_side].value / 10);
    for (int i = 0; i < 64; i++)
        CHECK_NEAR(mean[i], i < DRAWS ? 1.0 / DRAWS : 0, 1e-7);
    erf_estimate(again, mean, &d);
    CHECK(!memcmp(e, again, sizeof(e)));
    d.n = 1;
    erf_estimate(e, mean, &d);
    CHECK(e[ERF_offset_y].value == 0 && isnan(e[ERF_offset_y].lo));
}

TEST(erf_numbers, curves_are_of_the_mean)
{
    static float a[4] = { 0, 18, 198, 2 }, b[4] = { 0, 0, 0, 2 };
    float *maps[] = { a, b }, mean[4];
    ErfDraws d = {
        .n = 2, .shape = { 2, 2, 0, 0, NULL }, .map = maps, .field = 2
    };
    ErfEstimate e[ERF_NUMBERS];

    d.curve = ERF_LOG;
    erf_estimate(e, mean, &d);
    CHECK_NEAR(mean[0], 0, 0);
    CHECK_NEAR(mean[1], 1, 1e-6);
    CHECK_NEAR(mean[2], 2, 1e-6);
    d.curve = ERF_MIN_MAX;
    a[0] = b[0] = -1;
    erf_estimate(e, mean, &d);
    CHECK_NEAR(mean[0], 0, 0);
    CHECK_NEAR(mean[1], 0.1, 1e-6);
    CHECK_NEAR(mean[2], 1, 1e-6);
}

TEST(erf_numbers, are_named)
{
    CHECK(!strcmp(erf_number_name(ERF_area_68), "area_68"));
    CHECK(!strcmp(erf_number_name(ERF_mass_share), "mass_share"));
    CHECK(strstr(erf_number_help(ERF_sigma_x), "horizontal"));
    CHECK(!erf_number_name(ERF_NUMBERS) && !erf_number_help(-1));
}

TEST(stats, bootstrap_intervals_widen_for_few_draws)
{
    double x[1001], lo, hi;

    for (int draws = 2; draws < 100; draws += 49) {
        for (int i = 0; i <= 1000; i++)
            x[i] = 1000 - i;
        bootstrap_interval(x, 1001, draws, &lo, &hi);
        CHECK_NEAR(lo + hi, 1000, 1e-9);
        /* t of 50 degrees is 2.00856: tail 2.1 % with sqrt(51/50) */
        if (draws == 51)
            CHECK_NEAR(lo, 21.2, 0.2);
        else
            CHECK(lo < 1e-9);
    }
    bootstrap_interval(x, 1001, 1, &lo, &hi);
    CHECK(isnan(lo) && isnan(hi));
    x[5] = NAN;
    bootstrap_interval(x, 1001, 10, &lo, &hi);
    CHECK(isnan(lo) && isnan(hi));
}
