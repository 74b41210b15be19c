/*
 * repvgg.c - RepVGG
 *
 * Paper:  X. Ding, X. Zhang, N. Ma, J. Han, G. Ding, J. Sun, "RepVGG: Making
 *         VGG-style ConvNets Great Again", CVPR 2021, arXiv:2101.03697.
 *
 * Idea:   a plain stack of 3x3 convolutions, each of which is trained with a
 *         1x1 and, where shapes agree, the identity next to it.
 *
 *     x --3x3, bn--+
 *       --1x1, bn--+--> relu --> y      form=train
 *       -------bn--+
 *     x --3x3, bias---> relu --> y      form=deploy
 *
 * Differs from the paper: nothing.  Names of weights are timm's.
 */
#include "harness/backbones/backbones.h"
#include "harness/backbones/layers.h"
#include "harness/backbones/reparam.h"

enum { STAGES = 4 };

/* Table 2 and Section 4.1: A0 has a = 0.75, b = 2.5. */
static const int stage_width[STAGES] = { 48, 96, 192, 1280 };
static const int stage_blocks[STAGES] = { 2, 4, 14, 1 };

typedef struct Shape {
    int width, stride;
} Shape;

static Tensor *conv_bn(Graph *g, Tensor *x, const char *name, int k,
                       Shape shape)
{
    graph_scope(g, "%s", name);
    x = layer_conv(
        g, x, "conv",
        (ConvShape){ .width = shape.width, .k = k, .stride = shape.stride });
    x = layer_batch_norm(g, x, "bn");
    graph_end_scope(g);
    return x;
}

/* Fig. 2 (b).  The 3x3 comes last, so that graph_fold can put the sum of the
 * others and the activation into it. */
static Tensor *branches(Graph *g, Tensor *x, Shape shape)
{
    Tensor *y;

    if (!x)
        return NULL;
    y = conv_bn(g, x, "conv_1x1", 1, shape);
    if (x->dim[1] == shape.width && shape.stride == 1)
        y = op_add(g, y, layer_batch_norm(g, x, "identity"));
    return op_add(g, conv_bn(g, x, "conv_kxk", 3, shape), y);
}

static Tensor *block(Graph *g, Tensor *x, Form form, const Plug *plug,
                     int stage, Shape shape)
{
    if (form == FORM_DEPLOY)
        x = layer_conv(g, x, "reparam_conv",
                       (ConvShape){ .width = shape.width,
                                    .k = 3,
                                    .stride = shape.stride,
                                    .bias = true });
    else
        x = branches(g, x, shape);
    if (plug->position == POSITION_MID)
        x = plug_in(g, x, plug, "attn", stage);
    x = layer(g, x, "act", op_relu);
    if (plug->position == POSITION_OUT)
        x = plug_in(g, x, plug, "attn", stage);
    return x;
}

static Tensor *repvgg(Graph *g, Tensor *x, Form form, const Plug *plug,
                      Tensor *stage[4])
{
    graph_scope(g, "stem");
    x = block(g, x, form, plug, 0, (Shape){ stage_width[0], 2 });
    graph_end_scope(g);
    for (int s = 0; s < STAGES; s++) {
        for (int i = 0; i < stage_blocks[s]; i++) {
            graph_scope(g, "stages.%d.%d", s, i);
            x = block(g, x, form, plug, s,
                      (Shape){ stage_width[s], i == 0 ? 2 : 1 });
            graph_end_scope(g);
        }
        stage[s] = x;
    }
    return plug_classifier(g, layer_global_pool(g, x), plug, "head.fc");
}

/* Eq. (3): W' = W3 s3 + pad(W1) s1 + I s0, with s = weight / sqrt(var). */
static void merge(Merge *m)
{
    merge_conv(m, "conv_kxk.conv", "conv_kxk.bn");
    merge_conv(m, "conv_1x1.conv", "conv_1x1.bn");
    if (merge_has(m, "identity"))
        merge_identity(m, "identity");
}

static int repvgg_reparam(Graph *deploy, const Graph *train)
{
    return reparam(deploy, train, "reparam_conv", merge);
}

const Backbone repvgg_a0_backbone = {
    .name = "repvgg_a0",
    .title = "RepVGG-A0",
    .paper = "Ding et al., CVPR 2021, arXiv:2101.03697",
    .channels = 3,
    .height = 224,
    .width = 224,
    .classifier = "head.fc",
    .where = { "on the sum of the branches, before the ReLU",
               "after the block's ReLU" },
    .usual = position_mid,
    .build = repvgg,
    .reparam = repvgg_reparam,
};
