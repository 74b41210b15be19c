/*
 * test_reproduce.c - tables of the paper as cases, and as reports.
 */
#include "harness/report/reproduce.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/cli/cmd.h"
#include "kernels/core/err.h"
#include "tests/databases.h"
#include "tests/stored.h"
#include "tests/test.h"
#include "tests/texts.h"

/* ---- which rows ------------------------------------------------------- */

static Paper paper_table(PaperTable table)
{
    Paper paper;

    BUG_IF(paper_read(&paper, table));
    return paper;
}

static Paper table2(void)
{
    return paper_table(PAPER_TABLE2);
}

/* How many rows a list asks for; -1 if it is refused. */
static int rows_in(PaperTable table, const char *list)
{
    const Paper paper = paper_table(table);
    bool wanted[PAPER_ROWS_MAX];
    int n = 0;

    if (reproduce_rows(wanted, &paper, list))
        return -1;
    for (int i = 0; i < paper.n; i++)
        n += wanted[i];
    return n;
}

static int rows_of(const char *list)
{
    return rows_in(PAPER_TABLE2, list);
}

TEST(reproduce, variants_are_chosen_by_name_with_their_marks)
{
    CHECK(rows_in(PAPER_TABLE1, "") == 15);
    CHECK(rows_in(PAPER_TABLE1, "G2(3,7),w/o PC") == 3); /* and SCSA-50 */
    CHECK(rows_in(PAPER_TABLE1, "scsa-50") == 1);
    CHECK(rows_in(PAPER_TABLE1, "gn->ln") == 2);
    CHECK(rows_in(PAPER_TABLE1, "w/o GN") == -1);
}

TEST(reproduce, rows_are_chosen_by_our_names_and_the_papers)
{
    CHECK(rows_of("") == 35);
    CHECK(rows_of("resnet50") == 12);
    CHECK(rows_of("ResNet-50") == 12);
    CHECK(rows_of("resnet101,swin_t") == 10);
    CHECK(rows_of("cpca") == 2);  /* and ResNet-50 */
    CHECK(rows_of("scsa") == 14); /* with seven bases */
    CHECK(rows_of("resnet50/se_conv") == 2);
    CHECK(rows_of("ResNet-50/SE,resnet50/scsa") == 3);
}

TEST(reproduce, a_row_that_is_not_there_is_named)
{
    CHECK(rows_of("resnet50,renset101") == -1);
    CHECK_MSG(strstr(err_message(), "'renset101'; did you mean 'ResNet-101'?"),
              "%s", err_message());
    CHECK(rows_of("resnet101/cpca") == -1);
}

/* ---- the cases -------------------------------------------------------- */

static int experiment_of(Experiment *e, const char *rows, const Flag *flags,
                         int nflags)
{
    const Paper paper = table2();
    bool wanted[PAPER_ROWS_MAX];

    TRY(reproduce_rows(wanted, &paper, rows));
    return reproduce_experiment(e, PAPER_TABLE2, &paper, wanted, flags, nflags);
}

TEST(reproduce, cases_are_the_papers_unless_a_flag_says_how)
{
    const Flag flags[] = { { "batch", "4" }, { "graph", "folded" } };
    char text[CASE_TEXT];
    Experiment e;

    REQUIRE(experiment_of(&e, "resnet50/scsa", NULL, 0) == OK);
    CHECK(e.ncases == 3 && !strcmp(e.experiment, "table2"));
    CHECK(!strcmp(case_print(&e.cases[0], text),
                  "attnbench run --backbone=resnet50 --batch=32"));
    CHECK(e.cases[1].copy == 1);
    CHECK(!strcmp(case_print(&e.cases[2], text),
                  "attnbench run --backbone=resnet50 --module=scsa "
                  "--batch=32"));
    experiment_free(&e);
    REQUIRE(experiment_of(&e, "resnet50/scsa", flags, 2) == OK);
    CHECK(!strcmp(case_print(&e.cases[2], text),
                  "attnbench run --backbone=resnet50 --module=scsa "
                  "--graph=folded --batch=4"));
    experiment_free(&e);
}

/* A part is known by the same hash, and is not the end of the sweep. */
TEST(reproduce, parts_belong_to_one_sweep)
{
    const Flag batch = { "batch", "4" };
    Experiment part, other, larger;

    REQUIRE(experiment_of(&part, "resnet50", NULL, 0) == OK);
    REQUIRE(experiment_of(&other, "resnet101/eca", NULL, 0) == OK);
    REQUIRE(experiment_of(&larger, "resnet50", &batch, 1) == OK);
    CHECK(part.part && other.part);
    CHECK(part.ncases == 13 && other.ncases == 3);
    CHECK(!strcmp(part.cases_hash, other.cases_hash));
    CHECK(strcmp(part.cases_hash, larger.cases_hash) != 0);
    experiment_free(&part);
    experiment_free(&other);
    experiment_free(&larger);
}

TEST(reproduce, what_a_row_measures_is_not_for_flags)
{
    static const struct {
        Flag flag;
        const char *sentence;
    } bad[] = {
        { { "height", "192" }, "height is fixed for each row of table2" },
        { { "module", "se" }, "choose rows with --rows=" },
        { { "reduction", "8" }, "reduction is fixed for each row of table2" },
        { { "batch", "4,8" }, "one value of batch, got '4,8'" },
        { { "copy", "2" }, "one value of copy, got '2'" },
        { { "dtype", "f23" }, "dtype" },
    };
    Experiment e;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK(experiment_of(&e, "", &bad[i].flag, 1) == ERR_INPUT);
        CHECK_MSG(strstr(err_message(), bad[i].sentence), "%s: %s",
                  bad[i].flag.name, err_message());
    }
}

/* ---- the report ------------------------------------------------------- */

/* Plain ResNet-50 in 40 ms, twice; ECA as in the paper, SE faster, SCSA not to
 * be run; ResNet-101 in a later start. */
static void store_table2(const char *db)
{
    Stored s = stored_begin(db, "table2", "attnbench");
    const Case scsa = stored_case("backbone=resnet50 batch=4 module=scsa");

    stored_network(&s, "backbone=resnet50 batch=4", 40e6, 25557032, 4109464576);
    stored_network(&s, "backbone=resnet50 batch=4 copy=1", 40.4e6, 25557032,
                   4109464576);
    stored_network(&s, "backbone=resnet50 batch=4 module=eca", 40e6 / 0.867,
                   25557080, 4109509888);
    stored_network(&s, "backbone=resnet50 batch=4 module=cpca", 40e6 / 0.7,
                   27394836, 4868465152);
    stored_add(&s, &scsa, 50e6, "out_of_memory");
    stored_network(&s, "backbone=resnet101 batch=4", 80e6, 44549160,
                   7831921664);
    stored_restart(&s);
    stored_network(&s, "backbone=resnet101 batch=4 module=afgca", 160e6,
                   46929064, 7841349760);
    stored_end(&s);
}

/* The report of what a database holds; to be freed. */
static char *report_of(PaperTable table, const char *db, const char *rows,
                       TableFormat format)
{
    const RunFilter all = { reproduce_name(table), NULL, 0 };
    const Paper paper = paper_table(table);
    Reproduction *r = malloc(sizeof(*r));
    bool wanted[PAPER_ROWS_MAX];
    char *text = NULL;
    RunList runs;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    Store *s;

    BUG_IF(!r || !out || reproduce_rows(wanted, &paper, rows));
    BUG_IF(store_open(&s, db, STORE_READ) || summary_read(&runs, s, &all));
    BUG_IF(reproduction_make(r, table, &runs));
    CHECK(reproduce_print(&(ReproReport){ table, wanted, format, out }, r, s,
                          &runs) == OK);
    summary_free(&runs);
    store_close(s);
    fclose(out);
    free(r);
    return text;
}

/* clang-format off */
static const char table_text[] =
"            ------ params, M ------  ----- FLOPs, G ------\n"
"network       here  paper  verdict    here  paper  verdict\n"
"ResNet-50   25.557  25.56  exact     4.109   4.02  differs\n"
"  ECA       25.557  25.56  exact     4.110   4.11  exact\n"
"  CPCA      27.395  27.40  rounding  4.868   4.87  exact\n"
"  SCSA      25.600  25.62  differs   4.110   4.12  differs\n"
"ResNet-101  44.549  44.55  exact     7.832   7.83  exact\n"
"  AFGCA     46.929  45.98  differs   7.841   7.85  differs\n"
"\n"
"            ---------- images/s -----------  --------------- ratio ---------------\n"
"network     mean              median  paper                   here  paper  verdict\n"
"ResNet-50   95.7  95.7 [91.7, 100.0]   2433\n"
"  ECA       83.0   83.0 [79.5, 86.7]   2109   0.867 [0.867, 0.867]  0.867  agrees\n"
"  CPCA      67.0   67.0 [64.2, 70.0]   1379   0.700 [0.700, 0.700]  0.567  faster\n"
"  SCSA                 out_of_memory   2019                         0.830\n"
"ResNet-101  47.8   47.8 [45.9, 50.0]   1588\n"
"  AFGCA     23.9   23.9 [22.9, 25.0]   1301  '0.500 [0.459, 0.545]  0.819  slower\n"
"\n"
"here: a cpu, 2 cores, load 0.5 at the start; composed, as written, cpu, f32, batch 4, 3x224x224, forward, hot, 2\n"
"threads; medians of n = 10 with 95 % intervals; 2026-11-22, commit 0123456.\n";
/* clang-format on */

static char *report(const char *db, const char *rows, TableFormat format)
{
    return report_of(PAPER_TABLE2, db, rows, format);
}

static const char some_rows[] = "resnet50/eca,cpca,resnet50/scsa,"
                                "resnet101/afgca";

TEST(reproduce, a_report_has_ours_the_papers_and_verdicts)
{
    const char *db = temp_path("text.db");
    char *text;

    store_table2(db);
    text = report(db, some_rows, TABLE_TEXT);
    CHECK_MSG(!strncmp(text, table_text, strlen(table_text)), "%s", text);
    free(text);
}

TEST(reproduce, a_report_says_what_differs_and_why)
{
    const char *db = temp_path("why.db");
    char *text;

    store_table2(db);
    text = report(db, some_rows, TABLE_MARKDOWN);
    check_holds(text, "\ndiffers from the paper's: the device (backend cpu); "
                      "attnbench's kernels instead of PyTorch's; batch 4.\n");
    check_holds(text, "\ndiffers: ResNet-50, FLOPs: likely a misprint: ");
    check_holds(text, "\ndiffers: ResNet-50 with SCSA, params: no reason is "
                      "known.\n");
    check_holds(text, "\ndiffers: ResNet-101 with AFGCA, params: no placement");
    check_holds(text, "\n"
                      "' was not interleaved");
    check_holds(text, "\n5 of 6 networks measured; ratios: 1 agree, 1 faster, "
                      "1 slower.\n");
    check_holds(text, "\nparams: 3 exact, 1 rounding, 2 differ; FLOPs: 3 "
                      "exact, 0 rounding, 3 differ.\n");
    check_holds(text, "\n| ResNet-50 | 3 | 1.00 [1.00, 1.00] | 0.990 [0.990, "
                      "0.990] |\n");
    check_holds(text, "\n| ResNet-101 | 2 | '1.00 [1.00, 1.00] |  |\n");
    free(text);
}

/* The steps take 5 % of a pass; two quads of twelve were disturbed. */
TEST(reproduce, a_report_has_the_cost_of_the_steps_where_it_is_known)
{
    const char *db = temp_path("steps.db");
    Stored s = stored_begin(db, "table2", "attnbench");
    char *text;

    stored_quads(&s, "backbone=resnet50 batch=4", &(StoredQuads){ .ns = 40e6 });
    stored_quads(&s, "backbone=resnet50 batch=4 module=eca",
                 &(StoredQuads){ .ns = 40e6 / 0.95 / 0.99,
                                 .noise = 5e-5,
                                 .share = 0.05,
                                 .disturbed = 2 });
    stored_end(&s);
    text = report(db, "resnet50/eca", TABLE_TEXT);
    check_holds(text, "- cost, % -");
    check_holds(text, "0.867  faster   5.0 [5.0, 5.0]  1.0 [1.0, 1.0]\n");
    check_holds(text, "\ncost, in % of the throughput without the module");
    check_holds(text, "are left out: 2 of 12; counting them moves 0 ");
    free(text);
    text = report(db, "resnet50/eca", TABLE_CSV);
    check_holds(text, ",direct_percent,direct_percent_lo,direct_percent_hi,");
    check_holds(text, ",faster,5,5,5,1.0");
    free(text);
}

TEST(reproduce, rows_without_a_time_are_named_with_the_reason)
{
    const char *db = temp_path("missing.db");
    char *text;

    store_table2(db);
    text = report(db, "", TABLE_MARKDOWN);
    check_holds(text, "\nmissing: ResNet-50 with SCSA: out\\_of\\_memory: "
                      "because.\n");
    check_holds(text, "ELA, CA, EMA: not measured yet.\n");
    check_holds(text, "\n5 of 35 networks measured;");
    free(text);
}

/* A part of the table says nothing of the rest. */
TEST(reproduce, rows_that_were_not_asked_for_are_not_missed)
{
    const char *db = temp_path("part.db");
    char *text;

    store_table2(db);
    text = report(db, "resnet101/afgca", TABLE_MARKDOWN);
    CHECK_MSG(!strstr(text, "missing") && !strstr(text, "CPCA") &&
                  !strstr(text, "| ResNet-50 |"),
              "%s", text);
    check_holds(text, "\n2 of 2 networks measured;");
    free(text);
}

TEST(reproduce, latex_is_booktabs_and_prose_is_printed)
{
    const char *db = temp_path("latex.db");
    char *text;

    store_table2(db);
    text = report(db, some_rows, TABLE_LATEX);
    check_holds(text, "\\begin{tabular}{lrrlrrlrrrrrl}\n\\toprule\n");
    check_holds(text, "\\multicolumn{3}{c}{params, M}");
    check_holds(text, "\n  CPCA & 27.395 & 27.40 & rounding & 4.868 & 4.87 & "
                      "exact & 67.0 & 67.0 [64.2, 70.0] & 1379 & 0.700 [0.700, "
                      "0.700] & 0.567 & faster \\\\\n");
    check_holds(text, "\n\n\\noindent missing: ResNet-50 with SCSA");
    free(text);
}

#define WHERE                                                   \
    "a cpu,,2,0123456789abcdef0123456789abcdef01234567,0,2026-" \
    "11-22T10:00:00Z,"

TEST(reproduce, csv_is_one_table_of_plain_numbers)
{
    const char *db = temp_path("csv.db");
    char *text;

    store_table2(db);
    text = report(db, some_rows, TABLE_CSV);
    check_holds(text, "backbone,method,type,repeat,status,converged,samples,");
    check_holds(text,
                "\nResNet-50,CPCA,Hybrid,attnbench run --backbone=resnet50 "
                "--module=cpca --batch=4,ok,1,10," WHERE
                "27.394836,27.40,rounding,"
                "4.868465152,4.87,exact,66.985646,66.985646,64.220183,"
                "70,1379,0.7,0.7,0.7,0.567,faster,,,,,,\n");
    check_holds(text, "\nResNet-50,SCSA,Hybrid,attnbench run "
                      "--backbone=resnet50 --module=scsa --batch=4,"
                      "out_of_memory,1,0,");
    CHECK_MSG(!strstr(text, "missing:") && !strstr(text, "tau"), "%s", text);
    free(text);
}

/* The paper prints no counts there, so there are no verdicts on them. */
TEST(reproduce, table1_has_ratios_to_scsa_and_how_it_was_read)
{
    const char *db = temp_path("t1.db");
    char *text;

    stored_paper(db, PAPER_TABLE1, 0);
    text = report_of(PAPER_TABLE1, db, "GN->LN,G1(7)", TABLE_MARKDOWN);
    check_holds(text, "| network | params (M) | FLOPs (G) | images/s: mean | "
                      "images/s: median | images/s: paper | ratio: here | "
                      "ratio: paper | ratio: verdict |\n");
    check_holds(text, "\n| SCSA-50 | 25.617 | 4.119 | ");
    check_holds(text, "\n| GN->LN | 25.617 | 4.119 | ");
    check_holds(text, " | 0.993 | agrees |\n");
    check_holds(text, "\nread as: GN->LN: in SMSA, over the channels of each");
    check_holds(text, "\n3 of 3 networks measured; ratios: 2 agree, 0 faster, "
                      "0 slower.\n");
    CHECK_MSG(!strstr(text, "rounding") && !strstr(text, "w/o"), "%s", text);
    check_holds(text, "\n| SCSA-50 | 15 | ");
    free(text);
}

TEST(reproduce, every_row_is_a_case_and_every_base_two)
{
    static const PaperTable tables[] = { PAPER_TABLE1, PAPER_TABLE2 };
    static const int cases[] = { 15 + 1, 35 + 7 };

    for (int i = 0; i < 2; i++) {
        const Paper paper = paper_table(tables[i]);
        bool wanted[PAPER_ROWS_MAX];
        Experiment e;

        REQUIRE(reproduce_rows(wanted, &paper, "") == OK);
        REQUIRE(reproduce_experiment(&e, tables[i], &paper, wanted, NULL, 0) ==
                OK);
        CHECK_MSG(e.ncases == cases[i] && !e.part, "%d cases", e.ncases);
        experiment_free(&e);
    }
}

/* As if the paper had a network that this build has not. */
TEST(reproduce, a_network_that_is_not_built_is_left_out_and_named)
{
    Paper paper = table2();
    bool wanted[PAPER_ROWS_MAX];
    Experiment e;
    Case c;

    snprintf(paper.at[34].network, sizeof(paper.at[34].network),
             "--backbone=swin_xxl");
    CHECK(reproduce_case(&c, &paper.at[34]) == ERR_INPUT);
    CHECK_MSG(strstr(err_message(), "swin_xxl"), "%s", err_message());
    REQUIRE(reproduce_rows(wanted, &paper, "") == OK);
    REQUIRE(reproduce_experiment(&e, PAPER_TABLE2, &paper, wanted, NULL, 0) ==
            OK);
    CHECK(e.ncases == 35 + 7 - 1 && !e.part);
    experiment_free(&e);
}

/* ---- the command ------------------------------------------------------ */

/* Hides the command's output from the test's. */
static int command(const char *db, const char *flag, const char *table)
{
    char path[300];

    CHECK(freopen("/dev/null", "w", stdout) != NULL);
    snprintf(path, sizeof(path), "--db=%s", db);
    return cmd_reproduce(4, (char *[]){ (char *)(size_t)table,
                                        (char[]){ "--stored" }, path,
                                        (char *)(size_t)flag });
}

TEST(reproduce, a_verdict_that_has_no_reason_ends_with_one)
{
    const char *db = temp_path("bad.db");
    const char *good = temp_path("good.db");
    Stored s;

    store_table2(db);
    CHECK(command(db, "--format=csv", "table2") == CMD_BAD);
    s = stored_begin(good, "table2", "attnbench");
    stored_network(&s, "backbone=resnet50 batch=4", 40e6, 25557032, 4109464576);
    stored_end(&s);
    CHECK(command(good, "--format=csv", "table2") == OK);
}

TEST(reproduce, of_stored_sweeps_the_latest_that_fits_is_printed)
{
    const char *db = temp_path("two.db");
    Stored s;

    store_table2(db);
    s = stored_begin(db, "table2", "attnbench");
    stored_network(&s, "backbone=resnet50 batch=8", 80e6, 25557032, 4109464576);
    stored_end(&s);
    CHECK(command(db, "--format=csv", "table2") == OK); /* batch 8 */
    CHECK(command(db, "--batch=8", "table2") == OK);
    CHECK(command(db, "--batch=4", "table2") == CMD_BAD);
    CHECK(command(db, "--batch=16", "table2") == ERR_INPUT);
    CHECK_MSG(strstr(err_message(), "batch=16"), "%s", err_message());
}

TEST(reproduce, what_is_not_there_is_named)
{
    const char *db = temp_path("none.db");
    Stored s = stored_begin(db, "bench", "attnbench");

    stored_end(&s);
    CHECK(command(db, "--format=csv", "table2") == ERR_INPUT);
    CHECK_MSG(strstr(err_message(), "no runs of table2"), "%s", err_message());
    CHECK(command(db, "--format=csv", "table7") == ERR_INPUT);
    CHECK_MSG(strstr(err_message(), "unknown table 'table7'"), "%s",
              err_message());
}

/* ---- measured --------------------------------------------------------- */

/* Runs the program on a part of Table 2; its exit code. */
static int measure_part(const char *db, const char *rows)
{
    const char *program = test_beside("attnbench");
    char line[1024];

    if (access(program, X_OK))
        test_skip("attnbench is not built");
    snprintf(line, sizeof(line),
             "%s reproduce table2 --batch=1 --repeats=6 "
             "--rows=%s --db=%s --format=csv >%s.csv 2>%s.log",
             program, rows, db, db, db);
    return WEXITSTATUS(system(line));
}

static char *left(const char *db, const char *kind)
{
    char path[300];
    size_t n;

    snprintf(path, sizeof(path), "%s.%s", db, kind);
    return read_bytes(path, &n);
}

/* Exit code 0: MobileNetV2's own counts are all as printed. */
TEST(reproduce, parts_join_and_what_is_stored_is_not_measured_again)
{
    const char *db = temp_path("parts.db");
    char *text;

    CHECK(measure_part(db, "mobilenetv2_100/eca") == 0);
    CHECK_ASK(db, "SELECT count(*) FROM run WHERE status = 'ok'", "3");
    /* six of each, and as many of the plain network once more */
    CHECK_ASK(db, "SELECT count(*) FROM sample", "24");
    CHECK(measure_part(db, "mobilenetv2_100/cbam") == 0);
    text = left(db, "log");
    check_holds(text, "resuming: 2 of 3 cases are stored already\n");
    free(text);
    text = left(db, "csv");
    check_holds(text, "\nMobileNetV2-1.0,CBAM,Hybrid,attnbench run "
                      "--backbone=mobilenetv2_100 --module=cbam,ok,");
    CHECK_MSG(!strstr(text, "ECA"), "%s", text);
    free(text);
    CHECK(measure_part(db, "mobilenetv2_100/eca,mobilenetv2_100/cbam") == 0);
    CHECK_ASK(db, "SELECT count(*) FROM run", "4");
    CHECK_ASK(db, "SELECT count(*) FROM sweep WHERE ended_at IS NULL", "1");
    CHECK_ASK(db, "SELECT count(*) FROM sweep", "1");
}

/* Every other setting of the runs, too. */
TEST(reproduce, a_report_says_every_difference_from_the_paper)
{
    const char *db = temp_path("differs.db");
    char *text;

    store_table2(db);
    REQUIRE(alter(db, "DROP TRIGGER run_final; UPDATE run SET pass = 'train', "
                      "dtype = 'bf16', backend = 'cuda', graph = 'folded', "
                      "state = 'cold', batch = 8, weights = 'a.safetensors'"));
    text = report(db, some_rows, TABLE_MARKDOWN);
    check_holds(text, "(backend cuda); attnbench's kernels instead of "
                      "PyTorch's; batch 8; bf16; batch norms, activations and "
                      "shortcuts folded into convolutions; weights "
                      "a.safetensors; pass train; cold.\n");
    free(text);
    /* one value may be part of another */
    REQUIRE(alter(db, "UPDATE run SET batch = CASE id WHEN 1 THEN 64 ELSE 4 "
                      "END"));
    text = report(db, some_rows, TABLE_MARKDOWN);
    check_holds(text, "PyTorch's; batch 64 and 4; bf16;");
    free(text);
}
