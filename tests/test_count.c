/*
 * test_count.c - counts against the published tables, and against themselves.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis/paper.h"
#include "harness/backbones/backbones.h"
#include "harness/cli/cmd.h"
#include "harness/network/count.h"
#include "harness/network/network.h"
#include "harness/report/reproduce.h"
#include "tests/databases.h"
#include "tests/program.h"
#include "tests/test.h"
#include "tests/texts.h"

static Count count_case(const Case *c, CountBy by)
{
    Count count = { 0 };
    Graph *g;

    if (network_build(&g, c, NULL, TAPS_NONE) != OK) {
        test_failed(__FILE__, __LINE__, "%s", err_message());
        return count;
    }
    count_graph(&count, g, c, by);
    CHECK(count.total.params == graph_params(g));
    graph_free(g);
    return count;
}

static void check_row(const PaperRow *row)
{
    Count count;
    Case c;

    REQUIRE(reproduce_case(&c, row) == OK);
    c.batch = 1;
    count = count_case(&c, COUNT_NETWORK);
    CHECK_MSG(count.total.params == row->params &&
                  count.total.cost.macs == row->macs &&
                  count.total.cost.paper_flops == row->flops,
              "%s + %s: params %.0f of %.0f, macs %.0f of %.0f, "
              "paper_flops %.0f of %.0f",
              row->backbone, row->method, count.total.params, row->params,
              count.total.cost.macs, row->macs, count.total.cost.paper_flops,
              row->flops);
    count_free(&count);
}

TEST(count, rows_equal_table_2_to_the_last_integer)
{
    Paper paper;

    REQUIRE(paper_read(&paper, PAPER_TABLE2) == OK);
    CHECK(paper.n == 35);
    for (int i = 0; i < paper.n; i++)
        check_row(&paper.at[i]);
}

/* Every module alone and in every backbone; false when i is past the last. */
static bool case_at(Case *c, int i)
{
    int backbones = 1, modules = 0;

    while (backbone_at(backbones - 1))
        backbones++;
    while (zoo_at(modules))
        modules++;
    if (i >= backbones * modules)
        return false;
    case_defaults(c);
    CHECK(case_set(c, "module", zoo_name(i % modules)) == OK);
    if (i / modules > 0)
        CHECK(case_set(c, "backbone", backbone_name(i / modules - 1)) == OK);
    else
        CHECK(case_set(c, "channels", "256") == OK);
    CHECK(case_complete(c) == OK);
    return true;
}

/* A module that a network has no channels for; test_backbones.c knows which. */
static bool refused_by_rule(const Case *c)
{
    Graph *g;
    const int err = network_build(&g, c, NULL, TAPS_NONE);

    graph_free(g);
    return err == ERR_INPUT;
}

static void check_rows_add_up(const Case *c, CountBy by)
{
    Count count = count_case(c, by);
    CountRow sum = { 0 };

    for (int i = 0; i < count.n; i++) {
        sum.nodes += count.at[i].nodes;
        sum.params += count.at[i].params;
        cost_add(&sum.cost, &count.at[i].cost);
        for (int k = 0; k < i; k++)
            CHECK(strcmp(count.at[i].name, count.at[k].name) != 0);
    }
    CHECK(sum.nodes == count.total.nodes);
    CHECK(sum.params == count.total.params);
    CHECK(sum.cost.macs == count.total.cost.macs);
    CHECK(sum.cost.flops == count.total.cost.flops);
    CHECK(sum.cost.paper_flops == count.total.cost.paper_flops);
    CHECK(sum.cost.transcendentals == count.total.cost.transcendentals);
    CHECK(sum.cost.bytes == count.total.cost.bytes);
    count_free(&count);
}

TEST(count, rows_add_up_to_the_network)
{
    Case c;

    for (int i = 0; case_at(&c, i); i++) {
        if (refused_by_rule(&c))
            continue;
        check_rows_add_up(&c, COUNT_OP);
        check_rows_add_up(&c, COUNT_MODULE);
    }
}

TEST(count, a_module_weighs_what_its_paper_says)
{
    Case c;

    for (int i = 0; case_at(&c, i) && !backbone_find(c.backbone.text); i++) {
        const Module *m = case_module(&c);
        Count count = count_case(&c, COUNT_NETWORK);

        CHECK_MSG(count.total.params == case_module_weights(&c, c.channels),
                  "%s: %.0f, its formula says %.0f", m->name,
                  count.total.params, case_module_weights(&c, c.channels));
        count_free(&count);
    }
}

/* Names of scopes differ; a row is a block all the same. */
TEST(count, a_row_is_a_block_or_what_is_plugged_into_it)
{
    static const struct {
        const char *backbone;
        int blocks, plugs;
        const char *others; /* rows, in order */
    } wanted[] = {
        { "resnet50", 16, 16, "conv1 bn1 act1 maxpool global_pool fc " },
        { "mobilenetv2_100", 17, 17,
          "conv_stem bn1 conv_head bn2 global_pool classifier " },
        { "acnet_r18", 8, 8, "conv1 bn1 act1 maxpool global_pool fc " },
        { "repvgg_a0", 21, 22, "stem global_pool head " },
        { "repvit_m1_0", 20, 10,
          "stem stages.1.downsample stages.2.downsample stages.3.downsample "
          "global_pool head " },
        { "swin_t", 12, 12,
          "patch_embed layers.1.downsample layers.2.downsample "
          "layers.3.downsample norm head " },
    };

    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        char others[256] = "";
        int blocks = 0, plugs = 0;
        Count count;
        Case c;

        case_defaults(&c);
        CHECK(case_set(&c, "backbone", wanted[i].backbone) == OK);
        CHECK(case_set(&c, "module", "scsa") == OK);
        REQUIRE(case_complete(&c) == OK);
        count = count_case(&c, COUNT_MODULE);
        for (int k = 0; k < count.n; k++) {
            const char *name = count.at[k].name;
            const char last = name[strlen(name) - 1];

            if (strstr(name, ".attn")) {
                plugs++;
            } else if (strchr(name, '.') && last >= '0' && last <= '9') {
                blocks++;
            } else {
                strcat(others, name);
                strcat(others, " ");
            }
        }
        CHECK_MSG(blocks == wanted[i].blocks && plugs == wanted[i].plugs &&
                      !strcmp(others, wanted[i].others),
                  "%s: %d blocks, %d modules, %s", wanted[i].backbone, blocks,
                  plugs, others);
        count_free(&count);
    }
}

TEST(count, what_is_plugged_in_has_rows_of_its_own)
{
    Case c;
    Count count;
    int plugs = 0;

    case_defaults(&c);
    CHECK(case_set(&c, "backbone", "resnet50") == OK);
    CHECK(case_set(&c, "module", "cpca") == OK);
    CHECK(case_complete(&c) == OK);
    count = count_case(&c, COUNT_MODULE);
    for (int i = 0; i < count.n; i++)
        plugs += strstr(count.at[i].name, ".attn") != NULL;
    CHECK_MSG(plugs == 16, "%d plugs in 16 blocks", plugs);
    CHECK_MSG(count.n == 4 + 16 + 16 + 2, "%d rows", count.n);
    count_free(&count);
}

TEST(count, grows_with_the_batch_except_for_weights)
{
    Case c;
    Count one, four;

    case_defaults(&c);
    CHECK(case_set(&c, "backbone", "resnet18") == OK);
    CHECK(case_set(&c, "module", "scsa") == OK);
    CHECK(case_complete(&c) == OK);
    one = count_case(&c, COUNT_NETWORK);
    CHECK(case_set(&c, "batch", "4") == OK);
    four = count_case(&c, COUNT_NETWORK);
    CHECK(four.total.params == one.total.params);
    CHECK(four.total.cost.macs == 4 * one.total.cost.macs);
    CHECK(four.total.cost.paper_flops == 4 * one.total.cost.paper_flops);
    CHECK(four.total.cost.transcendentals ==
          4 * one.total.cost.transcendentals);
    CHECK(four.total.cost.bytes < 4 * one.total.cost.bytes);
    count_free(&one);
    count_free(&four);
}

/* Output of "attnbench count args", as JSON; the caller deletes it. */
static cJSON *printed_json(int argc, char **argv)
{
    char path[256], *text = calloc(1, 1 << 16);
    cJSON *json = NULL;
    FILE *f;

    snprintf(path, sizeof(path), "%s/out", test_tmpdir());
    CHECK(freopen(path, "w", stdout) != NULL);
    CHECK(cmd_count(argc, argv) == OK);
    fflush(stdout);
    f = fopen(path, "r");
    if (f && text && fread(text, 1, (1 << 16) - 1, f) > 0)
        json = cJSON_Parse(text);
    if (f)
        fclose(f);
    free(text);
    return json;
}

static double number(const cJSON *json, const char *key)
{
    return cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(json, key));
}

/* No half of a list is left for a program to read. */
TEST(count, of_several_with_an_error_prints_nothing_else)
{
    static const char *const formats[] = { "json", "csv", "text" };
    const char *weights = temp_path("bad.safetensors");

    write_text(weights, "x");
    for (int i = 0; i < 3; i++) {
        char *said;

        CHECK(program(&said,
                      "count --backbone=resnet18 --weights=seeded,%s "
                      "--format=%s",
                      weights, formats[i]) == 2);
        CHECK_MSG(strncmp(said, "attnbench count: ", 17) == 0, "%s", said);
        check_holds(said, "bad.safetensors");
        free(said);
    }
}

TEST(count, json_holds_the_integers_under_their_names)
{
    char *argv[] = { "--backbone=resnet50", "--module=scsa", "--by=op",
                     "--format=json" };
    cJSON *json = printed_json(4, argv), *row;
    double params = 0;

    REQUIRE(json != NULL);
    CHECK(number(json, "params") == 25617448);
    CHECK(number(json, "macs") == 4089956864);
    CHECK(number(json, "paper_flops") == 4119340032);
    CHECK(number(json, "flops") > 2 * number(json, "macs"));
    CHECK(number(json, "transcendentals") > 0);
    CHECK(number(json, "bytes") > 4 * number(json, "params"));
    cJSON_ArrayForEach(row, cJSON_GetObjectItem(json, "rows"))
    {
        params += number(row, "params");
    }
    CHECK(params == 25617448);
    cJSON_Delete(json);
}

TEST(count, json_tells_the_form_and_the_position)
{
    char *argv[] = { "--backbone=acnet_r18", "--module=se", "--form=deploy",
                     "--format=json" };
    cJSON *json = printed_json(4, argv);

    REQUIRE(json != NULL);
    CHECK(number(json, "params") == 11772712);
    CHECK(!strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(json, "form")),
                  "deploy"));
    CHECK(!strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(json, "position")),
                  "out"));
    cJSON_Delete(json);
}

/* As one op a module costs the same, but what is between need not be moved. */
TEST(count, a_fused_module_has_the_counts_of_the_composed_and_fewer_bytes)
{
    CountRow total[2];

    for (int fused = 0; fused < 2; fused++) {
        Count count;
        Case c;

        case_defaults(&c);
        CHECK(case_set(&c, "backbone", "resnet50") == OK);
        CHECK(case_set(&c, "module", "scsa") == OK);
        CHECK(case_set(&c, "impl", fused ? "fused" : "composed") == OK);
        REQUIRE(case_complete(&c) == OK);
        count = count_case(&c, COUNT_NETWORK);
        total[fused] = count.total;
        count_free(&count);
    }
    CHECK(total[0].params == total[1].params);
    CHECK(total[0].cost.macs == total[1].cost.macs);
    CHECK(total[0].cost.flops == total[1].cost.flops);
    CHECK(total[0].cost.paper_flops == total[1].cost.paper_flops);
    CHECK(total[1].cost.bytes < total[0].cost.bytes);
    CHECK(total[1].nodes < total[0].nodes);
}
