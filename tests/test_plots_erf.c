/*
 * test_plots_erf.c - figures of receptive fields: their numbers, and which
 * fields stand in one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/databases.h"
#include "tests/drawn.h"
#include "tests/stored.h"
#include "tests/test.h"
#include "tests/texts.h"

static char *draw_fields(const char *figure, const Wanted *wanted, int n,
                         int *err)
{
    const char *db = temp_path("fields.db");

    stored_fields(db);
    return draw(
        db, figure,
        (PlotOptions){ .formats = "svg", .wanted = wanted, .nwanted = n }, err);
}

static int count(const char *text, const char *part)
{
    int n = 0;

    while ((text = strstr(text, part))) {
        text += strlen(part);
        n++;
    }
    return n;
}

static char *script(const char *figure)
{
    char file[64];
    size_t n;

    snprintf(file, sizeof(file), "%s.gp", figure);
    return read_bytes(temp_path(file), &n);
}

/* The latest of three sizes with equally many rows each. */
TEST(plots_erf, a_panel_is_a_module_at_a_tap)
{
    char *dat, *gp;
    int err;

    dat = draw_fields("erf", NULL, 0, &err);
    if (err != ERR_IO)
        REQUIRE(err == OK);
    REQUIRE(dat != NULL);
    CHECK(count(dat, "# ") == 7); /* six panels, and squares */
    check_holds(dat, "# none, stage3: in full\n");
    check_holds(dat, "# scsa, stage4: in full\n");
    gp = script("erf");
    REQUIRE(gp != NULL);
    check_holds(gp, "xpixels = 64\n");
    check_holds(gp, "cell = 1\n");
    check_holds(gp, "Column[1] = 'plain'\n");
    check_holds(gp, "Column[3] = 'SCSA'\n");
    check_holds(gp, "Row[2] = 'stage4'\n");
    check_holds(gp, "Gates[1] = 'no gates'\n");
    check_holds(gp, "Gates[3] = 'through gates 20 %'\n");
    check_holds(gp, "Said[1] = '5, 3.6, 50 % of the input'\n");
    check_holds(gp, "50 draws, seeded weights, 95 % intervals over 10 sets");
    check_holds(gp, "Effective receptive field: which input pixels influence");
    check_holds(gp, "Tone: the fourth root");
    /* a Gaussian of sigma 4: 1 / (32 pi) of it in the middle */
    check_holds(gp, "peak = 0.00994718");
    free(gp);
    free(dat);
}

/* 50 % of the mass of sigma 4 is within 9 pixels about pixel 32. */
TEST(plots_erf, squares_are_where_the_mass_is)
{
    char *dat;
    int err;

    dat = draw_fields("erf", NULL, 0, &err);
    REQUIRE(dat != NULL);
    check_holds(dat, "\n1 28 28 37 37 50 3.6\n");
    free(dat);
}

/* Each has its own file; seeded ones are on another page, and what a file held
 * before is on none. */
TEST(plots_erf, trained_networks_share_a_page)
{
    const Wanted trained[] = { { "weights", "a/plain.safetensors,"
                                            "a/se.safetensors,"
                                            "b/se_long.safetensors" } };
    const char *db = temp_path("fields.db");
    char *gp;
    int err;

    stored_trained_fields(db);
    free(draw_fields("erf", trained, 1, &err));
    gp = script("erf");
    REQUIRE(gp != NULL);
    check_holds(gp, "Column[1] = 'plain'\n");
    check_holds(gp, "Column[2] = 'SE, se'\n");
    check_holds(gp, "Column[3] = 'SE, se_long'\n");
    check_holds(gp, "each with its own weights");
    CHECK(!strstr(gp, "SCSA"));
    free(gp);
    free(draw_fields("erf", NULL, 0, &err));
    gp = script("erf");
    REQUIRE(gp != NULL);
    check_holds(gp, "Column[2] = 'SE'\n");
    check_holds(gp, "50 draws, seeded weights");
    free(gp);
}

TEST(plots_erf, settings_choose)
{
    const Wanted wanted[] = { { "height", "48" }, { "module", "none,se" } };
    char *dat, *gp;
    int err;

    dat = draw_fields("erf", wanted, 2, &err);
    REQUIRE(dat != NULL);
    CHECK(count(dat, "# ") == 5 && !strstr(dat, "scsa"));
    gp = script("erf");
    REQUIRE(gp != NULL);
    check_holds(gp, "xpixels = 48\n");
    free(gp);
    free(dat);
}

/* A share of 0.068 of 32x32 pixels is a square of 8.34; a plain network has no
 * gates. */
TEST(plots_erf, scaling_is_a_line_a_module)
{
    char *dat, *gp;
    int err;

    dat = draw_fields("erf_scaling", NULL, 0, &err);
    if (err != ERR_IO)
        REQUIRE(err == OK);
    REQUIRE(dat != NULL);
    check_holds(dat, "# stage3, plain, whole, area_50: side value lo hi\n"
                     "32 8.34458 7.91636 8.75187\n48 ");
    check_holds(dat, "# stage4, SCSA, whole, radius: side value lo hi\n"
                     "32 8 7.2 8.8\n");
    CHECK(count(dat, ", past_gates, ") == 3 * 2 * 2);
    CHECK(count(dat, "side value lo hi") == 3 * 2 * (3 + 2));
    gp = script("erf_scaling");
    REQUIRE(gp != NULL);
    check_holds(gp, "Lines[1] = '0 13 0 -3 1 2 0 0 2 1 0 3 3 2 1 0 4 1 1 3 '");
    check_holds(gp, "blocks = 30\n");
    check_holds(gp, "All[5] = 0.408248\n");
    free(gp);
    free(dat);
}

TEST(plots_erf, scaling_shows_all_of_the_input_where_it_is_near)
{
    const Wanted plain[] = { { "module", "none" } };
    char *gp;
    int err;

    free(draw_fields("erf_scaling", plain, 1, &err));
    gp = script("erf_scaling");
    REQUIRE(gp != NULL);
    check_holds(gp, "All[1] = 0\n"); /* 13 pixels of 45 */
    check_holds(gp, "All[3] = 0.974679\n");
    free(gp);
}

TEST(plots_erf, what_is_not_there_says_what_to_run)
{
    const Wanted one_size[] = { { "height", "48" } };
    const Wanted none[] = { { "module", "fca" } };
    int err;

    free(draw_fields("erf", none, 1, &err));
    CHECK(err == ERR_UNSUPPORTED);
    CHECK_MSG(strstr(err_message(), "run: attnbench erf --backbone=resnet50"),
              "%s", err_message());
    free(draw_fields("erf_scaling", one_size, 1, &err));
    CHECK(err == ERR_UNSUPPORTED);
    CHECK_MSG(strstr(err_message(), "all of inputs of 48 rows; run: attnbench "
                                    "erf erf_resolution"),
              "%s", err_message());
}

/* The value of a variable of a script. */
static double variable(const char *gp, const char *name)
{
    char line[64];
    const char *at;

    snprintf(line, sizeof(line), "\n%s = ", name);
    at = strstr(gp, line);
    return at ? strtod(at + strlen(line), NULL) : 0;
}

/* The bar of tones, and the number at its end, are on the page. */
TEST(plots_erf, one_network_has_room_for_the_scale)
{
    const Wanted wanted[] = { { "module", "scsa" } };
    char *gp;
    int err;

    free(draw_fields("erf", wanted, 1, &err));
    gp = script("erf");
    REQUIRE(gp != NULL);
    CHECK(variable(gp, "columns") == 1 && variable(gp, "bar") > 100);
    CHECK_MSG(variable(gp, "left") + variable(gp, "bar") + 10 <=
                  variable(gp, "width"),
              "%g + %g on %g", variable(gp, "left"), variable(gp, "bar"),
              variable(gp, "width"));
    check_holds(gp, "Holds[1] = '20, 50, 95 % of the mass in'");
    check_holds(gp, " % of the input'");
    free(gp);
}

TEST(plots_erf, the_foot_says_backend_and_graph)
{
    char *gp;
    int err;

    free(draw_fields("erf", NULL, 0, &err));
    gp = script("erf");
    check_holds(gp, "f32, cpu, ");
    CHECK(!strstr(gp, "norm gain"));
    free(gp);
    REQUIRE(alter(temp_path("fields.db"),
                  "DROP TRIGGER run_final; UPDATE run SET norm_gain = 1.5"));
    free(draw(temp_path("fields.db"), "erf", (PlotOptions){ 0 }, &err));
    gp = script("erf");
    check_holds(gp, "seeded weights, norm gain 1.5, 95 % intervals");
    free(gp);
}
