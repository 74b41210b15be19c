/*
 * test_plots_said.c - what figures say of themselves, so that each stands alone:
 * what is fixed, where it ran, in which units, and what is left out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plots/plot.h"
#include "tests/databases.h"
#include "tests/drawn.h"
#include "tests/stored.h"
#include "tests/test.h"
#include "tests/texts.h"

/* The script that a figure leaves; to be freed. */
static char *script_of(const char *db, const char *name, PlotOptions o)
{
    char file[64];
    size_t n;
    int err;

    free(draw(db, name, o, &err));
    CHECK_MSG(err == OK || !have_gnuplot(), "%s", err_message());
    snprintf(file, sizeof(file), "%s.gp", name);
    return read_bytes(temp_path(file), &n);
}

TEST(plots, what_of_the_shape_is_fixed_is_said)
{
    const char *db = full_database();
    char *gp = script_of(db, "resolution", (PlotOptions){ 0 });

    check_holds(gp, "input (pixels), at 128 channels'");
    check_holds(gp, ", f32, batch 1, 128 channels, forward, hot, ");
    free(gp);
    gp = script_of(db, "channels", (PlotOptions){ 0 });
    check_holds(gp, "Xlabel[1] = 'channels, at 28x28 pixels'");
    check_holds(gp, "batch 1, 28x28 pixels, ");
    free(gp);
    /* of panels that fix different things the foot says neither */
    gp = script_of(db, "complexity", (PlotOptions){ 0 });
    check_holds(gp, "'channels, at 28x28 pixels'");
    check_holds(gp, "(pixels), at 128 channels'");
    CHECK_MSG(!strstr(gp, "batch 1, 128 channels"), "%s", gp);
    free(gp);
}

TEST(plots, the_foot_says_backend_and_load)
{
    char *gp = script_of(full_database(), "stages", (PlotOptions){ 0 });

    check_holds(gp, "a cpu, 2 cores, load 0.5 at the start; as written, cpu, ");
    free(gp);
}

/* 10 ns to 10 s: no one unit says that. */
TEST(plots, ticks_of_a_long_axis_have_units_of_their_own)
{
    const char *db = temp_path("long.db");
    Stored s = stored_begin(db, "channels", "attnbench");
    char *gp;

    for (int i = 0; i < 4; i++) {
        char text[64];
        Case c;

        snprintf(text, sizeof(text), "module=se channels=%d", 64 << i);
        c = stored_case(text);
        stored_add(&s, &c, i == 3 ? 1e10 : 10 << (5 * i), "ok");
    }
    stored_end(&s);
    gp = script_of(db, "channels", (PlotOptions){ 0 });
    check_holds(gp, " 100\xc2\xa0ns 1\xc2\xa0\xc2\xb5s ");
    check_holds(gp, " 100\xc2\xa0ms 1\xc2\xa0s 10\xc2\xa0s ");
    check_holds(gp, "Ylabel[1] = 'time'");
    free(gp);
    /* to 1000 us: one unit says that */
    gp = script_of(full_database(), "channels", (PlotOptions){ 0 });
    check_holds(gp, "Ylabel[1] = 'time (\xc2\xb5s)'");
    free(gp);
}

TEST(plots, table2_draws_the_backbones_that_were_measured)
{
    const char *db = temp_path("some.db");
    char *dat, *gp;
    int err, panels = 0;

    stored_paper(db, PAPER_TABLE2, 0);
    REQUIRE(alter(db, "DELETE FROM sample WHERE run_id IN (SELECT id FROM run "
                      "WHERE repeat NOT LIKE '%resnet50%');"
                      "DELETE FROM run WHERE repeat NOT LIKE '%resnet50%'"));
    dat = draw(db, "table2", (PlotOptions){ 0 }, &err);
    REQUIRE(dat);
    for (const char *at = dat; (at = strstr(at, ": slot ratio")); at++)
        panels++;
    CHECK_MSG(panels == 1 && strstr(dat, "# ResNet-50: slot"), "%s", dat);
    free(dat);
    gp = script_of(db, "table2", (PlotOptions){ 0 });
    check_holds(gp, "\npanels = 1\n");
    check_holds(gp, " 6 of 7 backbones were not");
    free(gp);
}

/* A second run of the same network as the paper's that is as fast, by its
 * interval. */
TEST(plots, pareto_says_whose_place_the_intervals_leave_open)
{
    static const double ns[] = { 40e6, 41e6, 60e6 };
    static const char *const modules[] = { "none", "ca", "scsa" };
    const char *db = temp_path("open.db");
    Stored s = stored_begin(db, "bench", "attnbench");
    char *gp;

    for (int i = 0; i < 3; i++) {
        char text[64];
        Case c;

        snprintf(text, sizeof(text), "backbone=resnet50 module=%s", modules[i]);
        c = stored_case(text);
        stored_add(&s, &c, ns[i], "ok");
    }
    stored_end(&s);
    gp = script_of(db, "pareto", (PlotOptions){ 0 });
    check_holds(gp, "whether these are on it: plain.");
    free(gp);
}

TEST(plots, roofline_says_that_its_roofs_cannot_be)
{
    const char *db = temp_path("doubt.db");
    char *gp;

    stored_profiles(db);
    gp = script_of(db, "roofline", (PlotOptions){ 0 });
    CHECK_MSG(!strstr(gp, "busy"), "%s", gp);
    free(gp);
    REQUIRE(alter(db, "UPDATE roof SET value = 5e9, lo = 5e9, hi = 5e9 WHERE "
                      "name LIKE 'llc%'"));
    gp = script_of(db, "roofline", (PlotOptions){ 0 });
    check_holds(gp, "GB/s is below DRAM''s 10): attnbench roofs --fresh.");
    free(gp);
}

TEST(plots, roofline_of_a_network_has_eight_colours)
{
    const Wanted wanted[] = { { "module", "se" }, { "channels", "64" } };
    const char *db = temp_path("kinds.db");
    char *dat, *key;
    int keys = 0, err;

    stored_profiles(db);
    REQUIRE(alter(
        db, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
            "WHERE i < 14) INSERT INTO step SELECT run.id, i, 'op' || i, 'k', "
            "'s', '(1)' FROM n, run WHERE module = 'se' AND channels = 64;"
            "INSERT INTO quantity SELECT q.run_id, s.step, '', q.name, "
            "q.source, q.value * (20 - s.step), '' FROM quantity AS q JOIN "
            "step AS s ON s.run_id = q.run_id AND s.step > 0 AND q.step = 0 "
            "AND s.op LIKE 'op%'"));
    dat = draw(db, "roofline", (PlotOptions){ .wanted = wanted, .nwanted = 2 },
               &err);
    REQUIRE(dat);
    check_holds(dat, "\"op1\"");
    check_holds(dat, "\"others\"");
    key = strstr(dat, "# key:");
    REQUIRE(key);
    for (const char *at = key; (at = strchr(at + 1, '\n')) && at[1] != '\n';)
        keys++;
    CHECK_MSG(keys == 8, "%d in %s", keys, key);
    CHECK(!strstr(key, "\"op14\""));
    free(dat);
}
