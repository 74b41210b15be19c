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

/* Of three sizes with as many rows each, the latest. */
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
    check_holds(gp, "Said[1] = '5, 3.6, 50 %'\n");
    check_holds(gp, "50 draws, seeded weights, 95 % intervals over 10 sets");
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

TEST(plots_erf, scaling_is_a_line_a_module)
{
    char *dat;
    int err;

    dat = draw_fields("erf_scaling", NULL, 0, &err);
    if (err != ERR_IO)
        REQUIRE(err == OK);
    REQUIRE(dat != NULL);
    check_holds(dat, "# stage3, plain, area_50: side value lo hi\n"
                     "32 6.8 6.12 7.48\n48 5.2 4.68 5.72\n64 3.6 ");
    check_holds(dat, "# stage4, SCSA, radius: side value lo hi\n32 8 7.2 8.8");
    CHECK(count(dat, "side value lo hi") == 3 * 2 * 3);
    free(dat);
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
