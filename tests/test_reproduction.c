/*
 * test_reproduction.c - verdicts on the paper's tables, from stored runs.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/reproduction.h"
#include "attention_zoo/zoo.h"
#include "harness/report/reproduce.h"
#include "tests/databases.h"
#include "tests/stored.h"
#include "tests/test.h"

/* ---- verdicts -------------------------------------------------------- */

TEST(reproduction, a_count_is_exact_if_it_rounds_to_what_is_printed)
{
    CHECK(count_verdict(25557032, 1e6, "25.56") == COUNT_EXACT);
    CHECK(count_verdict(11685672, 1e6, "11.7") == COUNT_EXACT);
    CHECK(count_verdict(4109509888, 1e9, "4.11") == COUNT_EXACT);
    CHECK(count_verdict(49300000, 1e6, "49.30") == COUNT_EXACT);
}

/* 3.504872 is 3.50; of 3.505, which is 3.504872 in three digits, 3.51. */
TEST(reproduction, a_count_that_needs_two_roundings_says_so)
{
    CHECK(count_verdict(3504872, 1e6, "3.51") == COUNT_ROUNDING);
    CHECK(count_verdict(27394836, 1e6, "27.40") == COUNT_ROUNDING);
    CHECK(count_verdict(4114653824, 1e9, "4.12") == COUNT_ROUNDING);
}

TEST(reproduction, another_count_differs)
{
    CHECK(count_verdict(4109464576, 1e9, "4.02") == COUNT_DIFFERS);
    CHECK(count_verdict(3619048, 1e6, "3.63") == COUNT_DIFFERS);
    CHECK(count_verdict(3504400, 1e6, "3.51") == COUNT_DIFFERS);
    CHECK(count_verdict(NAN, 1e6, "3.51") == COUNT_UNKNOWN);
    CHECK(count_verdict(1, 1e6, "") == COUNT_UNKNOWN);
}

TEST(reproduction, a_ratio_agrees_within_its_interval_and_5_percent)
{
    const Ratio ours = { 10, 0.9, 0.8, 1.0 };

    CHECK(ratio_agreement(&ours, 0.9) == RATIO_AGREES);
    CHECK(ratio_agreement(&ours, 0.761) == RATIO_AGREES);
    CHECK(ratio_agreement(&ours, 0.759) == RATIO_FASTER);
    CHECK(ratio_agreement(&ours, 1.049) == RATIO_AGREES);
    CHECK(ratio_agreement(&ours, 1.051) == RATIO_SLOWER);
    CHECK(ratio_agreement(&ours, NAN) == RATIO_UNKNOWN);
    CHECK(ratio_agreement(&(Ratio){ 0, NAN, NAN, NAN }, 1) == RATIO_UNKNOWN);
}

TEST(reproduction, a_ratio_that_says_nothing_is_no_agreement)
{
    const Ratio wide = { 10, 0.953, 0.570, 1.635 };
    const Ratio few = { 5, 0.9, 0.89, 0.91 };

    CHECK(ratio_agreement(&wide, 0.9) == RATIO_CANNOT_TELL);
    CHECK(ratio_agreement(&wide, 0.3) == RATIO_FASTER); /* that much it says */
    CHECK(ratio_agreement(&few, 0.9) == RATIO_CANNOT_TELL);
    CHECK(!strcmp(ratio_agreement_name(RATIO_CANNOT_TELL), "cannot tell"));
}

/* ---- the tables of the paper ------------------------------------------ */

/* Verdicts of Table 2, counted from the published modules. */
TEST(reproduction, four_counts_of_table_2_differ_and_have_a_reason)
{
    int verdicts[2][4] = { { 0 } };
    Paper paper;

    REQUIRE(paper_read(&paper, PAPER_TABLE2) == OK);
    for (int i = 0; i < paper.n; i++) {
        const PaperRow *row = &paper.at[i];
        const CountVerdict params =
            count_verdict(row->params, 1e6, row->params_text);
        const CountVerdict flops =
            count_verdict(row->flops, 1e9, row->flops_text);

        verdicts[0][params]++;
        verdicts[1][flops]++;
        CHECK_MSG((params == COUNT_DIFFERS) == (row->params_note[0] != '\0'),
                  "%s %s", row->backbone, row->method);
        CHECK_MSG((flops == COUNT_DIFFERS) == (row->flops_note[0] != '\0'),
                  "%s %s", row->backbone, row->method);
    }
    CHECK(verdicts[0][COUNT_EXACT] == 30 && verdicts[0][COUNT_ROUNDING] == 3 &&
          verdicts[0][COUNT_DIFFERS] == 2);
    CHECK(verdicts[1][COUNT_EXACT] == 32 && verdicts[1][COUNT_ROUNDING] == 1 &&
          verdicts[1][COUNT_DIFFERS] == 2);
}

/* The join is by text: a row's network is what its case prints. */
TEST(reproduction, every_row_is_found_by_its_repeat_line)
{
    Paper paper;

    REQUIRE(paper_read(&paper, PAPER_TABLE2) == OK);
    for (int i = 0; i < paper.n; i++) {
        const PaperRow *row = &paper.at[i];
        char repeat[CASE_TEXT];
        Case c;

        REQUIRE(reproduce_case(&c, row) == OK);
        c.copy = 1;
        CHECK(!case_set(&c, "graph", "folded") &&
              !case_set(&c, "dtype", "bf16"));
        CHECK_MSG(paper_find(&paper, case_print(&c, repeat)) == row, "%s: %s",
                  row->network, repeat);
    }
}

TEST(reproduction, another_size_position_or_setting_is_not_the_papers)
{
    static const char *const others[] = {
        "attnbench run --backbone=resnet50 --height=192",
        "attnbench run --backbone=resnet50 --module=scsa --position=out",
        "attnbench run --backbone=resnet50 --module=se_conv --reduction=4",
        "attnbench run --backbone=resnet50 --module=se",
        "attnbench run --module=scsa",
    };
    Paper paper;

    REQUIRE(paper_read(&paper, PAPER_TABLE2) == OK);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        CHECK_MSG(!paper_find(&paper, others[i]), "%s", others[i]);
}

/* ---- stored runs ------------------------------------------------------ */

/* The reproduction of what a database holds; both to be freed. */
typedef struct Made {
    Reproduction *r;
    RunList runs;
} Made;

static Made make(const char *db)
{
    const RunFilter all = { "table2", NULL, 0 };
    Made m = { malloc(sizeof(Reproduction)), { 0 } };
    Store *s;

    BUG_IF(!m.r || store_open(&s, db, STORE_READ));
    BUG_IF(summary_read(&m.runs, s, &all));
    CHECK_MSG(reproduction_make(m.r, PAPER_TABLE2, &m.runs) == OK, "%s",
              err_message());
    store_close(s);
    return m;
}

static void drop(Made *m)
{
    summary_free(&m->runs);
    free(m->r);
}

static const ReproRow *row(const Made *m, const char *backbone,
                           const char *method)
{
    for (int i = 0; i < m->r->n; i++)
        if (!strcmp(m->r->at[i].paper->backbone, backbone) &&
            !strcmp(m->r->at[i].paper->method, method))
            return &m->r->at[i];
    BUG_IF(true);
    return NULL;
}

/* Plain 40 ms.  The paper: ECA 0.867, SE 0.854, SCSA 0.830 of plain. */
static void store_resnet(const char *db)
{
    Stored s = stored_begin(db, "table2", "attnbench");

    stored_network(&s, "backbone=resnet50 batch=4", 40e6, 25557032, 4109464576);
    stored_network(&s, "backbone=resnet50 batch=4 copy=1", 40.4e6, 25557032,
                   4109464576);
    stored_network(&s, "backbone=resnet50 batch=4 module=eca", 40e6 / 0.867,
                   25557080, 4109509888);
    stored_network(&s, "backbone=resnet50 batch=4 module=se_conv", 40e6 / 0.95,
                   28073864, 4111981408);
    stored_network(&s, "backbone=resnet50 batch=4 module=scsa", 40e6 / 0.7,
                   25617448, 4119340032);
    stored_end(&s);
}

TEST(reproduction, rows_have_their_verdicts)
{
    const char *db = temp_path("t2.db");
    const ReproRow *r;
    Made m;

    store_resnet(db);
    m = make(db);
    r = row(&m, "ResNet-50", "ResNet");
    CHECK(r->is_base && isnan(r->ratio.ratio) && isnan(r->paper_ratio));
    CHECK(r->params == COUNT_EXACT && r->flops == COUNT_DIFFERS);
    CHECK(r->agreement == RATIO_UNKNOWN);
    r = row(&m, "ResNet-50", "ECA");
    CHECK(!r->is_base && fabs(r->ratio.ratio - 0.867) < 1e-9);
    CHECK(r->ratio.n == 10 && r->agreement == RATIO_AGREES);
    CHECK(row(&m, "ResNet-50", "SE")->agreement == RATIO_FASTER);
    CHECK(row(&m, "ResNet-50", "SCSA")->agreement == RATIO_SLOWER);
    drop(&m);
}

/* Samples are t, 1.01 t, ... 1.09 t: their mean is their median. */
TEST(reproduction, the_mean_is_of_times)
{
    const char *db = temp_path("mean.db");
    Made m;

    store_resnet(db);
    m = make(db);
    CHECK(fabs(row(&m, "ResNet-50", "ResNet")->mean - 4 / (40e-3 * 1.045)) <
          1e-9);
    drop(&m);
}

TEST(reproduction, a_row_without_a_run_is_known_and_unjudged)
{
    const char *db = temp_path("missing.db");
    const ReproRow *r;
    Made m;

    store_resnet(db);
    m = make(db);
    CHECK(m.r->n == 35 && m.r->groups == 7);
    r = row(&m, "Swin-T", "SCSA");
    CHECK(!r->run && isnan(r->mean) && isnan(r->median.images));
    CHECK(r->params == COUNT_UNKNOWN && r->agreement == RATIO_UNKNOWN);
    CHECK(fabs(r->paper_ratio - 1315.0 / 1523) < 1e-12);
    drop(&m);
}

TEST(reproduction, a_run_that_failed_has_counts_and_no_time)
{
    const char *db = temp_path("failed.db");
    Stored s = stored_begin(db, "table2", "attnbench");
    const Case c = stored_case("backbone=resnet50 batch=4 module=scsa");
    const ReproRow *r;
    Made m;

    stored_network(&s, "backbone=resnet50 batch=4", 40e6, 25557032, 4.11e9);
    stored_add(&s, &c, 50e6, "out_of_memory");
    stored_end(&s);
    m = make(db);
    r = row(&m, "ResNet-50", "SCSA");
    CHECK(r->run && isnan(r->median.images) && isnan(r->ratio.ratio));
    CHECK(r->params == COUNT_DIFFERS); /* stored_add's 25.6 M, not 25.62 */
    CHECK(r->agreement == RATIO_UNKNOWN);
    drop(&m);
}

TEST(reproduction, a_second_base_is_the_noise_and_not_the_base)
{
    const char *db = temp_path("noise.db");
    Made m;

    store_resnet(db);
    m = make(db);
    CHECK(fabs(m.r->group[0].noise.ratio - 40 / 40.4) < 1e-9);
    CHECK(row(&m, "ResNet-50", "ResNet")->run->c.copy == 0);
    CHECK(isnan(m.r->group[1].noise.ratio));
    drop(&m);
}

/* Here plain > SE > ECA > SCSA; in the paper ECA stands before SE: five pairs
 * of six agree.  Rounds are shared, so it is certain. */
TEST(reproduction, the_order_is_compared_over_shared_rounds)
{
    const char *db = temp_path("order.db");
    const ReproGroup *g;
    Made m;

    store_resnet(db);
    m = make(db);
    g = &m.r->group[0];
    CHECK(g->rank_paired && g->rank.n == 4);
    CHECK_MSG(fabs(g->rank.tau - 4.0 / 6) < 1e-9, "%g", g->rank.tau);
    CHECK(fabs(g->rank.lo - 4.0 / 6) < 1e-9);
    CHECK(m.r->group[6].rank.n == 0 && isnan(m.r->group[6].rank.tau));
    drop(&m);
}

/* Networks share quads with the plain one, not with each other. */
TEST(reproduction, the_order_is_compared_by_quads_with_the_first)
{
    const char *db = temp_path("order_quads.db");
    Stored s = stored_begin(db, "table2", "attnbench");
    Made m;

    stored_quads(&s, "backbone=resnet50 batch=4", &(StoredQuads){ .ns = 40e6 });
    stored_quads(&s, "backbone=resnet50 batch=4 module=eca",
                 &(StoredQuads){ .ns = 44e6 });
    stored_quads(&s, "backbone=resnet50 batch=4 module=scsa",
                 &(StoredQuads){ .ns = 46e6, .first = 6 });
    stored_end(&s);
    m = make(db);
    CHECK(m.r->group[0].rank_paired && m.r->group[0].rank.n == 3);
    CHECK(m.r->group[0].rank.tau == 1 && m.r->group[0].rank.lo == 1);
    drop(&m);
}

/* Runs added by a later start share no rounds with the base: their ratio is
 * that of medians, and their interval the widest. */
TEST(reproduction, a_resumed_sweep_is_not_paired_where_it_was_not)
{
    const char *db = temp_path("resumed.db");
    Stored s = stored_begin(db, "table2", "attnbench");
    Made m;

    stored_network(&s, "backbone=resnet50 batch=4", 40e6, 25557032, 4.11e9);
    stored_network(&s, "backbone=resnet50 batch=4 module=eca", 50e6, 25557080,
                   4.11e9);
    stored_restart(&s);
    stored_network(&s, "backbone=resnet50 batch=4 module=scsa", 50e6, 25617448,
                   4.12e9);
    stored_end(&s);
    m = make(db);
    CHECK(row(&m, "ResNet-50", "ECA")->ratio.n == 10);
    CHECK(row(&m, "ResNet-50", "SCSA")->ratio.n == 0);
    CHECK(fabs(row(&m, "ResNet-50", "SCSA")->ratio.ratio - 0.8) < 1e-9);
    CHECK(row(&m, "ResNet-50", "SCSA")->ratio.lo < 0.78);
    CHECK(!m.r->group[0].rank_paired && m.r->group[0].rank.n == 3);
    drop(&m);
}
