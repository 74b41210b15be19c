/*
 * test_summary.c - stored runs read back, paired, and compared with the paper;
 * the views and the queries of results/QUERIES.md.
 */
#include "analysis/summary.h"

#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/csv.h"
#include "analysis/paper.h"
#include "analysis/units.h"
#include "attention_zoo/zoo.h"
#include "harness/cli/cmd.h"
#include "harness/report/import.h"
#include "tests/databases.h"
#include "tests/stored.h"
#include "tests/test.h"

static Run *read_all(RunList *list, const char *path, const RunFilter *filter)
{
    Store *s;

    *list = (RunList){ 0 };
    if (store_open(&s, path, STORE_READ) != OK)
        return NULL;
    CHECK_MSG(summary_read(list, s, filter) == OK, "%s", err_message());
    store_close(s);
    return list->at;
}

static const RunFilter everything = { .sweep = -1 };

TEST(summary, reads_what_was_stored)
{
    const char *path = temp_path("a.db");
    RunList list;
    Run *r;

    REQUIRE(make_database(path, 2) == OK);
    r = read_all(&list, path, &everything);
    REQUIRE(list.n == 2);
    CHECK(r[0].id == 1 && r[1].id == 2 && r[1].sweep_id == 1);
    CHECK(!strcmp(r->experiment, "e") && !strcmp(r->source, "attnbench"));
    CHECK(!strcmp(r->c.backbone.text, "none") &&
          !strcmp(r->c.module.text, "se"));
    CHECK(r->c.channels == 64 && r->c.height == 8 && r->c.batch == 1);
    CHECK(!strcmp(r->c.settings, "{\"reduction\":16}"));
    CHECK(!strcmp(r[1].o.repeat, "case 1") && r->o.status == STATUS_OK);
    CHECK(r->o.rel_l2 == 1e-7 && r->o.params == 10 && isnan(r->o.macs));
    CHECK(r->time.n == 3 && r->time.median == 3 && r->time.max == 5);
    CHECK(r->ns[0] == 5 && r->ns[1] == 1.5 && r->round[2] == 1);
    CHECK(r->seed == -1 && strlen(r->started_at) == 24);
    CHECK(!r->module_ns && !r->started_ns && !r->process && !r->disturbed);
    summary_free(&list);
}

TEST(summary, reads_what_is_known_of_samples)
{
    const char *path = temp_path("a.db");
    const Run *r;
    RunList list;

    REQUIRE(make_database(path, 2) == OK);
    REQUIRE(alter(path, "DROP TRIGGER sample_final; UPDATE sample SET "
                        "module_ns = 0.5, process = 2, started_ns = 1e9 WHERE "
                        "run_id = 1 AND i = 1; UPDATE sample SET switches = i "
                        "WHERE run_id = 2; DROP TRIGGER run_final; UPDATE run "
                        "SET steps_ns = 7, steps_lo_ns = 6 WHERE id = 2; "
                        "UPDATE build SET program = 'abc'"));
    read_all(&list, path, &(RunFilter){ .sweep = 0 });
    REQUIRE(list.n == 2);
    r = list.at;
    REQUIRE(r->module_ns && r->process && r->started_ns && r->disturbed);
    CHECK(isnan(r->module_ns[0]) && r->module_ns[1] == 0.5);
    CHECK(r->process[0] == 0 && r->process[1] == 2 && r->process[2] == 0);
    CHECK(isnan(r->started_ns[0]) && r->started_ns[1] == 1e9);
    CHECK(!r->disturbed[0] && !r->disturbed[1] && isnan(r->o.steps_ns));
    CHECK(!strcmp(r->program, "abc"));
    r++;
    REQUIRE(r->disturbed && !r->module_ns && !r->process && !r->started_ns);
    CHECK(!r->disturbed[0] && r->disturbed[1] && r->disturbed[2]);
    CHECK(r->o.steps_ns == 7 && r->o.steps_lo_ns == 6);
    CHECK(isnan(r->o.steps_hi_ns));
    summary_free(&list);
}

/* Adds a run of these samples, one a round, to a sweep that it begins. */
static void add(Store *s, const Sweep *w, bool fresh, const char *repeat,
                const double *ns, int n)
{
    static const int rounds[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 };
    const Case c = a_case();
    const Outcome o = an_outcome(repeat);
    bool resumed;
    int64_t id;

    CHECK(store_sweep_begin(s, &a_machine, &a_build, w, fresh, &id, &resumed) ==
          OK);
    CHECK(store_run(s, id, &c, &o, &(Samples){ n, ns, rounds, NULL }) == OK);
}

static const double slow[] = { 4, 6, 8, 4, 6, 8 };
static const double fast[] = { 2, 3, 4, 2, 3, 4 };

TEST(summary, takes_the_latest_sweep_of_each_experiment_and_source)
{
    const char *path = temp_path("a.db");
    Sweep other = a_sweep, theirs = a_sweep;
    RunList list;
    Store *s;

    strcpy(other.experiment, "f");
    strcpy(theirs.source, "pytorch");
    REQUIRE(store_open(&s, path, STORE_WRITE) == OK);
    add(s, &a_sweep, true, "old", slow, 6);
    add(s, &theirs, true, "theirs", slow, 6);
    add(s, &a_sweep, true, "new", slow, 6);
    add(s, &other, true, "other", slow, 6);
    store_close(s);

    read_all(&list, path, &(RunFilter){ .sweep = 0 });
    REQUIRE(list.n == 3);
    CHECK(!strcmp(list.at[0].o.repeat, "theirs"));
    CHECK(!strcmp(list.at[1].o.repeat, "new"));
    summary_free(&list);
    read_all(&list, path, &(RunFilter){ .experiment = "e", .source = "" });
    CHECK(list.n == 2);
    summary_free(&list);
    read_all(&list, path, &(RunFilter){ .source = "attnbench", .sweep = -1 });
    CHECK(list.n == 3);
    summary_free(&list);
    read_all(&list, path, &(RunFilter){ .sweep = 1 });
    CHECK(list.n == 1 && !strcmp(list.at[0].o.repeat, "old"));
    summary_free(&list);
    read_all(&list, path, &(RunFilter){ .experiment = "none", .sweep = -1 });
    CHECK(list.n == 0);
    summary_free(&list);
}

TEST(summary, pairs_runs_of_one_start_and_no_others)
{
    const char *path = temp_path("a.db");
    Sweep theirs = a_sweep, ours = a_sweep;
    RunList list;
    Ratio r;
    Store *s;

    strcpy(ours.started_at, "2025-01-02T03:04:05.678Z");
    strcpy(theirs.started_at, ours.started_at);
    strcpy(theirs.source, "pytorch");
    REQUIRE(store_open(&s, path, STORE_WRITE) == OK);
    add(s, &ours, true, "ours", slow, 6);
    add(s, &theirs, true, "interleaved", fast, 6);
    strcpy(ours.started_at, "2025-01-02T03:14:05.678Z");
    add(s, &ours, false, "after an interruption", fast, 6);
    store_close(s);

    read_all(&list, path, &everything);
    REQUIRE(list.n == 3);
    r = summary_ratio(&list.at[0], &list.at[1]);
    CHECK(r.n == 6 && fabs(r.ratio - 2) < 1e-12);
    CHECK(fabs(r.lo - 2) < 1e-12 && fabs(r.hi - 2) < 1e-12);
    CHECK(list.at[2].sweep_id == list.at[0].sweep_id && list.at[2].start == 1);
    r = summary_ratio(&list.at[0], &list.at[2]);
    CHECK(r.n == 0 && r.ratio == 2 && r.lo == 1 && r.hi == 4);
    CHECK(ratio_verdict(&r) == NOT_RESOLVED);
    summary_free(&list);
}

/* Two blocks of one start: the ratio is still known, if less well. */
TEST(summary, runs_without_a_common_round_have_the_ratio_of_their_medians)
{
    const char *path = temp_path("a.db");
    RunList list;
    Ratio r;
    Store *s;

    REQUIRE(store_open(&s, path, STORE_WRITE) == OK);
    add(s, &a_sweep, true, "slow", slow, 6);
    store_close(s);
    read_all(&list, path, &everything);
    REQUIRE(list.n == 1);
    {
        int later[] = { 6, 7, 8, 9, 10, 11 };
        Run other = list.at[0];

        other.round = later;
        r = summary_ratio(&list.at[0], &other);
        CHECK(r.n == 0 && r.ratio == 1 && r.lo < 1 && r.hi > 1);
    }
    summary_free(&list);
}

TEST(summary, refuses_a_database_without_its_tables)
{
    const char *path = temp_path("a.db");
    RunList list;
    Store *s;

    REQUIRE(make_database(path, 1) == OK);
    CHECK(alter(path, "DROP TABLE sample"));
    REQUIRE(store_open(&s, path, STORE_READ) == OK);
    CHECK(summary_read(&list, s, &everything) == ERR_IO);
    CHECK_MSG(strstr(err_message(), "no such table: sample"), "%s",
              err_message());
    CHECK(list.n == 0 && !list.at);
    store_close(s);
}

/* Adds a run of a case that is as it says, with n samples. */
static void add_rich(Stored *s, const char *settings, double ns, int n,
                     bool converged)
{
    const Case c = stored_case(settings);
    double times[12];
    int round[12];
    char repeat[CASE_TEXT];
    Outcome o = an_outcome(case_print(&c, repeat));

    for (int i = 0; i < 12; i++) {
        times[i] = ns;
        round[i] = i;
    }
    o.flops = 1e6;
    o.bytes = 2e6;
    o.params = 3;
    o.paper_flops = 4;
    o.converged = converged;
    if (!n) {
        o.status = STATUS_UNSUPPORTED;
        snprintf(o.message, sizeof(o.message),
                 "sa: groups=64 and 100 channels");
    }
    BUG_IF(store_run(s->store, s->sweep, &c, &o,
                     &(Samples){ n, times, round, NULL }));
}

/* Two sweeps with a backbone and modules, one by others; failures; modules
 * alone over channels and resolution. */
static int make_rich_database(const char *path)
{
    Stored s = stored_begin(path, "rich", "attnbench");

    add_rich(&s, "backbone=resnet50 batch=8", 5000, 12, true);
    add_rich(&s, "backbone=resnet50 module=scsa batch=8", 5000, 12, true);
    add_rich(&s, "module=se channels=64 height=28 width=28", 5000, 12, true);
    add_rich(&s, "module=se channels=128 height=28 width=28", 5000, 12, false);
    add_rich(&s, "module=se channels=128 height=56 width=56", 5000, 12, true);
    add_rich(&s, "module=sa channels=100 height=28 width=28", 5000, 0, true);
    stored_end(&s);
    s = stored_begin(path, "rich", "pytorch");
    add_rich(&s, "backbone=resnet50 batch=8", 9000, 12, true);
    stored_end(&s);
    return alter(path,
                 "INSERT INTO step VALUES (3, 0, 'relu', 'packs', 'x', '(8)');"
                 "INSERT INTO quantity VALUES "
                 "(3, 0, 'packs<float>', 'launches', 'counted', 2, ''),"
                 "(3, 0, 'packs<float>', 'time_ns', 'timed', 1234, '');"
                 "INSERT INTO erf VALUES (1, 2, 'stage4', 'layer4',"
                 " 'attnbench', 'in full', 50, 10, 1, '',"
                 " 96, 96, NULL, NULL, 427, 427, 0.5);"
                 "INSERT INTO erf_number VALUES"
                 " (1, 'whole', 'area_50', 0.1, 0.1, 0.1);"
                 "DROP TRIGGER sample_final; UPDATE sample SET module_ns = "
                 "ns / 20, switches = i > 9, run_delay_ns = 0 WHERE run_id = 2")
               ? OK
               : ERR_IO;
}

TEST(summary, views_compare_with_the_plain_backbone)
{
    const char *path = temp_path("a.db");

    REQUIRE(make_rich_database(path) == OK);
    CHECK_ASK(path, "SELECT count(*) FROM table2", "3");
    CHECK_ASK(path, "SELECT ratio_to_plain FROM table2 WHERE module = 'scsa'",
              "1.0");
    CHECK_ASK(path, "SELECT images_per_s FROM table2 WHERE module = 'scsa'",
              "1600000.0"); /* 8 images in 5000 ns */
    CHECK_ASK(path, "SELECT count(*) FROM sweep_time", "3");
    CHECK_ASK(path, "SELECT gflops_per_s FROM sweep_time", "200.0");
    CHECK_ASK(path, "SELECT count(*) FROM latest", "7");
    CHECK_ASK(path, "SELECT count(*) FROM run_time", "6");
}

/* Each fenced block of the page that is SQL, against that database. */
TEST(summary, queries_of_the_page_give_rows)
{
    static const char fence[] = "```sql\n";
    const char *path = temp_path("a.db");
    int queries = 0;
    size_t n;
    char *text = read_bytes("results/QUERIES.md", &n);

    REQUIRE(make_rich_database(path) == OK);
    REQUIRE(text);
    for (char *at = text; (at = strstr(at, fence)); at++) {
        char *sql = at + sizeof(fence) - 1, *end = strstr(sql, "```");

        REQUIRE(end);
        *end = '\0';
        queries++;
        CHECK_MSG(strcmp(ask(path, sql), "no row"), "no row: %s", sql);
        CHECK_MSG(!strstr(ask(path, sql), "error") &&
                      !strstr(ask(path, sql), "no such"),
                  "%s: %s", ask(path, sql), sql);
        at = end;
    }
    CHECK_MSG(queries == 13, "%d queries", queries);
    free(text);
}

/* Paper and CSV. */

TEST(paper, has_every_module_in_resnet50)
{
    Paper paper;
    int found = 0;

    REQUIRE(paper_read(&paper, PAPER_TABLE2) == OK);
    CHECK_MSG(paper.n == 35, "%d rows", paper.n);
    for (int i = 0; zoo_name(i); i++) {
        char repeat[128];

        snprintf(repeat, sizeof(repeat),
                 "attnbench run --backbone=resnet50 --module=%s --batch=8",
                 zoo_name(i));
        found += paper_find(&paper, repeat) != NULL;
    }
    CHECK_MSG(found == 11, "%d of the 12 that are not se of linears", found);
}

TEST(paper, knows_rows_by_our_names)
{
    const PaperRow *row;
    Paper paper;

    REQUIRE(paper_read(&paper, PAPER_TABLE2) == OK);
    row = paper_find(&paper, "attnbench run --backbone=resnet50");
    REQUIRE(row != NULL);
    CHECK(row->throughput == 2433 && row->params == 25557032);
    row = paper_find(&paper,
                     "attnbench run --backbone=resnet50 --module=se_conv");
    REQUIRE(row != NULL);
    CHECK(row->top1 == 77.23 && row->flops == 4111981408 &&
          !strcmp(row->type, "Channel"));
    row =
        paper_find(&paper, "attnbench run --backbone=resnet101 --module=scsa");
    REQUIRE(row != NULL);
    CHECK(row->throughput == 1298 && row->macs == 7802961408);
    CHECK(!paper_find(&paper, "attnbench run --backbone=resnet50 --module=se"));
    CHECK(
        !paper_find(&paper, "attnbench run --backbone=resnet101 --module=ema"));
    CHECK(!paper_find(&paper, "attnbench run --backbone=resnet18"));
}

TEST(csv, reads_quotes_blank_lines_and_crlf)
{
    char text[] = "\xef\xbb\xbf"
                  "a,\"b \"\"x\"\"\",c\r\n"
                  "\r\n"
                  "1,\"two,\nlines\",\r\n"
                  "\n"
                  "\"\",x y,3";
    bool more;
    Csv csv;

    REQUIRE(csv_open(&csv, "f", text) == OK);
    CHECK(csv.ncolumns == 3 && csv_column(&csv, "b \"x\"") == 1);
    CHECK(csv_column(&csv, "d") == -1);
    REQUIRE(csv_next(&csv, &more) == OK && more);
    CHECK(!strcmp(csv.cell[1], "two,\nlines") && !*csv.cell[2]);
    CHECK(csv.line == 3);
    REQUIRE(csv_next(&csv, &more) == OK && more);
    CHECK(!*csv.cell[0] && !strcmp(csv.cell[1], "x y") && csv.line == 6);
    CHECK(!strcmp(csv.cell[2], "3"));
    CHECK(csv_next(&csv, &more) == OK && !more);
}

static void csv_refuses(const char *text, const char *part)
{
    char *copy = strdup(text);
    bool more = true;
    Csv csv;
    int err = csv_open(&csv, "f", copy);

    while (!err && more)
        err = csv_next(&csv, &more);
    CHECK_MSG(err == ERR_INPUT && strstr(err_message(), part),
              "'%s' does not say '%s'", err_message(), part);
    free(copy);
}

TEST(csv, refuses_what_is_no_table)
{
    csv_refuses("a,b\n1\n", "f:2: 1 cells, but there are 2 columns");
    csv_refuses("a,b\n1,2\n1,2,3\n", "f:3: 3 cells");
    csv_refuses("a,b\n1,\"2\n", "f:2: unclosed quote");
    csv_refuses("a,b\n\"1\"x,2\n", "f:2: 'x' after a closing quote");
    csv_refuses("a,,b\n", "f:1: column 2 has no name");
    csv_refuses("a,b,a\n", "f:1: duplicate column 'a'");
    csv_refuses("", "f:1: column 1 has no name");
}

TEST(csv, a_number_is_exact_and_one_that_is_not_known_an_empty_cell)
{
    static const double x[] = { 0.1 + 0.2, 1.0 / 3, 3, 1e300, -0.1, NAN, 2.5 };
    enum { N = sizeof(x) / sizeof(x[0]) };
    const char *path = temp_path("a.csv");
    FILE *f = fopen(path, "w");
    CsvRow row = { .out = f };
    char *text;
    bool more;
    size_t n;
    Csv csv;

    fputs("0,1,2,3,4,5,6\n", f);
    for (int i = 0; i < N; i++)
        csv_number(&row, x[i], i == N - 1 ? 9 : EXACT);
    csv_end(&row);
    fclose(f);
    text = read_bytes(path, &n);
    REQUIRE(csv_open(&csv, path, text) == OK);
    REQUIRE(csv_next(&csv, &more) == OK && more);
    for (int i = 0; i < N; i++)
        CHECK_MSG(isnan(x[i]) ? !*csv.cell[i]
                              : strtod(csv.cell[i], NULL) == x[i],
                  "'%s'", csv.cell[i]);
    CHECK(!strcmp(csv.cell[2], "3"));
    free(text);
}

TEST(csv, writes_what_it_reads)
{
    static const char *const cells[] = { "",          "plain",      "a,b",
                                         "say \"x\"", "two\nlines", "\"" };
    enum { N = sizeof(cells) / sizeof(cells[0]) };
    const char *path = temp_path("a.csv");
    FILE *f = fopen(path, "w");
    CsvRow row = { .out = f };
    char *text;
    bool more;
    size_t n;
    Csv csv;

    fputs("0,1,2,3,4,5\n", f);
    for (int i = 0; i < N; i++)
        csv_write(&row, cells[i]);
    csv_end(&row);
    fclose(f);
    text = read_bytes(path, &n);
    REQUIRE(csv_open(&csv, path, text) == OK);
    REQUIRE(csv_next(&csv, &more) == OK && more);
    for (int i = 0; i < N; i++)
        CHECK_MSG(!strcmp(csv.cell[i], cells[i]), "'%s'", csv.cell[i]);
    free(text);
}
