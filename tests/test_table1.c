/*
 * test_table1.c - the rows of the paper's Table 1: counts to the integer, the
 * experiment that measures them, and what is refused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/csv.h"
#include "attention_zoo/zoo.h"
#include "harness/experiments/experiment.h"
#include "harness/network/count.h"
#include "harness/network/network.h"
#include "tests/test.h"

enum { ROWS = 15 };

/* ---- the table ----------------------------------------------------------- */

/* Settings are flags: "--smsa=off --head_num=4". */
static int set_flags(Case *c, const char *flags)
{
    char text[256], *save = NULL;

    snprintf(text, sizeof(text), "%s", flags);
    for (char *s = strtok_r(text, " ", &save); s;
         s = strtok_r(NULL, " ", &save)) {
        char *value = strchr(s, '=');

        BUG_IF(!value);
        *value++ = '\0';
        TRY(case_set(c, s + 2, value));
    }
    return OK;
}

static Case scsa_50(const char *flags)
{
    Case c;

    case_defaults(&c);
    CHECK(case_set(&c, "backbone", "resnet50") == OK);
    CHECK(case_set(&c, "module", "scsa") == OK);
    CHECK_MSG(set_flags(&c, flags) == OK, "%s", err_message());
    CHECK(case_complete(&c) == OK);
    return c;
}

typedef struct Table {
    Csv csv;
    char text[4096];
} Table;

static void open_table(Table *t)
{
    FILE *f = fopen("results/paper/table1.csv", "r");
    size_t n;

    if (!f)
        SKIP("run me in the project's root folder");
    n = fread(t->text, 1, sizeof(t->text) - 1, f);
    t->text[n] = '\0';
    fclose(f);
    REQUIRE(csv_open(&t->csv, "table1.csv", t->text) == OK);
}

static bool next_row(Table *t)
{
    bool more = false;

    CHECK(csv_next(&t->csv, &more) == OK);
    return more;
}

static const char *cell(const Table *t, const char *column)
{
    const int at = csv_column(&t->csv, column);

    BUG_IF(at < 0);
    return t->csv.cell[at];
}

/* ---- counts -------------------------------------------------------------- */

static void check_counts(const char *flags, double params, double paper_flops,
                         double macs)
{
    const Case c = scsa_50(flags);
    Count count;
    Graph *g;

    REQUIRE(network_build(&g, &c, NULL, TAPS_NONE) == OK);
    count_graph(&count, g, &c, COUNT_NETWORK);
    CHECK_MSG(count.total.params == params && count.total.cost.macs == macs &&
                  count.total.cost.paper_flops == paper_flops,
              "%s: params %.0f of %.0f, macs %.0f of %.0f, paper_flops %.0f of "
              "%.0f",
              flags, count.total.params, params, count.total.cost.macs, macs,
              count.total.cost.paper_flops, paper_flops);
    count_free(&count);
    graph_free(g);
}

TEST(table1, every_row_counts_what_its_definition_says)
{
    int rows = 0;
    Table t;

    for (open_table(&t); next_row(&t); rows++)
        check_counts(cell(&t, "flags"), atof(cell(&t, "computed_params")),
                     atof(cell(&t, "computed_flops_mmengine_backbone_gap")),
                     atof(cell(&t, "computed_macs_convlinear")));
    CHECK(rows == ROWS);
}

/* The other readings of rows that the paper leaves open. */
TEST(table1, other_readings_count_what_they_say)
{
    check_counts("--norm_groups=1", 25617448, 4119340032, 4089956864);
    check_counts("--window_size=1", 25617448, 4532806656, 4094011904);
    check_counts("--head_num=8 --shuffle=on", 25617448, 4112000000, 4089956864);
    check_counts("--scale=input_map", 25617448, 4119340032, 4089956864);
    check_counts("--group_kernel_sizes=3 --norm_groups=4", 25606120, 4118995968,
                 4089612800);
}

TEST(table1, every_row_has_the_parameters_of_its_formula)
{
    static const int channels[] = { 32, 64, 136, 512 };
    Table t;

    for (open_table(&t); next_row(&t);)
        for (int i = 0; i < 4; i++) {
            const char *flags = cell(&t, "flags");
            double formula;
            Graph *g;
            Case c;

            case_defaults(&c);
            CHECK(case_set(&c, "module", "scsa") == OK);
            CHECK(set_flags(&c, flags) == OK);
            c.channels = channels[i];
            CHECK(case_complete(&c) == OK);
            formula = case_module_weights(&c, channels[i]);
            REQUIRE(network_build(&g, &c, NULL, TAPS_NONE) == OK);
            CHECK_MSG(graph_params(g) == formula,
                      "'%s' at %d channels: %.0f, its formula says %.0f", flags,
                      channels[i], graph_params(g), formula);
            graph_free(g);
        }
}

/* ---- the experiment ------------------------------------------------------ */

/* How many of its cases a row is; its flags are as a case prints them. */
static int times_measured(const Experiment *e, const char *flags)
{
    char text[CASE_TEXT], row[CASE_TEXT];
    const Case c = scsa_50(flags);
    int n = 0;

    case_print(&c, row);
    CHECK_MSG(!strcmp(row + strlen(row) - strlen(flags), flags),
              "'%s' prints as '%s'", flags, row);
    for (int i = 0; i < e->ncases; i++) {
        Case one_image = e->cases[i];

        one_image.batch = 1;
        n += strcmp(case_print(&one_image, text), row) == 0;
    }
    return n;
}

TEST(table1, the_experiment_measures_each_row_once)
{
    Experiment e;
    int plain = 0;
    Table t;

    REQUIRE(experiment_read(&e, "harness/experiments/table1.json", NULL, 0) ==
            OK);
    for (open_table(&t); next_row(&t);)
        CHECK_MSG(times_measured(&e, cell(&t, "flags")) == 1, "%s is %d cases",
                  cell(&t, "variant"), times_measured(&e, cell(&t, "flags")));
    for (int i = 0; i < e.ncases; i++)
        plain += !case_module(&e.cases[i]);
    CHECK_MSG(plain == 2 && e.ncases == ROWS + plain,
              "%d cases, %d of them plain", e.ncases, plain);
    experiment_free(&e);
}

/* ---- what is refused ----------------------------------------------------- */

static void check_refused(const char *flags, const char *impl, int code,
                          const char *says)
{
    Case c;
    Graph *g = NULL;

    case_defaults(&c);
    CHECK(case_set(&c, "module", "scsa") == OK);
    CHECK(case_set(&c, "impl", impl) == OK);
    CHECK(set_flags(&c, flags) == OK);
    CHECK(case_complete(&c) == OK);
    CHECK_MSG(network_build(&g, &c, NULL, TAPS_NONE) == code, "%s", flags);
    CHECK_MSG(!strcmp(err_message(), says), "'%s', not '%s'", err_message(),
              says);
    graph_free(g);
}

TEST(table1, settings_that_mean_nothing_together_are_refused)
{
    static const char *const rows[][2] = {
        { "--smsa=off --pcsa=off",
          "scsa: smsa=off and pcsa=off leave nothing of it" },
        { "--smsa=off --norm=bn", "scsa: norm=bn means nothing with smsa=off" },
        { "--smsa=off --group_kernel_sizes=3,7",
          "scsa: group_kernel_sizes=3,7 means nothing with smsa=off" },
        { "--smsa=off --order=channel_first",
          "scsa: order=channel_first means nothing with smsa=off" },
        { "--pcsa=off --order=channel_first",
          "scsa: order=channel_first means nothing with pcsa=off" },
        { "--pcsa=off --window_size=-1",
          "scsa: window_size=-1 means nothing with pcsa=off" },
        { "--norm=ln --norm_groups=2",
          "scsa: norm_groups=2 wants norm=gn, got norm=ln" },
        { "--norm=none --norm_position=before",
          "scsa: norm_position=before means nothing with norm=none" },
        { "--norm_groups=7", "scsa: norm_groups=7 does not divide channels=64: "
                             "norm_groups=4 would" },
        { "--group_kernel_sizes=3,5,7",
          "scsa: channels=64 is not divisible by 3: 63 or 66 is" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check_refused(rows[i][0], "composed", ERR_INPUT, rows[i][1]);
}

/* Other sizes, windows and heads are of the published structure. */
TEST(table1, what_the_fused_op_has_not_is_unsupported_by_name)
{
    static const char *const structure[] = { "", "--window_size=-1",
                                             "--head_num=4",
                                             "--group_kernel_sizes=1,3,3,5" };
    static const char *const other[] = {
        "smsa=off",      "pcsa=off",         "order=channel_first",
        "norm=none",     "norm=bn",          "norm=ln",
        "shuffle=on",    "shared=off",       "norm_position=before",
        "norm_groups=1", "scale=pooled_map", "group_kernel_sizes=3,7",
    };

    for (int i = 0; i < 4; i++) {
        Case c = scsa_50(structure[i]);
        Graph *g = NULL;

        CHECK(case_set(&c, "impl", "fused") == OK);
        CHECK_MSG(network_build(&g, &c, NULL, TAPS_NONE) == OK, "%s",
                  err_message());
        graph_free(g);
    }
    for (size_t i = 0; i < sizeof(other) / sizeof(other[0]); i++) {
        char flags[64], says[96];

        snprintf(flags, sizeof(flags), "--%s", other[i]);
        snprintf(says, sizeof(says), "scsa: %s has no impl=fused", other[i]);
        check_refused(flags, "fused", ERR_UNSUPPORTED, says);
    }
}
