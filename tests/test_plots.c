/*
 * test_plots.c - figures: their numbers, their scripts, their refusals.
 *
 * What a figure looks like is for the eye; that gnuplot draws it without a
 * word, and that its data are the database's, is tested here.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plots/plot.h"
#include "tests/databases.h"
#include "tests/stored.h"
#include "tests/test.h"

static bool have_gnuplot(void)
{
    return system("gnuplot --version >/dev/null 2>&1") == 0;
}

static int figure(const char *name)
{
    int i = 0;

    while (plot_name(i) && strcmp(plot_name(i), name))
        i++;
    return i;
}

/* Draws into the test's folder; the text of the data file, or NULL. */
static char *draw(const char *db, const char *name, PlotOptions o, int *err)
{
    char note[PLOT_NOTE], file[64];
    Store *s;
    size_t n;

    o.out = test_tmpdir();
    o.formats = o.formats ? o.formats : "svg,png";
    o.focus = "scsa";
    *err = store_open(&s, db, STORE_READ);
    if (*err)
        return NULL;
    *err = plot_draw(figure(name), s, &o, note);
    store_close(s);
    snprintf(file, sizeof(file), "%s.dat", name);
    return read_bytes(temp_path(file), &n);
}

static void check_holds(const char *text, const char *part)
{
    CHECK_MSG(text && strstr(text, part), "'%s' is not in:\n%.400s", part,
              text ? text : "(nothing)");
}

/* All standard experiments in one database. */
static const char *full_database(void)
{
    static char db[256];

    snprintf(db, sizeof(db), "%s", temp_path("full.db"));
    stored_bench(db);
    stored_channels(db);
    stored_resolution(db);
    stored_stages(db);
    return db;
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
    /* row ratio lo hi converged paper_ratio images/s strong name */
    check_holds(dat, "\n1 0.909091 0.909091 0.909091 1 0.853679 86.9943 0 "
                     "\"SE-conv\"");
    check_holds(dat, "\n2 0.8 0.8 0.8 1 0.82984 76.555 1 \"SCSA\"");
    check_holds(dat, "\n3 0.952381 0.952381 0.952381 1 nan 91.1369 0 \"SE\"");
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
                     "64 6.688 6.464 6.912 1 10\n");
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
    check_holds(dat, "# SE reduction=16: ");
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

/* Panels by channels, a row a module and impl, in nanoseconds. */
TEST(plots, stages_has_a_panel_a_shape_and_a_row_a_module)
{
    char *dat;
    int err;

    dat = draw(full_database(), "stages", (PlotOptions){ 0 }, &err);
    CHECK_MSG(err == OK || !have_gnuplot(), "%s", err_message());
    check_holds(dat, "# 64x56x56: row time lo hi converged style\n"
                     "1 66.88 64.64 69.12 1 2\n"
                     "2 267.52 258.56 276.48 1 1\n"
                     "3 133.76 129.28 138.24 1 17\n\n\n"
                     "# 256x14x14: ");
    check_holds(dat, "# names: row strong name\n1 0 \"SE\" \n2 1 \"SCSA\" "
                     "\n3 1 \"SCSA fused\" \n");
    free(dat);
}

/* ---- the scripts ----------------------------------------------------- */

/* Tags nest, and the root is svg: enough to know a truncated or unescaped
 * file from a good one. */
static bool is_well_formed(const char *xml)
{
    char open[64][32];
    int depth = 0, roots = 0;

    for (const char *at = xml; (at = strchr(at, '<')); at++) {
        const char *end = strchr(at, '>');
        size_t n = strcspn(at + 1, " \t\n/>");

        if (!end || memchr(at + 1, '<', (size_t)(end - at - 1)))
            return false;
        if (at[1] == '?' || at[1] == '!')
            continue;
        if (at[1] == '/') {
            n = strcspn(at + 2, " >");
            if (!depth-- || strlen(open[depth]) != n ||
                strncmp(open[depth], at + 2, n))
                return false;
        } else if (end[-1] != '/') {
            if (depth == 64 || n >= 32)
                return false;
            roots += !depth;
            snprintf(open[depth++], 32, "%.*s", (int)n, at + 1);
        }
    }
    return depth == 0 && roots == 1;
}

TEST(plots, gnuplot_draws_every_figure_without_a_word)
{
    const char *db;

    if (!have_gnuplot())
        SKIP("gnuplot is not installed");
    /* What a bare system has: gnuplot finds no degree sign in it. */
    setenv("LC_ALL", "C", 1);
    db = full_database();
    for (int i = 0; plot_name(i); i++) {
        char file[64], *svg;
        size_t n;
        int err;

        free(draw(db, plot_name(i), (PlotOptions){ 0 }, &err));
        CHECK_MSG(err == OK, "%s: %s", plot_name(i), err_message());
        snprintf(file, sizeof(file), "%s.svg", plot_name(i));
        svg = read_bytes(temp_path(file), &n);
        CHECK_MSG(svg && strstr(svg, "<svg") && is_well_formed(svg),
                  "%s is no SVG", file);
        free(svg);
        snprintf(file, sizeof(file), "%s.png", plot_name(i));
        svg = read_bytes(temp_path(file), &n);
        CHECK_MSG(svg && n > 5000 && !memcmp(svg, "\x89PNG", 4), "%s is no PNG",
                  file);
        free(svg);
    }
}

TEST(plots, a_script_draws_its_figure_again_where_it_stands)
{
    char command[256], *first, *second;
    size_t n;
    int err;

    if (!have_gnuplot())
        SKIP("gnuplot is not installed");
    free(draw(full_database(), "channels", (PlotOptions){ 0 }, &err));
    REQUIRE(err == OK);
    first = read_bytes(temp_path("channels.svg"), &n);
    snprintf(command, sizeof(command),
             "cd %s && rm channels.svg channels.png full.db && "
             "LC_ALL=C.UTF-8 gnuplot channels.gp 2>&1 | grep . && exit 1; "
             "test -s channels.png",
             test_tmpdir());
    CHECK(system(command) == 0);
    second = read_bytes(temp_path("channels.svg"), &n);
    REQUIRE(first && second);
    CHECK(strcmp(first, second) == 0);
    free(first);
    free(second);
}

TEST(plots, only_the_formats_asked_for_are_written)
{
    int err;

    if (!have_gnuplot())
        SKIP("gnuplot is not installed");
    free(draw(full_database(), "channels", (PlotOptions){ .formats = "svg" },
              &err));
    REQUIRE(err == OK);
    CHECK(access(temp_path("channels.svg"), F_OK) == 0);
    CHECK(access(temp_path("channels.png"), F_OK) != 0);
}

TEST(plots, no_name_breaks_a_script)
{
    static const char *const names[] = { "o'brien", "a\"b", "x_{2}^3", "@f\\n",
                                         "%s%d",    "`ls`", "$x #y",   "é×µ" };
    const char *db = temp_path("names.db");
    Stored s;
    int err;

    if (!have_gnuplot())
        SKIP("gnuplot is not installed");
    s = stored_begin(db, "channels", "attnbench");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        for (int x = 64; x <= 256; x *= 2) {
            char repeat[128];
            Case c = stored_case("height=28 width=28 module=se");
            Outcome o;

            snprintf(c.module.text, sizeof(c.module.text), "%s", names[i]);
            c.channels = x;
            snprintf(repeat, sizeof(repeat), "%s %d", names[i], x);
            o = an_outcome(repeat);
            o.status = i == 4 && x == 64 ? "failed" : "ok";
            o.message = o.status[0] == 'f' ? names[i] : "";
            BUG_IF(store_run(s.store, s.sweep, case_params, &c, "{}", &o));
        }
    stored_end(&s);
    CHECK(alter(db, "DROP TRIGGER IF EXISTS machine_final"));
    CHECK(alter(db, "UPDATE machine SET cpu = 'it''s a \"CPU\" `id` @home'"));
    free(draw(db, "channels", (PlotOptions){ 0 }, &err));
    CHECK_MSG(err == OK, "%s", err_message());
}

TEST(plots, without_gnuplot_data_and_script_are_left_with_the_remedy)
{
    const char *db = full_database();
    char *dat, *gp, path[4096];
    size_t n;
    int err;

    snprintf(path, sizeof(path), "%s", getenv("PATH"));
    setenv("PATH", test_tmpdir(), 1);
    dat = draw(db, "channels", (PlotOptions){ 0 }, &err);
    setenv("PATH", path, 1);
    CHECK(err == ERR_IO);
    check_holds(err_message(), "gnuplot is not installed; install the package "
                               "gnuplot-nox, then: cd ");
    check_holds(dat, "# SCSA");
    gp = read_bytes(temp_path("channels.gp"), &n);
    check_holds(gp, "name = 'channels'");
    free(dat);
    free(gp);
}

TEST(plots, hollow_points_are_explained)
{
    const char *db = temp_path("hollow.db");
    char *gp;
    size_t n;
    int err;

    stored_channels(db);
    CHECK(alter(db, "DROP TRIGGER run_final"));
    CHECK(alter(db, "UPDATE run SET converged = 0 WHERE id = 1"));
    free(draw(db, "channels", (PlotOptions){ 0 }, &err));
    gp = read_bytes(temp_path("channels.gp"), &n);
    check_holds(gp, "Hollow points did not converge.");
    free(gp);
}

TEST(plots, what_could_not_run_is_named_in_the_caption)
{
    const char *db = temp_path("left_out.db");
    char *gp;
    size_t n;
    int err;

    stored_channels(db);
    free(draw(db, "channels", (PlotOptions){ 0 }, &err));
    gp = read_bytes(temp_path("channels.gp"), &n);
    check_holds(gp, "Left out: SA at 64x28x28 (unsupported).");
    free(gp);
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
    CHECK_MSG(!strcmp(err_message(), "no run has batch=3; there is 1, 8"), "%s",
              err_message());
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
    CHECK_MSG(!strcmp(err_message(), "experiment 'bench' has no good run of "
                                     "the plain backbone to compare"),
              "%s", err_message());
}
