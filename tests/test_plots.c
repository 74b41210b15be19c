/*
 * test_plots.c - figures: their numbers and their refusals.
 *
 * The look of a figure is for the eye; that its data are the database's is
 * tested here, and that gnuplot draws it in test_plots_scripts.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "attention_zoo/zoo.h"
#include "plots/sheet.h"
#include "tests/databases.h"
#include "tests/drawn.h"
#include "tests/stored.h"
#include "tests/test.h"
#include "tests/texts.h"

/* ---- styles --------------------------------------------------------------- */

static const char *long_list(int i)
{
    static const char *const more[] = { "new", "newer", "newest", "one_more" };
    int n = 0;

    while (zoo_at(n))
        n++;
    return i < n ? zoo_name(i) : i < n + 4 ? more[i - n] : NULL;
}

/* Three join the list before any line is that of two modules. */
TEST(plots, modules_have_lines_in_the_order_of_their_list)
{
    const PlotOptions options = { .module_at = long_list };
    const Sheet s = { .options = &options };
    int of[17] = { 0 }, n = 0;

    CHECK(module_style(&s, "none") == 13);
    CHECK(module_style(&s, "se") == 2 && module_style(&s, "scsa") == 1);
    for (; long_list(n) && n < 15; n++) {
        const int style = module_style(&s, long_list(n));

        REQUIRE(style >= 1 && style <= 16 && style != 13);
        CHECK_MSG(!of[style]++, "%s has a line that another has", long_list(n));
    }
    for (; long_list(n); n++)
        CHECK(module_style(&s, long_list(n)) >= 14);
    CHECK(module_style(&s, "of_another_zoo") >= 14);
}

/* ---- the numbers ----------------------------------------------------- */

TEST(plots, throughput_holds_paired_ratios_in_the_papers_order)
{
    const char *db = temp_path("bench.db");
    char *dat;
    int err;

    stored_bench(db);
    dat = draw(db, "throughput", (PlotOptions){ 0 }, &err);
    if (err != ERR_IO)
        REQUIRE(err == OK);
    /* row ratio lo hi converged paper_ratio images/s strong direct name */
    check_holds(dat, "\n1 0.909091 0.909091 0.909091 1 0.853679 86.9943 0 "
                     "nan nan nan \"SE-conv\"");
    check_holds(dat, "\n2 0.8 0.8 0.8 1 0.82984 76.555 1 "
                     "nan nan nan \"SCSA\"");
    check_holds(dat, "\n3 0.952381 0.952381 0.952381 1 nan 91.1369 0 "
                     "nan nan nan \"SE\"");
    free(dat);
}

/* The steps take 5 % of a pass; what else is lost is a hundredth of it. */
TEST(plots, throughput_holds_what_the_steps_alone_leave)
{
    const char *db = temp_path("direct.db");
    Stored s = stored_begin(db, "bench", "attnbench");
    char *dat;
    int err;

    stored_quads(&s, "backbone=resnet50", &(StoredQuads){ .ns = 40e6 });
    stored_quads(&s, "backbone=resnet50 module=scsa",
                 &(StoredQuads){ .ns = 40e6 / 0.95 / 0.99, .share = 0.05 });
    stored_end(&s);
    dat = draw(db, "throughput", (PlotOptions){ 0 }, &err);
    check_holds(dat, "\n1 0.9405 0.9405 0.9405 1 0.82984 23.5125 1 0.95 0.95 "
                     "0.95 \"SCSA\"");
    free(dat);
}

TEST(plots, channels_holds_medians_with_their_interval)
{
    const char *db = temp_path("channels.db");
    char *dat;
    int err;

    stored_channels(db);
    dat = draw(db, "channels", (PlotOptions){ 0 }, &err);
    check_holds(dat, "# SE: x y(µs) lo hi converged n\n"
                     "64 6.688 6.4 6.976 1 10\n");
    check_holds(dat, "# SCSA: x y(µs) lo hi converged n\n"
                     "64 4.28032 ");
    free(dat);
}

TEST(plots, exponents_are_those_of_the_times)
{
    const char *db = temp_path("resolution.db");
    char *dat;
    int err;

    stored_resolution(db);
    dat = draw(db, "resolution", (PlotOptions){ 0 }, &err);
    check_holds(dat, "\"SCSA\" \"2.00 [2.00, 2.00]\"");
    check_holds(dat, "\"SE\" \"1.00 [1.00, 1.00]\"");
    free(dat);
}

TEST(plots, the_module_in_focus_is_drawn_last)
{
    const char *db = temp_path("channels.db");
    char *dat;
    int err;

    stored_channels(db);
    dat = draw(db, "channels", (PlotOptions){ 0 }, &err);
    REQUIRE(dat != NULL);
    CHECK(strstr(dat, "# SCSA:") > strstr(dat, "# SE:"));
    CHECK(strstr(dat, "# SCSA:") > strstr(dat, "# SA:"));
    free(dat);
}

TEST(plots, complexity_holds_operations_and_bytes_of_both_sweeps)
{
    const char *db = full_database();
    char *dat;
    int err;

    dat = draw(db, "complexity", (PlotOptions){ 0 }, &err);
    check_holds(dat, "\n64 100.352 ");   /* kFLOP: 2 * 64 * 28 * 28 */
    check_holds(dat, "\n112 3211.264 "); /* 2 * 128 * 112 * 112     */
    check_holds(dat, "\n64 0.401408 ");  /* MB: 8 bytes each        */
    free(dat);
}

TEST(plots, the_pareto_front_leaves_out_what_is_beaten_in_both)
{
    const char *db = temp_path("pareto.db");
    Stored s = stored_begin(db, "bench", "attnbench");
    const char *const modules[] = { "none", "eca", "ca", "scsa", "cpca" };
    const double ns[] = { 40e6, 50e6, 45e6, 60e6, 70e6 };
    char *dat;
    int err;

    for (int i = 0; i < 5; i++) {
        char text[64];
        Case c;

        snprintf(text, sizeof(text), "backbone=resnet50 module=%s", modules[i]);
        c = stored_case(text);
        stored_add(&s, &c, ns[i], "ok");
    }
    stored_end(&s);
    dat = draw(db, "pareto", (PlotOptions){ 0 }, &err);
    check_holds(dat, "23.9234 76.39 ");
    /* ca beats eca in speed and accuracy: 77.37 against 77.05. */
    check_holds(dat, " 1 1 13 "); /* plain: converged, front, its style */
    check_holds(dat, " 1 0 4 ");  /* eca: off the front                 */
    check_holds(dat, " 1 1 11 "); /* ca                                 */
    check_holds(dat, " 1 1 1 ");  /* scsa                               */
    check_holds(dat, " 1 0 6 ");  /* cpca                               */
    free(dat);
}

TEST(plots, settings_that_follow_the_shape_make_one_line)
{
    const char *db = temp_path("fca.db");
    Stored s = stored_begin(db, "resolution", "attnbench");
    char *dat;
    int err;

    for (int x = 7; x <= 56; x *= 2) {
        char text[128];
        Case c;

        snprintf(text, sizeof(text),
                 "module=fca channels=64 height=%d width=%d dct_h=%d dct_w=%d",
                 x, x, x, x);
        c = stored_case(text);
        stored_add(&s, &c, x * x, "ok");
    }
    stored_end(&s);
    dat = draw(db, "resolution", (PlotOptions){ 0 }, &err);
    check_holds(dat, "# FCA: x y(ns) lo hi converged n\n7 ");
    REQUIRE(dat != NULL);
    CHECK(strstr(strstr(dat, "# FCA") + 1, "# FCA") == NULL);
    free(dat);
}

TEST(plots, settings_that_are_compared_make_a_line_each)
{
    const char *db = temp_path("reduction.db");
    Stored s = stored_begin(db, "channels", "attnbench");
    char *dat;
    int err;

    for (int x = 64; x <= 256; x *= 2)
        for (int r = 4; r <= 16; r *= 4) {
            char text[128];
            Case c;

            snprintf(text, sizeof(text), "module=se channels=%d reduction=%d",
                     x, r);
            c = stored_case(text);
            stored_add(&s, &c, x, "ok");
        }
    stored_end(&s);
    dat = draw(db, "channels", (PlotOptions){ 0 }, &err);
    check_holds(dat, "# SE reduction=4: ");
    check_holds(dat, "# SE: ");
    free(dat);
}

/* As one op and composed are two lines; hot and cold are two pictures. */
TEST(plots, fused_is_a_line_of_its_own_and_states_are_not_mixed)
{
    const Wanted hot = { "state", "hot" };
    const char *db = temp_path("fused.db");
    Stored s = stored_begin(db, "channels", "attnbench");
    char *dat;
    int err;

    for (int x = 64; x <= 512; x *= 2)
        for (int i = 0; i < 4; i++) {
            char text[128];
            Case c;

            snprintf(text, sizeof(text),
                     "module=scsa channels=%d impl=%s state=%s", x,
                     i & 1 ? "fused" : "composed", i & 2 ? "cold" : "hot");
            c = stored_case(text);
            stored_add(&s, &c, (i & 1 ? 1 : 2) * x, "ok");
        }
    stored_end(&s);
    free(draw(db, "channels", (PlotOptions){ 0 }, &err));
    CHECK(err == ERR_INPUT);
    CHECK_MSG(strstr(err_message(), "more than one state (hot, cold); choose "
                                    "with --state="),
              "%s", err_message());
    dat = draw(db, "channels", (PlotOptions){ .wanted = &hot, .nwanted = 1 },
               &err);
    CHECK_MSG(err == OK || !have_gnuplot(), "%s", err_message());
    check_holds(dat, "# SCSA: x y(ns)");
    check_holds(dat, "# SCSA fused: x y(ns)");
    free(dat);
}

/* Panels by channels, one row per module and impl, in nanoseconds. */
TEST(plots, stages_has_a_panel_a_shape_and_a_row_a_module)
{
    char *dat;
    int err;

    dat = draw(full_database(), "stages", (PlotOptions){ 0 }, &err);
    CHECK_MSG(err == OK || !have_gnuplot(), "%s", err_message());
    check_holds(dat, "# 64x56x56: row time lo hi converged style\n"
                     "1 66.88 64 69.76 1 2\n"
                     "2 267.52 256 279.04 1 1\n"
                     "3 133.76 128 139.52 1 17\n\n\n"
                     "# 256x14x14: ");
    check_holds(dat, "# names: row strong name\n1 0 \"SE\" \n2 1 \"SCSA\" "
                     "\n3 1 \"SCSA fused\" \n");
    free(dat);
}

/* FLOP/byte GFLOP/s filled style, the same of the floor, ns name, and whose bytes
 * these are and where they and the operations are from */
TEST(plots, roofline_has_a_point_a_module_and_the_roofs_of_the_machine)
{
    char *dat;
    int err;

    dat = draw(full_database(), "roofline", (PlotOptions){ 0 }, &err);
    CHECK_MSG(err == OK || !have_gnuplot(), "%s", err_message());
    /* se: 2000 bytes at 90 GB/s are 22.2 ns, for 1000 FLOPs; scsa 2000 */
    check_holds(dat,
                "# 64x56x56: FLOP/byte GFLOP/s filled style "
                "floor_FLOP/byte floor_GFLOP/s ns name level bytes operations\n"
                "0.25 1 0 2 0.5 45 1000 \"SE\" L3 modelled modelled\n"
                "0.25 1 0 1 1 90 2000 \"SCSA\" L3 modelled modelled\n\n\n");
    check_holds(
        dat, "0.25 1 1 17 0.5 45 1000 \"SCSA fused\" L3 modelled modelled\n");
    check_holds(dat, " 1 \"L3 90 GB/s\"\n");
    check_holds(dat, " 10 100 1 \"DRAM 10 GB/s\"\n");
    check_holds(dat, " 0 \"fma_f32 100 GFLOP/s\"\n");
    free(dat);
}

TEST(plots, roofline_of_one_run_has_a_point_a_step)
{
    const Wanted wanted[] = { { "module", "scsa" }, { "channels", "64" } };
    char *dat;
    int err;

    dat = draw(full_database(), "roofline",
               (PlotOptions){ .wanted = wanted, .nwanted = 2 }, &err);
    CHECK_MSG(err == OK || !have_gnuplot(), "%s", err_message());
    check_holds(
        dat, "0.25 1 1 1 nan nan 1000 \"mul\" DRAM modelled modelled\n"
             "0.25 1 1 2 nan nan 1000 \"relu\" DRAM modelled modelled\n\n\n");
    free(dat);
}

/* Counts 500 bytes instead of 4000 for se at 64x56x56, fewer than its
 * compulsory 2000; a read without a write is no count. */
TEST(plots, roofline_says_which_points_were_counted)
{
    const char *db = temp_path("counted.db");
    const Wanted wanted[] = { { "module", "scsa" }, { "channels", "64" } };
    char *dat, *gp;
    size_t n;
    int err;

    stored_profiles(db);
    CHECK(alter(db,
                "INSERT INTO quantity SELECT id, -1, '', name, 'counted', "
                "250, '' FROM run, (SELECT 'dram_read_bytes' AS name UNION "
                "SELECT 'dram_write_bytes') WHERE channels = 64 AND (module "
                "= 'se' OR name = 'dram_read_bytes')"));
    CHECK(alter(db, "UPDATE quantity SET value = 1e9 WHERE name = "
                    "'working_set_bytes'"));
    dat = draw(db, "roofline", (PlotOptions){ 0 }, &err);
    CHECK_MSG(err == OK || !have_gnuplot(), "%s", err_message());
    /* the floor: 500 bytes at 10 GB/s are 50 ns */
    check_holds(dat, "2 1 0 2 2 20 1000 \"SE\" DRAM counted modelled\n"
                     "0.25 1 0 1 1 10 2000 \"SCSA\" DRAM modelled modelled\n");
    free(dat);
    gp = read_bytes(temp_path("roofline.gp"), &n);
    check_holds(gp, "of 1 of 4 points, else modelled; operations are modelled; "
                    "roofs are measured.");
    free(gp);
    CHECK(alter(db, "INSERT INTO quantity SELECT run_id, step, '', 'flops', "
                    "'counted', 2 * value, '' FROM quantity WHERE name = "
                    "'flops'"));
    dat = draw(db, "roofline", (PlotOptions){ .wanted = wanted, .nwanted = 2 },
               &err);
    check_holds(dat, "0.5 2 1 1 nan nan 1000 \"mul\" DRAM modelled counted\n");
    free(dat);
}

TEST(plots, roofline_without_roofs_or_profiles_says_how_to_measure_them)
{
    const PlotOptions o = { .experiment = "module_stages" };
    const char *db = temp_path("stages.db");
    int err;

    stored_stages(db);
    free(draw(db, "roofline", o, &err));
    CHECK(err == ERR_UNSUPPORTED);
    check_holds(err_message(), "no roofs of this machine for f32");
    check_holds(err_message(), "run: attnbench roofs");
    stored_profiles(db);
    free(draw(db, "roofline", o, &err));
    CHECK(err == ERR_UNSUPPORTED);
    check_holds(err_message(), "have no profile; run: attnbench profile");
}

/* row ratio lo hi converged paper strong direct name */
TEST(plots, table1_has_a_row_a_variant_but_for_the_base)
{
    char *dat;
    int err;

    dat = draw(full_database(), "table1", (PlotOptions){ 0 }, &err);
    CHECK_MSG(err == OK || !have_gnuplot(), "%s", err_message());
    check_holds(dat, "# row ratio lo hi converged paper strong direct lo hi "
                     "name\n1 ");
    check_holds(dat,
                " 1.09807 0 nan nan nan \"w/o SMSA\" \n"); /* 2217 / 2019 */
    check_holds(dat, "\n3 0.9");                           /* hollow: ...  */
    check_holds(dat, " 0 0.993066 0 nan nan nan \"PCSA Prior\" \n");
    check_holds(dat, "\n14 ");
    free(dat);
}

/* Here every fourth row is missing; SCSA is in focus. */
TEST(plots, table2_has_a_block_a_backbone_with_ours_and_the_papers)
{
    const char *db = temp_path("t2.db");
    char *dat, *gp;
    size_t n;
    int err;

    stored_paper(db, PAPER_TABLE2, 4);
    dat = draw(db, "table2", (PlotOptions){ 0 }, &err);
    CHECK_MSG(err == OK || !have_gnuplot(), "%s", err_message());
    check_holds(dat, "# ResNet-50: slot ratio lo hi converged paper strong "
                     "direct lo hi name\n1 ");
    check_holds(dat, "\n4 nan nan nan 1 0.56679 0 nan nan nan \"CPCA\" \n");
    check_holds(dat, " 0.82984 1 nan nan nan \"SCSA\" \n\n\n# ResNet-101: ");
    check_holds(dat, "# RepViT-1.0: slot");
    check_holds(dat, "# Swin-T: slot");
    gp = read_bytes(temp_path("table2.gp"), &n);
    check_holds(gp, "Title[6] = 'RepViT-1.0, to SE'");
    check_holds(gp, "were not measured.");
    free(dat);
    free(gp);
}

TEST(plots, tables_that_were_not_measured_are_refused_with_the_command)
{
    const char *db = temp_path("bench_only.db");
    int err;

    stored_bench(db);
    free(draw(db, "table2", (PlotOptions){ 0 }, &err));
    CHECK(err == ERR_UNSUPPORTED);
    CHECK_MSG(!strcmp(err_message(), "no runs of experiment 'table2'; run: "
                                     "attnbench reproduce table2"),
              "%s", err_message());
}

/* ---- refusals -------------------------------------------------------- */

TEST(plots, missing_runs_are_refused_with_the_command_that_makes_them)
{
    const char *db = temp_path("bench_only.db");
    int err;

    stored_bench(db);
    free(draw(db, "channels", (PlotOptions){ 0 }, &err));
    CHECK(err == ERR_UNSUPPORTED);
    CHECK_MSG(!strcmp(err_message(),
                      "no runs of experiment 'channels'; run: attnbench run "
                      "harness/experiments/channels.json"),
              "%s", err_message());
}

TEST(plots, a_sweep_that_failed_throughout_is_refused_with_its_first_reason)
{
    const char *db = temp_path("failed.db");
    Stored s = stored_begin(db, "channels", "attnbench");
    int err;

    for (int x = 64; x <= 128; x *= 2) {
        Case c = stored_case("module=se height=28 width=28");

        c.channels = x;
        stored_add(&s, &c, 0, "failed");
    }
    stored_end(&s);
    free(draw(db, "channels", (PlotOptions){ 0 }, &err));
    CHECK(err == ERR_UNSUPPORTED);
    CHECK_MSG(!strcmp(err_message(),
                      "none of the 2 runs of experiment 'channels' succeeded; "
                      "the first is failed: because"),
              "%s", err_message());
    free(draw(db, "complexity", (PlotOptions){ 0 }, &err));
    CHECK(err == ERR_UNSUPPORTED);
}

TEST(plots, a_slice_that_is_not_one_names_the_setting_that_chooses)
{
    const char *db = temp_path("batches.db");
    const Wanted batch = { "batch", "8" }, none = { "batch", "3" };
    Stored s = stored_begin(db, "channels", "attnbench");
    int err;

    for (int x = 64; x <= 256; x *= 2)
        for (int b = 1; b <= 8; b *= 8) {
            Case c = stored_case("module=se height=28 width=28");

            c.channels = x;
            c.batch = b;
            stored_add(&s, &c, x, "ok");
        }
    stored_end(&s);
    free(draw(db, "channels", (PlotOptions){ 0 }, &err));
    CHECK(err == ERR_INPUT);
    CHECK_MSG(!strcmp(err_message(), "experiment 'channels' has more than one "
                                     "batch (1, 8); choose with --batch="),
              "%s", err_message());
    free(draw(db, "channels", (PlotOptions){ .wanted = &none, .nwanted = 1 },
              &err));
    CHECK_MSG(!strcmp(err_message(), "no run has batch=3; the runs have 1, 8"),
              "%s", err_message());
    free(draw(db, "channels", (PlotOptions){ .wanted = &batch, .nwanted = 1 },
              &err));
    CHECK_MSG(err == OK || !have_gnuplot(), "%s", err_message());
}

TEST(plots, networks_without_the_plain_one_are_refused)
{
    const char *db = temp_path("no_plain.db");
    Stored s = stored_begin(db, "bench", "attnbench");
    const Case c = stored_case("backbone=resnet50 module=se");
    int err;

    stored_add(&s, &c, 1e6, "ok");
    stored_end(&s);
    free(draw(db, "throughput", (PlotOptions){ 0 }, &err));
    CHECK(err == ERR_UNSUPPORTED);
    CHECK_MSG(!strcmp(err_message(),
                      "experiment 'bench' has no successful run of "
                      "the plain backbone to compare"),
              "%s", err_message());
}
