/*
 * test_plots_scripts.c - what gnuplot makes of a figure's script, and what the
 * script says besides numbers.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plots/sheet.h"
#include "tests/databases.h"
#include "tests/drawn.h"
#include "tests/stored.h"
#include "tests/test.h"
#include "tests/texts.h"

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

TEST(plots_scripts, gnuplot_draws_every_figure_without_a_word)
{
    const char *db;

    if (!have_gnuplot())
        SKIP("gnuplot is not installed");
    /* Locale of a bare system: gnuplot finds no degree sign in it. */
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

TEST(plots_scripts, a_script_draws_its_figure_again_where_it_stands)
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

TEST(plots_scripts, only_the_formats_asked_for_are_written)
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

TEST(plots_scripts, no_name_breaks_a_script)
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
            if (i == 4 && x == 64) {
                o.status = STATUS_FAILED;
                snprintf(o.message, sizeof(o.message), "%s", names[i]);
            }
            BUG_IF(store_three(s.store, s.sweep, &c, &o));
        }
    stored_end(&s);
    CHECK(alter(db, "DROP TRIGGER IF EXISTS machine_final"));
    CHECK(alter(db, "UPDATE machine SET cpu = 'it''s a \"CPU\" `id` @home'"));
    free(draw(db, "channels", (PlotOptions){ 0 }, &err));
    CHECK_MSG(err == OK, "%s", err_message());
}

TEST(plots_scripts, without_gnuplot_data_and_script_are_left_with_the_remedy)
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

TEST(plots_scripts, hollow_points_are_explained)
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

TEST(plots_scripts, what_could_not_run_is_named_in_the_caption)
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

/* inf and nan would be names of variables. */
TEST(plots_scripts, numbers_that_are_not_finite_are_gnuplots_own)
{
    char text[64] = "";
    Sheet s = { .gp = fmemopen(text, sizeof(text), "w") };

    REQUIRE(s.gp);
    sheet_number(&s, "a", INFINITY);
    sheet_number(&s, "b", NAN);
    sheet_number(&s, "c", 1.5);
    fclose(s.gp);
    CHECK_MSG(!strcmp(text, "a = NaN\nb = NaN\nc = 1.5\n"), "%s", text);
}
