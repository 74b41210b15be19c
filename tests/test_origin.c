/*
 * test_origin.c - which steps are of a module, in every network: as its scope
 * says, whatever has been folded; and which steps are of both.
 */
#include "harness/network/origin.h"

#include <string.h>

#include "harness/backbones/backbones.h"
#include "harness/network/network.h"
#include "tests/test.h"

/* True if a part of the scope is this one. */
static bool has_part(const char *scope, const char *part)
{
    const size_t n = strlen(part);

    for (; *scope; scope += strcspn(scope, "."), scope += *scope == '.')
        if (strcspn(scope, ".") == n && strncmp(scope, part, n) == 0)
            return true;
    return false;
}

/* Swin has an attention of its own that is called attn. */
static const char *plug_name(const Case *c)
{
    return strcmp(c->backbone.text, "swin_t") ? "attn" : "attn_plug";
}

typedef struct Steps {
    int network, module, mixed;
} Steps;

/* The steps of c's graph, each of which is where its scope says; all 0 for a
 * module that the network has no channels for. */
static Steps steps_of(const Case *c)
{
    const bool alone = !backbone_find(c->backbone.text);
    Steps n = { 0 };
    Graph *g;

    if (network_build(&g, c, NULL, TAPS_NONE) != OK)
        return n;
    for (int i = 0; i < graph_size(g); i++) {
        const Tensor *t = graph_at(g, i);
        const bool inside = alone || has_part(t->name, plug_name(c));

        if (t->role != ROLE_NODE || t->op->view)
            continue;
        n.network += t->origin == ORIGIN_NETWORK;
        n.module += network_in_module(t);
        n.mixed += t->origin == ORIGIN_MIXED;
        if (t->origin != ORIGIN_MIXED)
            CHECK_MSG(network_in_module(t) == inside, "%s + %s: %s in %s",
                      c->backbone.text, c->module.text, t->op->name, t->name);
    }
    graph_free(g);
    return n;
}

static Steps steps_with(Case *c, const char *field, const char *value)
{
    CHECK(case_set(c, field, value) == OK);
    return steps_of(c);
}

static Case case_of(const char *backbone, const char *module,
                    const char *position)
{
    Case c;

    case_defaults(&c);
    CHECK(case_set(&c, "backbone", backbone) == OK);
    CHECK(case_set(&c, "module", module) == OK);
    CHECK(case_set(&c, "position", position) == OK);
    CHECK(case_complete(&c) == OK);
    return c;
}

/*
 * CPCA alone ends with a convolution, which takes what follows it: the addition
 * of a residual block, or RepVGG's ReLU.  Elsewhere another module or a
 * convolution of the network comes next, which takes nothing.
 */
static int mixed_expected(const Case *c, int plugs)
{
    const char *b = c->backbone.text;
    const bool out = c->position == AT_OUT;

    if (strcmp(c->module.text, "cpca"))
        return 0;
    if (strncmp(b, "resnet", 6) == 0 || strcmp(b, "acnet_r18") == 0)
        return out ? plugs : 0;
    return strcmp(b, "repvgg_a0") == 0 && !out ? plugs : 0;
}

static int plugs_in(const char *backbone)
{
    static const struct {
        const char *backbone;
        int plugs;
    } known[] = { { "resnet18", 8 },   { "resnet34", 16 }, { "resnet50", 16 },
                  { "resnet101", 33 }, { "acnet_r18", 8 }, { "repvgg_a0", 22 },
                  { NULL, 0 } };
    int i = 0;

    while (known[i].backbone && strcmp(known[i].backbone, backbone))
        i++;
    return known[i].plugs;
}

static void check_folded(const Case *as_written)
{
    Case c = *as_written;
    const Steps written = steps_of(&c);
    const Steps folded = steps_with(&c, "graph", "folded");

    CHECK(written.mixed == 0);
    CHECK_MSG(folded.mixed ==
                  (written.module
                       ? mixed_expected(&c, plugs_in(c.backbone.text))
                       : 0),
              "%s + %s: %d mixed steps", c.backbone.text, c.module.text,
              folded.mixed);
    CHECK((folded.module > 0) == (written.module > 0));
}

TEST(origin, every_step_is_in_a_module_if_its_scope_is)
{
    static const char *const positions[] = { "mid", "out" };
    int with = 0;

    for (int b = 0; backbone_at(b); b++)
        for (int m = 0; zoo_at(m); m++)
            for (int p = 0; p < 2; p++) {
                Case c = case_of(backbone_name(b), zoo_name(m), positions[p]);

                check_folded(&c);
                with += steps_of(&c).module > 0;
            }
    CHECK_MSG(with >= 9 * 12 * 3 / 2, "%d have modules", with);
}

TEST(origin, so_it_is_of_a_deployed_network_and_of_a_fused_module)
{
    Case c = case_of("repvgg_a0", "cpca", "mid");

    CHECK(case_set(&c, "form", "deploy") == OK);
    check_folded(&c);
    for (int p = 0; p < 2; p++) {
        c = case_of("resnet18", "scsa", p ? "out" : "mid");
        CHECK(case_set(&c, "impl", "fused") == OK);
        check_folded(&c);
        CHECK(steps_of(&c).module == plugs_in("resnet18"));
    }
}

/* Gradients are where their ops are, an update where its weight is. */
TEST(origin, gradients_and_updates_are_where_their_ops_are)
{
    static const char *const passes[] = { "input_grad", "backward", "train" };
    Case c = case_of("resnet18", "cpca", "mid"), plain;
    Steps n, without;

    for (int i = 0; i < 3; i++) {
        n = steps_with(&c, "pass", passes[i]);
        plain = case_of("resnet18", "none", "mid");
        without = steps_with(&plain, "pass", passes[i]);
        CHECK_MSG(n.module > 0 && n.mixed == 0, "%s: %d mixed", passes[i],
                  n.mixed);
        CHECK_MSG(n.network == without.network && without.module == 0,
                  "%s: %d steps of the network, %d without the module",
                  passes[i], n.network, without.network);
    }
    /* the gradient of the module's input takes the ReLU's before it */
    CHECK(case_set(&c, "graph", "folded") == OK);
    CHECK(steps_with(&c, "pass", "input_grad").mixed == plugs_in("resnet18"));
    CHECK(steps_with(&c, "position", "out").mixed == 3 * plugs_in("resnet18"));
}

TEST(origin, all_of_a_module_alone_is_the_module)
{
    Case c;
    Steps n;

    case_defaults(&c);
    CHECK(case_set(&c, "module", "scsa") == OK);
    REQUIRE(case_complete(&c) == OK);
    n = steps_with(&c, "pass", "train");
    CHECK(n.module > 40 && n.network == 0 && n.mixed == 0);
}

TEST(origin, is_named_by_the_start_of_the_scope)
{
    static const struct {
        const char *scope;
        Origin origin;
        const char *block;
    } wanted[] = {
        { "layer1.0.conv2", ORIGIN_NETWORK, "layer1.0" },
        { "layer1.0.attn.fc", ORIGIN_MODULE, "layer1.0.attn" },
        { "layer1.0.attn.fc", ORIGIN_MIXED, "layer1.0.attn" },
        { "stages.0.blocks.1.attn", ORIGIN_MODULE, "stages.0.blocks.1.attn" },
        { "stages.1.downsample.conv", ORIGIN_NETWORK, "stages.1.downsample" },
        { "layers.0.blocks.0.attn.qkv", ORIGIN_NETWORK, "layers.0.blocks.0" },
        { "layers.0.blocks.0.attn_plug", ORIGIN_MODULE,
          "layers.0.blocks.0.attn_plug" },
        { "fc", ORIGIN_NETWORK, "fc" },
        { "", ORIGIN_MODULE, "" },
    };

    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        Tensor t = { .role = ROLE_NODE, .origin = wanted[i].origin };
        char row[ROW_NAME];

        strcpy(t.name, wanted[i].scope);
        CHECK_MSG(strcmp(network_block(row, &t), wanted[i].block) == 0,
                  "%s: %s", wanted[i].scope, row);
    }
}
