/*
 * test_places.c - modules stand where they are put, in every backbone, or are
 * refused with the reason.
 */
#include <stdio.h>
#include <string.h>

#include "harness/backbones/backbones.h"
#include "harness/network/network.h"
#include "tests/test.h"

static Case case_of(const char *backbone, const char *module)
{
    Case c;

    case_defaults(&c);
    CHECK(case_set(&c, "backbone", backbone) == OK);
    CHECK(case_set(&c, "module", module) == OK);
    CHECK(case_complete(&c) == OK);
    return c;
}

/* A block with a module in it, and what reads its output there. */
static const struct {
    const char *net, *scope;
    const char *mid, *out;
} places[] = {
    { "resnet18", "layer2.1.attn", "conv2d", "add" },
    { "resnet34", "layer2.1.attn", "conv2d", "add" },
    { "resnet50", "layer2.1.attn", "conv2d", "add" },
    { "resnet101", "layer2.1.attn", "conv2d", "add" },
    { "mobilenetv2_100", "blocks.1.1.attn", "conv2d", "add" },
    { "acnet_r18", "layer2.1.attn", "conv2d", "add" },
    { "repvgg_a0", "stages.1.1.attn", "relu", "conv2d" },
    { "repvit_m1_0", "stages.2.blocks.2.attn", "conv2d", "conv2d" },
};
enum { NPLACES = sizeof(places) / sizeof(places[0]) };

/* The node that reads a module's output: what it stands before. */
static const char *reader_of_plug(const Graph *g, const char *scope)
{
    const Tensor *last = NULL;

    for (int i = 0; i < graph_size(g); i++)
        if (strncmp(graph_at(g, i)->name, scope, strlen(scope)) == 0 &&
            graph_at(g, i)->role == ROLE_NODE)
            last = graph_at(g, i);
    for (int i = 0; last && i < graph_size(g); i++)
        for (int k = 0; k < MAX_SRC; k++)
            if (graph_at(g, i)->src[k] == last)
                return graph_at(g, i)->op->name;
    return "nothing";
}

static void check_position(Case c, const char *scope, const char *position,
                           const char *reader)
{
    Graph *g;

    CHECK(case_set(&c, "position", position) == OK);
    if (network_build(&g, &c, NULL, TAPS_NONE) != OK)
        return; /* by a rule, which the next test knows */
    CHECK_MSG(!strcmp(reader_of_plug(g, scope), reader),
              "%s at %s of %s is read by %s", c.module.text, position,
              c.backbone.text, reader_of_plug(g, scope));
    graph_free(g);
}

TEST(places, modules_stand_where_they_are_put)
{
    for (int i = 0; i < NPLACES; i++)
        for (int k = 0; zoo_at(k); k++) {
            const Case usual = case_of(places[i].net, zoo_name(k));

            check_position(usual, places[i].scope, "mid", places[i].mid);
            check_position(usual, places[i].scope, "out", places[i].out);
        }
}

/* The channels of the maps that modules stand on, at these positions. */
static const struct {
    const char *net;
    int mid[8], out[8];
} widths[] = {
    { "resnet18", { 64, 128, 256, 512 }, { 64, 128, 256, 512 } },
    { "resnet34", { 64, 128, 256, 512 }, { 64, 128, 256, 512 } },
    { "resnet50", { 64, 128, 256, 512 }, { 256, 512, 1024, 2048 } },
    { "resnet101", { 64, 128, 256, 512 }, { 256, 512, 1024, 2048 } },
    { "mobilenetv2_100",
      { 32, 96, 144, 192, 384, 576, 960 },
      { 16, 24, 32, 64, 96, 160, 320 } },
    { "acnet_r18", { 64, 128, 256, 512 }, { 64, 128, 256, 512 } },
    { "repvgg_a0", { 48, 96, 192, 1280 }, { 48, 96, 192, 1280 } },
    { "repvit_m1_0", { 56, 112, 224, 448 }, { 56, 112, 224, 448 } },
};

/* True if the module by itself takes maps of each of these channels. */
static bool takes(const char *module, const int *channels)
{
    bool all = true;

    for (int i = 0; i < 8 && channels[i]; i++) {
        Case c = case_of("none", module);
        Graph *g;

        c.channels = channels[i];
        all &= network_build(&g, &c, NULL, TAPS_NONE) == OK;
        graph_free(g);
    }
    return all;
}

static void check_refusal(Case c, const char *position, bool wanted)
{
    char start[PARAM_NAME_MAX + 2];
    Graph *g;
    int err;

    CHECK(case_set(&c, "position", position) == OK);
    err = network_build(&g, &c, NULL, TAPS_NONE);
    CHECK_MSG(err == (wanted ? ERR_INPUT : OK), "%s at %s of %s: %s",
              c.module.text, position, c.backbone.text,
              err ? err_message() : "was not refused");
    snprintf(start, sizeof(start), "%s: ", c.module.text);
    if (err)
        CHECK_MSG(!strncmp(err_message(), start, strlen(start)) &&
                      strstr(err_message(), "channels"),
                  "'%s' does not tell the rule", err_message());
    graph_free(g);
}

TEST(places, every_module_fits_or_is_refused_by_a_rule_that_it_names)
{
    for (int i = 0; i < NPLACES; i++)
        for (int k = 0; zoo_at(k); k++) {
            const Case c = case_of(places[i].net, zoo_name(k));

            REQUIRE(!strcmp(places[i].net, widths[i].net));
            check_refusal(c, "mid", !takes(zoo_name(k), widths[i].mid));
            check_refusal(c, "out", !takes(zoo_name(k), widths[i].out));
        }
}

/* So that the test before has refusals to see. */
TEST(places, some_modules_do_not_fit_some_networks)
{
    CHECK(!takes("sa", widths[0].mid) && takes("sa", widths[2].out));
    CHECK(!takes("ema", widths[4].mid) && takes("se", widths[4].mid));
    CHECK(!takes("se", widths[4].out) && takes("eca", widths[7].out));
    CHECK(!takes("fca", widths[7].mid) && takes("scsa", widths[7].mid));
}

static int plugs_in(const Case *c)
{
    const char *last = "";
    Graph *g;
    int n = 0;

    if (network_build(&g, c, NULL, TAPS_NONE) != OK)
        return -1;
    for (int i = 0; i < graph_size(g); i++) {
        const Tensor *t = graph_at(g, i);
        const char *attn = strstr(t->name, ".attn");

        if (t->role != ROLE_NODE || !attn)
            continue;
        n += strncmp(last, t->name, (size_t)(attn - t->name)) != 0;
        last = t->name;
    }
    graph_free(g);
    return n;
}

/* How many modules there are, and that RepViT's take the place of its SE. */
TEST(places, every_block_that_the_paper_counts_has_a_module)
{
    static const struct {
        const char *net, *position;
        int plugs, se;
    } wanted[] = {
        { "mobilenetv2_100", "mid", 17, 0 },
        { "mobilenetv2_100", "out", 17, 0 },
        { "acnet_r18", "mid", 8, 0 },
        { "acnet_r18", "out", 8, 0 },
        { "repvgg_a0", "mid", 22, 0 },
        { "repvgg_a0", "out", 22, 0 },
        { "repvit_m1_0", "mid", 10, 0 },
        { "repvit_m1_0", "out", 20, 10 },
    };

    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        Case c = case_of(wanted[i].net, "eca");
        int se = 0;
        Graph *g;

        CHECK(case_set(&c, "position", wanted[i].position) == OK);
        CHECK_MSG(plugs_in(&c) == wanted[i].plugs, "%s at %s: %d modules",
                  wanted[i].net, wanted[i].position, plugs_in(&c));
        REQUIRE(network_build(&g, &c, NULL, TAPS_NONE) == OK);
        for (int k = 0; k < graph_size(g); k++)
            se += strstr(graph_at(g, k)->name, ".se.fc1.weight") != NULL;
        CHECK_MSG(se == wanted[i].se, "%s has %d SE", wanted[i].net, se);
        graph_free(g);
    }
}

/* SE and its like on the output, by their own papers; SCSA inside, by its own
 * code; and no position where there is nothing to place. */
TEST(places, modules_stand_where_the_paper_has_them)
{
    const Case se = case_of("resnet50", "se"), sa = case_of("resnet50", "sa");
    const Case scsa = case_of("resnet50", "scsa"),
               ca = case_of("resnet18", "ca");
    const Case plain = case_of("resnet50", "none"),
               alone = case_of("none", "scsa");

    CHECK(!strcmp(case_where(&se), "after bn3, before the shortcut"));
    CHECK(!strcmp(case_where(&sa), "after bn3, before the shortcut"));
    CHECK(!strcmp(case_where(&scsa), "after conv2-bn2-ReLU"));
    CHECK(!strcmp(case_where(&ca), "after conv1-bn1-ReLU"));
    CHECK(!strcmp(case_where(&plain), "") && !strcmp(case_where(&alone), ""));
    CHECK(plain.position == AT_AUTO);
    CHECK(alone.position == AT_AUTO);
}
