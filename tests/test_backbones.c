/*
 * test_backbones.c - networks: names, shapes, and where modules stand.
 *
 * Outputs of seeded networks in another implementation are in test_verify.c.
 */
#include <stdio.h>
#include <string.h>

#include "harness/backbones/backbones.h"
#include "harness/network/network.h"
#include "kernels/core/err.h"
#include "tests/test.h"

static const struct {
    const char *name;
    int width[4]; /* of the stages */
    double params, deploy_params;
    int weights, deploy_weights; /* tensors of timm, statistics included;
                                    0: there is one form */
} nets[] = {
    { "resnet18", { 64, 128, 256, 512 }, 11689512, 0, 102, 0 },
    { "resnet34", { 64, 128, 256, 512 }, 21797672, 0, 182, 0 },
    { "resnet50", { 256, 512, 1024, 2048 }, 25557032, 0, 267, 0 },
    { "resnet101", { 256, 512, 1024, 2048 }, 44549160, 0, 522, 0 },
    { "mobilenetv2_100", { 24, 32, 96, 320 }, 3504872, 0, 262, 0 },
    { "acnet_r18", { 64, 128, 256, 512 }, 19028520, 11685672, 262, 54 },
    { "repvgg_a0", { 48, 96, 192, 1280 }, 9108968, 8309384, 290, 46 },
    { "repvit_m1_0", { 56, 112, 224, 448 }, 6852900, 6810312, 599, 208 },
    { "swin_t", { 96, 192, 384, 768 }, 28288354, 0, 173, 0 },
};
enum { NNETS = sizeof(nets) / sizeof(nets[0]) };

/* Table 1 of ResNet's paper. */
static const struct {
    const char *name;
    bool bottleneck;
    int blocks[4];
} resnets[] = {
    { "resnet18", false, { 2, 2, 2, 2 } },
    { "resnet34", false, { 3, 4, 6, 3 } },
    { "resnet50", true, { 3, 4, 6, 3 } },
    { "resnet101", true, { 3, 4, 23, 3 } },
};
enum { NRESNETS = sizeof(resnets) / sizeof(resnets[0]) };

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

TEST(backbones, resnets_name_parameters_as_timm_and_no_other)
{
    for (int i = 0; i < NRESNETS; i++) {
        const Case c = case_of(resnets[i].name, "none");
        Graph *g;
        int n = 0;

        REQUIRE(network_build(&g, &c, NULL, TAPS_NONE) == OK);
        n += want(g, "", "conv1", "weight", 64) + want_bn(g, "", "bn1", 64);
        for (int s = 0; s < 4; s++)
            for (int b = 0; b < resnets[i].blocks[s]; b++) {
                char scope[32];

                snprintf(scope, sizeof(scope), "layer%d.%d", s + 1, b);
                n += want_block(g, scope, resnets[i].bottleneck, 64 << s,
                                b == 0 && (s > 0 || resnets[i].bottleneck));
            }
        n +=
            want(g, "", "fc", "weight", 1000) + want(g, "", "fc", "bias", 1000);
        CHECK_MSG(count_leaves(g) == n, "%s: %d weights, %d in timm",
                  resnets[i].name, count_leaves(g), n);
        graph_free(g);
    }
}

/* Some of each kind; that the values which follow from all names are right, the
 * case files say. */
static const struct {
    const char *net, *form, *name;
    Dims dims;
} named[] = {
#define DIM(...)                                      \
    {                                                 \
        sizeof((int[]){ __VA_ARGS__ }) / sizeof(int), \
        {                                             \
            __VA_ARGS__                               \
        }                                             \
    }
    { "mobilenetv2_100", "train", "conv_stem.weight", DIM(32, 3, 3, 3) },
    { "mobilenetv2_100", "train", "blocks.0.0.conv_dw.weight",
      DIM(32, 1, 3, 3) },
    { "mobilenetv2_100", "train", "blocks.0.0.conv_pw.weight",
      DIM(16, 32, 1, 1) },
    { "mobilenetv2_100", "train", "blocks.6.0.conv_pwl.weight",
      DIM(320, 960, 1, 1) },
    { "mobilenetv2_100", "train", "blocks.6.0.bn3.running_var", DIM(320) },
    { "mobilenetv2_100", "train", "classifier.weight", DIM(1000, 1280) },
    { "acnet_r18", "train", "layer2.0.conv1.square_conv.weight",
      DIM(128, 64, 3, 3) },
    { "acnet_r18", "train", "layer2.0.conv1.ver_conv.weight",
      DIM(128, 64, 3, 1) },
    { "acnet_r18", "train", "layer2.0.conv1.hor_conv.weight",
      DIM(128, 64, 1, 3) },
    { "acnet_r18", "train", "layer4.1.conv2.hor_bn.weight", DIM(512) },
    { "acnet_r18", "deploy", "layer4.1.conv2.bias", DIM(512) },
    { "acnet_r18", "deploy", "layer2.0.downsample.1.running_mean", DIM(128) },
    { "repvgg_a0", "train", "stem.conv_1x1.conv.weight", DIM(48, 3, 1, 1) },
    { "repvgg_a0", "train", "stages.2.13.identity.running_mean", DIM(192) },
    { "repvgg_a0", "train", "stages.3.0.conv_kxk.bn.bias", DIM(1280) },
    { "repvgg_a0", "deploy", "stages.3.0.reparam_conv.weight",
      DIM(1280, 192, 3, 3) },
    { "repvgg_a0", "deploy", "head.fc.bias", DIM(1000) },
    { "repvit_m1_0", "train", "stem.conv2.c.weight", DIM(56, 28, 3, 3) },
    { "repvit_m1_0", "train", "stages.2.blocks.12.se.fc1.weight",
      DIM(56, 224, 1, 1) },
    { "repvit_m1_0", "train", "stages.0.blocks.0.token_mixer.conv1.bias",
      DIM(56) },
    { "repvit_m1_0", "train",
      "stages.1.downsample.pre_block.token_mixer.bn.weight", DIM(56) },
    { "repvit_m1_0", "train", "stages.3.downsample.ffn.conv1.c.weight",
      DIM(896, 448, 1, 1) },
    { "repvit_m1_0", "train", "head.head.bn.running_var", DIM(448) },
    { "repvit_m1_0", "train", "head.head.l.weight", DIM(1000, 448) },
    { "repvit_m1_0", "deploy", "stages.0.blocks.1.token_mixer.weight",
      DIM(56, 1, 3, 3) },
    { "repvit_m1_0", "deploy", "stages.1.downsample.channel_downsample.bias",
      DIM(112) },
    { "repvit_m1_0", "deploy", "head.weight", DIM(1000, 448) },
    { "swin_t", "train", "patch_embed.proj.weight", DIM(96, 3, 4, 4) },
    { "swin_t", "train", "layers.1.downsample.norm.weight", DIM(384) },
    { "swin_t", "train", "layers.1.downsample.reduction.weight",
      DIM(192, 384) },
    { "swin_t", "train", "layers.2.blocks.5.attn.relative_position_bias_table",
      DIM(169, 12) },
    { "swin_t", "train", "layers.3.blocks.1.attn.qkv.bias", DIM(2304) },
    { "swin_t", "train", "layers.0.blocks.0.mlp.fc1.weight", DIM(384, 96) },
    { "swin_t", "train", "head.fc.weight", DIM(1000, 768) },
#undef DIM
};

static bool has(const Graph *g, const char *name, Dims dims)
{
    const Tensor *t = graph_find(g, name);

    return t && t->rank == dims.rank &&
           memcmp(t->dim, dims.dim, (size_t)dims.rank * sizeof(int)) == 0;
}

static void check_weights(const char *name, const char *form, double params,
                          int weights)
{
    Case c = case_of(name, "none");
    Graph *g;

    CHECK(case_set(&c, "form", form) == OK);
    REQUIRE(network_build(&g, &c, NULL, TAPS_NONE) == OK);
    CHECK_MSG(graph_params(g) == params && count_leaves(g) == weights,
              "%s %s: %.0f parameters in %d tensors, not %.0f in %d", name,
              form, graph_params(g), count_leaves(g), params, weights);
    for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++)
        if (!strcmp(named[i].net, name) && !strcmp(named[i].form, form))
            CHECK_MSG(has(g, named[i].name, named[i].dims),
                      "%s is missing or has other dims", named[i].name);
    graph_free(g);
}

TEST(backbones, have_the_parameters_of_timm)
{
    for (int i = 0; i < NNETS; i++) {
        check_weights(nets[i].name, "train", nets[i].params, nets[i].weights);
        if (nets[i].deploy_weights)
            check_weights(nets[i].name, "deploy", nets[i].deploy_params,
                          nets[i].deploy_weights);
    }
}

/* Each stage halves, rounding up, as "same" padding of odd kernels does. */
static void check_stages(int net, Form form, int height, int width)
{
    const Backbone *b = backbone_find(nets[net].name);
    const Plug plain = { 0 };
    Tensor *stage[4] = { 0 }, *y;
    Graph *g = graph_new();

    y = b->build(g, graph_input(g, "input", DIMS(2, 3, height, width)), form,
                 &plain, stage);
    REQUIRE(graph_error(g) == OK);
    height = (height + 3) / 4;
    width = (width + 3) / 4;
    for (int s = 0; s < 4; s++) {
        const int C = nets[net].width[s];

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

TEST(backbones, stages_have_the_shapes_of_the_papers)
{
    for (int i = 0; i < NNETS; i++)
        for (Form form = FORM_TRAIN; form <= FORM_DEPLOY; form++) {
            if (form == FORM_DEPLOY && !nets[i].deploy_weights)
                continue;
            check_stages(i, form, 224, 224);
            if (backbone_find(nets[i].name) == &swin_t_backbone)
                continue; /* its own sizes: below */
            check_stages(i, form, 97, 65);
            check_stages(i, form, 1, 1);
        }
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
    Case c = case_of("resnet18", "cpca");
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

static const char *refusal_of_swin(int height, int width)
{
    const Plug plain = { 0 };
    Tensor *stage[4];
    Graph *g = graph_new();

    swin_t_backbone.build(g, graph_input(g, "input", DIMS(1, 3, height, width)),
                          FORM_TRAIN, &plain, stage);
    CHECK((graph_error(g) == OK) == (height % 224 == 0 && width % 224 == 0));
    graph_free(g);
    return err_message();
}

TEST(backbones, swin_takes_maps_that_its_windows_tile)
{
    refusal_of_swin(224, 224);
    refusal_of_swin(448, 224);
    CHECK(strstr(refusal_of_swin(97, 224), "an input of 97x224: choose"));
    CHECK(strstr(refusal_of_swin(224, 112), "multiples of 224"));
}
