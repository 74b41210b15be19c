/*
 * test_backbones.c - networks: names, shapes, and where modules stand.
 *
 * What seeded networks answered in another implementation is in
 * test_verify.c.
 */
#include <stdio.h>
#include <string.h>

#include "harness/backbones/backbones.h"
#include "harness/network.h"
#include "tests/test.h"

/* Table 1 of the paper. */
static const struct {
    const char *name;
    bool bottleneck;
    int blocks[4];
    double params; /* as torchvision and timm give them */
} nets[] = {
    { "resnet18", false, { 2, 2, 2, 2 }, 11689512 },
    { "resnet34", false, { 3, 4, 6, 3 }, 21797672 },
    { "resnet50", true, { 3, 4, 6, 3 }, 25557032 },
    { "resnet101", true, { 3, 4, 23, 3 }, 44549160 },
};
enum { NNETS = sizeof(nets) / sizeof(nets[0]) };

static Case case_of(const char *backbone, const char *module)
{
    Case c;

    case_defaults(&c);
    CHECK(case_set(&c, "backbone", backbone) == OK);
    CHECK(case_set(&c, "module", module) == OK);
    CHECK(case_complete(&c) == OK);
    return c;
}

static int count_leaves(const Graph *g)
{
    int n = 0;

    for (int i = 0; i < graph_size(g); i++)
        n += tensor_is_weight(graph_at(g, i));
    return n;
}

/* There is a weight or buffer "scope.layer.what" of this first dim. */
static int want(const Graph *g, const char *scope, const char *layer,
                const char *what, int rows)
{
    char name[MAX_NAME];
    const Tensor *t;

    snprintf(name, sizeof(name), "%s%s%s.%s", scope, scope[0] ? "." : "", layer,
             what);
    t = graph_find(g, name);
    CHECK_MSG(t && t->dim[0] == rows, "%s is missing or not of %d rows", name,
              rows);
    return 1;
}

static int want_bn(const Graph *g, const char *scope, const char *layer, int C)
{
    return want(g, scope, layer, "weight", C) +
           want(g, scope, layer, "bias", C) +
           want(g, scope, layer, "running_mean", C) +
           want(g, scope, layer, "running_var", C);
}

static int want_block(const Graph *g, const char *scope, bool bottleneck,
                      int width, bool downsample)
{
    const int convs = bottleneck ? 3 : 2, out = bottleneck ? 4 * width : width;
    int n = 0;

    for (int k = 1; k <= convs; k++) {
        char conv[8], bn[8];
        const int rows = k == convs ? out : width;

        snprintf(conv, sizeof(conv), "conv%d", k);
        snprintf(bn, sizeof(bn), "bn%d", k);
        n += want(g, scope, conv, "weight", rows);
        n += want_bn(g, scope, bn, rows);
    }
    if (downsample) {
        n += want(g, scope, "downsample.0", "weight", out);
        n += want_bn(g, scope, "downsample.1", out);
    }
    return n;
}

TEST(backbones, parameters_are_named_as_in_timm_and_no_other)
{
    for (int i = 0; i < NNETS; i++) {
        const Case c = case_of(nets[i].name, "none");
        Graph *g;
        int n = 0;

        REQUIRE(network_build(&g, &c, NULL, TAPS_NONE) == OK);
        n += want(g, "", "conv1", "weight", 64) + want_bn(g, "", "bn1", 64);
        for (int s = 0; s < 4; s++)
            for (int b = 0; b < nets[i].blocks[s]; b++) {
                char scope[32];

                snprintf(scope, sizeof(scope), "layer%d.%d", s + 1, b);
                n += want_block(g, scope, nets[i].bottleneck, 64 << s,
                                b == 0 && (s > 0 || nets[i].bottleneck));
            }
        n +=
            want(g, "", "fc", "weight", 1000) + want(g, "", "fc", "bias", 1000);
        CHECK_MSG(count_leaves(g) == n, "%s: %d weights, %d in timm",
                  nets[i].name, count_leaves(g), n);
        CHECK(graph_params(g) == nets[i].params);
        graph_free(g);
    }
}

/* Each stage halves, rounding up, as "same" padding of odd kernels does. */
static void check_stages(int net, int height, int width)
{
    const Backbone *b = backbone_find(nets[net].name);
    const Plug plain = { 0 };
    Tensor *stage[4] = { 0 }, *y;
    Graph *g = graph_new();

    y = b->build(g, graph_input(g, "input", DIMS(2, 3, height, width)),
                 FORM_TRAIN, &plain, stage);
    REQUIRE(graph_error(g) == OK);
    height = (height + 3) / 4;
    width = (width + 3) / 4;
    for (int s = 0; s < 4; s++) {
        const int C = (nets[net].bottleneck ? 256 : 64) << s;

        CHECK(stage[s]->dim[0] == 2 && stage[s]->dim[1] == C);
        CHECK_MSG(stage[s]->dim[2] == height && stage[s]->dim[3] == width,
                  "%s stage %d: %dx%d, not %dx%d", nets[net].name, s + 1,
                  stage[s]->dim[2], stage[s]->dim[3], height, width);
        height = (height + 1) / 2;
        width = (width + 1) / 2;
    }
    CHECK(y->rank == 2 && y->dim[0] == 2 && y->dim[1] == 1000);
    graph_free(g);
}

TEST(backbones, stages_have_the_shapes_of_table_1)
{
    for (int i = 0; i < NNETS; i++) {
        check_stages(i, 224, 224);
        check_stages(i, 97, 33);
        check_stages(i, 1, 1);
    }
}

/* The nodes that read a module's output: what it stands before. */
static const char *reader_of_plug(const Graph *g)
{
    const char *scope = "layer2.1.attn";
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

static void check_position(Case c, const char *position, const char *reader)
{
    Graph *g;

    CHECK(case_set(&c, "position", position) == OK);
    REQUIRE(network_build(&g, &c, NULL, TAPS_NONE) == OK);
    CHECK_MSG(!strcmp(reader_of_plug(g), reader),
              "%s at %s of %s is read by %s", c.module.text, position,
              c.backbone.text, reader_of_plug(g));
    graph_free(g);
}

TEST(backbones, modules_stand_where_they_are_put)
{
    const Module *m;

    for (int i = 0; i < NNETS; i++)
        for (int k = 0; (m = zoo_at(k)); k++) {
            const Case usual = case_of(nets[i].name, m->name);

            if (m == &sa_module)
                continue; /* its 64 groups want 128 channels */
            check_position(usual, "mid", "conv2d");
            check_position(usual, "out", "add");
        }
}

/* SE and its like on the output, by their own papers; SCSA inside, by its own
 * code; and no position where there is nothing to place. */
TEST(backbones, modules_stand_where_the_paper_has_them)
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
    CHECK(!strcmp(plain.position.text, "auto"));
    CHECK(!strcmp(alone.position.text, "auto"));
}

TEST(backbones, a_network_without_branches_has_no_deploy_form)
{
    Case c = case_of("resnet18", "none");
    Graph *g;

    CHECK(case_set(&c, "form", "deploy") == OK);
    CHECK(network_build(&g, &c, NULL, TAPS_NONE) == ERR_UNSUPPORTED);
    CHECK(!g && strstr(err_message(), "form=deploy"));
}

/* 56, 28, 14, 7: a detector's larger map is pooled to these first. */
TEST(backbones, fca_has_the_transform_of_its_stage)
{
    Case c = case_of("resnet18", "fca");
    int seen = 0;
    Graph *g;

    c.height = c.width = 448;
    REQUIRE(network_build(&g, &c, NULL, TAPS_NONE) == OK);
    for (int i = 0; i < graph_size(g); i++) {
        const Tensor *t = graph_at(g, i);

        if (t->op != &dct_pool_def)
            continue;
        CHECK(t->src[0]->dim[2] == 56 >> (seen / 2));
        seen++;
    }
    CHECK(seen == 8);
    graph_free(g);
}

TEST(backbones, what_is_not_written_is_unsupported)
{
    Case c = case_of("resnet18", "se");
    Graph *g;

    CHECK(case_set(&c, "impl", "fused") == OK);
    CHECK(network_build(&g, &c, NULL, TAPS_NONE) == ERR_UNSUPPORTED);
    CHECK(!g && strstr(err_message(), "impl=fused"));
}

TEST(backbones, everything_in_a_network_has_the_dtype_of_its_case)
{
    Case c = case_of("resnet18", "se");
    Graph *g;

    CHECK(case_set(&c, "dtype", "bf16") == OK);
    REQUIRE(network_build(&g, &c, NULL, TAPS_NONE) == OK);
    for (int i = 0; i < graph_size(g); i++)
        CHECK(graph_at(g, i)->dtype == BF16);
    graph_free(g);
}

/* Three modules, each one op; all that is folded around them is as without. */
TEST(backbones, a_fused_module_leaves_the_rest_of_the_network_as_it_is)
{
    static const char *const impls[] = { "composed", "fused" };
    int convs[2] = { 0 }, fused[2] = { 0 };
    double params[2];
    Graph *g;

    for (int k = 0; k < 2; k++) {
        Case c = case_of("resnet18", "scsa");

        CHECK(case_set(&c, "impl", impls[k]) == OK);
        CHECK(case_set(&c, "graph", "folded") == OK);
        REQUIRE(network_build(&g, &c, NULL, TAPS_NONE) == OK);
        params[k] = graph_params(g);
        for (int i = 0; i < graph_size(g); i++) {
            const Tensor *t = graph_at(g, i);

            convs[k] += t->op == &conv2d_def && t->src[1]->dim[2] > 1;
            fused[k] += t->op == &scsa_def;
        }
        graph_free(g);
    }
    CHECK(fused[0] == 0 && fused[1] == 8);
    CHECK(convs[0] == convs[1] && params[0] == params[1]);
}
