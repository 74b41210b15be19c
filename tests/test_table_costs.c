/*
 * test_table_costs.c - what a table of networks says of a module: in all, by
 * its own steps, beyond them, and where it cannot say.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/report/tables.h"
#include "tests/databases.h"
#include "tests/printed.h"
#include "tests/stored.h"
#include "tests/test.h"
#include "tests/texts.h"

enum { MODULES = 2 };

/* Plain twice, and networks with modules: what, where they are measured next to
 * plain in quads of their own. */
typedef struct Bench {
    const char *module[MODULES];
    StoredQuads quads[MODULES];
    double again; /* noise of the second plain network */
} Bench;

static const char *bench(const Bench *b)
{
    const char *db = temp_path("costs.db");
    Stored s = stored_begin(db, "bench", "attnbench");
    char settings[128];

    stored_quads(&s, "backbone=resnet50", &(StoredQuads){ .ns = 40e6 });
    stored_quads(&s, "backbone=resnet50 copy=1",
                 &(StoredQuads){ .ns = 40e6, .noise = b->again });
    for (int i = 0; i < MODULES && b->module[i]; i++) {
        snprintf(settings, sizeof(settings), "backbone=resnet50 module=%s",
                 b->module[i]);
        stored_quads(&s, settings, &b->quads[i]);
    }
    stored_end(&s);
    return db;
}

static char *table(const Bench *b, TableOptions o)
{
    return print(bench(b), "bench", table_networks, o);
}

static void check_lacks(const char *text, const char *part)
{
    CHECK_MSG(!strstr(text, part), "'%s' is in:\n%s", part, text);
}

/* 0.95 of it are left by the steps, 0.99 of that beyond them: 0.9405. */
TEST(table_costs, what_a_module_costs_has_two_parts)
{
    const Bench b = {
        .module = { "scsa" },
        .quads = { { .ns = 40e6 / 0.95 / 0.99, .noise = 5e-5, .share = 0.05 } },
    };
    char *text = table(&b, (TableOptions){ 0 });

    check_holds(text, "              to plain          direct        indirect");
    check_holds(text, "0.941 [0.940, 0.941]  5.0 [5.0, 5.0]  1.0 [1.0, 1.0]");
    check_holds(text, "\ndirect: what the module's own steps take");
    check_holds(text,
                "\nSCSA costs ResNet-50 5.9 % [5.9, 6.0] of its throughput "
                "here: 5.0 % [5.0, 5.0] by its own steps and 1.0 % [1.0, 1.0]\n"
                "beyond them; in the paper it costs 17.0 %.\n");
    check_holds(text, "images/s are stitched from the median");
    check_holds(text, "23.5 [23.1, 24.0]"); /* 1 / steps_ns, 2 % */
    check_lacks(text, "left out:");
    check_lacks(text, "second opinion");
    free(text);
}

/* Noise of 10 % a quad hides a loss of 5 %, but not that of the steps. */
TEST(table_costs, a_pair_that_is_not_resolved_has_a_direct_cost)
{
    const Bench b = {
        .module = { "scsa" },
        .quads = { { .ns = 40e6 / 0.95, .noise = 0.03, .share = 0.05 } },
    };
    char *text = table(&b, (TableOptions){ 0 });

    check_holds(text, "\nSCSA costs ResNet-50 5.0 % [5.0, 5.0] of its "
                      "throughput by its own steps, and ");
    check_holds(text, " beyond them; in the\npaper it costs 17.0 %.\n");
    check_holds(text, "\nthe ratio to plain of ResNet-50 with SCSA is not "
                      "resolved: 0.9");
    check_lacks(text, "no difference between");
    free(text);
}

TEST(table_costs, a_step_of_both_has_no_direct_cost)
{
    Bench b = {
        .module = { "scsa" },
        .quads = { { .ns = 50e6, .noise = 1e-4, .share = NAN } },
    };
    char *text = table(&b, (TableOptions){ 0 });

    check_holds(text, "0.800 [0.800, 0.800]   mixed");
    check_holds(text, "\nSCSA costs ResNet-50 20.0 % [20.0, 20.0] of its "
                      "throughput here; in the paper it costs 17.0 %.\n");
    check_holds(text, "\nwhat SCSA takes by its own steps is not known: one of "
                      "the steps does work of the module and of the network");
    check_lacks(text, "indirect");
    free(text);
    b.quads[0].noise = 0.1;
    text = table(&b, (TableOptions){ 0 });
    check_holds(text, "no difference between ResNet-50 with and without SCSA");
    check_holds(text, "is not known: one of the steps");
    free(text);
}

/* As on another device, or before steps were timed. */
TEST(table_costs, runs_without_steps_have_a_ratio_alone)
{
    const Bench b = {
        .module = { "scsa" },
        .quads = { { .ns = 50e6, .noise = 1e-4, .untimed = true } },
    };
    char *text = table(&b, (TableOptions){ 0 });

    check_holds(text, "\nSCSA costs ResNet-50 20.0 % [20.0, 20.0] of its "
                      "throughput here; in the paper it costs 17.0 %.\n");
    check_lacks(text, "direct");
    check_lacks(text, "own steps");
    free(text);
}

TEST(table_costs, quads_that_were_disturbed_are_counted)
{
    Bench b = {
        .module = { "scsa", "se" },
        .quads = { { .ns = 40e6 / 0.95,
                     .noise = 5e-5,
                     .share = 0.05,
                     .disturbed = 5 },
                   { .ns = 40e6 / 0.98, .noise = 5e-5, .share = 0.02 } },
    };
    char *text = table(&b, (TableOptions){ 0 });

    check_holds(text, "0.950 [0.950, 0.950]");
    check_holds(text, "are left out: 5 of 36. Counting them changes the ratio "
                      "to\nplain: SCSA 0.");
    check_lacks(text, "too many");
    free(text);
    b.quads[0].disturbed = 8;
    text = table(&b, (TableOptions){ 0 });
    check_holds(text, "too many quads were disturbed to leave them out: SCSA. "
                      "With several threads,");
    check_lacks(text, "by its own steps and");
    check_lacks(text, "are left out: ");
    free(text);
}

/* Short steps wait for a thread that was pushed off; one thread waits for no
 * other. */
TEST(table_costs, a_direct_cost_of_disturbed_threads_is_a_bound)
{
    const Bench b = {
        .module = { "scsa" },
        .quads = { { .ns = 40e6 / 0.95 / 3,
                     .noise = 0.03,
                     .share = 0.05,
                     .disturbed = 12 } },
    };
    const char *db = bench(&b);
    char *text;

    text = print(db, "bench", table_networks, (TableOptions){ 0 });
    check_holds(text, "costs ResNet-50 at most 5.0 % of its throughput");
    free(text);
    REQUIRE(
        alter(db, "DROP TRIGGER run_final; UPDATE run SET threads_used = 1"));
    text = print(db, "bench", table_networks, (TableOptions){ 0 });
    check_lacks(text, "at most");
    check_lacks(text, "several threads");
    free(text);
}

TEST(table_costs, programs_get_each_number_alone)
{
    const Bench b = {
        .module = { "scsa" },
        .quads = { { .ns = 40e6 / 0.95,
                     .noise = 5e-5,
                     .share = 0.05,
                     .disturbed = 5 } },
    };
    char *text = table(&b, (TableOptions){ .format = TABLE_CSV });
    const char *row = strstr(text, "resnet50,scsa,");

    REQUIRE(row != NULL);
    check_holds(row, ",none,5,5,"); /* base, direct, indirect */
    check_holds(row, ",12,5,5,0."); /* quads, disturbed, left out, ratio_all */
    check_holds(row, ",5,-0.0");    /* direct_percent, indirect_percent */
    free(text);
}

/* A quad of which plain's smallest time is a fluke. */
TEST(table_costs, minima_that_disagree_are_named)
{
    const Bench b = {
        .module = { "scsa" },
        .quads = { { .ns = 40e6 / 0.95, .noise = 5e-5, .share = 0.05 } },
    };
    const char *db = bench(&b);
    char *text;

    REQUIRE(alter(db, "DROP TRIGGER sample_final; UPDATE sample SET ns = 30e6 "
                      "WHERE run_id = 1 AND i = 4"));
    text = print(db, "bench", table_networks, (TableOptions){ 0 });
    check_holds(text, "second opinion: the ratio of the smallest times lies "
                      "outside of the interval of the ratio to plain: SCSA "
                      "0.71");
    free(text);
}

/* ---- another base ------------------------------------------------------- */

/* 0.8 and 0.9 of plain in the same quads; in the paper 2019 and 2109 images/s
 * of 2433. */
static const Bench two = {
    .module = { "scsa", "eca" },
    .quads = { { .ns = 50e6, .noise = 1e-4, .share = 0.1 },
               { .ns = 40e6 / 0.9, .noise = 1e-4, .share = 0.05 } },
};

TEST(table_costs, ratios_are_to_the_module_that_is_asked_for)
{
    char *text = table(&two, (TableOptions){ .base = "eca" });

    check_holds(text, "  to ECA  ");
    check_holds(text, "\nplain ");
    check_holds(text, "1.111 [1.111, 1.111]");
    check_holds(text, "0.889 [0.889, 0.889]  10.0 [10.0, 10.0]");
    check_holds(text, "\nResNet-50 with SCSA is 0.889 [0.889, 0.889] times as "
                      "fast as with ECA here; in the paper 0.957 times.\n");
    check_lacks(text, "through which they are compared");
    check_lacks(text, "costs ResNet-50");
    free(text);
}

/* Then each shares quads with the plain network only. */
TEST(table_costs, a_base_of_other_quads_is_reached_through_plain)
{
    const char *db = bench(&two);
    char *text;

    REQUIRE(alter(db, "DROP TRIGGER sample_final;"
                      "UPDATE sample SET round = round + 100 "
                      "WHERE run_id = 3 AND round >= 6;"
                      "UPDATE sample SET round = round + 200 "
                      "WHERE run_id = 4 AND round < 6"));
    text = print(db, "bench", table_networks, (TableOptions){ .base = "eca" });
    check_holds(text, "\nnot measured next to ECA, but each next to the plain "
                      "network, through which they are compared: SCSA.\n");
    check_holds(text, "0.889 [0.88");
    free(text);
}

TEST(table_costs, a_base_that_was_not_measured_is_named)
{
    char *text = table(&two, (TableOptions){ .base = "se" });

    check_holds(text, "(the SE network was not measured)");
    check_lacks(text, "nan");
    check_holds(text, "10.0 [10.0, 10.0]"); /* the direct cost needs none */
    free(text);
}

/* ---- width ---------------------------------------------------------------- */

TEST(table_costs, a_noisy_table_fits_a_page)
{
    const Bench b = {
        .module = { "scsa", "se_conv" },
        .quads = { { .ns = 40e6 / 0.85, .noise = 0.05, .share = 0.12 },
                   { .ns = 40e6 / 0.88, .noise = 0.05, .share = 0.11 } },
        .again = 0.05,
    };
    char *text = table(&b, (TableOptions){ 0 });
    const char *row = strstr(text, "\nSE-conv ");

    REQUIRE(row != NULL);
    CHECK_MSG(strcspn(row + 1, "\n") > 90, "%s", text);
    for (const char *at = text; *at; at += strcspn(at, "\n") + 1) {
        CHECK_MSG(strcspn(at, "\n") <= TABLE_WIDTH, "%s", text);
        if (!at[strcspn(at, "\n")])
            break;
    }
    free(text);
}
