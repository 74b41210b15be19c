/*
 * repvit.c - RepViT
 *
 * Paper:  A. Wang, H. Chen, Z. Lin, J. Han, G. Ding, "RepViT: Revisiting Mobile
 *         CNN From ViT Perspective", CVPR 2024, arXiv:2307.09283.
 *
 * Idea:   a MobileNetV3 block taken apart as a transformer's is: first what
 *         mixes positions, one channel at a time, then what mixes channels.
 *
 *     token mixer    x --3x3 a channel, bn--+
 *                      --1x1 a channel------+--> bn --> SE in every other block
 *                      ---------------------+
 *     channel mixer  x --1x1, bn, gelu (N,2C,H,W) --1x1, bn-->  + x
 *
 * form=deploy has every norm in the convolution before it, the token mixer's
 * branches in one 3x3, and the head's norm in its linear.
 *
 * Differs from the paper: the second classifier, for distillation, is left
 * out.  Names of weights are timm's, of form=deploy those that its fuse()
 * gives.  A module replaces the SE; without one the SE is there.
 */
#include "harness/backbones/backbones.h"
#include "harness/backbones/layers.h"
#include "harness/backbones/reparam.h"

enum { STAGES = 4, MLP_RATIO = 2, SE_RATIO = 4, SE_MULTIPLE = 8 };

/* M1.0: Section 3 and the authors' code. */
static const int stage_width[STAGES] = { 56, 112, 224, 448 };
static const int stage_blocks[STAGES] = { 2, 2, 14, 2 };

typedef struct Net {
    Graph *g;
    Form form;
    const Plug *plug;
} Net;

/* A convolution and its norm, or both in one. */
static Tensor *conv_bn(const Net *net, Tensor *x, const char *name,
                       ConvShape shape)
{
    Graph *g = net->g;

    if (net->form == FORM_DEPLOY) {
        shape.bias = true;
        return layer_conv(g, x, name, shape);
    }
    graph_scope(g, "%s", name);
    x = layer_batch_norm(g, layer_conv(g, x, "c", shape), "bn");
    graph_end_scope(g);
    return x;
}

/* Fig. 3 (d).  The 3x3 comes last, so that graph_fold can put the sum of the
 * others into it. */
static Tensor *token_mixer(const Net *net, Tensor *x)
{
    const int C = x ? x->dim[1] : 0;
    const ConvShape square = { .width = C, .k = 3, .groups = C };
    const ConvShape point = { .width = C, .k = 1, .groups = C, .bias = true };
    Graph *g = net->g;
    Tensor *y;

    if (net->form == FORM_DEPLOY)
        return conv_bn(net, x, "token_mixer", square);
    graph_scope(g, "token_mixer");
    y = op_add(g, layer_conv(g, x, "conv1", point), x);
    y = op_add(g, conv_bn(net, x, "conv", square), y);
    y = layer_batch_norm(g, y, "bn");
    graph_end_scope(g);
    return y;
}

static Tensor *channel_mixer(const Net *net, Tensor *x, const char *name)
{
    const int C = x ? x->dim[1] : 0;
    Graph *g = net->g;
    Tensor *y;

    graph_scope(g, "%s", name);
    y = conv_bn(net, x, "conv1", (ConvShape){ .width = MLP_RATIO * C, .k = 1 });
    y = layer(g, y, "act", op_gelu);
    y = conv_bn(net, y, "conv2", (ConvShape){ .width = C, .k = 1 });
    graph_end_scope(g);
    return op_add(g, y, x);
}

/* As timm's: width C / 4, to the nearest multiple of 8, with biases. */
static Tensor *squeeze_excite(Graph *g, Tensor *x)
{
    int hidden;
    Tensor *s;

    if (!x)
        return NULL;
    hidden = (x->dim[1] / SE_RATIO + SE_MULTIPLE / 2) / SE_MULTIPLE;
    hidden *= SE_MULTIPLE;
    graph_scope(g, "se");
    s = op_global_avg_pool(g, x, SQUEEZE_MEAN);
    s = op_view(g, s, DIMS(x->dim[0], x->dim[1], 1, 1));
    s = layer_conv(g, s, "fc1",
                   (ConvShape){ .width = hidden, .k = 1, .bias = true });
    s = op_relu(g, s);
    s = layer_conv(g, s, "fc2",
                   (ConvShape){ .width = x->dim[1], .k = 1, .bias = true });
    x = op_mul(g, x, op_sigmoid(g, s));
    graph_end_scope(g);
    return x;
}

/* A block, with what is plugged in; those of odd number have no SE. */
static Tensor *block(const Net *net, Tensor *x, int stage, int i)
{
    const Plug *plug = net->plug;
    Graph *g = net->g;

    graph_scope(g, "blocks.%d", i);
    x = token_mixer(net, x);
    if (i % 2 == 0 && plug->module && plug->position == POSITION_MID)
        x = plug_in(g, x, plug, "attn", stage);
    else if (i % 2 == 0)
        x = squeeze_excite(g, x);
    x = channel_mixer(net, x, "channel_mixer");
    if (plug->position == POSITION_OUT)
        x = plug_in(g, x, plug, "attn", stage);
    graph_end_scope(g);
    return x;
}

/* Fig. 4 (b): a block without SE, 3x3/2 a channel, 1x1, channel mixer. */
static Tensor *downsample(const Net *net, Tensor *x, int width)
{
    const int C = x ? x->dim[1] : 0;
    Graph *g = net->g;

    graph_scope(g, "downsample");
    graph_scope(g, "pre_block");
    x = channel_mixer(net, token_mixer(net, x), "channel_mixer");
    graph_end_scope(g);
    x = conv_bn(net, x, "spatial_downsample",
                (ConvShape){ .width = C, .k = 3, .stride = 2, .groups = C });
    x = conv_bn(net, x, "channel_downsample",
                (ConvShape){ .width = width, .k = 1 });
    x = channel_mixer(net, x, "ffn");
    graph_end_scope(g);
    return x;
}

static Tensor *stem(const Net *net, Tensor *x)
{
    const int width = stage_width[0];
    Graph *g = net->g;

    graph_scope(g, "stem");
    x = conv_bn(net, x, "conv1",
                (ConvShape){ .width = width / 2, .k = 3, .stride = 2 });
    x = layer(g, x, "act1", op_gelu);
    x = conv_bn(net, x, "conv2",
                (ConvShape){ .width = width, .k = 3, .stride = 2 });
    graph_end_scope(g);
    return x;
}

static Tensor *head(const Net *net, Tensor *x)
{
    Graph *g = net->g;

    if (net->form == FORM_DEPLOY || net->plug->classes == NO_CLASSES)
        return plug_classifier(g, x, net->plug, "head");
    graph_scope(g, "head.head");
    x = plug_classifier(g, layer_batch_norm(g, x, "bn"), net->plug, "l");
    graph_end_scope(g);
    return x;
}

static Tensor *repvit(Graph *g, Tensor *x, Form form, const Plug *plug,
                      Tensor *stage[4])
{
    const Net net = { g, form, plug };

    x = stem(&net, x);
    for (int s = 0; s < STAGES; s++) {
        graph_scope(g, "stages.%d", s);
        if (s > 0)
            x = downsample(&net, x, stage_width[s]);
        for (int i = 0; i < stage_blocks[s]; i++)
            x = block(&net, x, s, i);
        graph_end_scope(g);
        stage[s] = x;
    }
    return head(&net, layer_global_pool(g, x));
}

static void merge(Merge *m)
{
    if (merge_has(m, "head.l")) { /* the head: a norm, then a linear */
        merge_linear(m, "head.l");
        merge_norm_before(m, "head.bn");
    } else if (merge_has(m, "conv1")) { /* a token mixer */
        merge_conv(m, "conv.c", "conv.bn");
        merge_conv(m, "conv1", NULL);
        merge_identity(m, NULL);
        merge_norm_after(m, "bn");
    } else {
        merge_conv(m, "c", "bn");
    }
}

static int repvit_reparam(Graph *deploy, const Graph *train)
{
    return reparam(deploy, train, "", merge);
}

const Backbone repvit_m1_0_backbone = {
    .name = "repvit_m1_0",
    .title = "RepViT-1.0",
    .paper = "Wang et al., CVPR 2024, arXiv:2307.09283",
    .channels = 3,
    .height = 224,
    .width = 224,
    .classifier = "head",
    .where = { "in place of the SE, after the token mixer",
               "on each block's output, SE kept" },
    .usual = position_mid,
    .build = repvit,
    .reparam = repvit_reparam,
    .unused = "head.head_dist.", /* of training by distillation */
};
